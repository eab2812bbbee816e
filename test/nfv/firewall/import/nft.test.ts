import t from 'tap'
import { importNft } from '../../../../src/nfv/firewall/import/netfilter/nft.js'
import { ImportError } from '../../../../src/nfv/firewall/import/rule-writer.js'
import { loadText } from '../../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../../src/nfv/firewall/text/parse.js'

const at = { family: 'inet', table: 'f' }
const payload = (protocol: string, field: string, right: unknown, op = '==') => ({
  match: { op, left: { payload: { protocol, field } }, right },
})
const rule = (handle: number, ...expr: object[]) => ({
  rule: { ...at, chain: 'fwd', handle, expr },
})

t.test('chains at hook forward become rules, sets and jumps included', async t => {
  const ruleset = {
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: at },
      {
        set: {
          ...at,
          name: 'office',
          type: 'ipv4_addr',
          elem: [{ prefix: { addr: '10.1.0.0', len: 16 } }, '10.9.0.7'],
        },
      },
      { chain: { ...at, name: 'fwd', type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
      { chain: { ...at, name: 'web' } },
      rule(
        4,
        { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } },
        { accept: null },
      ),
      rule(
        5,
        payload('ip', 'saddr', '@office'),
        payload('tcp', 'dport', { set: [80, { range: [8000, 8099] }] }),
        { counter: { packets: 0, bytes: 0 } },
        { accept: null },
      ),
      rule(
        6,
        payload('ip', 'daddr', '10.2.0.0', '!='),
        { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'udp' } },
        { log: { prefix: 'odd udp ' } },
        { reject: { type: 'icmp', expr: 'port-unreachable' } },
      ),
      rule(7, payload('ip', 'daddr', { prefix: { addr: '10.2.0.0', len: 24 } }), {
        jump: { target: 'web' },
      }),
      rule(
        8,
        { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'eth0' } },
        { accept: null },
      ),
      {
        rule: {
          ...at,
          chain: 'web',
          handle: 9,
          comment: 'only https',
          expr: [payload('tcp', 'dport', 443), { accept: null }],
        },
      },
    ],
  }
  const { text, notes } = importNft(JSON.stringify(ruleset))
  t.equal(
    text,
    `# from nft list ruleset
default drop

rule-5: allow tcp 80 8000-8099 from 10.1.0.0/16, 10.9.0.7 to 0.0.0.0/0
rule-6: reject udp from 0.0.0.0/0 to 0.0.0.0/0 except 10.2.0.0 with port-unreachable log "odd udp"
only-https: allow tcp 443 from 0.0.0.0/0 to 10.2.0.0/24
`,
  )
  t.match(notes, [{ path: 'nftables[9]', kind: 'left out', message: /--interface eth0=ZONE/ }])
  t.same(loadText(new Parser(), 'imported.rules', text).complaints, [])
})

const chain = (policy: string, ...rules: string[]): string =>
  `table inet f {\n chain c {\n type filter hook forward priority 0; policy ${policy};\n${rules.join('\n')}\n }\n}\n`

const rulesOf = (text: string): string[] => {
  const imported = importNft(text)
  t.same(loadText(new Parser(), 'imported.rules', imported.text).complaints, [], imported.text)
  return imported.text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => line.replace(/^(rule|policy)-[^:]*: /, ''))
}

t.test('each expression means what nft(8) says', async t => {
  const [all, v4, v6] = ['from any to any', 'from 0.0.0.0/0 to 0.0.0.0/0', 'from ::/0 to ::/0']
  // biome-ignore format: a table
  const rows: readonly (readonly [expression: string, ...rules: string[]])[] = [
    ['meta nfproto ipv6', `allow any ${v6}`],
    ['meta protocol ip', `allow any ${v4}`],
    ['meta protocol 0x0800', `allow any ${v4}`],
    ['meta protocol != 0x86dd', `allow any ${v4}`],
    ['ether type 0x86DD', `allow any ${v6}`],
    ['ct state established,related'],
    ['ct state != new'],
    ['ct state != { established, related }', `allow any ${all}`],
    ['ip saddr != 10.0.0.0/8', 'allow any from 0.0.0.0/0 except 10.0.0.0/8 to 0.0.0.0/0'],
    ['ip saddr { 10.0.0.1, 10.0.0.4-10.0.0.7 } tcp dport { 22, 80-90 }', 'allow tcp 22 80-90 from 10.0.0.1, 10.0.0.4/30 to 0.0.0.0/0'],
    ['ip6 daddr 2001:db8::/32', 'allow any from ::/0 to 2001:db8::/32'],
    ['tcp dport != 22', `allow tcp except 22 ${all}`],
    ['meta l4proto { tcp, udp } th dport 53', `allow tcp+udp 53 ${all}`],
    ['ip daddr . tcp dport { 10.0.0.5 . 80, 10.0.0.6 . 443 }', 'allow tcp 80 from 0.0.0.0/0 to 10.0.0.5', 'allow tcp 443 from 0.0.0.0/0 to 10.0.0.6'],
    ['tcp flags & (fin | syn | rst | ack) == syn', `allow tcp ${all}`],
    ['tcp flags != syn'],
    ['tcp flags & (fin | syn) == fin | syn'],
    ['tcp flags ! syn'],
    ['tcp flags ! fin,ack', `allow tcp ${all}`],
    ['ct state ! established,related', `allow any ${all}`],
    ['ct state ! new'],
    ['tcp dport { 22, * }', `allow tcp ${all}`],
    ['ip saddr { 10.0.0.1, * }', `allow any ${v4}`],
    ['icmp type { * }', `allow icmp ${all}`],
    ['tcp flags { syn, syn | ack }', `allow tcp ${all}`],
    ['tcp flags syn,ack', `allow tcp ${all}`],
    ['tcp flags & (syn | ack) == ack'],
    ['tcp flags syn / fin,syn,rst,ack', `allow tcp ${all}`],
    ['icmpv6 type { nd-neighbor-solicit, echo-request }', `allow icmp6 echo-request ${all}`],
    ['fib daddr type local'],
    ['ip frag-off & 0x1fff != 0'],
    ['ip frag-off & 0x1fff == 0', `allow any ${v4}`],
    ['exthdr rt exists'],
    ['ip version 4', `allow any ${v4}`],
    ['ip6 version 4'],
    ['ether type ip6', `allow any ${v6}`],
    ['ether type arp'],
    ['meta nftrace set 1 tcp dport 80', `allow tcp 80 ${all}`],
    ['meta mark set meta mark | 0x1 ip saddr 10.0.0.1', 'allow any from 10.0.0.1 to 0.0.0.0/0'],
    ['ct mark set (meta mark & 0xff) | 1 udp dport 53', `allow udp 53 ${all}`],
    ['meta mark set ip saddr map { 10.0.0.1 : 0x1 } tcp dport 22'],
    ['ct mark set ip dscp tcp dport 22'],
    ['ct event set new,destroy tcp dport 23', `allow tcp 23 ${all}`],
    ['ip dscp set cs1 tcp dport 24', 'allow tcp 24 from 0.0.0.0/0 to 0.0.0.0/0'],
    ['tcp option maxseg size set rt mtu tcp dport 25', `allow tcp 25 ${all}`],
    ['meta mark set numgen inc mod 2 tcp dport 26'],
    ['dup to 10.0.0.9 device "eth0" tcp dport 27', `allow tcp 27 ${all}`],
    ['reset tcp option sack-perm tcp dport 28', `allow tcp 28 ${all}`],
    ['exthdr frag missing', `allow any ${all}`],
    ['rt type 0'],
    ['meta mark 1'],
    ['th dport 53'],
    ['udp dport >= 1024', `allow udp 1024-65535 ${all}`],
  ]
  for (const [expression, ...rules] of rows)
    t.same(rulesOf(chain('drop', `${expression} accept`)).slice(1), rules, expression)
})

t.test(
  'text and JSON are the same ruleset; sets, maps, definitions and several tables',
  async t => {
    t.same(
      rulesOf(`define web = { 80, 443 }
table ip f {
  set none { type inet_service; }
  map doors { type ipv4_addr : verdict; elements = { 10.0.0.5 : jump srv, 10.0.0.6 : accept } }
  chain srv { tcp dport $web accept; return; }
  chain c {
    type filter hook forward priority filter + 5; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    tcp dport @none accept
    ip daddr vmap @doors
  }
}
table ip6 g { chain c { type filter hook forward priority 0; policy accept; tcp dport 23 drop; } }
`),
      [
        'default drop',
        'drop tcp 23 from ::/0 to ::/0',
        'allow any from ::/0 to ::/0',
        'allow tcp 80 443 from 0.0.0.0/0 to 10.0.0.5',
        'allow any from 0.0.0.0/0 to 10.0.0.6',
      ],
    )
    t.same(
      rulesOf(`table inet a { chain c { type filter hook forward priority 10; policy accept; tcp dport 23 drop; } }
table inet b { chain c { type filter hook forward priority 0; policy drop; ip saddr 10.0.0.0/8 accept; } }
`),
      [
        'default allow',
        'tier admin',
        'pass any from 10.0.0.0/8 to 0.0.0.0/0',
        'drop any from any to any',
        'tier main',
        'drop tcp 23 from any to any',
      ],
      'both chains must accept, the one of lower priority first',
    )
  },
)

t.test('a jump keeps its match, and a chain is left as nft does', async t => {
  t.same(
    rulesOf(`table inet f {
 chain known { counter accept; }
 chain c { type filter hook forward priority 0; policy drop;
  ct state established,related jump known
  tcp dport 80 accept
 }
}`),
    ['default drop', 'allow tcp 80 from any to any'],
  )
})

t.test('what is no ruleset is refused', async t => {
  // biome-ignore format: a table
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /empty/],
    ['{', /no JSON/],
    ['{}', /"nftables" is missing/],
    ['root:x:0:0\n', /no command of nft/],
    [chain('drop', 'tcp dport @nothing accept'), /no set is named/],
    [chain('drop', 'jump nowhere'), /no chain is named nowhere/],
    [chain('drop', 'ip saddr 10.0.0.300 accept'), /no address/],
    ['include "/etc/nftables/*.nft"\n', /list the ruleset/],
  ]
  for (const [text, message] of rows)
    t.throws(() => importNft(text), { constructor: ImportError, message }, text)
})
