/**
 * Mutated messages over many connections to the shipped program, while a healthy switch and a client of the
 * API look how long they wait (M1).
 *
 *     npm run bench -- storm [--count N] [--seed N] [--connections N]
 */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { Canary, canaryText } from './canary.js'
import { type MutantOptions, type MutantReport, sendMutants } from './mutants.js'
import { startProgram } from './program.js'

const sendElsewhere = (options: MutantOptions): Promise<MutantReport> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { storm: options } })
    worker.once('message', resolve)
    worker.once('error', reject)
  })

const isTask = (data: unknown): data is { readonly storm: MutantOptions } =>
  typeof data === 'object' && data !== null && 'storm' in data

if (isTask(workerData)) parentPort?.postMessage(await sendMutants(workerData.storm))

const option = (words: readonly string[], name: string, otherwise: number): number => {
  const at = words.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(words[at + 1])
}

export const run = async (words: readonly string[]): Promise<void> => {
  const count = option(words, 'count', 10_000)
  const seed = option(words, 'seed', 1)
  const program = await startProgram()
  let ended: number | null | undefined
  program.child.once('exit', code => {
    ended = code
  })
  const canary = await Canary.start(program)
  const began = performance.now()
  const cpu = program.cpuSeconds()
  const report = await sendElsewhere({
    port: program.openflowPort,
    count,
    seed,
    connections: option(words, 'connections', 16),
  })
  const seconds = (performance.now() - began) / 1000
  const healthy = await canary.stop()
  const crashes = program.complaints.length + (ended === undefined ? 0 : 1)
  const memory = ended === undefined ? program.memoryMib() : 0
  const used = ended === undefined ? program.cpuSeconds() - cpu : 0
  console.log(
    `${report.judged} mutated messages over ${report.connections} connections in ${seconds.toFixed(0)} s (seed ${seed}): ` +
      `${crashes} crashes, ${report.hangs} hangs, ${report.unexpected} ended without need, ${report.unreachable} not let in; ` +
      `${canaryText(healthy)}; ${used.toFixed(0)} s CPU, ${memory.toFixed(0)} MiB`,
  )
  for (const line of program.complaints.slice(0, 5)) console.log(line)
  if (ended === undefined) await program.stop()
  if (crashes + report.hangs > 0 || healthy.isDropped) process.exitCode = 1
}
