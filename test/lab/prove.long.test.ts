import t from 'tap'
import { isRoot } from '../../src/lab/install.js'
import { originalOf } from '../../src/lab/prove/original.js'
import { formatConnection, prove } from '../../src/lab/prove/prove.js'
import { importIptables } from '../../src/nfv/firewall/import/netfilter/iptables.js'
import { importNft } from '../../src/nfv/firewall/import/netfilter/nft.js'
import { iptablesText, nftText, randomRuleset } from '../nfv/firewall/import/random-chains.js'
import { seeded } from '../nfv/firewall/random-policy.js'

const skip = isRoot() ? false : 'it needs root for network namespaces'
const importers = { iptables: importIptables, nft: importNft } as const

const proofOf = (
  kind: 'iptables' | 'nft',
  source: string,
  text: string,
  interfaces: ReadonlyMap<string, readonly string[]> = new Map(),
) =>
  prove(
    originalOf(kind, source, interfaces, `sluice-prove-test-${process.pid}`, line => {
      t.comment(line)
    }),
    text,
    { count: 150, seed: 7 },
  )

/** Rule sets of one thought each, as people write them. */
const rulesets: Readonly<Record<string, string>> = {
  office: `table inet filter {
  set lan { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.2.0.0-10.2.3.255 } }
  chain log_drop { log prefix "drop: "; drop; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : jump log_drop }
    ip saddr @lan tcp dport { 80, 443, 8000-8099 } accept
    ip saddr @lan meta l4proto { tcp, udp } th dport 53 accept
    ip saddr @lan icmp type echo-request accept
    ip6 saddr fd00::/8 ip6 nexthdr icmpv6 accept
    ip saddr != @lan jump log_drop
    ip daddr . tcp dport { 10.1.0.5 . 22, 10.1.0.6 . 25 } accept
  }
}
`,
  hooks: `table inet raw {
  chain pre {
    type filter hook prerouting priority raw; policy accept;
    ip saddr 192.0.2.0/24 drop
    tcp flags & (fin | syn) == fin | syn drop
  }
}
table ip a {
  chain inner {
    udp dport != 53 drop
    return
  }
  chain f {
    type filter hook forward priority 0; policy accept;
    tcp dport 25 reject
    ip daddr 10.9.0.0/16 goto inner
  }
}
table ip6 b {
  chain f {
    type filter hook forward priority 5; policy drop;
    tcp dport 443 accept
    meta l4proto icmpv6 accept
  }
}
`,
}

for (const [name, source] of Object.entries(rulesets))
  t.test(`nft, ${name}: the imported rules do what the kernel does`, { skip }, async t => {
    const { text } = importNft(source, { onLoss: 'fail' })
    const { wider, narrower, passInBoth, stopInBoth } = await proofOf('nft', source, text)
    t.same([...wider, ...narrower].map(formatConnection), [])
    t.ok(passInBoth > 5 && stopInBoth > 5, `${passInBoth} pass, ${stopInBoth} do not`)
  })

for (const [kind, textOf] of [
  ['iptables', iptablesText],
  ['nft', nftText],
] as const)
  t.test(`${kind}: random chains do what the kernel does`, { skip }, async t => {
    const dice = seeded(20261130)
    let compared = 0
    for (let set = 0; set < 5; set++) {
      const source = textOf(randomRuleset(dice, false))
      const { text } = importers[kind](source, { onLoss: 'fail' })
      const { wider, narrower, connections } = await proofOf(kind, source, text)
      compared += connections
      t.same(wider.map(formatConnection), [], source)
      // A dump of iptables says nothing of IPv6, which is closed here.
      t.same(
        narrower.map(formatConnection).filter(one => !one.includes(':')),
        [],
        source,
      )
    }
    t.ok(compared > 500, `${compared} connections`)
  })

t.test('interfaces are what is behind them', { skip }, async t => {
  const source = `*filter
:FORWARD DROP [0:0]
-A FORWARD -i lan0 ! -o dmz0 -j ACCEPT
-A FORWARD -o dmz0 -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
`
  const interfaces = new Map([
    ['lan0', ['10.1.0.0/16']],
    ['dmz0', ['10.2.0.0/24']],
  ])
  const flat = new Map([...interfaces].map(([name, list]) => [name, list.join(',')]))
  const { text } = importIptables(source, { onLoss: 'fail', interfaces: flat })
  const { wider, narrower, passInBoth } = await proofOf('iptables', source, text, interfaces)
  t.same(wider.map(formatConnection), [])
  t.same(
    narrower.map(formatConnection).filter(one => !one.includes(':')),
    [],
  )
  t.ok(passInBoth > 5, `${passInBoth} pass`)
})

t.test('rules that allow more than the kernel does are told', { skip }, async t => {
  const source =
    '*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n'
  const { wider } = await proofOf('iptables', source, 'default drop\nx: allow tcp 80-90\n')
  t.ok(wider.length > 0)
  t.ok(
    wider.every(({ destinationPort, source: from }) => destinationPort > 80 || from.includes(':')),
  )
})
