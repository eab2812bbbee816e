import t from 'tap'
import { importFaucet } from '../../../../src/nfv/firewall/import/faucet.js'
import { loadText } from '../../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../../src/nfv/firewall/text/parse.js'

const complaintsOf = (text: string) => loadText(new Parser(), 'imported.rules', text).complaints

t.test('lists that nobody names hold for all ports, one behind the other', async t => {
  const { text, notes } = importFaucet(`acls:
  guests:
    - rule:
        dl_type: 0x800
        ipv4_src: 10.0.100.0/24
        ipv4_dst: 10.0.200.0/24
        actions: { allow: 0 }
    - rule:
        actions: { allow: 1 }
  access:
    - rule: { dl_type: 0x86dd, nw_proto: 58, icmpv6_type: 134, actions: { allow: 0 } }
    - rule: { dl_type: 0x800, nw_proto: 17, udp_src: 67, udp_dst: 68, actions: { allow: 0 } }
    - rule: { dl_type: 0x806, actions: { allow: 1 } }
    - rule: { nw_proto: 6, tcp_dst: 53, actions: { output: { port: s1 } } }
    - rule: { eth_src: "02:00:00:00:00:01", actions: { allow: 1 } }
    - rule: { actions: { allow: 1 } }
`)
  t.equal(
    text,
    `# from the ACLs of faucet.yaml
default drop

tier admin
guests-1: drop any from 10.0.100.0/24 to 10.0.200.0/24

tier main
access-2: drop udp 68 source 67 from 0.0.0.0/0 to 0.0.0.0/0
access-6: allow any from any to any
`,
  )
  t.same(
    notes.map(({ line, kind }) => `${line} ${kind}`),
    ['13 info', '0 info', '14 left out', '15 left out', '11 left out'],
  )
  t.match(notes.at(-1)?.message, /neighbour discovery/)
  t.same(complaintsOf(text), [])
})

t.test('lists of ports, VLANs and datapaths hold where they are put', async t => {
  const { text, notes } = importFaucet(`acls:
  web:
    - rule: { dl_type: 0x800, nw_proto: 6, tcp_dst: 80, actions: { allow: 1 } }
  no-ping:
    - rule: { dl_type: 0x800, ip_proto: 1, actions: { allow: False } }
  all:
    - rule: { actions: { allow: True, cookie: 7 } }
vlans:
  office: { vid: 100, acl_in: web }
dps:
  s1:
    dp_id: 1
    interfaces:
      1: { native_vlan: office, acl_in: web }
      uplink: { number: 9, acls_in: [no-ping, all] }
      3: { native_vlan: office }
`)
  t.equal(
    text,
    `# from the ACLs of faucet.yaml
default allow

tier admin
web-1: pass tcp 80 from port s1:1 except ::/0 to 0.0.0.0/0
policy-web: drop any from port s1:1 to any
no-ping-1: drop icmp from port s1:9 except ::/0 to 0.0.0.0/0

tier main
web-1-2: allow tcp 80 from network office except ::/0 to 0.0.0.0/0
policy-web-2: drop any from network office to any
`,
  )
  t.same(
    notes.map(({ kind, message }) => [kind, message]),
    [
      [
        'info',
        'no rule of it is about running connections: here the answers to what may be opened pass as well',
      ],
    ],
  )
  t.same(complaintsOf(text), [])
})

t.test('lists on the way out of a VLAN hold for what goes there', async t => {
  const { text } = importFaucet(`acls:
  web:
    - rule: { dl_type: 0x800, nw_proto: 6, tcp_dst: 80, actions: { allow: 1 } }
vlans:
  office: { vid: 100, acls_out: [web] }
dps: { s1: { dp_id: 1, interfaces: { 1: { native_vlan: office } } } }
`)
  t.equal(
    text,
    `# from the ACLs of faucet.yaml
default allow

web-1: allow tcp 80 from 0.0.0.0/0 to network office except ::/0
policy-web: drop any from any to network office
`,
  )
  t.same(complaintsOf(text), [])
})

t.test('a list that ends by dropping DHCP keeps it out, which a default does not', async t => {
  const { text } = importFaucet(`acls:
  a:
    - rule: { dl_type: 0x800, nw_proto: 6, tcp_dst: 80, actions: { allow: 1 } }
    - rule: { dl_type: 0x800, nw_proto: 17, udp_src: 67, udp_dst: 68, actions: { allow: 0 } }
    - rule: { actions: { allow: 0 } }
`)
  t.match(text, 'a-2: drop udp 68 source 67 from 0.0.0.0/0 to 0.0.0.0/0\n')
  t.notMatch(text, /a-3/)
})

t.test('what is no configuration of Faucet fails with its line', async t => {
  // biome-ignore format: a table
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['vlans: {}\n', /"acls" is missing/],
    ['acls: {a: [{rule: {tcp_dst: 80, actions: {allow: 1}}}]}\n', /without nw_proto/],
    ['acls: {a: []}\ndps: {s: {interfaces: {1: {acl_in: b}}}}\n', /no list is named b/],
    ['acls: {a: [{rule: {dl_type: 0x800, nw_src: here}}]}\n', /no address/],
    ['acls: {a: []}\ninclude: [more.yaml]\n', /other files are not read/],
  ]
  for (const [text, message] of rows) t.throws(() => importFaucet(text), { message }, text)
})
