import t from 'tap'
import type { Ip } from '../../../../src/base/addresses.js'
import { importIptables } from '../../../../src/nfv/firewall/import/netfilter/iptables.js'
import { importNft } from '../../../../src/nfv/firewall/import/netfilter/nft.js'
import { ImportError } from '../../../../src/nfv/firewall/import/rule-writer.js'
import { decide } from '../../../../src/nfv/firewall/meaning/decide.js'
import { connectionInWords } from '../../../../src/nfv/firewall/text/packet-words.js'
import { rulesOf } from '../random-policy.js'

/** `10.1.0.1 10.2.0.1 tcp 80`: whether the imported rules allow it. */
const allows = (text: string, question: string): boolean => {
  const [from, to, ...service] = question.split(' ')
  const connection = connectionInWords(from as Ip, to as Ip, service.join(' '))
  return decide(rulesOf(text), connection).verdict === 'allow'
}

const importers = { iptables: importIptables, nft: importNft } as const
const forward = (policy: string, ...rules: string[]) =>
  `*filter\n:FORWARD ${policy} [0:0]\n${rules.map(rule => `-A FORWARD ${rule}\n`).join('')}COMMIT\n`
const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join('\n')}\nCOMMIT\n`
const ruleset = (...chains: string[]) => `table ip t {\n${chains.join('\n')}\n}\n`
const hook = (type: string, name: string, priority: number, policy: string, ...rules: string[]) =>
  `chain ${name} {\n type ${type} hook ${name} priority ${priority}; policy ${policy};\n ${rules.join('\n ')}\n}`

type Row = readonly [
  what: string,
  kind: keyof typeof importers,
  source: string,
  stopped: string,
  passed: string | undefined,
]

// biome-ignore format: a table
const rows: readonly Row[] = [
  ['what is redirected does not pass', 'iptables',
    table('nat', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128') + forward('ACCEPT'),
    '10.1.0.1 10.2.0.1 tcp 80', '10.1.0.1 10.2.0.1 tcp 81'],
  ['what is sent elsewhere does not pass', 'iptables',
    table('nat', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -d 10.2.0.1 -p udp --dport 53 -j DNAT --to-destination 10.9.0.1', ':POSTROUTING ACCEPT [0:0]', '-A POSTROUTING -j MASQUERADE --random') + forward('ACCEPT'),
    '10.1.0.1 10.2.0.1 udp 53', '10.1.0.1 10.2.0.2 udp 53'],
  ['a chain of nat may drop', 'nft',
    ruleset(hook('nat', 'prerouting', -100, 'accept', 'tcp dport 25 drop', 'tcp dport 80 redirect to :3128'), hook('nat', 'postrouting', 100, 'accept', 'ip saddr 10.1.0.0/16 masquerade', 'tcp dport 443 drop')),
    '10.9.0.1 10.2.0.1 tcp 443', '10.1.0.1 10.2.0.1 tcp 443'],
  ['what is not tracked is not new', 'iptables',
    table('raw', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -p udp --dport 53 -j CT --notrack') + forward('DROP', '-m conntrack --ctstate NEW -j ACCEPT'),
    '10.1.0.1 10.2.0.1 udp 53', '10.1.0.1 10.2.0.1 udp 54'],
  ['nor in nft', 'nft',
    ruleset(hook('filter', 'prerouting', -300, 'accept', 'udp dport 53 notrack'), hook('filter', 'forward', 0, 'drop', 'ct state new accept')),
    '10.1.0.1 10.2.0.1 udp 53', '10.1.0.1 10.2.0.1 udp 54'],
  ['before connection tracking each packet is invalid', 'nft',
    ruleset(hook('filter', 'prerouting', -300, 'accept', 'ip daddr 10.2.0.1 ct state invalid drop', 'ct state new drop'), hook('filter', 'forward', 0, 'accept', 'tcp dport 99 drop')),
    '10.1.0.1 10.2.0.1 tcp 80', '10.1.0.1 10.2.0.2 tcp 80'],
  ['in the table raw as well', 'iptables',
    table('raw', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -p tcp -m state --state NEW -j ACCEPT', '-A PREROUTING -d 10.2.0.1 -j DROP') + forward('ACCEPT'),
    '10.1.0.1 10.2.0.1 tcp 80', '10.1.0.1 10.2.0.2 tcp 80'],
  ['where nobody asks for the state it is the same', 'nft',
    ruleset(hook('filter', 'prerouting', -300, 'accept', 'udp dport 53 notrack'), hook('filter', 'forward', 0, 'drop', 'ct state established accept', 'udp dport 53 accept')),
    '10.1.0.1 10.2.0.1 udp 54', '10.1.0.1 10.2.0.1 udp 53'],
  ['a match behind the verdict is one', 'iptables',
    'iptables -P FORWARD DROP\niptables -N ok\niptables -A ok -j ACCEPT\niptables -A FORWARD -p tcp -j ok -m mark --mark 1\niptables -A FORWARD -p udp -j ACCEPT --dport 53\n',
    '10.1.0.1 10.2.0.1 tcp 80', '10.1.0.1 10.2.0.1 udp 53'],
  ['what is flushed is gone', 'iptables',
    'iptables -P FORWARD DROP\niptables -A FORWARD -p tcp --dport 22 -j ACCEPT\niptables -F FORWARD\niptables -A FORWARD -p tcp --dport 80 -j ACCEPT\n',
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 80'],
  ['with nft as well', 'nft',
    `${ruleset(hook('filter', 'forward', 0, 'drop', 'tcp dport 22 accept'))}flush ruleset\n${ruleset(hook('filter', 'forward', 0, 'drop', 'tcp dport 80 accept'))}`,
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 80'],
  ['a table is deleted with what it has', 'nft',
    `${ruleset(hook('filter', 'forward', 0, 'drop', 'tcp dport 22 accept'))}delete table ip t\n${ruleset(hook('filter', 'forward', 0, 'drop', 'tcp dport 80 accept'))}`,
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 80'],
  ['before the choice of a way there is no way', 'nft',
    ruleset(hook('filter', 'prerouting', -150, 'drop', 'oifname "eth1" accept', 'ip saddr 10.1.0.0/16 accept')),
    '10.2.0.1 192.0.2.1 tcp 80', '10.1.0.1 10.2.0.1 tcp 80'],
  ['a target that only iptables knows decides', 'nft',
    ruleset(hook('filter', 'forward', 0, 'accept', 'tcp dport 22 counter packets 0 bytes 0 xt target "NFQUEUE"', 'tcp dport 23 counter packets 0 bytes 0 xt target "TCPMSS"')),
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 23'],
  ['as listed by older ones', 'nft',
    ruleset(hook('filter', 'forward', 0, 'accept', 'meta l4proto tcp tcp dport 22 # match-set f2b src counter packets 0 bytes 0 drop', 'tcp dport 25 counter packets 0 bytes 0 # TARPIT', 'tcp dport 23 counter packets 0 bytes 0 # DROP it one day'.replace('# DROP', '# drop'))),
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 23'],
  ['a size of segments is set, which is no verdict', 'nft',
    ruleset(hook('filter', 'forward', 0, 'drop', 'tcp flags syn tcp option maxseg size set rt mtu', 'tcp dport 80 accept', 'numgen random mod 2 0 accept')),
    '10.1.0.1 10.2.0.1 tcp 81', '10.1.0.1 10.2.0.1 tcp 80'],
  ['a map of verdicts behind a count is read', 'nft',
    ruleset(hook('filter', 'forward', 0, 'accept', 'ct count over 3 tcp dport vmap { 22 : drop, 23 : accept }')),
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 23'],
  ['and one behind what is not known decides', 'nft',
    ruleset(hook('filter', 'forward', 0, 'accept', 'ip saddr 10.1.0.0/16 numgen random mod 2 vmap { 0 : drop, 1 : accept }')),
    '10.1.0.1 10.2.0.1 tcp 22', '10.9.0.1 10.2.0.1 tcp 23'],
  ['a rule that is inserted stands above', 'nft',
    JSON.stringify({ nftables: [
      { add: { table: { family: 'ip', name: 't' } } },
      { add: { chain: { family: 'ip', table: 't', name: 'c', type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } } },
      { add: { rule: { family: 'ip', table: 't', chain: 'c', expr: [{ accept: null }] } } },
      { insert: { rule: { family: 'ip', table: 't', chain: 'c', expr: [{ match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 22 } }, { drop: null }] } } },
    ] }),
    '10.1.0.1 10.2.0.1 tcp 22', '10.1.0.1 10.2.0.1 tcp 80'],
]

for (const [what, kind, source, stopped, passed] of rows)
  t.test(what, async t => {
    const interfaces = new Map([['eth1', '192.0.2.0/24']])
    const { text } = importers[kind](source, { interfaces })
    t.notOk(allows(text, stopped), `${stopped}\n${text}`)
    if (passed !== undefined) t.ok(allows(text, passed), `${passed}\n${text}`)
  })

t.test('of what a host has at several hooks all must accept', async t => {
  const { text } = importIptables(
    `${table('raw', ':PREROUTING ACCEPT [0:0]', '-A PREROUTING -s 10.66.0.0/16 -j DROP')}${table('mangle', ':INPUT ACCEPT [0:0]', '-A INPUT -s 10.1.0.0/16 -j ACCEPT', '-A INPUT -p udp -j DROP')}${table('filter', ':INPUT DROP [0:0]', '-A INPUT -p tcp --dport 22 -j ACCEPT', '-A INPUT -p udp -j ACCEPT')}`,
    { host: ['10.0.0.9'] },
  )
  const passing = (question: string) => allows(`default drop\n${text}`, question)
  t.same(
    [
      '10.1.0.1 10.0.0.9 tcp 22',
      '10.1.0.1 10.0.0.9 tcp 23',
      '10.1.0.1 10.0.0.9 udp 53',
      '10.2.0.1 10.0.0.9 udp 53',
      '10.66.0.1 10.0.0.9 tcp 22',
    ].map(passing),
    [true, false, true, false, false],
  )
})

t.test('what takes away single things is refused, with its line', async t => {
  const sources = [
    `table ip t {\n set s { type ipv4_addr; elements = { 10.1.0.1 }\n }\n}\ndelete element ip t s { 10.1.0.1 }\n`,
    `${ruleset(hook('filter', 'forward', 0, 'drop', 'accept'))}flush chain ip t forward\n`,
    JSON.stringify({ nftables: [{ delete: { rule: { handle: 5 } } }] }),
  ]
  for (const source of sources)
    t.throws(() => importNft(source), { constructor: ImportError, message: /list the ruleset/ })
})
