import { readFileSync } from 'node:fs'
import t from 'tap'
import { formatIpv4, formatIpv6 } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/compile.js'
import { type Connection, decide } from '../../../src/nfv/firewall/decide.js'
import { noFacts } from '../../../src/nfv/firewall/environment.js'
import { loadText } from '../../../src/nfv/firewall/load.js'
import { Parser } from '../../../src/nfv/firewall/parse.js'
import { resolve } from '../../../src/nfv/firewall/resolve.js'
import { OneSwitch } from './one-switch.js'

/** Numbers that look random and are the same each time (mulberry32). */
const seeded = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
type Dice = ReturnType<typeof seeded>
const pick = <T>(dice: Dice, list: readonly T[]): T => list[dice(list.length)]!

const rulesOf = (text: string) => {
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

/** The last tier has none to pass to; stateless rules come first of all, so one tier of them is enough. */
const isFit = (verb: string, tier: string): boolean =>
  verb === 'pass' ? tier !== 'baseline' : verb !== 'allow-stateless' || tier === 'main'

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

const randomPolicy = (dice: Dice): string => {
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
      lines.push(
        `${verb} ${pick(dice, services)} from ${selection(dice)} to ${selection(dice)}${log}`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}

const ports = [53, 55, 80, 443, 1000, 1020, 1023, 1024, 1050, 8050, 40000]

const randomConnection = (dice: Dice): Connection => {
  const isV4 = dice(3) > 0
  const ip = () =>
    isV4 ? formatIpv4(0x0a000000 + dice(9)) : formatIpv6((0xfdn << 120n) + BigInt(dice(9)))
  const ends = { source: ip(), destination: ip() }
  const kind = dice(8)
  if (kind === 0) return { ...ends, protocol: 47, sourcePort: 0, destinationPort: 0 }
  if (kind === 1)
    return { ...ends, protocol: isV4 ? 1 : 58, sourcePort: isV4 ? 8 : 128, destinationPort: 0 }
  const protocol = kind < 6 ? 6 : 17
  return { ...ends, protocol, sourcePort: pick(dice, ports), destinationPort: pick(dice, ports) }
}

t.test('what the flows do is what the rules say', async t => {
  const dice = seeded(20261124)
  const net = new OneSwitch()
  let wrong = 0
  for (let round = 0; round < 250; round++) {
    const text = randomPolicy(dice)
    const resolved = rulesOf(text)
    net.load(createCompiler().compile(resolved, 7))
    for (let count = 0; count < 40; count++) {
      const connection = randomConnection(dice)
      const said = decide(resolved, connection)
      const done = net.open(connection)
      const auditsLogged = said.audits.map(({ rule }) => rule.id)
      const logged = said.log ? [...auditsLogged, said.ruleId] : auditsLogged
      const isSame =
        said.verdict === done.verdict &&
        said.ruleId === done.ruleId &&
        logged.every(id => done.logged.includes(id))
      if (!isSame && wrong++ < 3) t.match({ connection, ...done }, { connection, ...said }, text)
    }
  }
  t.equal(wrong, 0, '10,000 connections under 250 policies')
})

/** ClassBench's layout to our language. */
const fromClassBench = (text: string): string => {
  const range = (field: string): string => {
    const [from, to] = field.split(' : ')
    return from === '0' && to === '65535' ? '' : from === to ? from! : `${from}-${to}`
  }
  const lines = text
    .trim()
    .split('\n')
    .map((line, index) => {
      const [source, destination, sourcePorts, ports, protocol] = line.slice(1).split('\t')
      const number = protocol!.endsWith('0x00') ? undefined : Number(protocol!.split('/')[0])
      const transport = number === 6 ? 'tcp' : number === 17 ? 'udp' : undefined
      const [to, from] = [range(ports!), range(sourcePorts!)]
      const service =
        number === undefined
          ? 'any'
          : transport
            ? `${transport} ${to} ${from && `source ${from}`}`
            : `proto ${number}`
      return `r${index}: ${index % 3 === 0 ? 'drop' : 'allow'} ${service} from ${source} to ${destination}`
    })
  return `default drop\n${lines.join('\n')}\n`
}

for (const name of ['acl', 'fw', 'ipc'])
  t.test(`the published set ${name} is answered as published`, async t => {
    const folder = new URL('../../../../test/fixtures/acl/', import.meta.url)
    const resolved = rulesOf(
      fromClassBench(readFileSync(new URL(`${name}500.rules`, folder), 'utf8')),
    )
    const net = new OneSwitch()
    net.load(createCompiler().compile(resolved, 1))
    let wrong = 0
    for (const line of readFileSync(new URL(`${name}500.trace`, folder), 'utf8')
      .trim()
      .split('\n')) {
      const [source, destination, sourcePort, destinationPort, protocol, index] = line
        .split('\t')
        .map(Number)
      const connection: Connection = {
        source: formatIpv4(source!),
        destination: formatIpv4(destination!),
        protocol: protocol!,
        // Only TCP and UDP have ports; an echo request stands for ICMP.
        sourcePort: protocol === 1 ? 8 : sourcePort!,
        destinationPort: protocol === 1 ? 0 : destinationPort!,
      }
      const wanted = index === -1 ? 'default' : `r${index}`
      const said = decide(resolved, connection)
      const done = net.open(connection)
      if (said.rule !== wanted || done.ruleId !== said.ruleId || done.verdict !== said.verdict)
        wrong++
    }
    t.equal(wrong, 0, 'verdict and rule of every header')
  })
