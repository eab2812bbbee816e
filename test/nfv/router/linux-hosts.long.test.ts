/** Hosts of Linux behind a router of ours, on Open vSwitch: what they see is what a Linux router shows them. */
import t from 'tap'
import { sh, sleep } from '../../../src/lab/shell.js'
import { type OvsNetwork, root, withOvs } from '../../topology/ovs/rig.js'
import { until } from '../../until.js'

/*
 *   a, auto (staff), x (staff, by a tag) at s1 ── s2 at w (servers), r1 and r2 (routers of Linux, servers)
 */
const network = `title: Hosts and routers of Linux
switches: [s1, s2]
links:
  - [s1:10, s2:10]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24, "fd00:1::1/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  x: { at: s1:2, vlan: 100, ips: [10.1.0.2/24], routes: [default via 10.1.0.254] }
  auto: { at: s1:3, ips: [10.1.0.3/24] }
  w: { at: s2:1, ips: [10.2.0.1/24, "fd00:2::1/64"], routes: [default via 10.2.0.254, "default via fd00:2::fe"] }
  r1: { at: s2:2, ips: [10.2.0.11/24], routes: [10.1.0.0/16 via 10.2.0.254] }
  r2: { at: s2:3, ips: [10.2.0.12/24], routes: [10.1.0.0/16 via 10.2.0.254] }
objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1, s1:3], trunk: [{ port: s1:2, vlan: 100 }] } }
  - { kind: Network, name: servers, spec: { number: 20, access: [s2:1, s2:2, s2:3], trunk: [{ port: s1:2, vlan: 200 }] } }
  - kind: Router
    name: main
    spec:
      interfaces:
        - { network: staff, addresses: [10.1.0.254/24, "fd00:1::fe/64"] }
        - { network: servers, addresses: [10.2.0.254/24, "fd00:2::fe/64"] }
      routes:
        - { to: 10.9.0.0/16, via: 10.2.0.11 }
        - { to: 10.8.0.0/16, via: [10.2.0.11, 10.2.0.12] }
        - { to: 10.7.0.0/16, blackhole: true }
`

/** What a command prints in a host, whether it succeeds or not. */
const inHost =
  ({ stage }: OvsNetwork) =>
  (name: string, ...words: string[]): Promise<string> =>
    sh(
      'ip',
      'netns',
      'exec',
      stage.rig.hostNamespace(name),
      'sh',
      '-c',
      `${words.join(' ')} 2>&1 || true`,
    )

t.test('hosts of Linux behind a router', root, t =>
  withOvs(network, async net => {
    const run = inHost(net)
    const ping = (name: string, to: string, ...more: string[]) =>
      run(name, 'ping -c 2 -i 0.2 -W 3', ...more, to)
    t.match(await ping('a', '10.2.0.1'), / 0% packet loss/, 'over two switches')
    t.match(await ping('a', 'fd00:2::1'), / 0% packet loss/, 'IPv6')
    t.match(await ping('a', '10.2.0.1', '-s', '6000'), / 0% packet loss/, 'in pieces')
    t.match(await ping('a', 'fd00:2::1', '-s', '6000'), / 0% packet loss/, 'IPv6 in pieces')
    t.match(await ping('a', '10.1.0.254'), /ttl=64.* 0% packet loss/s, 'the gateway')
    t.match(await ping('a', '10.2.0.1'), /ttl=63/, 'one hop')
    t.match(await ping('a', '10.2.0.1', '-t', '1'), /From 10.1.0.254.*Time to live exceeded/s)
    t.match(await ping('a', 'fd00:2::1', '-t', '1'), /From fd00:1::fe.*Time exceeded/s)
    t.match(await ping('a', '10.250.0.1'), /From 10.1.0.254.*Destination Net Unreachable/s)
    t.match(await ping('a', 'fd00:77::1'), /From fd00:1::fe.*No route/s)
    t.match(
      await ping('a', '10.2.0.77', '-w', '5'),
      /From 10.1.0.254.*Destination Host Unreachable/s,
    )
    t.match(await ping('a', '10.7.0.1'), /100% packet loss/)

    const ip = (name: string, ...words: string[]) => run(name, 'ip', ...words)
    t.match(await ping('x', '10.2.0.1'), / 0% packet loss/, 'with a tag')
    await until(
      async () => /inet6 fd00:1:/.test(await ip('auto', '-6', 'addr', 'show', 'dev', 'eth0')),
      20_000,
    )
    await sleep(2_000)
    t.match(await ip('auto', '-6', 'route'), /default via fe80::[0-9a-f:]+ dev eth0 proto ra/)
    t.match(await ping('auto', 'fd00:2::1'), / 0% packet loss/, 'by the address it has made itself')

    await ip('r1', 'addr add 10.9.0.1/32 dev lo')
    t.match(await ping('a', '10.9.0.1'), /ttl=63.* 0% packet loss/s, 'behind a router of Linux')
    const numbers = Array.from({ length: 12 }, (_, index) => index + 1)
    for (const name of ['r1', 'r2'])
      for (const number of numbers) await ip(name, `addr add 10.8.0.${number}/32 dev lo`)
    const counts = () => Promise.all([2, 3].map(port => net.received('s2', port)))
    const before = await counts()
    for (const number of numbers)
      t.match(await ping('a', `10.8.0.${number}`), / 0% packet loss/, 'behind one of two')
    const after = await counts()
    for (const [at, count] of after.entries())
      t.ok(count - before[at]! >= 4, `next hop ${at + 1} has its share: ${count - before[at]!}`)
    const { items } = await net.controller.get<{ items: { to: string; state: string }[] }>(
      '/api/v1/routes',
    )
    t.equal(items.length, 8)
    t.same(
      items.filter(({ state }) => state !== 'in force'),
      [],
    )
  }),
)
