/**
 * A thousand switches connect at once, as after a restart of the controller (M18).
 *
 *     npm run bench -- connect [SWITCHES] [RUNS]
 */
import { pino } from 'pino'
import { realEnv } from '../src/base/env/real-env.js'
import { Load } from '../src/sim/load.js'
import { median, sleep, startProgram } from './program.js'

interface Item {
  readonly state: string
  readonly connected: boolean
}

const once = async (switchCount: number) => {
  const program = await startProgram()
  const load = new Load(realEnv(pino({ level: 'silent' })), { switchCount, shape: 'grid' })
  try {
    const began = performance.now()
    const isWhole = await load.start({ host: '127.0.0.1', port: program.openflowPort }, 60_000)
    const established = performance.now() - began
    const look = async () => (await program.get<{ items: Item[] }>('/api/v1/switches')).items
    let items = await look()
    while (items.length < switchCount || items.some(each => each.state !== 'installed')) {
      if (performance.now() - began > 60_000) throw new Error('not reconciled in a minute')
      await sleep(50)
      items = await look()
    }
    const reconciled = performance.now() - began
    return {
      isWhole,
      established,
      reconciled,
      memory: program.memoryMib(),
      cpu: program.cpuSeconds(),
    }
  } finally {
    load.stop()
    await program.stop()
  }
}

export const run = async (words: readonly string[]): Promise<void> => {
  const switchCount = Number(words[0] ?? 1_000)
  const runs = Number(words[1] ?? 5)
  const results: Awaited<ReturnType<typeof once>>[] = []
  for (let index = 0; index < runs; index++) results.push(await once(switchCount))
  const of = (name: 'established' | 'reconciled' | 'memory' | 'cpu') =>
    median(results.map(each => each[name]))
  console.log(
    `${switchCount} switches, median of ${runs}: established ${Math.round(of('established'))} ms, ` +
      `reconciled ${Math.round(of('reconciled'))} ms, ${Math.round(of('memory'))} MiB, ${of('cpu').toFixed(2)} s CPU`,
  )
}
