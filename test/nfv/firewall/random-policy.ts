/** Random policies and packets of a small world, so that rules overlap and packets hit; and what two answers differ in. */
import { formatIpv4, formatIpv6 } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { emptyBook, planZones } from '../../../src/nfv/firewall/flows/timeout-zones.js'
import { type Decision, decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { type Answer, OneSwitch } from './one-switch.js'

/** Numbers that look random and are the same each time (mulberry32). */
export const seeded = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
export type Dice = ReturnType<typeof seeded>
export const pick = <T>(dice: Dice, list: readonly T[]): T => list[dice(list.length)]!

export const rulesOf = (text: string) => {
  const loaded = loadText(new Parser(), 'random.rules', text)
  const resolved = resolve([{ name: 'random', order: 0, loaded }], noFacts(0))
  if (resolved.complaints.length > 0) throw new Error(`${resolved.complaints[0]!.message}\n${text}`)
  return resolved
}

// A small world, so that rules overlap and packets hit.
const addresses = [
  '10.0.0.0/30',
  '10.0.0.1',
  '10.0.0.2',
  '10.0.0.0/29',
  '10.0.0.3-10.0.0.6',
  '10.0.0.4/31',
  'fd00::/126',
  'fd00::1',
  'fd00::2-fd00::5',
  'any',
  'left',
  'right',
  '10.0.0.7, fd00::7',
]
const services = [
  'any',
  'tcp',
  'tcp 80',
  'tcp 80, 443',
  'tcp 1000-1030',
  'udp 53',
  'udp 50-60 source 1000-1100',
  'icmp',
  'icmp echo-request',
  'icmp6 echo-request',
  'proto gre',
  'web',
  'tcp 1-1023',
  'tcp 1024-65535',
  'web, udp 53, icmp',
]
const verbs = ['allow', 'allow', 'drop', 'drop', 'reject', 'pass', 'audit drop', 'allow-stateless']

const selection = (dice: Dice): string => {
  const of = Array.from({ length: 1 + dice(3) }, () => pick(dice, addresses)).join(', ')
  return dice(4) === 0 ? `${of} except ${pick(dice, addresses)}` : of
}

/** The last tier has none to pass to. */
const isFit = (verb: string, tier: string): boolean => verb !== 'pass' || tier !== 'baseline'

/** Rules enough of one set of ports that it gets a bit. */
const sharedPorts = (dice: Dice): string[] => {
  const service = pick(dice, [
    'udp 1-54 source 1000-1030',
    'tcp 1021-65535',
    'tcp 80, 443, 1000-1022',
  ])
  const verb = pick(dice, ['allow', 'drop'])
  return Array.from(
    { length: 10 * dice(3) },
    (_, n) => `${verb} ${service} from 10.0.0.${n % 9} to any`,
  )
}

/** Services that nobody names: a timeout is of ports, whichever rule lets them in. */
const randomTimeouts = (dice: Dice): string =>
  dice(2) === 0
    ? ''
    : `service slow = tcp ${pick(dice, ['80', '1-1023', '40000'])}, udp 53 timeout 1h
service quick = udp 1000-1030, tcp ${pick(dice, ['1024-1050', '8050'])} timeout 5s
`

export const randomPolicy = (dice: Dice): string => {
  const lines = [
    'zone left = 10.0.0.0-10.0.0.3, fd00::1',
    'zone right = 10.0.0.4/30 except 10.0.0.5',
    'service web = tcp 80, tcp 443, tcp 8000-8099',
    `default ${pick(dice, ['allow', 'drop', 'reject', 'drop log'])}`,
  ]
  for (const tier of ['admin', 'main', 'baseline']) {
    lines.push(`tier ${tier}`)
    if (tier !== 'main') lines.push(...sharedPorts(dice))
    for (let count = dice(8); count > 0; count--) {
      const verb = pick(
        dice,
        verbs.filter(word => isFit(word, tier)),
      )
      const log = dice(4) === 0 ? ' log' : ''
      const ends = `from ${selection(dice)} to ${selection(dice)}`
      const dscp = verb === 'allow-stateless' && dice(3) === 0 ? ' dscp ef, 0' : ''
      lines.push(`${verb} ${pick(dice, services)} ${ends}${dscp}${log}`)
    }
  }
  return `${lines.join('\n')}\n`
}

const ports = [53, 55, 80, 443, 1000, 1020, 1023, 1024, 1050, 8050, 40000]

export const randomConnection = (dice: Dice): Connection => {
  const isV4 = dice(3) > 0
  const ip = () =>
    isV4 ? formatIpv4(0x0a000000 + dice(9)) : formatIpv6((0xfdn << 120n) + BigInt(dice(9)))
  const ends = { source: ip(), destination: ip(), dscp: pick(dice, [0, 0, 46, 10]) }
  const kind = dice(8)
  if (kind === 0) return { ...ends, protocol: 47, sourcePort: 0, destinationPort: 0 }
  if (kind === 1)
    return { ...ends, protocol: isV4 ? 1 : 58, sourcePort: isV4 ? 8 : 128, destinationPort: 0 }
  const protocol = kind < 6 ? 6 : 17
  return { ...ends, protocol, sourcePort: pick(dice, ports), destinationPort: pick(dice, ports) }
}

export interface Disagreement {
  readonly policy: string
  readonly connection: Connection
  readonly said: Decision
  readonly done: Answer
}

/** Verdict, deciding rule, and every log line that is due: those of audit rules and of the decider. */
export const isSameAnswer = (said: Decision, done: Answer): boolean => {
  const audits = said.audits.map(({ rule }) => rule.id)
  const logged = said.log ? [...audits, said.ruleId] : audits
  return (
    said.verdict === done.verdict &&
    said.ruleId === done.ruleId &&
    logged.every(id => done.logged.includes(id))
  )
}

/** Holds the reference against the compiled flows for `connections` packets under each of `policies` policies. */
export function* disagreements(
  seed: number,
  policies: number,
  connections: number,
): Generator<Disagreement> {
  const [dice, others] = [seeded(seed), seeded(seed + 1)]
  const net = new OneSwitch()
  for (let round = 0; round < policies; round++) {
    const policy = `${randomTimeouts(others)}${randomPolicy(dice)}`
    const resolved = rulesOf(policy)
    const book = planZones(emptyBook, resolved.timeouts, [1])
    net.load(createCompiler().compile(resolved, 7, book))
    for (let count = 0; count < connections; count++) {
      const connection = randomConnection(dice)
      const said = decide(resolved, connection)
      const done = net.open(connection)
      if (!isSameAnswer(said, done)) yield { policy, connection, said, done }
    }
  }
}
