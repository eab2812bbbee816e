import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { type Compiler, createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { prioritiesOf } from '../../../src/nfv/firewall/flows/priorities.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { portRows } from '../../../src/nfv/firewall/meaning/ports.js'
import { Resolver } from '../../../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Fields } from '../../../src/pipeline/packet.js'
import { type Flow, hash32, type Section } from '../../../src/pipeline/program.js'
import { readLabel } from '../../../src/pipeline/registers.js'
import { flowText } from './flow-text.js'
import { answerOf, fieldsOf, OneSwitch } from './one-switch.js'

/** Edits and compiles, with the memory that a controller has. */
class Workshop {
  readonly parser = new Parser()
  readonly resolver = new Resolver()
  readonly compiler: Compiler = createCompiler()
  compile(text: string, generation = 1): Section[] {
    const loaded = loadText(this.parser, 'p.rules', text)
    const resolved = this.resolver.resolve([{ name: 'p', order: 0, loaded }], noFacts(0))
    if (resolved.complaints.length > 0) throw new Error(resolved.complaints[0]!.message)
    return this.compiler.compile(resolved, generation)
  }
}

const flowsOf = (sections: readonly Section[]): Flow[] => sections.flatMap(({ flows }) => flows)
/** The rows that turn ports into bits: without those for datagrams in pieces. */
const isOfPorts = ({ table, priority }: Flow) => table === 'ports' && priority < 65_000
/** The rows of rules, without those of the built-in rule and the fixed ones. */
const ruleText = (sections: readonly Section[]): string[] =>
  flowsOf(sections)
    .filter(({ origin }) => origin.name.startsWith('p/'))
    .map(flowText)

t.test('rules become rows in the words of the original tuple', async t => {
  const text = `default reject log
a: allow tcp 80 from 10.0.0.0/8 to 10.1.0.1
b: drop icmp echo-request, icmp6 echo-request from any to any log "no ping"
c: reject udp 1000-1003 source 53 from 10.0.0.1-10.0.0.2, fd00::/16 to any
d: drop proto gre from any to any
tier admin
e: pass any from 10.9.0.0/16
f: audit drop tcp from any to any
tier baseline
g: allow-stateless udp 4789 from 10.0.0.1 to 10.0.0.2
`
  t.same(ruleText(new Workshop().compile(text)), [
    'track 65000 ip,ip_proto=17,ip_src=10.0.0.1,ip_dst=10.0.0.2,udp_dst=4789 => goto forward',
    'rules0 65000 ip,ct_state=-inv+trk,ct_nw_src=10.9.0.0/16 => goto rules1',
    'rules0 64999 reg1=0x0/0xffff,ct_state=-inv+trk,ct_nw_proto=6 => controller(0147d120d2,meter=12498),load:0x1->reg1[0..15],resubmit(,50)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_proto=6,ct_nw_src=10.0.0.0/8,ct_nw_dst=10.1.0.1,ct_tp_dst=80 => load:0x42d118f3->reg3[0..31],goto commit',
    'rules1 64999 ip,ct_state=-inv+trk,ct_nw_proto=1,ct_tp_src=8 => controller(0143d11a86,meter=14982)',
    'rules1 64999 ipv6,ct_state=-inv+trk,ct_nw_proto=58,ct_tp_src=128 => controller(0143d11a86,meter=14982)',
    'rules1 64998 ip,ct_state=-inv+trk,ct_nw_proto=17,ct_nw_src=10.0.0.1,ct_tp_src=53,ct_tp_dst=0x3e8/0xfffc => controller(0244d11c19,meter=19481)',
    'rules1 64998 ip,ct_state=-inv+trk,ct_nw_proto=17,ct_nw_src=10.0.0.2,ct_tp_src=53,ct_tp_dst=0x3e8/0xfffc => controller(0244d11c19,meter=19481)',
    'rules1 64998 ipv6,ct_state=-inv+trk,ct_nw_proto=17,ct_ipv6_src=fd00::/16,ct_tp_src=53,ct_tp_dst=0x3e8/0xfffc => controller(0244d11c19,meter=19481)',
    'rules1 64997 ct_state=-inv+trk,ct_nw_proto=47 => drop',
    'rules3 65000 ip,ip_frag=1,ct_state=-inv+trk,ct_nw_proto=17,ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_tp_dst=4789 => load:0x48d12265->reg3[0..31],goto commit',
    `rules3 0 * => controller(01${id('default')},meter=13309),controller(02${id('default')},meter=17405)`,
  ])
})

function id(name: string): string {
  return hash32(`p/${name}`).toString(16).padStart(8, '0')
}

t.test('sets times sets become a conjunction where that is shorter', async t => {
  const text =
    'a: allow tcp 80, tcp 443, tcp 22 from 10.0.0.1, 10.0.0.3, 10.0.0.5 to 10.1.0.1, 10.1.0.3, 10.1.0.5\n'
  t.same(ruleText(new Workshop().compile(text)).slice(0, -1), [
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_src=10.0.0.1 => conjunction(0x42d118f3,1/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_src=10.0.0.3 => conjunction(0x42d118f3,1/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_src=10.0.0.5 => conjunction(0x42d118f3,1/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_dst=10.1.0.1 => conjunction(0x42d118f3,2/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_dst=10.1.0.3 => conjunction(0x42d118f3,2/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_dst=10.1.0.5 => conjunction(0x42d118f3,2/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=22 => conjunction(0x42d118f3,3/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=80 => conjunction(0x42d118f3,3/3)',
    'rules1 65000 ip,ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=443 => conjunction(0x42d118f3,3/3)',
    'rules1 65000 conj_id=1120999667,ct_state=-inv+trk => load:0x42d118f3->reg3[0..31],goto commit',
  ])
})

t.test('a set of ports that many rules share is one bit', async t => {
  const rules = Array.from(
    { length: 12 },
    (_, n) => `r${n}: allow tcp 1024-65535 from 10.0.0.${n} to any\n`,
  )
  const flows = flowsOf(new Workshop().compile(rules.join('')))
  t.same(flows.filter(isOfPorts).map(flowText), [
    'ports 1 ct_state=-inv+trk => load:0x2000000->reg4[0..31],goto rules0',
    'ports 7 ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=0x0/0xfc00 => goto rules0',
    'ports 0 * => goto rules0',
  ])
  t.equal(
    flowText(flows.find(({ origin }) => origin.name === 'p/r3')!),
    'rules1 64997 ip,reg4=0x2000000/0x2000000,ct_state=-inv+trk,ct_nw_proto=6,ct_nw_src=10.0.0.3 => load:0x77541a5f->reg3[0..31],goto commit',
  )
  // Open vSwitch tells a row that is read back without its port, where it has no protocol.
  const both = flowsOf(
    new Workshop().compile(rules.join('').replaceAll('tcp', 'tcp 1024-65535, udp')),
  )
  t.same(
    both
      .filter(isOfPorts)
      .filter(({ match }) => match.ct_tp_dst)
      .map(({ match }) => match.ct_nw_proto),
    [6, 17],
  )
  const wellKnown = { bit: 0, set: [{ from: 0, to: 1023 }] }
  const web = {
    bit: 1,
    set: [
      { from: 80, to: 80 },
      { from: 443, to: 443 },
    ],
  }
  const rows = portRows([wellKnown, web], 'destination')
  t.same(
    rows.map(({ value, length, bits, priority }) => [value, length, bits, priority]),
    [
      [0, 0, 0, 1],
      [0, 6, 1, 7],
      [80, 16, 3, 17],
      [443, 16, 3, 17],
    ],
  )
})

t.test('large blocks of ports that clients take are told before all else', async t => {
  const rows = (from: number, to: number) =>
    portRows([{ bit: 3, set: [{ from, to }] }], 'source').map(
      ({ value, length, bits, priority }) => [value, length, bits, priority],
    )
  t.same(rows(0, 1023), [
    [0, 0, 0, 1],
    [0, 6, 8, 7],
    [32768, 1, 0, 39],
  ])
  t.same(rows(1024, 65535), [
    [0, 0, 8, 1],
    [0, 6, 0, 7],
    [32768, 1, 8, 39],
  ])
  t.same(rows(33434, 33434), [
    [0, 0, 0, 1],
    [32768, 7, 0, 33],
    [33280, 9, 0, 31],
    [33434, 16, 8, 17],
    [33472, 10, 0, 30],
    [33536, 8, 0, 32],
    [33792, 6, 0, 34],
    [34816, 5, 0, 35],
    [36864, 4, 0, 36],
    [40960, 3, 0, 37],
    [49152, 2, 0, 38],
  ])
  t.same(rows(0, 65535), [[0, 0, 8, 1]])
})

t.test(
  'a rule for all addresses looks at source ports by bits, so that others need not look',
  async t => {
    const rows = (text: string) => ruleText(new Workshop().compile(text))[0]!
    t.match(
      rows('a: allow udp source 53 from any to any\n'),
      /^rules1 65000 reg5=0x\S+,ct_state=-inv\+trk,ct_nw_proto=17 =>/,
    )
    t.match(
      rows('a: allow udp source 53 from 10.0.0.1 to any\n'),
      /^rules1 65000 ip,ct_state=-inv\+trk,ct_nw_proto=17,ct_nw_src=10.0.0.1,ct_tp_src=53 =>/,
    )
    t.match(
      rows('a: allow udp 53 from any to any\n'),
      /^rules1 65000 ct_state=-inv\+trk,ct_nw_proto=17,ct_tp_dst=53 =>/,
    )
  },
)

t.test('two protocols share the bits of ports, unless these are too many', async t => {
  const rulesOf = (protocol: string, from: number, count: number) =>
    Array.from({ length: count }, (_, n) =>
      [1, 2, 3, 4, 5].map(
        each =>
          `${protocol}${n}-${each}: allow ${protocol} ${from + n * 16 + 1}-${from + n * 16 + 14} from 10.0.0.${each} to any\n`,
      ),
    )
      .flat()
      .join('')
  const portsOf = (text: string) =>
    flowsOf(new Workshop().compile(text)).filter(isOfPorts).map(flowText)
  const few = portsOf(rulesOf('tcp', 1024, 20) + rulesOf('udp', 1024, 20))
  const many = portsOf(rulesOf('tcp', 1024, 20) + rulesOf('udp', 8192, 20))
  // 1 to 14 is a block of 16 without its first and its last.
  t.equal(few.length, 2 * 20 * 3 + 1)
  t.equal(few.filter(row => row.includes('ct_nw_proto')).length, 2 * 20 * 3)
  t.equal(many.length, 2 * 20 * 3 + 1)
  t.equal(many.filter(row => row.includes('ct_nw_proto=6,')).length, 20 * 3)
  t.equal(many.filter(row => row.includes('ct_nw_proto=17,')).length, 20 * 3)
})

t.test('the rows around the rules', async t => {
  const sections = new Workshop().compile('default drop\n', 5)
  const isOfPieces = ({ table, match }: Flow) =>
    table === 'pieces' || (table !== 'session' && match.ip_frag !== undefined)
  const fixed = sections
    .find(({ name }) => name === 'firewall/pipeline')!
    .flows.filter(flow => !isOfPieces(flow))
    .map(flowText)
  const judge = 'load:0x1->reg0[19..19],move:ct_state[3..3]->reg0[20..20]'
  const elsewhere =
    'ct(commit,zone=reg7[0..15],table=70,exec(load:0x1->ct_label[0..15],load:0x1->ct_label[80..80]))'
  const here = (rule: string) =>
    `ct(commit,zone=reg7[0..15],table=70,exec(load:0x5->ct_label[0..15],${rule},load:0x0->ct_label[80..80]))`
  const ruled = here('move:reg3[0..31]->ct_label[16..47]')
  const current = 'ct_label=0x5/0x10000000000000000ffff'
  const relied = 'ct_label=0x100000000000000000001/0x10000000000000000ffff'
  const both = (row: string) => ['ip', 'ipv6'].map(ip => row.replace('IP', ip))
  const opener = 'reg0=0x90000/0x190000'
  t.same(fixed, [
    'track 65100 pkt_mark=0x20/0x20,ip,ip_proto=255 => drop',
    ...both('track 10 IP => load:0x5->reg1[16..31],ct(zone=reg7[0..15],table=40)'),
    'track 0 * => goto forward',
    'session 101 ip,ip_proto=6,tcp_flags=+syn,reg0=0x0/0x10000,ct_state=+inv+trk => controller(0b00000000,meter=40960)',
    'session 101 ipv6,ip_proto=6,tcp_flags=+syn,reg0=0x0/0x10000,ct_state=+inv+trk => controller(0b00000000,meter=40960)',
    'session 100 ct_state=+inv => drop',
    ...both(`session 95 IP,${opener},ct_state=+new+trk => ${elsewhere}`),
    `session 94 ${opener},ct_state=-new-rpl+trk,${relied} => goto forward`,
    ...both(`session 93 IP,${opener},ct_state=-new-rpl+trk => ${elsewhere}`),
    `session 94 ${opener},ct_state=-new+rpl+trk,${current} => goto forward`,
    ...both(
      `session 93 IP,${opener},ct_state=-new-rel+rpl+trk,ct_label=0x0/0x100000000000000000000 => ${elsewhere}`,
    ),
    'session 92 reg0=0x90000/0x90000,ct_state=+trk => goto forward',
    `session 85 ct_state=-new+trk,${current} => ${judge},goto forward`,
    `session 85 ct_state=+new-rel+trk,${current} => ${judge},goto forward`,
    `session 84 reg0=0x0/0x10000,ct_state=-new+rpl+trk,${relied} => load:0x1->reg0[20..20],goto rely`,
    `session 81 reg0=0x110000/0x190000,ct_state=+new+trk => load:0x1->reg0[21..21],${judge},goto ports`,
    ...both(`session 80 IP,ip_frag=3,ct_state=+new+trk => ${judge},goto ports`),
    ...both(
      `session 70 IP,ip_proto=6,tcp_flags=-fin+syn-rst-ack,ct_state=+new+trk => ${judge},goto ports`,
    ),
    ...both(
      'session 69 IP,ip_proto=6,ip_frag=0,reg0=0x0/0x10000,tcp_flags=-fin-syn-rst+ack,ct_state=+new+trk => goto rely',
    ),
    ...both(
      `session 68 IP,ip_proto=6,tcp_flags=-fin-syn-rst+ack,ct_state=+new+trk => ${judge},goto ports`,
    ),
    ...both('session 67 IP,ip_proto=6,ct_state=+new+trk => drop'),
    `session 0 * => ${judge},goto ports`,
    `rely 50 eth_dst=0x10000000000/0x10000000000 => ${judge},goto ports`,
    'rely 0 * => load:0x1->reg0[22..22],goto forward',
    'commit 50 ct_state=+new+rel+trk,reg0=0x0/0x20000 => drop',
    'commit 42 reg0=0x200000/0x200000 => goto forward',
    ...both(`commit 40 IP,ct_state=+new+rel+trk,reg0=0x20000/0x20000 => ${ruled}`),
    ...both(`commit 10 IP => ${ruled}`),
    'commit 0 * => drop',
    `forward 2 reg0=0x400000/0x400000 => load:0x0->reg0[22..22],${judge},resubmit(,45)`,
    'accepted 100 ct_state=+inv => drop',
    'accepted 10 ct_state=-inv+trk => goto forward',
    'accepted 0 * => drop',
  ])
})

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `rule${n}: allow tcp ${n + 1} from 10.0.0.0/8 to any`)

t.test('what did not change comes out as the same objects', async t => {
  const shop = new Workshop()
  const lines = numbered(500)
  const before = shop.compile(lines.join('\n'))
  t.same(
    shop.compile(lines.join('\n')).map((section, at) => section === before[at]),
    before.map(() => true),
  )

  const old = new Set(flowsOf(before))
  const fresh = (sections: readonly Section[]) =>
    flowsOf(sections)
      .filter(flow => !old.has(flow))
      .map(({ origin }) => origin.name)
  const edited = lines.with(250, 'rule250: drop tcp 251 from 10.0.0.0/8 to any')
  t.same(fresh(shop.compile(edited.join('\n'))), ['p/rule250'])

  const shifted = shop.compile(['# one', '# two', ...lines].join('\n'))
  t.same(
    fresh(shifted).filter(name => name !== 'p/rule250'),
    [],
  )
  const rule499 = flowsOf(shifted).find(({ origin }) => origin.name === 'p/rule499')!
  t.ok(old.has(rule499))
  t.equal(rule499.origin.line, 502, 'and says where the rule stands now')

  const inserted = shop.compile(lines.toSpliced(250, 0, 'extra: drop udp 1').join('\n'))
  const moved = fresh(inserted).filter(name => name !== 'p/rule250')
  t.ok(moved.includes('p/extra'))
  t.ok(moved.length < 64, `an insert moves its block only: ${moved.length} of 500`)

  const next = shop.compile(lines.join('\n'), 2)
  t.same(
    next
      .filter((section, at) => section !== before[at])
      .map(({ name }) => name)
      .includes('firewall/pipeline'),
    true,
  )
})

t.test('the same rules come to the same rows whatever was before', async t => {
  const [shop, lines] = [new Workshop(), numbered(300)]
  shop.compile(lines.join('\n'))
  shop.compile(lines.toSpliced(100, 50).join('\n'))
  const end = lines.toSpliced(7, 1).toSpliced(200, 0, 'late: drop udp 9')
  const long = flowsOf(shop.compile(end.join('\n'))).map(flowText)
  const short = flowsOf(new Workshop().compile(end.join('\n'))).map(flowText)
  t.same(long.sort(), short.sort())
})

t.test('priorities fall, and fit', async t => {
  for (const count of [0, 1, 10_000, 45_000, 64_000]) {
    const ids = Uint32Array.from({ length: count }, (_, n) => hash32(`rule ${n}`))
    const priorities = prioritiesOf(ids)!
    t.equal(priorities.length, count)
    t.ok(
      priorities.every((priority, at) => at === 0 || priority < priorities[at - 1]!),
      `${count} rules`,
    )
    t.ok(count === 0 || priorities.at(-1)! > 999)
  }
  t.equal(prioritiesOf(new Uint32Array(64_001)), undefined)
})

const ip = (text: string) => text as Ip
const tcp = (
  from: string,
  to: string,
  ports: readonly [number, number],
  flags: number,
): Fields => ({
  ...fieldsOf({
    source: ip(from),
    destination: ip(to),
    protocol: 6,
    sourcePort: ports[0],
    destinationPort: ports[1],
  }),
  tcp_flags: flags,
})
const [syn, synAck, ack] = [2, 18, 16]
const [client, server] = ['10.0.0.1', '10.0.0.2'] as const
const go = (flags: number) => tcp(client, server, [40000, 80], flags)
const back = (flags: number) => tcp(server, client, [80, 40000], flags)
/** From another switch, which has judged it for who opened the connection; or has not. */
const [judged, unjudged]: Fields[] = [{ reg0: 0x90000 }, { reg0: 0x10000 }]

t.test('a session is judged again when the rules change, in either direction', async t => {
  const [shop, net] = [new Workshop(), new OneSwitch()]
  const verdict = (fields: Fields, register: Fields = {}) =>
    answerOf(net.send(fields, register)).verdict
  const label = () => readLabel(net.conntrack.list()[0]!.label)
  net.load(shop.compile('default drop\nweb: allow tcp 80 from 10.0.0.1\n', 1))
  t.equal(verdict(back(ack)), 'drop', 'an ACK opens nothing')
  t.equal(verdict(go(syn)), 'allow')
  t.equal(verdict(back(synAck)), 'allow', 'the answer needs no rule')
  t.same(label(), {
    generation: 1,
    rule: hash32('p/web'),
    chain: 0,
    instance: 0,
    isElsewhere: false,
  })
  const steps = net.send(go(ack)).steps.map(({ table }) => table)
  t.same(steps, [30, 40, 90], 'what is known asks no rule')

  net.load(shop.compile('default drop\nother: allow tcp 80-81 from 10.0.0.1\n', 2))
  t.equal(verdict(back(ack)), 'allow', 'a packet of the answering side asks for its session')
  t.same(label(), {
    generation: 2,
    rule: hash32('p/other'),
    chain: 0,
    instance: 0,
    isElsewhere: false,
  })

  net.load(shop.compile('default drop\n', 3))
  t.equal(verdict(back(ack)), 'drop')
  t.equal(verdict(go(ack)), 'drop')
  net.load(shop.compile('default reject\n', 4))
  t.equal(verdict(go(ack)), 'reject')
})

t.test('one edge decides, the other remembers', async t => {
  const net = new OneSwitch(false)
  const verdict = (fields: Fields, register: Fields = {}) =>
    answerOf(net.send(fields, register)).verdict
  net.load(new Workshop().compile('default drop\n', 1))
  t.equal(verdict(back(synAck)), 'drop', 'an answer nobody asked for')
  t.equal(verdict(go(syn), unjudged), 'drop', 'nobody has let it in')
  t.equal(verdict(go(syn), judged), 'allow', 'opened elsewhere')
  t.equal(readLabel(net.conntrack.list()[0]!.label).isElsewhere, true)
  t.equal(verdict(back(synAck)), 'allow', 'the answer enters here')
  t.equal(verdict(go(ack), judged), 'allow')
  t.equal(verdict(go(ack), unjudged), 'drop', 'the other switch does not decide any more')
  t.equal(verdict(go(ack)), 'drop', 'the host that opened it has moved here: our rules count')
})

t.test('the first piece of a datagram asks the rules once, later ones wait for it', async t => {
  const net = new OneSwitch()
  net.load(new Workshop().compile('default drop\na: allow udp 53\n', 9))
  const ends: Fields = { eth_type: 0x800, ip_src: 1, ip_dst: 2, ip_proto: 17 }
  const tablesOf = (fields: Fields) => net.send(fields).steps.map(({ table }) => table)
  t.same(tablesOf({ ...ends, ip_frag: 3 }), [30, 40, 45, 58, 58, 58])
  const first = { ...ends, ip_frag: 1, udp_src: 7 }
  // The rules, noted in commit; behind zone A and B; with all others through the zone of the connection.
  const asked = [30, 40, 45, 45, 50, 51, 52, 53]
  t.same(tablesOf({ ...first, udp_dst: 54 }), [...asked, 58, 58, 58], 'denied')
  t.same(net.conntrack.list(), [])
  t.same(tablesOf({ ...first, udp_dst: 53 }), [30, 40, 45, 45, 50, 51, 60, 58, 58, 60, 70, 90])
  const { rule, generation } = readLabel(net.conntrack.list()[0]!.label)
  t.same([rule, generation], [hash32('p/a'), 9])
})

t.test('nobody is relied on for a destination that nobody knows', async t => {
  for (const [isKnown, verdict] of [
    [true, 'allow'],
    [false, 'drop'],
  ] as const) {
    const net = new OneSwitch(false, isKnown)
    net.load(new Workshop().compile('default drop\n', 1))
    net.send(go(syn), judged)
    t.equal(answerOf(net.send(back(synAck))).verdict, verdict)
    t.equal(answerOf(net.send(tcp(server, client, [81, 40000], ack))).verdict, verdict)
    t.equal(
      answerOf(net.send({ ...back(ack), eth_dst: 0xffffffffffff })).verdict,
      'drop',
      'nor for all',
    )
  }
})
