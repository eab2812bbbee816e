/** An uplink of Open vSwitch with real Linux behind it: a provider's router, and somebody in another network beyond. */
import t from 'tap'
import { sh } from '../../../src/lab/shell.js'
import { root, withOvs } from '../../topology/ovs/rig.js'
import { Internet } from './internet.js'

/*
 *   a (staff) at s1 ── s2 at isp (wan, the uplink) ── somebody, in 198.51.100.0/24
 */
const network = `title: An uplink
switches: [s1, s2]
links:
  - [s1:10, s2:10]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24, "fd00:1::1/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  isp: { at: s2:1, ips: [203.0.113.1/24, "2001:db8::1/64"], routes: [10.1.0.0/16 via 203.0.113.10, "fd00:1::/64 via 2001:db8::10"] }
objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1] } }
  - { kind: Network, name: wan, spec: { number: 20, access: [s2:1] } }
  - { kind: Port, name: outside, spec: { at: s2:1, role: uplink } }
  - kind: Router
    name: main
    spec:
      interfaces:
        - { network: staff, addresses: [10.1.0.254/24, "fd00:1::fe/64"] }
        - { network: wan, addresses: [203.0.113.10/24, "2001:db8::10/64"], advertise: false }
      routes:
        - { to: 0.0.0.0/0, via: 203.0.113.1 }
        - { to: "::/0", via: "2001:db8::1" }
`

t.test('a way out, over two switches', root, t =>
  withOvs(network, async net => {
    const namespace = (name: string) => net.stage.rig.hostNamespace(name)
    const internet = await Internet.behind(namespace('isp'), [
      ['198.51.100.9/24', '198.51.100.1/24'],
      ['2001:db8:1::9/64', '2001:db8:1::1/64'],
    ])
    try {
      const inA = (line: string) =>
        sh('ip', 'netns', 'exec', namespace('a'), 'sh', '-c', `${line} 2>&1 || true`)
      const ping = 'ping -c 3 -i 0.2 -W 3'
      t.match(await inA(`${ping} 198.51.100.9`), / 0% packet loss/)
      t.match(await inA(`${ping} 2001:db8:1::9`), / 0% packet loss/)
      t.match(await inA(`${ping} -s 4000 198.51.100.9`), / 0% packet loss/, 'in pieces')
      t.match(await inA(`${ping} -t 2 198.51.100.9`), /From 203.0.113.1 .*Time to live exceeded/s)
      t.match(await internet.run(`${ping} 10.1.0.1`), / 0% packet loss/, 'from outside')
      t.match(await internet.run(`${ping} fd00:1::1`), / 0% packet loss/)
      await internet.enter('ip', 'addr', 'add', '10.1.0.99/32', 'dev', 'lo')
      t.match(
        await internet.run(`${ping} -I 10.1.0.99 10.1.0.1`),
        /100% packet loss/,
        'nobody outside has an address of ours',
      )
      const { items } = await net.controller.get<{ items: { ips: string[] }[] }>('/api/v1/hosts')
      const ips = items.flatMap(host => host.ips)
      t.notOk(ips.some(ip => ip.startsWith('198.51') || ip.startsWith('2001:db8:1:')))
    } finally {
      await internet.down()
    }
  }),
)
