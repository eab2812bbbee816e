/** Reading the network does nothing to it, and a link is lost once. */
import t from 'tap'
import { ring, Whole } from './whole.js'

t.test('a port that goes down takes both directions of its link, each told once', async t => {
  const whole = await Whole.start(ring(3))
  const [link] = [...whole.controller.topology.current.links.values()]
  const ends = [link!.from, link!.to]
  const before = whole.controller.journal.last
  const { name } = whole.controller.topology.current.switches.get(ends[0]!.dpid)!
  whole.network.switches.get(name)!.setPort(ends[0]!.port, false)
  await whole.env.advance(200)
  const down = whole.controller.journal
    .since(before)
    .filter(({ kind }) => kind === 'link-down')
    .map(({ from, to, reason }) => ({ from, to, reason }))
  t.equal(down.length, 2)
  t.same(new Set(down.map(({ reason }) => reason)), new Set(['port down']))
  await whole.stop()
})

t.test('reading makes no step', async t => {
  const whole = await Whole.start(ring(3))
  const { topology } = whole.controller
  const { tree } = topology.current
  let changes = 0
  topology.on('changed', () => changes++)
  const [link] = [...topology.current.links.values()].filter(
    ({ from, to }) => tree.has(`${from.dpid}/${from.port}`) || tree.has(`${to.dpid}/${to.port}`),
  )
  topology.portRemoved(link!.from.dpid, link!.from.port)
  const told = changes
  for (let times = 0; times < 10; times++) {
    t.equal(topology.current.tree, tree, 'the tree is that of the last step')
    t.notOk(
      topology.current.links.has(`${link!.from.dpid}/${link!.from.port}`),
      'links are as known',
    )
  }
  t.equal(changes, told, 'and nobody is asked for anything')
  t.not(topology.step().tree, tree, 'the step has the next one')
  await whole.stop()
})
