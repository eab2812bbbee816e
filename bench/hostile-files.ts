/**
 * A hundred hostile rule files, asked about without a token, while a healthy switch and a client of the API look how long
 * they wait.
 *
 *     npm run bench -- hostile-files [--count N]
 *     npm run bench -- hostile-files grow          every construct doubled until it ends, with the time of each character
 */
import { checkFiles } from '../src/nfv/firewall/meaning/check-files.js'
import { Canary, type CanaryReport, canaryText } from './canary.js'
import { growing, mixed, reported } from './hostile.js'
import { type Program, sleep, startProgram } from './program.js'

/** The status of the answer; 0 where the connection ended. */
const ask = (rest: string, source: string): Promise<number> =>
  fetch(`http://${rest}/api/v1/plan`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ policies: [{ name: 'hostile', source }] }),
  }).then(
    async reply => {
      await reply.arrayBuffer()
      return reply.status
    },
    // Counted: that it does not answer is what is measured here.
    () => 0,
  )

/** The status of each answer, with how many there were; 0: the connection ended. */
export const sendHostile = async (
  { rest }: Program,
  count: number,
): Promise<ReadonlyMap<number, number>> => {
  const texts = [
    ...Object.values(reported),
    ...Object.values(growing).map(grow => grow(1_024)),
    ...Array.from({ length: 50 }, (_, seed) => mixed(seed + 1)[1](512)),
  ].filter(({ length }) => length < 4_000_000)
  const statuses = new Map<number, number>()
  let next = 0
  const send = async () => {
    for (; next < count; ) {
      const source = texts[next++ % texts.length]!
      let status = await ask(rest, source)
      // Others are looked at: it waits as people are told to.
      for (; status === 503; status = await ask(rest, source)) await sleep(500)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all([send(), send(), send(), send()])
  return statuses
}

export interface HostileReport {
  /** Three seconds without such files, on the same machine. */
  readonly alone: CanaryReport
  readonly canary: CanaryReport
  readonly statuses: ReadonlyMap<number, number>
  readonly hasEnded: boolean
  readonly memoryMib: number
}

export const beside = async (count: number): Promise<HostileReport> => {
  const program = await startProgram()
  try {
    const before = await Canary.start(program, 0xca_0002n)
    await sleep(3_000)
    const alone = await before.stop()
    const canary = await Canary.start(program)
    const statuses = await sendHostile(program, count)
    const report = await canary.stop()
    const hasEnded = program.hasEnded()
    const memoryMib = hasEnded ? 0 : program.memoryMib()
    return { alone, canary: report, statuses, hasEnded, memoryMib }
  } finally {
    await program.stop()
  }
}

/** The long form of what the tests do. */
const growAll = async (): Promise<void> => {
  const all = [
    ...Object.entries(growing),
    ...Array.from({ length: 100 }, (_, seed) => mixed(seed + 1)),
  ]
  for (const [name, grow] of all) {
    const figures: string[] = []
    for (let size = 64; size <= 262_144; size *= 4) {
      const source = grow(size)
      if (source.length > 8_000_000) break
      const before = process.cpuUsage()
      const { data } = await checkFiles([{ name: 'p', path: 'p.rules', source, includes: {} }], 0)
      const { user, system } = process.cpuUsage(before)
      figures.push(`${size}: ${((user + system) / source.length).toFixed(1)}`)
      const { complaints } = data as { readonly complaints: readonly unknown[] }
      if (complaints.length > 0 && source.length > 1_000_000) break
    }
    const memory = (process.memoryUsage().rss / 2 ** 20).toFixed(0)
    console.log(`${name}: microseconds a character at size ${figures.join(', ')}; ${memory} MiB`)
  }
}

export const run = async (words: readonly string[]): Promise<void> => {
  if (words[0] === 'grow') return growAll()
  const at = words.indexOf('--count')
  const count = at < 0 ? 100 : Number(words[at + 1])
  const { alone, canary, statuses, hasEnded, memoryMib } = await beside(count)
  const answers = [...statuses].map(([status, times]) => `${times} x ${status}`).join(', ')
  console.log(
    `${count} hostile files: ${answers}${hasEnded ? ', THE CONTROLLER ENDED' : ''}; ${canaryText(canary)}; alone before: ${canaryText(alone)}; ${memoryMib.toFixed(0)} MiB`,
  )
  if (hasEnded || canary.isDropped) process.exitCode = 1
}
