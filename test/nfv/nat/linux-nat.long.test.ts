/** Translated addresses on Open vSwitch, with Linux at both ends and a provider's router in between. */
import t from 'tap'
import { root } from '../../topology/ovs/rig.js'
import { type Hosts, type Site, withSite } from './site.js'

const nat = `default allow
nat one-to-one 203.0.113.20 10.2.0.2
nat source 203.0.113.30 from 10.1.0.2 to 198.51.100.9 out wan
nat masquerade from 10.0.0.0/8, fd00::/16 out wan
nat forward tcp+udp 80 at 203.0.113.10 to 10.2.0.1:8080
nat forward udp 4000 at 203.0.113.10 to 10.2.0.1
nat forward tcp+udp 80 at 2001:db8::10 to [fd00:2::1]:8080
`

const bound = ({ hosts }: Site) => ({
  ask: (...asked: Parameters<Hosts['ask']>) => hosts.ask(...asked),
  run: (...words: Parameters<Hosts['run']>) => hosts.run(...words),
})

t.test('addresses are translated', root, t =>
  withSite(async site => {
    const { net, rules } = site
    const { ask, run } = bound(site)
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
  withSite(async site => {
    const { net, rules } = site
    const { ask, run } = bound(site)
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
