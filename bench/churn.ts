/**
 * Everything that comes and goes, in one controller: what it still reaches in its memory afterwards, with the heap
 * collected. Policies are applied, switches come and go once each, ports of switches that stay come and go, and readers
 * ask for streams of events and large answers that they do not read.
 *
 *     npm run bench -- churn [--applies N] [--switches N] [--ports N] [--readers N] [--leak lines|switches|answers]
 */
import { connect, type Socket } from 'node:net'
import { portOf, WireSwitch } from '../test/openflow/wire-switch.js'
import { setUp } from './canary.js'
import type { Memory } from './measured.js'
import { type Program, sleep, startProgram } from './program.js'
import { seeded } from './rules.js'

export interface ChurnSizes {
  readonly applies: number
  readonly switches: number
  readonly ports: number
  readonly readers: number
}

/** What comes and goes, and what may be left of it. */
export const whole: ChurnSizes = { applies: 20_000, switches: 10_000, ports: 100_000, readers: 200 }
export const mostMib = 300

export interface ChurnReport {
  /** With what there is for a while in any case: a few policies, a full past, switches that stay. */
  readonly before: Memory
  /** In MiB of heap and buffers, each in turn. */
  readonly grown: Readonly<Record<keyof ChurnSizes, number>>
  readonly after: Memory
  readonly seconds: Readonly<Record<keyof ChurnSizes, number>>
}

const measure = ({ child }: Program): Promise<Memory> =>
  new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the controller has ended')))
    child.once('message', memory => resolve(memory as Memory))
    child.send('measure')
  })

const reached = ({ heapMib, externalMib }: Memory): number => heapMib + externalMib

/** Fifty rules that no other round has, of a thousand ports: masks of more would be remembered, as far as they may be. */
export const rulesOf = (round: number, dice: (below: number) => number): string =>
  `default drop\n${Array.from({ length: 50 }, (_, at) => `r${at}: allow tcp ${1 + dice(1_000)} from 10.${round % 256}.${(round >> 8) % 256}.${at} to 10.${dice(256)}.0.0/16\n`).join('')}`

/** Three policies, each changed again and again. */
const applies = async (program: Program, from: number, count: number, seed: number) => {
  const dice = seeded(seed)
  let round = from
  const change = async (name: string) => {
    for (; round < from + count; )
      await program.put(`/api/v1/policies/${name}`, { source: rulesOf(round++, dice) })
  }
  await Promise.all(['p0', 'p1', 'p2'].map(change))
}

const together = 20
/** So many are remembered in any case. */
const mostGone = 1_024

/** Comes, is given its program, and goes. */
const visit = async (program: Program, dpid: bigint): Promise<void> => {
  for (;;) {
    const wire = await WireSwitch.dial(program.openflowPort)
    const wasIn = await setUp(wire, dpid, [1, 2, 3, 4])
    wire.socket.destroy()
    if (wasIn) return
    // Others are in front of it.
    await sleep(200)
  }
}

const visits = async (program: Program, from: number, count: number): Promise<void> => {
  let next = from
  const some = async () => {
    for (; next < from + count; ) await visit(program, 0x1000_0000n + BigInt(next++))
  }
  await Promise.all(Array.from({ length: together }, some))
}

const perTurn = 200

/** So many ports of a switch that stays come and go, each with a number and a name of its own. */
const portTurns = async (wire: WireSwitch, from: number, count: number): Promise<void> => {
  for (let first = from; first < from + count; first += perTurn) {
    const numbers = Array.from({ length: perTurn }, (_, at) => 100 + ((first + at) % 60_000))
    for (const reason of ['add', 'delete'] as const) {
      for (const port of numbers)
        wire.send({ kind: 'port-status', reason, description: portOf(port) })
      await echoed(wire)
    }
  }
}

let xid = 0xf000_0000

/** All that was sent before has been looked at. */
const echoed = async (wire: WireSwitch): Promise<void> => {
  const mine = xid++
  wire.heard.length = 0
  wire.send({ kind: 'echo-request' }, mine)
  while (!wire.heard.some(each => each.xid === mine)) {
    if (wire.isClosed) throw new Error('the switch that stays was dropped')
    await wire.news()
  }
}

/** Asks, and reads nothing of what comes. */
const reader = (program: Program, path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = program.rest.split(':')
    const socket = connect(Number(port), host)
    socket.pause()
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: ${program.rest}\r\nAccept: text/event-stream\r\n\r\n`,
        () => resolve(socket),
      )
    })
  })

const answersOf = ['/api/v1/events?since=0', '/api/v1/policies/large']

export const churn = async (sizes: ChurnSizes, leak?: string): Promise<ChurnReport> => {
  const program = await startProgram([], {
    nodeWords: ['--expose-gc', '--import', new URL('./measured.js', import.meta.url).pathname],
    canTalk: true,
    variables: leak ? { SLUICE_BENCH_LEAK: leak } : {},
  })
  const sockets: Socket[] = []
  try {
    const stays = await WireSwitch.dial(program.openflowPort)
    sockets.push(stays.socket)
    // Nobody looks at what it is given.
    const forget = setInterval(() => stays.heard.splice(0), 1_000)
    stays.socket.once('close', () => clearInterval(forget))
    if (!(await setUp(stays, 0x51n, [1, 2, 3, 4]))) throw new Error('the switch was not let in')
    // What there is for a while in any case: the past that is kept of policies, events of each kind.
    await applies(program, 0, 60, 1)
    await visits(program, 0, 4)
    await program.put('/api/v1/policies/large', { source: `# ${'x'.repeat(2_000_000)}\n` })
    const before = await measure(program)
    let last = before
    const grown = { applies: 0, switches: 0, ports: 0, readers: 0 }
    const seconds = { ...grown }
    const step = async (what: keyof ChurnSizes, work: () => Promise<void>) => {
      const began = performance.now()
      await work()
      // What was put off is done: switches that have gone are looked at every ten seconds.
      await sleep(what === 'switches' && sizes.switches > mostGone ? 11_000 : 500)
      const now = await measure(program)
      grown[what] = reached(now) - reached(last)
      seconds[what] = (performance.now() - began) / 1_000
      last = now
    }
    await step('applies', () => applies(program, 60, sizes.applies, 2))
    await step('ports', () => portTurns(stays, 0, sizes.ports))
    await step('switches', () => visits(program, 1_000, sizes.switches))
    await step('readers', async () => {
      for (let at = 0; at < sizes.readers; at++)
        sockets.push(await reader(program, answersOf[at % answersOf.length]!))
      await sleep(500)
      // Events, which nobody reads.
      await applies(program, 0, 20, 3)
    })
    return { before, grown, after: last, seconds }
  } finally {
    for (const socket of sockets) socket.destroy()
    await program.stop()
  }
}

const text = ({ heapMib, externalMib, residentMib }: Memory): string =>
  `${heapMib.toFixed(0)} MiB of heap, ${externalMib.toFixed(0)} outside of it, ${residentMib.toFixed(0)} resident`

export const run = async (words: readonly string[]): Promise<void> => {
  const option = (name: string): string | undefined => {
    const at = words.indexOf(`--${name}`)
    return at < 0 ? undefined : words[at + 1]
  }
  const size = (name: keyof ChurnSizes) => Number(option(name) ?? whole[name])
  const sizes: ChurnSizes = {
    applies: size('applies'),
    switches: size('switches'),
    ports: size('ports'),
    readers: size('readers'),
  }
  const { before, grown, after, seconds } = await churn(sizes, option('leak'))
  console.log(`before: ${text(before)}`)
  for (const what of ['applies', 'ports', 'switches', 'readers'] as const)
    console.log(
      `${sizes[what]} ${what}: ${grown[what].toFixed(1)} MiB more, ${((grown[what] * 1024) / sizes[what]).toFixed(2)} KiB each; ${seconds[what].toFixed(0)} s`,
    )
  const sum = reached(after)
  console.log(`after: ${text(after)}: ${sum < mostMib ? 'below' : 'NOT BELOW'} ${mostMib} MiB`)
  if (sum >= mostMib) process.exitCode = 1
}
