/** Text, statements and JSON say the same, comments included: there and back for anything that can be said. */
import { Ajv } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { ipv4Mask } from '../../../src/base/addresses.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { specOf, textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { parse } from '../../../src/nfv/firewall/text/parse.js'
import { readsTwice } from '../../../src/nfv/firewall/text/parse-parts.js'
import {
  type AddressRange,
  type Cap,
  days,
  type Line,
  type Member,
  type Nat,
  type Selection,
  type ServiceMember,
  type Statement,
  tiers,
  verbs,
} from '../../../src/nfv/firewall/text/rule.js'
import { type PolicySpec, policySpec } from '../../../src/nfv/firewall/text/schema.js'

type Said = Pick<Line, 'statement' | 'comment'>

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/).map(text => `n${text}`)
const quoted = fc.stringMatching(/^[ -!#-~äß€]{0,20}$/)
const comment = fc.stringMatching(/^[ -~äß€]{0,20}$/).map(text => ` ${text}`.trimEnd())
const octet = fc.nat({ max: 255 })
const port = fc.nat({ max: 65_535 })

const cidr4 = fc.tuple(fc.nat({ max: 0xffffffff }), fc.nat({ max: 32 })).map(
  ([address, length]): Member => ({
    kind: 'cidr',
    cidr: { version: 4, address: (address & ipv4Mask(length)) >>> 0, length },
  }),
)
const range4 = fc.tuple(fc.nat({ max: 0xffffffff }), fc.nat({ max: 0xffffffff })).map(
  ([a, b]): Member => ({
    kind: 'range',
    version: 4,
    first: Math.min(a, b),
    last: Math.max(a, b),
  }),
)
const cidr6 = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((high): Member => ({ kind: 'cidr', cidr: { version: 6, address: high << 64n, length: 64 } }))
const named = fc
  .tuple(fc.constantFrom('zone', 'host', 'network'), name)
  .map(([kind, text]) => ({ kind, name: text }) as Member)
const portMember = fc
  .tuple(name, fc.oneof(octet.map(String), fc.constant('*')))
  .map(([text, number]): Member => ({ kind: 'port', name: `${text}:${number}` }))
const macMember = fc
  .constantFrom('02:00:00:00:00:0a', '00:1b:21:00:00:00/24', '0200.0000.000b')
  .map((text): Member => ({ kind: 'mac', name: text }))
const member: fc.Arbitrary<Member> = fc.oneof(
  cidr4,
  range4,
  cidr6,
  named,
  portMember,
  macMember,
  fc.constant<Member>({ kind: 'any' }),
)
const members = fc.array(member, { minLength: 1, maxLength: 4 })
const selection: fc.Arbitrary<Selection> = fc.record({
  of: members,
  except: fc.oneof(fc.constant([]), members),
})
/** Whatever holds `any` without exceptions is written as any. */
const isPlain = ({ of, except }: Selection) =>
  except.length > 0 || of.length === 1 || of.every(({ kind }) => kind !== 'any')
const side = selection.filter(isPlain)

const ports = fc.array(
  fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  { maxLength: 3 },
)
const service: fc.Arbitrary<ServiceMember> = fc.oneof(
  fc.constant<ServiceMember>({ kind: 'any' }),
  name.map((text): ServiceMember => ({ kind: 'service', name: text })),
  fc
    .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), ports, ports)
    .map(
      ([transport, list, sourcePorts]) =>
        ({ kind: 'ports', transport, ports: list, sourcePorts }) as ServiceMember,
    ),
  fc.tuple(fc.constantFrom(4, 6), fc.option(octet), fc.option(octet)).map(
    ([version, type, code]) =>
      ({
        kind: 'icmp',
        version,
        ...(type !== null && { type }),
        ...(type !== null && code !== null && { code }),
      }) as ServiceMember,
  ),
  fc.constant<ServiceMember>({
    kind: 'ports',
    transport: 'tcp',
    ports: [{ from: 21, to: 21 }],
    sourcePorts: [],
    helper: 'ftp',
  }),
  octet.map((number): ServiceMember => ({ kind: 'protocol', number })),
)
/** All of a protocol before ports of another one is not written so: parse.test.ts. */
const services = fc
  .array(service, { minLength: 1, maxLength: 3 })
  .filter(list => list.every((each, at) => at === 0 || !readsTwice(list[at - 1]!, each)))

const rate = fc.record({
  count: fc.integer({ min: 1, max: 1_000 }),
  per: fc.constantFrom('second' as const, 'minute' as const, 'hour' as const),
})
const log = fc.record({ rate, text: quoted }, { requiredKeys: [] })
const caps: fc.Arbitrary<Cap[]> = fc.uniqueArray(
  fc.record({
    count: fc.integer({ min: 1, max: 65_535 }),
    of: fc.constantFrom('connections' as const, 'half-open' as const),
    isPerSource: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4, selector: cap => `${cap.of} ${cap.isPerSource}` },
)
const minute = fc.nat({ max: 1_439 })
const schedule = fc
  .record({
    days: fc
      .tuple(fc.nat({ max: 6 }), fc.nat({ max: 6 }))
      .map(([a, b]) =>
        a <= b ? days.slice(a, b + 1) : [...days.slice(a), ...days.slice(0, b + 1)],
      ),
    from: minute,
    to: minute,
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires'),
  })
  .filter(({ from, to, days: list }) => from !== to && (list.length < 7 || list[0] === 'mon'))

const plainRule = fc.record(
  {
    kind: fc.constant('rule' as const),
    verb: fc.constantFrom(...verbs),
    isAudit: fc.boolean(),
    services,
    from: side,
    to: side,
    name,
    log,
    until: fc.integer({ min: 0, max: 60_000_000 }).map(minutes => minutes * 60_000),
    schedule,
  },
  { requiredKeys: ['kind', 'verb', 'isAudit', 'services', 'from', 'to'] },
)
const countingRule = fc
  .tuple(
    plainRule,
    fc.record(
      {
        via: name.map(text => ({ name: text })),
        limit: fc.record({ rate, isPerSource: fc.boolean() }),
        caps,
      },
      { requiredKeys: [] },
    ),
  )
  .map(([rule, counts]) => ({ ...rule, ...counts, verb: 'allow' as const, isAudit: false }))

const statelessRule = fc
  .tuple(plainRule, fc.uniqueArray(fc.nat({ max: 63 }), { minLength: 1, maxLength: 3 }))
  .map(([rule, points]) => ({
    ...rule,
    verb: 'allow-stateless' as const,
    isAudit: false,
    dscp: points.sort((a, b) => a - b),
  }))

const one = fc.oneof(
  cidr4.map((each): Member => {
    const { cidr } = each as Extract<Member, { kind: 'cidr' }>
    return { kind: 'cidr', cidr: { ...cidr, length: 32 } }
  }),
  name.map((text): Member => ({ kind: 'host', name: text })),
)
const verdict = fc.constantFrom('allow' as const, 'drop' as const, 'reject' as const)

const moment = fc
  .tuple(
    fc.nat({ max: 4_000_000 }),
    fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns'),
  )
  // From July on, for a month: no clock is set back then, and each time is there once.
  .map(([minutes, timeZone]) => ({
    millis: Date.UTC(1971 + Math.floor(minutes / 40_000), 6, 2) + (minutes % 40_000) * 60_000,
    timeZone,
  }))

const address = (value: number): AddressRange => ({ version: 4, first: value, last: value })
const own = fc.oneof(
  fc.nat({ max: 0xffffffff }).map(address),
  fc
    .bigInt({ min: 2n, max: 2n ** 128n - 1n })
    .map((value): AddressRange => ({ version: 6, first: value, last: value })),
)
const pool = fc
  .tuple(fc.nat({ max: 0xfffffe00 }), fc.nat({ max: 255 }))
  .map(([first, more]): AddressRange => ({ version: 4, first, last: first + more }))
const lone = fc.oneof(
  one,
  fc
    .bigInt({ min: 2n, max: 2n ** 128n - 1n })
    .map((value): Member => ({ kind: 'cidr', cidr: { version: 6, address: value, length: 128 } })),
)
const higher = fc
  .tuple(fc.integer({ min: 1_024, max: 65_535 }), fc.integer({ min: 1_024, max: 65_535 }))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))
const anybody = { of: [{ kind: 'any' as const }], except: [] }
const onePort = port
  .filter(number => number > 0)
  .map((number): ServiceMember[] => [
    { kind: 'ports', transport: 'udp', ports: [{ from: number, to: number }], sourcePorts: [] },
  ])
const nat: fc.Arbitrary<Nat> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('nat' as const),
      action: fc.constant('masquerade' as const),
      from: side,
      to: side,
      out: name.map(text => ({ name: text })),
      ports: higher,
    },
    { requiredKeys: ['kind', 'action', 'from', 'to', 'out'] },
  ),
  fc.record({
    kind: fc.constant('nat' as const),
    action: fc.constant('source' as const),
    at: pool,
    from: side,
    to: side,
    out: name.map(text => ({ name: text })),
  }),
  fc.record({
    kind: fc.constant('nat' as const),
    action: fc.constant('forward' as const),
    services,
    from: side,
    to: fc.constant(anybody),
    at: own,
    target: lone.map(each => ({ member: each })),
  }),
  fc.record({
    kind: fc.constant('nat' as const),
    action: fc.constant('forward' as const),
    services: onePort,
    from: side,
    to: fc.constant(anybody),
    at: own,
    target: fc.record({ member: lone, port: port.filter(number => number > 0) }),
  }),
  fc.record({
    kind: fc.constant('nat' as const),
    action: fc.constant('one-to-one' as const),
    from: fc.constant(anybody),
    to: fc.constant(anybody),
    at: own,
    target: lone.map(each => ({ member: each })),
  }),
  fc.record(
    {
      kind: fc.constant('nat' as const),
      action: fc.constant('none' as const),
      from: side,
      to: side,
      out: name.map(text => ({ name: text })),
    },
    { requiredKeys: ['kind', 'action', 'from', 'to'] },
  ),
  fc.record({
    kind: fc.constant('nat' as const),
    action: fc.constant('none' as const),
    services,
    from: side,
    to: fc.constant(anybody),
    at: own,
  }),
)

const statement = fc.oneof(
  plainRule,
  nat,
  countingRule,
  statelessRule,
  fc.record(
    { kind: fc.constant('default' as const), verb: verdict, from: side, to: side, log },
    { requiredKeys: ['kind', 'verb', 'from', 'to'] },
  ),
  fc.record({ kind: fc.constant('zone' as const), name, members: selection }),
  fc.record({ kind: fc.constant('service' as const), name, members: services }),
  fc.record({ kind: fc.constant('include' as const), path: quoted }),
  fc.record(
    {
      kind: fc.constant('tier' as const),
      tier: fc.constantFrom(...tiers),
      isAudit: fc.constant(true as const),
    },
    { requiredKeys: ['kind', 'tier'] },
  ),
  fc.record({
    kind: fc.constant('let' as const),
    name,
    value: fc.constantFrom('10.0.0.1', '80, 443', '"some text"', '10/minute per source'),
  }),
  fc.record(
    {
      kind: fc.constant('test' as const),
      title: quoted,
      from: one,
      to: one,
      service: port.map(
        (number): ServiceMember => ({
          kind: 'ports',
          transport: 'tcp',
          ports: [{ from: number, to: number }],
          sourcePorts: [],
        }),
      ),
      dscp: fc.nat({ max: 63 }),
      verdict,
      by: name,
      at: moment,
    },
    { requiredKeys: ['kind', 'title', 'from', 'to', 'service', 'verdict'] },
  ),
  fc.constant({ kind: 'blank' as const }),
) as fc.Arbitrary<Statement>

const file: fc.Arbitrary<Said[]> = fc.array(
  fc.record({ statement, comment }, { requiredKeys: ['statement'] }),
  { maxLength: 12 },
)

/** Without the places where names stand. */
const bare = (lines: readonly Said[]): unknown =>
  JSON.parse(
    JSON.stringify(
      lines.map(({ statement: said, comment: remark }) => ({ said, remark })),
      (key, value) => (key === 'at' ? undefined : typeof value === 'bigint' ? `${value}n` : value),
    ),
  )

const read = (text: string): readonly Line[] => {
  const { lines, complaints } = parse(text)
  if (complaints.length > 0) throw new Error(`${complaints[0]!.message} in\n${text}`)
  return lines
}

t.test('statements to text and back', async t => {
  fc.assert(
    fc.property(file, said => {
      const text = formatFile(said)
      const back = read(text)
      t.strictSame(bare(back), bare(said), text)
      t.equal(formatFile(back), text, 'the form is settled')
    }),
    { numRuns: 300, seed: 20_261_125 },
  )
})

t.test('statements to JSON, as the schema says, and back', async t => {
  const validate = new Ajv({ strict: false }).compile<PolicySpec>(policySpec)
  fc.assert(
    fc.property(file, said => {
      const sent = JSON.parse(JSON.stringify(specOf(said)))
      t.ok(validate(sent), JSON.stringify(validate.errors))
      const { text, mistakes } = textOfSpec(sent as PolicySpec)
      t.same(mistakes, [])
      t.strictSame(bare(read(text)), bare(said), text)
    }),
    { numRuns: 300, seed: 20_261_125 },
  )
})

t.test('words that say more than their place allows are refused', async t => {
  const rule = { kind: 'rule' as const, verb: 'drop' as const, services: ['tcp 80'] }
  const spec: PolicySpec = {
    statements: [
      { ...rule, from: ['10.0.0.1 to any log'] },
      { ...rule, services: ['tcp 80\nallow any'] },
      { ...rule, from: ['10.0.0.1 # and the rest'] },
      { ...rule, to: ['$secret'] },
      { ...rule, via: 'x log' },
      { ...rule, schedule: 'mon-fri 08:00-18:00 UTC until 2027-01-01' },
      {
        kind: 'test',
        title: '',
        from: '10.0.0.1',
        to: '10.0.0.1',
        service: 'tcp 80 allow',
        verdict: 'drop',
      },
      { ...rule, from: ['10.0.0.300'] },
    ],
  }
  t.match(
    textOfSpec(spec).mistakes.map(
      ({ statement: at, path, message }) => `${at} ${path}: ${message}`,
    ),
    [
      '0 from[0]: "10.0.0.1 to any log" is more than one part',
      '1 services[0]: "tcp 80\nallow any" is more than one part',
      '2 from[0]: "10.0.0.1 # and the rest" is more than one part',
      '3 to[0]: "$secret" is more than one part',
      '4 via: "x log" is more than one part',
      '5 schedule: "mon-fri 08:00-18:00 UTC until 2027-01-01" is more than one part',
      '6 service: "tcp 80 allow" is more than one part',
      '7 from[0]: "10.0.0.300" is no address',
    ],
  )
  t.same(textOfSpec({ statements: [rule] }).mistakes, [], 'what is one part is taken')
})
