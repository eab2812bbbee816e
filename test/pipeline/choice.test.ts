/** How choices are spread: within 20 % of even, and only what must moves. */
import t from 'tap'
import { chosenBuckets, chosenMember, oneOf } from '../../src/pipeline/choice.js'
import type { Fields } from '../../src/pipeline/packet.js'

const flows = (protocol: 'tcp' | 'udp'): Fields[] =>
  Array.from({ length: 1_000 }, (_, index) => ({
    eth_type: 0x0800,
    ip_proto: protocol === 'tcp' ? 6 : 17,
    ip_src: 0x0a000001,
    ip_dst: 0x0a00001d,
    ...(protocol === 'tcp'
      ? { tcp_src: 10_000 + index, tcp_dst: 5_000 }
      : { udp_src: 10_000 + index, udp_dst: 5_000 }),
  }))
const turned = (fields: Fields): Fields => ({
  ...fields,
  ip_src: fields.ip_dst!,
  ip_dst: fields.ip_src!,
  udp_src: fields.udp_dst!,
  udp_dst: fields.udp_src!,
})
const group = {
  type: 'select' as const,
  buckets: [11, 12, 13, 14].map(port => ({ weight: 1, watchPort: port, actions: [] })),
}
const bundle = (fields: 'symmetric_l3l4' | 'symmetric_l3l4+udp') => ({
  kind: 'bundle' as const,
  hash: { fields, basis: 0 },
  algorithm: 'hrw' as const,
  ports: [11, 12, 13, 14],
})
const living = (dead?: number) => ({
  group: () => undefined,
  isLive: (port: number) => port !== dead,
})
const countsOf = (ports: readonly (number | undefined)[]): number[] =>
  [11, 12, 13, 14].map(port => ports.filter(each => each === port).length)
const byGroup = (list: readonly Fields[], dead?: number) =>
  list.map(fields => chosenBuckets(living(dead), group, fields)[0]?.watchPort)
const byBundle = (list: readonly Fields[], dead?: number) =>
  list.map(fields => chosenMember(bundle('symmetric_l3l4+udp'), fields, living(dead).isLive))
const isEven = (counts: readonly number[]) => counts.every(count => count >= 200 && count <= 300)

t.test('a select group spreads TCP, and sends UDP between two hosts one way', async t => {
  t.ok(isEven(countsOf(byGroup(flows('tcp')))))
  t.same(countsOf(byGroup(flows('udp'))).sort(), [0, 0, 0, 1_000])
})

t.test('a bundle with UDP in its hash spreads both, the same way for both directions', async t => {
  t.ok(isEven(countsOf(byBundle(flows('tcp')))))
  t.ok(isEven(countsOf(byBundle(flows('udp')))))
  t.same(byBundle(flows('udp').map(turned)), byBundle(flows('udp')))
  const without = flows('udp').map(fields =>
    chosenMember(bundle('symmetric_l3l4'), fields, () => true),
  )
  t.same(countsOf(without).sort(), [0, 0, 0, 1_000], 'without it not')
})

for (const [name, choose] of [
  ['group', byGroup],
  ['bundle', byBundle],
] as const)
  t.test(`a port of a ${name} dies: its flows move, the others stay`, async t => {
    const list = flows('tcp')
    const [before, after] = [choose(list), choose(list, 12)]
    t.ok(before.every((port, index) => port === 12 || after[index] === port))
    t.notOk(after.includes(12))
  })

t.test(
  'nothing is chosen from dead ports only; a bundle of main and standby takes the first',
  async t => {
    const [fields] = flows('udp')
    t.equal(
      chosenMember(bundle('symmetric_l3l4+udp'), fields!, () => false),
      undefined,
    )
    const standby = { ...bundle('symmetric_l3l4'), algorithm: 'active_backup' as const }
    t.equal(
      chosenMember(standby, fields!, port => port > 12),
      13,
    )
    t.equal(oneOf(7, 1), 0)
  },
)
