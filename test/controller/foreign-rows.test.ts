/** Rows of somebody else, missing rows and switches that are not there, as `trace` and `path` tell of them. */
import t from 'tap'
import { decode, encode, type Message, parseFlowMod } from '../../src/openflow/index.js'
import { until } from '../until.js'
import { items, office, settled } from './office.js'

interface Answer {
  readonly verdict: string
  readonly because: string
  readonly notes: readonly string[]
  readonly verified?: { readonly unasked: readonly { readonly switch: string }[] }
}

t.test('trace and path tell what decides besides what is wanted', async t => {
  const at = await office(t)
  const ask = (service: string, more: object = {}) =>
    at.call<Answer>('POST', '/api/v1/trace', {
      from: '10.1.0.2',
      to: '10.2.0.10',
      service,
      ...more,
    })
  const s1 = at.net.switch('s1')
  const tell = (message: Message) => {
    const received = decode(encode(message, 1))
    if (received.kind === 'flow-mod') s1.datapath.apply(received).keep()
  }
  const path = () =>
    at.call<{ notes?: readonly string[] }>('GET', '/api/v1/paths?from=10.1.0.2&to=10.2.0.10')
  t.match(await ask('icmp'), { verdict: 'delivered' })
  t.equal((await path()).notes, undefined)

  await t.test('a row of somebody else that drops', async t => {
    tell(parseFlowMod('cookie=0x77,priority=65000,icmp,actions=drop'))
    const row = /s1 holds a row of somebody else.*cookie=0x77, table=0, priority=65000,icmp/
    t.match(await ask('icmp'), { verdict: 'dropped', notes: [/^as if/, row] })
    t.match(await ask('tcp 80'), { verdict: 'delivered' }, 'others do not meet it')
    t.match((await path()).notes, [row])
    tell(parseFlowMod('cookie=0x78,priority=65000,udp,nw_dst=10.9.9.9,actions=drop'))
    t.equal((await path()).notes?.length, 1, 'a row for another machine does not matter')
  })

  await t.test('what a row does that is not followed is not known', async t => {
    tell(parseFlowMod('cookie=0x77,priority=65000,tcp,tp_dst=80,actions=NORMAL'))
    t.match(await ask('tcp 80'), { verdict: 'unknown', because: /learning switch/ })
  })

  await t.test('no daemon of this machine can be asked, and that is said', async t => {
    const { verified } = await ask('tcp 22', { verify: true })
    t.equal(verified?.unasked[0]?.switch, 's1')
  })

  await t.test('nobody has the address, or the sender is nobody', async t => {
    t.match(
      await at.call('POST', '/api/v1/trace', {
        from: '10.1.0.2',
        to: '8.8.8.8',
        service: 'tcp 443',
      }),
      {
        verdict: 'not-delivered',
        because: 'not delivered: no host with the address 8.8.8.8 is known',
        question: /^tcp from 10.1.0.2:40000 to 8.8.8.8:443, in at s\d:\d$/,
      },
    )
    const group = await at.call<{ verdict: string; deliveredTo: readonly unknown[] }>(
      'POST',
      '/api/v1/trace',
      {
        from: '10.1.0.2',
        to: '224.0.0.251',
        service: 'udp 5353',
      },
    )
    t.equal(group.verdict, 'delivered')
    t.equal(group.deliveredTo.length, at.net.hosts.size - 1, 'every port that gets a copy')
  })

  await t.test('a switch that is not connected is not known', async t => {
    s1.disconnect()
    await until(async () => (await items(at, 'switches')).some(each => !each.connected))
    t.match(await ask('tcp 22'), { verdict: 'unknown', because: /^not known: s1 is not connected/ })
    t.match((await path()).notes, [/s1 is not connected/])
  })
})

t.test('a row of somebody else in a table of ours is told once, with its text', async t => {
  const at = await office(t)
  const s1 = at.net.switch('s1')
  const add = (text: string) => {
    const received = decode(encode(parseFlowMod(text), 1))
    if (received.kind === 'flow-mod') s1.datapath.apply(received).keep()
  }
  const told = async () => (await items(at, 'events')).filter(each => each.kind === 'foreign-flow')
  const again = async () => {
    const connected = async () =>
      (await items(at, 'events')).filter(each => each.kind === 'switch-connected').length
    const before = await connected()
    s1.dropConnections()
    await until(async () => (await connected()) > before)
    await settled(at)
  }
  t.same(await told(), [])
  add('cookie=0x77,priority=65535,ip,actions=NORMAL')
  add('cookie=0x78,table=200,priority=65535,actions=drop')
  await again()
  const [first, ...others] = await told()
  t.match(first, { dpid: String, text: /priority=65535,ip.*NORMAL/, reason: /pass by the rules/ })
  t.same(others, [], 'a table that no packet of ours gets to is no matter')
  const drift = await items(at, 'drift')
  t.match(
    drift.filter(each => each.kind === 'foreign').map(each => each.text),
    [/NORMAL/, /table=200/],
  )
  await again()
  t.equal((await told()).length, 1, 'and not at each reading')
  for (let n = 0; n < 40; n++) add(`cookie=0x79,priority=65534,ip,nw_dst=10.9.9.${n},actions=drop`)
  await again()
  const many = (await told()).slice(1)
  t.equal(many.length, 5)
  t.equal(many.at(-1)?.more, 35)
})
