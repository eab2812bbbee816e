/** A function is a folder and a line: one that nobody here knows works. */
import t from 'tap'
import { functions } from '../../../src/nfv/functions.js'
import { ring, Whole } from '../../topology/whole.js'
import { counterFunction } from './counter.js'

t.test('a function that is one line in the list', async t => {
  const whole = await Whole.start(ring(2), undefined, [...functions, counterFunction])
  const { controller } = whole
  const { mac } = whole.host('h1')
  t.ok((await whole.ping('h1', 'h2')) !== undefined, 'before')
  controller.declare('Counter', [{ name: 'one', spec: { mac } }])
  t.match(controller.stateOf('Counter', 'one'), { state: 'pending' }, 'not before it is confirmed')
  await whole.env.advance(500)
  t.match(controller.stateOf('Counter', 'one'), { state: 'installed' })
  t.ok((await whole.ping('h1', 'h2')) !== undefined, 'and still')
  const rows = [...controller.programs.values()].flat().flatMap(({ flows }) => flows)
  t.equal(rows.filter(({ table }) => table === 'counter').length, 4, 'a row and a miss in both')
  const socket = whole.host('h1').openUdp()
  for (let count = 0; count < 3; count++) socket.send(whole.host('h2').ip!, 9, new Uint8Array(4))
  whole.host('h2').openUdp().send(whole.host('h1').ip!, 9, new Uint8Array(4))
  await whole.env.advance(500)
  const view = controller.views.find(({ name }) => name === 'counted')
  t.same(view?.items(), [{ heard: 3 }], 'what was punted, and of the declared host only')
  controller.declare('Counter', [])
  await whole.env.advance(500)
  const left = [...controller.programs.values()].flat().flatMap(({ flows }) => flows)
  t.same(
    left.filter(({ origin, priority }) => origin.name === 'counter' && priority > 0),
    [],
  )
  t.same(whole.events('drift-repaired', 'flow-refused'), [])
  await whole.stop()
})
