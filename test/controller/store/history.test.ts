import t from 'tap'
import { History } from '../../../src/controller/store/history.js'
import { Compacted, type KeyValue } from '../../../src/controller/store/store.js'

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
