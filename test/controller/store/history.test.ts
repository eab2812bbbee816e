import t from 'tap'
import { Compacted, type KeyValue } from '../../../src/base/store.js'
import { History } from '../../../src/controller/store/history.js'
import { frozenJson } from '../../../src/controller/store/memory-store.js'

const kv = (value: unknown, rev: number): KeyValue => ({
  key: '/policy/a',
  value,
  createRev: 1,
  modRev: rev,
})

/** Changes one value so many times. */
const changed = (times: number, value: unknown): History => {
  const history = new History(0, { changes: 100, characters: 10_000 })
  for (let rev = 1; rev <= times; rev++)
    history.add([{ key: '/policy/a', before: kv(value, rev - 1), after: kv(value, rev) }], rev)
  return history
}

t.test('so many changes are remembered', async t => {
  t.equal(changed(120, 'x').min, 0, 'cut seldom')
  const { min } = changed(1_000, 'x')
  t.ok(min >= 875 && min <= 900, `${min}`)
})

t.test('fewer when values are large', async t => {
  const history = changed(1_000, { source: 'x'.repeat(1_000) })
  t.ok(history.min >= 994 && history.min < 1_000, `${history.min}`)
  t.equal(history.since(1_000, '/policy').length, 1, 'the last ones can be read')
  t.throws(() => history.since(900, '/policy'), new Compacted(history.min + 1))
})

t.test('a value larger than all is not remembered, and what comes behind it is', async t => {
  const history = changed(3, 'x'.repeat(20_000))
  t.equal(history.min, 3)
  history.add([{ key: '/a', before: undefined, after: kv(1, 4) }], 4)
  t.equal(history.since(4, '/a').length, 1)
})

t.test('a value is kept as JSON brings it back', async t => {
  const inner = { b: [1, undefined, Number.NaN, () => 1], c: undefined, d: new Date(0), e: null }
  const values = [1, 'x', null, true, [], {}, inner, [inner], { a: { ...inner } }, -0, 1e300]
  for (const value of values) t.same(frozenJson(value), JSON.parse(JSON.stringify(value)))
  for (const value of [undefined, 1n, { a: 1n }, () => 1, Symbol('x')])
    t.throws(() => frozenJson(value), TypeError)
  const copy = frozenJson({ a: { b: [inner] } }) as { a: { b: object[] } }
  t.ok([copy, copy.a, copy.a.b, copy.a.b[0]].every(Object.isFrozen))
  t.not(copy.a.b[0], inner)
})
