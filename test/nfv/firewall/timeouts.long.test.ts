/** Services with timeouts: how they are written, which zones they get, and that no connection is lost between zones. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import {
  emptyBook,
  isShort,
  planZones,
  type TimeoutBook,
} from '../../../src/nfv/firewall/flows/timeout-zones.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { formatComplaint } from '../../../src/nfv/firewall/text/complaint.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { specOf, textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser, parse } from '../../../src/nfv/firewall/text/parse.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import type { Fields } from '../../../src/pipeline/packet.js'
import { fieldsOf, laterFieldsOf, OneSwitch, outPort, turned } from './one-switch.js'
import {
  type Dice,
  pick,
  randomConnection,
  randomPolicy,
  rulesOf,
  seeded,
} from './random-policy.js'

const complaintsOf = (text: string): string[] => {
  const loaded = loadText(new Parser(), 'a.rules', text)
  return resolve([{ name: 'a', order: 0, loaded }], noFacts(0)).complaints.map(each =>
    formatComplaint(each),
  )
}

t.test('a timeout is written behind a service, and comes back the same', async t => {
  const text = 'service ssh = tcp 22 timeout 8h\nservice dns = udp 53, tcp 53 timeout 90s\n'
  const { lines, complaints } = parse(text, 'a.rules')
  t.same(complaints, [])
  t.same(
    lines.map(({ statement }) => statement.kind === 'service' && statement.timeout),
    [8 * 3_600, 90],
  )
  t.equal(formatFile(lines), text)
  t.equal(
    formatFile(parse('service s = tcp 22 timeout 120m\n', 'a').lines),
    'service s = tcp 22 timeout 2h\n',
  )
})

t.test('and in JSON', async t => {
  const { lines } = parse('service ssh = tcp 22 timeout 7d\n', 'a.rules')
  const spec = specOf(lines)
  t.match(spec.statements[0], { kind: 'service', name: 'ssh', members: ['tcp 22'], timeout: '7d' })
  t.same(textOfSpec(spec), { text: 'service ssh = tcp 22 timeout 7d\n', mistakes: [] })
})

t.test('what cannot have one is refused with its place', async t => {
  const wrong = [
    [
      'service a = udp 1 timeout 5s\nservice b = udp 2 timeout 6s\nservice c = tcp 4, udp 3 timeout 7s',
      /^a.rules:3:\d+: there are more than 2 different timeouts of UDP/,
    ],
    ['service s = icmp timeout 5s', /^a.rules:1:18: only TCP and UDP services/],
    ['service s = any timeout 5s', /^a.rules:1:17: only TCP and UDP services/],
    ['service s = tcp 22 source 1-1023 timeout 5s', /only TCP and UDP services/],
    ['service s = tcp 22 timeout 0s', /^a.rules:1:28: "0s" is no time/],
    ['service s = tcp 22 timeout 366d', /"366d" is no time/],
    ['service s = tcp 22 timeout 50d', /"50d" is no time\n.*49 days at most/],
    ['service s = tcp 22 timeout', /a time/],
    ['allow tcp 22 timeout 8h', /a timeout belongs to the ports of a service/],
    [
      'service s = tcp 20-30 timeout 5s\nservice r = tcp 22 timeout 6s',
      /^a.rules:2:20: a tcp port of it has another timeout already\n5s by a.rules:1/,
    ],
    [
      'service s = tcp 20-30 timeout 5s\nallow tcp 21 helper ftp',
      /^a.rules:1:23: connections that a helper reads/,
    ],
    [
      Array.from(
        { length: 8 },
        (_, at) => `service s${at} = tcp ${at + 1} timeout ${at + 1}s`,
      ).join('\n'),
      /there are more than 7 different timeouts/,
    ],
  ] as const
  for (const [text, complaint] of wrong)
    t.match(complaintsOf(`${text}\n`).join('\n'), complaint, text)
  t.same(
    complaintsOf('service s = tcp 22 timeout 5s\nservice r = tcp 20-22, udp 22 timeout 5s\n'),
    [],
    'the same time twice is no contradiction',
  )
})

const timeoutsOf = (text: string) => rulesOf(text).timeouts
const zonesOf = (book: TimeoutBook) =>
  book.zones.map(({ seconds, ports, slots }) => [
    seconds,
    ports.tcp?.map(({ from }) => from) ?? [],
    slots,
  ])

t.test('a time has a zone, and gives it to another only when there are no others', async t => {
  const plan = (before: TimeoutBook, text: string, networks = [1]) =>
    planZones(before, timeoutsOf(text), networks)
  const ssh = (time: string) => `service ssh = tcp 22 timeout ${time}\n`
  t.equal(plan(emptyBook, 'allow any\n'), emptyBook)
  const one = plan(emptyBook, ssh('8h'))
  t.same(zonesOf(one), [[28_800, [22], { 1: 63 }]])
  t.equal(plan(one, ssh('8h')), one, 'the same object')
  const other = plan(one, `${ssh('1h')}service web = tcp 80 timeout 1m\n`)
  t.same(
    zonesOf(other),
    [
      [28_800, [], { 1: 63 }],
      [60, [80], { 1: 62 }],
      [3_600, [22], { 1: 61 }],
    ],
    'what runs keeps the time that it has',
  )
  t.same(
    zonesOf(plan(other, ssh('8h'))),
    [
      [28_800, [22], { 1: 63 }],
      [60, [], { 1: 62 }],
      [3_600, [], { 1: 61 }],
    ],
    'the same time again is the same zone',
  )
  let many = one
  for (let hour = 1; hour <= 20; hour++) many = plan(many, ssh(`${hour}h`))
  t.equal(many.zones.length, 8)
  t.same(
    many.zones.map(({ seconds }) => seconds / 3_600).sort((a, b) => a - b),
    [13, 14, 15, 16, 17, 18, 19, 20],
  )
  t.same(
    many.zones[0]!.portsEver.tcp?.map(({ from }) => from),
    [22],
  )
})

t.test('networks have numbers of their own, and what is left is shared out', async t => {
  const plan = (before: TimeoutBook, time: string, networks: readonly number[]) =>
    planZones(before, timeoutsOf(`service ssh = tcp 22 timeout ${time}\n`), networks)
  const one = plan(emptyBook, '8h', [1])
  t.same(
    zonesOf(plan(one, '8h', [1, 62, 63])),
    [[28_800, [22], { 1: 61, 62: 60, 63: 59 }]],
    'a network takes the number that is its own',
  )
  const twenty = Array.from({ length: 20 }, (_, at) => at + 1)
  let book = plan(emptyBook, '1h', twenty)
  for (const time of ['2h', '3h', '4h']) book = plan(book, time, twenty)
  t.equal(book.zones.length, 2)
  t.equal(isShort(book), false)
  const changed = plan(plan(emptyBook, '1h', [1]), '2h', twenty)
  t.same(
    changed.zones.map(({ unused, slots }) => [unused, Object.keys(slots).length]),
    [
      [1, 1],
      [0, 20],
    ],
  )
  const both = plan(plan(emptyBook, '1h', twenty), '2h', twenty)
  const more = Array.from({ length: 30 }, (_, at) => at + 1)
  t.same(
    [both, plan(both, '2h', more)].map(({ zones }) =>
      zones.map(({ slots }) => Object.keys(slots).length),
    ),
    [
      [20, 20],
      [3, 30],
    ],
    'what is in use comes first',
  )
  const forty = Array.from({ length: 40 }, (_, at) => at + 1)
  t.equal(
    isShort(plan(emptyBook, '1h', forty)),
    true,
    '63 are not enough for 40 networks and a timeout in each',
  )
})

const syn = 0x02
const ack = 0x10

class Net extends OneSwitch {
  #book = emptyBook
  #generation = 6
  readonly #remembers: boolean

  constructor(remembers = true) {
    super()
    this.#remembers = remembers
  }

  rules(text: string): void {
    const resolved = rulesOf(text)
    const before = this.#remembers ? this.#book : emptyBook
    this.#book = planZones(before, resolved.timeouts, [1])
    this.load(createCompiler().compile(resolved, ++this.#generation, this.#book))
  }

  passes(fields: Fields, quoted?: Fields): boolean {
    return this.send(fields, {}, quoted).outputs.some(({ port }) => port === outPort)
  }

  /** A question and its answer. */
  talks(one: Connection): boolean {
    return this.passes(laterFieldsOf(one)) && this.passes(laterFieldsOf(turned(one)))
  }

  zones(): number[] {
    return [...new Set(this.conntrack.list().map(({ zone }) => zone >> 10))].sort((a, b) => a - b)
  }
}

const between = (protocol: number, destinationPort: number, sourcePort = 40_000): Connection => ({
  source: '10.0.0.1' as Ip,
  destination: '10.0.0.2' as Ip,
  protocol,
  sourcePort,
  destinationPort,
})
const ssh = between(6, 22)
const dns = between(17, 53)
const oneWay = 'default drop\nallow any from 10.0.0.1 to 10.0.0.2\n'
const timed = `service ssh = tcp 22 timeout 8h\nservice dns = udp 53 timeout 5s\n${oneWay}`

t.test('a connection lives in the zone of its timeout, whichever end has the port', async t => {
  const net = new Net()
  net.rules(timed)
  t.ok(net.passes(fieldsOf(ssh)))
  t.ok(net.talks(ssh))
  t.same(net.zones(), [62])
  t.ok(net.passes(fieldsOf(dns)))
  t.ok(net.talks(dns))
  t.ok(net.passes(fieldsOf(between(6, 80))))
  t.same(net.zones(), [1, 62, 63])
  t.notOk(
    net.passes(fieldsOf(turned(between(17, 53, 41_000)))),
    'what nobody asked for is no answer',
  )
  t.notOk(
    net.passes(laterFieldsOf(turned(between(6, 22, 41_000)))),
    'nor does TCP begin in the middle with it',
  )
})

t.test(
  'sessions go on where they are when their ports get a timeout, lose it, or share it',
  async t => {
    const net = new Net()
    const texts = [
      oneWay,
      timed,
      oneWay,
      timed.replace('8h', '1h'),
      `service every = tcp 1-65535, udp timeout 1m\n${oneWay}`,
    ]
    const running: Connection[] = []
    for (const [round, text] of texts.entries()) {
      net.rules(text)
      for (const one of running)
        t.ok(
          net.talks(one),
          `${one.protocol} ${one.sourcePort} to ${one.destinationPort} in round ${round}`,
        )
      for (const [protocol, port] of [
        [6, 22],
        [17, 53],
        [6, 80],
      ] as const) {
        const one = between(protocol, port, 41_000 + round)
        t.ok(net.passes(fieldsOf(one)))
        t.ok(net.talks(one))
        running.push(one)
      }
    }
    net.rules('default drop\n')
    for (const one of running) t.notOk(net.talks(one), 'a deny reaches them all')
  },
)

t.test('an answer that comes first after the change finds its question', async t => {
  const net = new Net()
  net.rules(oneWay)
  for (const one of [ssh, dns]) t.ok(net.passes(fieldsOf(one)))
  net.rules(timed)
  for (const one of [ssh, dns]) t.ok(net.passes(laterFieldsOf(turned(one))))
})

/** Of a datagram in pieces, the first; the switch has all of them before it looks the connection up. */
const firstPiece = (one: Connection): Fields => ({ ...fieldsOf(one), ip_frag: 1 })

t.test('a question or an answer in pieces', async t => {
  const net = new Net()
  net.rules(timed)
  t.ok(net.passes(fieldsOf(dns)))
  t.ok(net.passes(firstPiece(turned(dns))), 'an answer in pieces finds its question')
  const other = between(17, 53, 41_000)
  t.ok(net.passes(firstPiece(other)), 'a question in pieces opens')
  t.ok(net.passes(fieldsOf(turned(other))), 'and its answer passes')
})

t.test('an error is that of the connection that it is about', async t => {
  const net = new Net()
  net.rules(timed)
  const error: Fields = {
    ...fieldsOf({ ...turned(dns), protocol: 1, sourcePort: 3, destinationPort: 3 }),
  }
  t.notOk(net.passes(error, fieldsOf(dns)), 'nobody has asked')
  t.ok(net.passes(fieldsOf(dns)))
  t.ok(net.passes(error, fieldsOf(dns)))
  t.notOk(net.passes(error, fieldsOf(between(17, 53, 41_000))), 'about another one it is nothing')
})

/** How many packets get another verdict than without timeouts, and how many pass. @param remembers the zones of before */
const compared = (remembers: boolean) => {
  const dice = seeded(20261126)
  const lines = [
    'service a = tcp 80, udp 53 timeout 5s',
    'service b = tcp 1-1050 timeout 9s',
    'service c = udp 50-1020, tcp 40000 timeout 1h',
    'service a = tcp 1000-65535 timeout 5s\nservice b = tcp 80 timeout 2s',
    '',
  ]
  const counts = { different: 0, passed: 0 }
  for (let round = 0; round < 40; round++) {
    const [timed, plain] = [new Net(remembers), new Net()]
    const known: Connection[] = []
    for (let step = 0; step < 6; step++) {
      const text = randomPolicy(dice)
      timed.rules(`${pick(dice, lines)}\n${text}`)
      plain.rules(text)
      for (let count = 0; count < 40; count++) {
        const one = known.length > 0 && dice(3) > 0 ? pick(dice, known) : randomConnection(dice)
        known.push(one)
        const fields = somePacket(dice, one)
        const isPassed = plain.passes(fields)
        if (isPassed) counts.passed++
        if (timed.passes(fields) !== isPassed) counts.different++
      }
    }
  }
  return counts
}

/** In either direction, with any flags. */
const somePacket = (dice: Dice, one: Connection): Fields => {
  if (one.protocol !== 6 && one.protocol !== 17) return fieldsOf(one)
  const fields = fieldsOf(dice(2) === 0 ? one : turned(one))
  const flags = pick(dice, [syn, syn, syn | ack, ack, ack | 1, 4])
  return one.protocol === 6 ? { ...fields, tcp_flags: flags } : fields
}

t.test('with timeouts that come and go, packets get the verdict they get without any', async t => {
  const { different, passed } = compared(true)
  t.equal(different, 0)
  t.ok(passed > 1_000, `${passed} passed`)
})

t.test('if zones of before were forgotten, they would not', async t => {
  const { different } = compared(false)
  t.ok(different > 5, `${different} differ`)
})
