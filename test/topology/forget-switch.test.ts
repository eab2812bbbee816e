/** Switches that are gone: forgotten by hand, or since too many are; their numbers are others' later, safely. */
import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { SwitchAgeing } from '../../src/controller/southbound/switch-ageing.js'
import type { Switch } from '../../src/topology/model.js'
import { SwitchBook } from '../../src/topology/switch-book.js'
import { dpidOf } from './networks.js'
import { ring, Whole } from './whole.js'

const dpid = (node: number) => dpidOf(node) as Dpid

t.test('a switch that is gone is forgotten with its hosts, links and rows', async t => {
  const whole = await Whole.start(ring(3))
  await whole.ping('h1', 'h2')
  const { topology } = whole.controller
  t.equal(topology.forget(dpid(2), 'by hand'), false, 'not while it is connected')
  whole.network.switch('s2').disconnect()
  await whole.env.advance(1_000)
  t.equal(topology.forget(dpid(2), 'by hand'), true)
  await whole.env.advance(1_000)
  const { switches, hosts, links } = topology.current
  t.same([...switches.keys()], [dpid(1), dpid(3)])
  t.same([...hosts.values()].filter(host => host.at.dpid === dpid(2)).length, 0)
  t.same([...links.keys()].filter(key => key.startsWith(dpid(2))).length, 0)
  t.same([...links.values()].filter(link => link.to.dpid === dpid(2)).length, 0)
  t.equal(whole.controller.programmer(dpid(2)), undefined)
  t.equal(whole.controller.programs.has(dpid(2)), false)
  t.same(
    whole.events('switch-forgotten').map(({ name, reason }) => [name, reason]),
    [['s2', 'by hand']],
  )
  t.equal(topology.forget(dpid(2), 'again'), false)
  await whole.stopController()
  await whole.startController()
  t.notOk(whole.controller.topology.current.switches.has(dpid(2)), 'nor after a restart')
  whole.network.switch('s2').connect({ host: '127.0.0.1', port: 6653 })
  await whole.env.advance(12_000)
  whole.host('h2').announce()
  await whole.env.advance(1_000)
  t.type(await whole.ping('h1', 'h2'), 'number', 'it comes again as a new one')
  await whole.stop()
})

const known = (node: number, index: number): Switch => ({
  dpid: dpid(node),
  name: `s${node}`,
  index,
  isConnected: false,
  ports: new Map(),
})

t.test('a number is given again as late as possible, and it is told when it is', t => {
  const book = new SwitchBook()
  const add = (node: number) => {
    const { index, isReused } = book.newIndex()
    book.put(known(node, index))
    return [index, isReused]
  }
  t.same(add(1), [1, false])
  t.same(add(2), [2, false])
  book.delete(dpid(1))
  t.same(add(3), [3, false], '1 is free, and was used a moment ago')
  for (let node = 4; node <= 1_023; node++) add(node)
  t.same(add(5_000), [1, true], 'all others are taken')
  t.same(add(5_001), [1_024, true], 'more than there are zones for')
  const after = new SwitchBook()
  after.restore([known(7, 7)], 1_500)
  t.same(after.newIndex(), { index: 478, isReused: true }, 'after a restart the round goes on')
  t.end()
})

t.test('with a number that was used before the zones of its connections are emptied', async t => {
  const whole = await Whole.start(ring(3))
  const flushed: number[] = []
  const spy = whole.network.switch('s2')
  whole.network.switch('s2').disconnect()
  await whole.env.advance(1_000)
  whole.controller.topology.forget(dpid(2), 'by hand')
  await whole.env.advance(1_000)
  await whole.stopController()
  await whole.store.txn({ if: [], then: [{ op: 'put', key: '/fact/indexes-given', value: 1_024 }] })
  await whole.startController()
  const { conntrack } = spy.datapath
  const flush = conntrack.flush.bind(conntrack)
  conntrack.flush = zone => {
    if (zone !== undefined) flushed.push(zone)
    flush(zone)
  }
  spy.connect({ host: '127.0.0.1', port: 6653 })
  await whole.env.advance(3_000)
  const { index } = whole.controller.topology.current.switches.get(dpid(2))!
  t.equal(index, 2)
  t.equal(new Set(flushed).size, 63)
  t.ok(flushed.every(zone => (zone & 1_023) === index))
  await whole.stop()
})

t.test('of switches that are gone and that nothing names only so many are remembered', async t => {
  const whole = await Whole.start(ring(8))
  const { topology } = whole.controller
  const texts = ['zone a = 10.0.0.1\nallow tcp from port s3:10 to a', `{"at":"${dpid(4)}:1"}`]
  const limits = { maxGone: 2, lifeMillis: 60_000, usedLifeMillis: 7 * 86_400_000 }
  const ageing = new SwitchAgeing(whole.env, topology, () => texts, limits)
  ageing.start()
  for (let node = 1; node <= 7; node++) {
    whole.network.switch(`s${node}`).disconnect()
    await whole.env.advance(15_000)
  }
  const left = () => [...topology.current.switches.values()].map(({ name }) => name).join(' ')
  t.equal(left(), 's3 s4 s6 s7 s8', 'two, two that are named, and the connected one')
  await whole.env.advance(120_000)
  t.equal(left(), 's3 s4 s6 s7 s8', 'those with links stay')
  for (const event of whole.events('switch-forgotten'))
    t.equal(event.reason, 'more than 2 switches are gone')
  ageing.stop()
  await whole.stop()
})

t.test('a name that a switch gives itself protects the first of that name alone', async t => {
  const whole = await Whole.start({
    switches: [1, 2, 3].map(node => ({ name: `s${node}`, dpid: dpid(node) })),
  })
  const { topology } = whole.controller
  for (const node of [11, 12, 13]) {
    topology.switchConnected(dpid(node), 's1', [])
    topology.switchDisconnected(dpid(node), 'gone')
  }
  for (const node of [1, 2, 3]) whole.network.switch(`s${node}`).disconnect()
  const limits = { maxGone: 100, lifeMillis: 60_000, usedLifeMillis: 7 * 86_400_000 }
  const ageing = new SwitchAgeing(whole.env, topology, () => ['port s1:1'], limits)
  ageing.start()
  await whole.env.advance(120_000)
  t.same([...topology.current.switches.keys()], [dpid(1)])
  ageing.stop()
  await whole.stop()
})
