/** Frames that must make no link. Each attack succeeds when its guard is off: the tests would notice. */
import t from 'tap'
import type { Mac } from '../../src/base/addresses.js'
import { ProbeBuilder } from '../../src/topology/discovery/lldp.js'
import { aHost, at, portOf, Wires } from './wires.js'

/** Two switches with nothing between them: ports 1 lead to hosts of the attacker. */
const apart = async (isGuarded = true) => {
  const wires = new Wires({ isGuarded })
  wires.watch(1, 1)
  wires.watch(2, 1)
  await wires.env.advance(1_000)
  wires.news()
  return wires
}

const port = {
  number: 1,
  name: 'x',
  mac: '0e:00:00:00:00:01',
  isUp: true,
  kind: 'edge',
  speedKbps: 0,
} as never

/** A frame as discovery makes it, with a secret of the attacker's own choice. */
const forgedFrame = (nonce: bigint, key: Uint8Array, sentMillis: number) =>
  new ProbeBuilder(at('2:1'), port, key).build('direct', nonce, sentMillis).frame

/** The last frame to the nearest bridge that left a port. */
const directFrom = (wires: Wires, from: string) =>
  wires.sent.filter(each => each.at === from && each.frame[0] === 1).at(-1)!.frame

const links = (news: readonly string[]) => news.filter(line => line.startsWith('link'))

for (const [guard, isGuarded] of [
  ['on', true],
  ['off', false],
] as const) {
  t.test(`1,000 forged frames, guard ${guard}`, async t => {
    const wires = await apart(isGuarded)
    for (let index = 0; index < 1_000; index++) {
      const key = new TextEncoder().encode(`guess ${index}`)
      wires.discovery.receive(at('1:1'), forgedFrame(BigInt(index), key, 1_000))
    }
    const news = wires.news()
    t.equal(links(news).length, isGuarded ? 0 : 1)
    t.equal(news.filter(line => line === 'refused at 1:1: forged').length, isGuarded ? 1_000 : 0)
  })

  t.test(`1,000 replayed frames, guard ${guard}`, async t => {
    const wires = new Wires({ isGuarded })
    wires.cable('3:1', '4:1')
    wires.watch(1, 1)
    wires.watch(3, 1)
    wires.watch(4, 1)
    await wires.env.advance(1_500)
    wires.news()
    // What was heard on the wire between 3 and 4, by somebody who sits at 1:1.
    const heard = wires.sent.filter(each => each.at === '3:1').map(each => each.frame)
    for (let index = 0; index < 1_000; index++)
      wires.discovery.receive(at('1:1'), heard[index % heard.length]!)
    const news = wires.news()
    t.equal(links(news).length, isGuarded ? 0 : 1)
    if (isGuarded)
      t.equal(news.filter(line => /refused at 1:1: (replayed|stale)/.test(line)).length, 1_000)
    wires.discovery.stop()
  })

  t.test(`a frame that was kept back until it is old, guard ${guard}`, async t => {
    const wires = await apart(isGuarded)
    const kept = directFrom(wires, '2:1')
    await wires.env.advance(4_000)
    wires.discovery.receive(at('1:1'), kept)
    t.equal(links(wires.news()).length, isGuarded ? 0 : 1)
  })

  t.test(`a fresh frame relayed between two hosts that live there, guard ${guard}`, async t => {
    const wires = await apart(isGuarded)
    wires.inhabited.set('1:1', aHost)
    wires.inhabited.set('2:1', aHost)
    wires.cable('2:1', '1:1', 0.4)
    await wires.env.advance(20_000)
    const news = wires.news()
    t.equal(links(news).length > 0, !isGuarded)
    if (isGuarded) t.ok(news.includes('refused at 1:1: inhabited'), 'and somebody is told')
  })
}

t.test('one octet of a fresh frame changed is a forgery', async t => {
  const wires = await apart()
  wires.sent.length = 0
  await wires.env.until(() => wires.sent.some(each => each.at === '2:1'))
  const fresh = directFrom(wires, '2:1')
  for (let index = 70; index < fresh.length - 2; index++) {
    const changed = fresh.slice()
    changed[index]! ^= 1
    wires.discovery.receive(at('1:1'), changed)
  }
  t.same(links(wires.news()), [])
  wires.discovery.receive(at('1:1'), fresh)
  t.same(
    links(wires.news()),
    ['link 2:1 to 1:1'],
    'unchanged it is a link: the test looks at the right frame',
  )
})

t.test(
  'a port declared to have hosts only takes no probe, and a switch behind it makes no link',
  async t => {
    const wires = await apart()
    wires.edges.add('1:1')
    wires.cable('1:1', '2:1')
    await wires.env.advance(20_000)
    const news = wires.news()
    t.same(links(news), [])
    t.ok(news.includes('refused at 1:1: edge'))
  },
)

t.test('LLDP of somebody else makes no link and is told', async t => {
  const wires = await apart()
  const frame = new Uint8Array(60)
  frame.set([0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 9, 0x88, 0xcc, 2, 7, 4, 2, 0, 0, 0, 0, 9])
  wires.discovery.receive(at('1:1'), frame)
  t.same(wires.news(), ['refused at 1:1: alien'])
})

t.test('a host that sends a probe back shuts no port where hosts live', async t => {
  const wires = await apart()
  wires.inhabited.set('1:1', aHost)
  wires.lay('1:1', '1:1')
  await wires.env.advance(10_000)
  const news = wires.news()
  t.ok(news.includes('refused at 1:1: inhabited'))
  t.notOk(news.some(line => line.startsWith('shut')))
})

t.test(
  'the interface of a switch that speaks by itself, while the switch is down, keeps no link away',
  async t => {
    const seen = async (mac: Mac) => {
      const wires = await apart()
      wires.inhabited.set('1:1', mac)
      wires.cable('1:1', '2:1')
      await wires.env.advance(20_000)
      return links(wires.news())
    }
    t.same(await seen(portOf(1).mac), ['link 1:1 to 2:1', 'link 2:1 to 1:1'])
    t.same(await seen(aHost), [], 'a host there does')
  },
)

/** Frames that come back to their sender, rounds and echoes, as the port at the far end (MAC 0e:..:01) sends them back. */
const returning = (wires: Wires, from: string) =>
  wires.sent
    .filter(each => each.at === from && each.frame[5] === 3)
    .map(({ frame }) => {
      const back = frame.slice()
      back.set([0x01, 0x80, 0xc2, 0, 0, 0x0d, 0x0e, 0, 0, 0, 0, 1])
      return back
    })

t.test('1,000 forged and 1,000 replayed rounds and echoes keep no dead link', async t => {
  const wires = new Wires()
  wires.cable('1:1', '2:1')
  wires.watch(1, 1)
  wires.watch(2, 1)
  await wires.env.advance(10_000)
  t.ok(returning(wires, '1:1').length > 3, 'rounds were sent')
  wires.news()
  const old = returning(wires, '1:1').slice(0, -1)
  wires.cut('1:1')
  wires.cut('2:1')
  for (let count = 0; count < 1_000; count++) {
    await wires.env.advance(2)
    const latest = returning(wires, '1:1').at(-1)!
    latest[12 + (count % (latest.length - 12))]! ^= 1 + (count % 255)
    wires.discovery.receive(at('1:1'), latest)
    wires.discovery.receive(at('1:1'), old[count % old.length]!)
  }
  const news = wires.news()
  t.ok(
    news.some(line => line.startsWith('lost 1:1 to 2:1')),
    'it is lost all the same',
  )
  t.same(links(news), [])
  t.ok(news.filter(line => line.startsWith('refused at 1:1')).length >= 1_000, 'and they are told')
})

t.test('what comes back as it was sent keeps the link: these are the right frames', async t => {
  const wires = new Wires()
  wires.cable('1:1', '2:1')
  wires.watch(1, 1)
  wires.watch(2, 1)
  await wires.env.advance(10_000)
  wires.news()
  wires.cut('1:1')
  wires.cut('2:1')
  for (let count = 0; count < 1_000; count++) {
    await wires.env.advance(2)
    wires.discovery.receive(at('1:1'), returning(wires, '1:1').at(-1)!)
  }
  t.same(
    wires.news().filter(line => line.startsWith('lost 1:1')),
    [],
  )
})
