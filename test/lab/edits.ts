/**
 * Rules are edited at random while sessions run on two Open vSwitch. What the old and the new rules allow loses
 * nothing; what the new rules deny carries nothing once the switches have confirmed the bundle. Which is which is
 * said by the reference, `decide`, which shares nothing with the compiler.
 */
import type { Ip } from '../../src/base/addresses.js'
import type { Env } from '../../src/base/env/env.js'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import { type Lab, withLab } from '../../src/lab/main.js'
import { sleep } from '../../src/lab/shell.js'
import { readLab } from '../../src/lab/spec.js'
import type { SessionState } from '../../src/lab/stage.js'
import { NetnsStage } from '../../src/lab/stages/netns.js'
import { decide } from '../../src/nfv/firewall/meaning/decide.js'
import { rulesOf } from '../nfv/firewall/random-policy.js'
import { type Dice, dice, pick } from './against-linux/rules.js'

const ports = [22, 53, 80, 443, 8050]

const lab: Lab = {
  spec: readLab(
    'edits',
    'edits.yaml',
    `title: Two switches, two hosts each
rules: edits.rules
switches: [s1, s2]
links:
  - [s1:3, s2:3]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/8] }
  b: { at: s1:2, ips: [10.1.0.2/8] }
  c: { at: s2:1, ips: [10.2.0.10/8] }
  d: { at: s2:2, ips: [10.2.0.20/8] }
steps:
${ports.map(port => `  - try: { from: a, to: b, protocol: tcp, port: ${port}, expect: open }`).join('\n')}
`,
  ),
  rules: 'default allow\n',
  folder: '.',
}

const addresses: Readonly<Record<string, string>> = {
  a: '10.1.0.1',
  b: '10.1.0.2',
  c: '10.2.0.10',
  d: '10.2.0.20',
}

interface Session {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

export interface Outcome {
  readonly edits: number
  /** Sessions over all edits, by what happened to them. */
  readonly kept: number
  readonly cut: number
  readonly resumed: number
  readonly complaints: readonly string[]
}

const periodMillis = 40
/** What is under way when the switches confirm, and caches that follow within it (ovs-facts: less than 20 ms). */
const graceMillis = 150
const watchMillis = 400

/** @param twist what the switches get instead of the rules that the reference knows; for controls */
export const editUnderLoad = async (
  env: Env,
  seed: number,
  edits: number,
  sessionCount: number,
  twist: (source: string) => string = source => source,
): Promise<Outcome> => {
  const roll = dice(seed)
  const silent = { say: () => undefined, assertion: () => undefined }
  const never = new AbortController().signal
  return withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
    if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
    await run.up()
    const under = new UnderLoad(stage, controller, sessionsOf(roll, sessionCount), twist)
    let lines = Array.from({ length: 10 }, () => randomRule(roll))
    let last = lines
    await under.edit(lines)
    for (let edit = 0; edit < edits; edit++) {
      // Every third edit takes the one before back.
      ;[lines, last] = [roll(3) === 0 ? last : edited(roll, lines), lines]
      await under.edit(lines)
    }
    return { edits, ...under.counts, complaints: under.complaints }
  })
}

const sessionsOf = (roll: Dice, count: number): Session[] =>
  Array.from({ length: count }, (_, at) => {
    const from = pick(roll, Object.keys(addresses))
    const to = pick(
      roll,
      Object.keys(addresses).filter(each => each !== from),
    )
    const protocol = pick(roll, ['tcp', 'udp', 'udp'] as const)
    return { name: `session${at}`, from, to, protocol, port: pick(roll, ports) }
  })

const places = [
  'any',
  '10.1.0.0/16',
  '10.1.0.1',
  '10.2.0.0/24',
  '10.2.0.10',
  '10.0.0.0/8 except 10.1.0.2',
]
const services = [
  'any',
  'tcp',
  'udp',
  'tcp 80',
  'udp 53',
  'tcp 1-1023',
  'udp 1024-65535',
  'udp 50-60, tcp 443, 22',
]

export const randomRule = (roll: Dice): string =>
  `${pick(roll, ['allow', 'allow', 'allow', 'drop', 'reject'])} ${pick(roll, services)} from ${pick(roll, places)} to ${pick(roll, places)}`

/** One rule more, less, another or elsewhere; mostly above, where it decides. */
export const edited = (roll: Dice, lines: readonly string[]): string[] => {
  const next = [...lines]
  const at = roll(1 + roll(next.length))
  const kind = roll(4)
  if (kind === 0 && next.length > 5) next.splice(at, 1)
  else if (kind === 1 && next.length < 20) next.splice(at, 0, randomRule(roll))
  else if (kind === 2) next.splice(at, 0, ...next.splice(roll(next.length), 1))
  else next[at] = randomRule(roll)
  return next
}

/** Two rules of the same text would have the same name. */
export const sourceOf = (lines: readonly string[]): string =>
  `default drop\n${lines.map((line, at) => `r${at}: ${line}`).join('\n')}\n`

interface Glance {
  readonly state: SessionState
  /** Messages that the server got of it. */
  readonly heard: number
}

class UnderLoad {
  readonly counts = { kept: 0, cut: 0, resumed: 0 }
  readonly complaints: string[] = []
  readonly #stage: NetnsStage
  readonly #controller: ControllerProcess
  readonly #sessions: readonly Session[]
  readonly #twist: (source: string) => string
  readonly #open = new Set<Session>()
  #allowed = new Set<Session>()
  #edit = 0

  constructor(
    stage: NetnsStage,
    controller: ControllerProcess,
    sessions: readonly Session[],
    twist: (source: string) => string,
  ) {
    this.#stage = stage
    this.#controller = controller
    this.#sessions = sessions
    this.#twist = twist
  }

  async edit(lines: readonly string[]): Promise<void> {
    const source = sourceOf(lines)
    const next = this.#allowedBy(source)
    const before = await this.#look()
    await this.#controller.send('PUT', '/api/v1/policies/edits?wait=installed', {
      source: this.#twist(source),
    })
    await sleep(graceMillis)
    const early = await this.#look()
    await sleep(watchMillis)
    const late = await this.#look()
    for (const session of this.#open) {
      const problem = this.#judge(session, next, before, early, late)
      if (problem)
        this.complaints.push(
          `edit ${this.#edit}, ${JSON.stringify(session)}: ${problem}\n${source}`,
        )
    }
    this.#edit++
    this.#allowed = next
    await this.#renew()
  }

  #judge(
    session: Session,
    next: ReadonlySet<Session>,
    ...[before, early, late]: readonly ReadonlyMap<Session, Glance>[]
  ): string | undefined {
    const [first, soon, last] = [before, early, late].map(each => each!.get(session)!)
    if (!next.has(session)) {
      this.counts.cut += Number(this.#allowed.has(session))
      const echoed = last!.state.received - soon!.state.received
      const heard = last!.heard - soon!.heard
      return echoed + heard > 0
        ? `is denied, and yet ${heard} messages arrived and ${echoed} came back`
        : undefined
    }
    // All that was sent when the grace was over has come back: nothing is on its way for longer than that.
    const isComplete = last!.state.highest >= soon!.state.sent
    if (this.#allowed.has(session)) {
      this.counts.kept++
      const lost = missing(last!.state) - missing(first!.state)
      return lost > 0 || !isComplete || !last!.state.isOpen
        ? `both allow it, and yet ${lost} were lost of ${last!.state.sent}, the highest back is ${last!.state.highest}, open: ${last!.state.isOpen}`
        : undefined
    }
    if (session.protocol === 'tcp') return undefined
    this.counts.resumed++
    return isComplete ? undefined : 'is allowed again, and yet nothing comes back'
  }

  /** TCP that was cut waits ever longer before it tries again: it begins anew when it is allowed. */
  async #renew(): Promise<void> {
    for (const session of this.#sessions) {
      const isAllowed = this.#allowed.has(session)
      if (session.protocol === 'tcp' && this.#open.has(session) && !isAllowed) {
        await this.#stage.closeSession(session.name)
        this.#open.delete(session)
      }
      if (isAllowed && !this.#open.has(session)) {
        const { name, from, to, protocol, port } = session
        await this.#stage.openSession(name, from, to, protocol, port, periodMillis)
        this.#open.add(session)
      }
    }
    await sleep(2 * periodMillis)
  }

  #allowedBy(source: string): Set<Session> {
    const resolved = rulesOf(source)
    const isAllowed = ({ from, to, protocol, port }: Session) =>
      decide(resolved, {
        source: addresses[from] as Ip,
        destination: addresses[to] as Ip,
        protocol: protocol === 'tcp' ? 6 : 17,
        sourcePort: 40_000,
        destinationPort: port,
      }).verdict === 'allow'
    return new Set(this.#sessions.filter(isAllowed))
  }

  async #look(): Promise<Map<Session, Glance>> {
    const hosts = Object.keys(addresses)
    const heard = new Map(
      await Promise.all(hosts.map(async host => [host, await this.#stage.heard(host)] as const)),
    )
    return new Map(
      await Promise.all(
        [...this.#open].map(async session => {
          const state = await this.#stage.sessionState(session.name)
          const key = `${session.protocol} ${addresses[session.from]} ${state.localPort}`
          return [session, { state, heard: heard.get(session.to)![key] ?? 0 }] as const
        }),
      ),
    )
  }
}

const missing = ({ highest, received }: SessionState): number => highest - received
