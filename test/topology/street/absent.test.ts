/** What happens while no controller runs: nobody hears it, and it is found out afterwards. */
import t from 'tap'
import { type Ipv4, ipNumber } from '../../../src/base/addresses.js'
import { OurStreet } from './street.js'

const vip = Number(ipNumber('10.0.0.100' as Ipv4))

t.test('an address that moves meanwhile is found where it is', async t => {
  const ours = await OurStreet.start()
  const a = ours.add('a', 0x020000000001, '10.0.0.1' as Ipv4, '10.0.0.100' as Ipv4)
  const b = ours.add('b', 0x020000000002, '10.0.0.2' as Ipv4)
  const c = ours.add('c', 0x020000000003, '10.0.0.3' as Ipv4)
  for (const [name, place] of [
    ['a', 's1:10'],
    ['b', 's3:10'],
    ['c', 's2:10'],
  ] as const)
    ours.plug(name, place)
  await ours.env.advance(1_000)
  for (const each of [a, b, c]) for (const ip of each.ips) each.announce(ip)
  await ours.env.advance(1_000)
  c.say(vip, 'before')
  await ours.env.advance(500)
  t.ok(a.heard.includes('before'))
  await ours.whole.stopController()
  a.ips.splice(a.ips.indexOf(vip), 1)
  b.ips.push(vip)
  b.announce(vip)
  await ours.env.advance(10_000)
  await ours.whole.startController()
  await ours.env.advance(5_000)
  const holder = ours.whole.controller.topology.hostsNamed('02:00:00:00:00:01')
  t.same(holder[0]?.ips, ['10.0.0.1'], 'nobody is spoken for who has given it up')
  for (let count = 0; count < 10; count++) {
    c.say(vip, `after ${count}`)
    await ours.env.advance(500)
  }
  t.ok(
    b.heard.some(marker => marker.startsWith('after')),
    b.heard.join(),
  )
  t.equal(b.heard.at(-1), 'after 9')

  const known = [...ours.whole.controller.topology.current.hosts.values()].flatMap(({ ips }) => ips)
  t.same([...known].sort(), ['10.0.0.1', '10.0.0.100', '10.0.0.2', '10.0.0.3'])
  await ours.stop()
})
