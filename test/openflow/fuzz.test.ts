import t from 'tap'
import { fuzz } from '../../bench/fuzz.js'

t.test('mutated messages are read or refused, and nothing else', async t => {
  const report = fuzz(20261125, inputs => inputs < 60_000)
  t.same(report.crashes, [])
  t.equal(report.hangs, 0)
  t.ok(report.decoded > 5_000, `${report.decoded} of ${report.inputs} were messages`)
  t.ok(report.refused > 5_000, `${report.refused} were refused`)
})
