/** Translated addresses on Open vSwitch, with Linux at both ends and a provider's router in between. */
import { type ChildProcess, spawn } from 'node:child_process'
import t from 'tap'
import { sh } from '../../../src/lab/shell.js'
import { type OvsNetwork, root, withOvs } from '../../topology/ovs/rig.js'
import { Internet } from '../router/internet.js'

const peer = new URL('../../../../test/nfv/nat/peer.py', import.meta.url).pathname

/*
 *   a (staff), w (servers) at s1 ── s2 at b (staff), d (servers), isp (wan, the uplink) ── somebody, in 198.51.100.0/24
 */
const network = `title: Translated addresses
switches: [s1, s2]
links:
  - [s1:10, s2:10]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24, "fd00:1::1/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  b: { at: s2:1, ips: [10.1.0.2/24, "fd00:1::2/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  w: { at: s1:2, ips: [10.2.0.1/24, "fd00:2::1/64"], routes: [default via 10.2.0.254, "default via fd00:2::fe"] }
  d: { at: s2:2, ips: [10.2.0.2/24, "fd00:2::2/64"], routes: [default via 10.2.0.254, "default via fd00:2::fe"] }
  isp: { at: s2:3, ips: [203.0.113.1/24, "2001:db8::1/64"] }
objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1, s2:1] } }
  - { kind: Network, name: servers, spec: { number: 20, access: [s1:2, s2:2] } }
  - { kind: Network, name: wan, spec: { number: 30, access: [s2:3] } }
  - { kind: Port, name: outside, spec: { at: s2:3, role: uplink } }
  - kind: Router
    name: main
    spec:
      interfaces:
        - { network: staff, addresses: [10.1.0.254/24, "fd00:1::fe/64"] }
        - { network: servers, addresses: [10.2.0.254/24, "fd00:2::fe/64"] }
        - { network: wan, addresses: [203.0.113.10/24, "2001:db8::10/64"], advertise: false }
      routes:
        - { to: 0.0.0.0/0, via: 203.0.113.1 }
        - { to: "::/0", via: "2001:db8::1" }
`

const nat = `default allow
nat one-to-one 203.0.113.20 10.2.0.2
nat source 203.0.113.30 from 10.1.0.2 to 198.51.100.9 out wan
nat masquerade from 10.0.0.0/8, fd00::/16 out wan
nat forward tcp+udp 80 at 203.0.113.10 to 10.2.0.1:8080
nat forward udp 4000 at 203.0.113.10 to 10.2.0.1
nat forward tcp+udp 80 at 2001:db8::10 to [fd00:2::1]:8080
`

interface Site {
  readonly net: OvsNetwork
  readonly internet: Internet
  ask(
    from: string,
    kind: 'tcp' | 'udp',
    to: string,
    port: number,
    more?: { readonly source?: number; readonly size?: number },
  ): Promise<string>
  run(from: string, line: string): Promise<string>
  rules(text: string): Promise<void>
}

const withSite = (work: (site: Site) => Promise<void>): Promise<void> =>
  withOvs(network, async net => {
    const namespaceOf = (name: string) => net.stage.rig.hostNamespace(name)
    const internet = await Internet.behind(namespaceOf('isp'), [
      ['198.51.100.9/24', '198.51.100.1/24'],
      ['2001:db8:1::9/64', '2001:db8:1::1/64'],
    ])
    const servers: ChildProcess[] = []
    const of = (name: string) => (name === 'out' ? internet.namespace : namespaceOf(name))
    const run = (name: string, line: string) =>
      sh('ip', 'netns', 'exec', of(name), 'sh', '-c', `${line} 2>&1 || true`)
    try {
      for (const [name, ...ports] of [
        ['out', '80', '4000'],
        ['w', '8080', '4000'],
        ['d', '80', '4000'],
        ['a', '80'],
      ] as const) {
        const words = ['netns', 'exec', of(name), 'python3', peer, 'serve', ...ports]
        const server = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] })
        servers.push(server)
        await new Promise(resolve => server.stdout.once('data', resolve))
      }
      await work({
        net,
        internet,
        run,
        ask: async (from, kind, to, port, { source = 0, size = 8 } = {}) =>
          (await run(from, `python3 ${peer} ask ${kind} ${source} ${to} ${port} ${size}`)).trim(),
        rules: async text => {
          await net.controller.send('PUT', '/api/v1/policies/topology?wait=installed', {
            source: text,
          })
        },
      })
    } finally {
      for (const server of servers) server.kill()
      await internet.down()
    }
  })

t.test('addresses are translated', root, t =>
  withSite(async ({ ask, run, rules, net }) => {
    await rules(nat)
    const masked = /^203\.0\.113\.10 (3[2-9]|[45]\d|60)\d{3} /
    t.match(await ask('b', 'tcp', '203.0.113.1', 9), /refused|unreachable/)
    t.match(await ask('a', 'tcp', '198.51.100.9', 80), masked, 'over two switches')
    t.match(await ask('a', 'udp', '198.51.100.9', 4000), masked)
    t.match(await ask('b', 'tcp', '198.51.100.9', 80), /^203\.0\.113\.30 /)
    t.match(await ask('d', 'tcp', '198.51.100.9', 80), /^203\.0\.113\.20 /, 'one to one')
    t.match(await ask('a', 'udp', '198.51.100.9', 4000, { size: 4000 }), / 4000$/, 'in pieces')
    t.match(await ask('a', 'udp', '198.51.100.9', 4000, { size: 20000 }), / 20000$/)
    t.match(await ask('a', 'tcp', '2001:db8:1::9', 80), /^2001:db8::10 /, 'IPv6')
    t.match(await ask('a', 'udp', '2001:db8:1::9', 4000, { size: 4000 }), /^2001:db8::10 \d+ 4000$/)
    const same = await Promise.all(
      ['a', 'w'].map(name => ask(name, 'tcp', '198.51.100.9', 80, { source: 5000 })),
    )
    t.equal(new Set(same).size, 2, `two clients with one port: ${same.join(', ')}`)
    for (const each of same) t.match(each, masked)
    t.match(await run('a', 'ping -c 3 -i 0.2 -W 3 198.51.100.9'), / 0% packet loss/)
    t.match(await run('a', 'ping -c 3 -i 0.2 -W 3 -s 4000 198.51.100.9'), / 0% packet loss/)
    t.match(await run('a', 'ping -c 3 -i 0.2 -W 3 2001:db8:1::9'), / 0% packet loss/)
    t.match(await ask('a', 'udp', '198.51.100.9', 4001), /refused/, 'an error comes back')
    t.match(await run('a', 'ping -c 1 -t 2 198.51.100.9'), /From 203.0.113.1 .*exceeded/s)

    t.match(await ask('out', 'tcp', '203.0.113.10', 80), /^198\.51\.100\.9 /, 'published')
    t.match(await ask('out', 'udp', '203.0.113.10', 80), /^198\.51\.100\.9 /)
    t.match(await ask('out', 'udp', '203.0.113.10', 4000), /^198\.51\.100\.9 /)
    t.match(await ask('out', 'udp', '203.0.113.20', 4000, { size: 4000 }), / 4000$/, 'in pieces')
    t.match(await ask('out', 'tcp', '2001:db8::10', 80), /^2001:db8:1::9 /)
    t.match(await ask('out', 'tcp', '203.0.113.20', 80), /^198\.51\.100\.9 /, 'one to one')
    t.match(await run('out', 'ping -c 3 -i 0.2 -W 3 203.0.113.20'), / 0% packet loss/)
    t.match(await run('out', 'ping -c 3 -i 0.2 -W 3 203.0.113.10'), / 0% packet loss/, 'the router')
    t.match(await ask('out', 'tcp', '203.0.113.10', 81), /refused/, 'not published')
    t.match(
      await ask('out', 'udp', '203.0.113.20', 4001),
      /refused/,
      'an error of who is published',
    )
    t.match(await ask('a', 'tcp', '203.0.113.10', 80), /^10\.1\.0\.1 /, 'from inside')
    t.match(await ask('b', 'tcp', '203.0.113.10', 80), /^10\.1\.0\.2 /)
    t.match(await ask('d', 'tcp', '203.0.113.10', 80), /^10\.2\.0\.254 /, 'hairpin over two')
    t.match(await ask('w', 'tcp', '203.0.113.10', 80), /^10\.2\.0\.254 /, 'to itself')

    const { items } = await net.controller.get<{ items: { state: string }[] }>('/api/v1/nat')
    t.same(
      items.map(({ state }) => state),
      Array(6).fill('in force'),
    )
  }),
)

t.test('what cannot be translated goes nowhere', root, t =>
  withSite(async ({ ask, run, rules, net }) => {
    await rules('default allow\nnat masquerade out wan ports 6000-6003\n')
    const heard = run('isp', 'timeout 20 tcpdump -lni eth0 -c 400 udp port 4000 2>/dev/null')
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(index =>
        ask('a', 'udp', '198.51.100.9', 4000, { source: 7_000 + index }),
      ),
    )
    t.equal(answers.filter(text => text !== 'silent').length, 4, answers.join(', '))
    t.notMatch(await heard, /10\.1\.0\.1/, 'its own address is not seen outside')
    const events = await net.controller.get<{ items: { kind: string; reason?: string }[] }>(
      '/api/v1/events?since=0',
    )
    t.ok(events.items.some(({ reason }) => /no address or port is free/.test(reason ?? '')))
  }),
)
