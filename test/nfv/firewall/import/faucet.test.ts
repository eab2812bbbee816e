import t from 'tap'
import { importFaucet } from '../../../../src/nfv/firewall/import/faucet.js'
import { loadText } from '../../../../src/nfv/firewall/load.js'
import { Parser } from '../../../../src/nfv/firewall/parse.js'

t.test('ACLs become one list; what has no equivalent is noted with its line', async t => {
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
default allow

# acl guests
guests-1: drop any from 10.0.100.0/24 to 10.0.200.0/24

# acl access
access-1: drop udp 68 source 67 from 0.0.0.0/0 to any
`,
  )
  t.same(
    notes.map(({ line, message }) => `${line}: ${message}`),
    [
      '11: left out of access, no equivalent for keeping out ICMP that opens no connection',
      '13: left out of access, no equivalent for the Ethernet type 0x806',
      '14: left out of access, no equivalent for the action output',
      '15: left out of access, no equivalent for the match eth_src',
      '0: several ACLs, each for the ports that name it, hold for all ports here',
    ],
  )
  t.same(loadText(new Parser(), 'imported.rules', text).complaints, [])
  t.throws(() => importFaucet('vlans: {}\n'), { message: /"acls" is missing/ })
})
