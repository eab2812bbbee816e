/** A way around takes over inside the switch when every equal way is dead; UDP shares equal ways by its ports. */
import t from 'tap'
import { end, switchNames, Whole } from './whole.js'

/*
 *        1 s2 2
 *      1/      \1
 *  h1 ─ s1 2─1 s3 2─2 s4 ─ h2       two equal ways, and one by s5 and s6 that is longer
 *      3\              /3
 *        1 s5 2─1 s6 2
 */
const links = [
  { a: end('s1', 1), b: end('s2', 1) },
  { a: end('s2', 2), b: end('s4', 1) },
  { a: end('s1', 2), b: end('s3', 1) },
  { a: end('s3', 2), b: end('s4', 2) },
  { a: end('s1', 3), b: end('s5', 1) },
  { a: end('s5', 2), b: end('s6', 1) },
  { a: end('s6', 2), b: end('s4', 3) },
] as const
const hosts = [
  { name: 'h1', at: end('s1', 10) },
  { name: 'h2', at: end('s4', 10) },
]

const start = async (): Promise<Whole> => {
  const whole = await Whole.start({ switches: switchNames(6), links, hosts })
  await whole.ping('h1', 'h2')
  await whole.env.advance(1_000)
  return whole
}

t.test('both equal ways die while there is no controller', async t => {
  const whole = await start()
  await whole.stopController()
  const cut = (index: number) => whole.network.linkDown(links[index]!.a, links[index]!.b)
  cut(0)
  cut(1)
  t.type(await whole.ping('h1', 'h2', 300), 'number', 'one is left')
  cut(2)
  cut(3)
  t.type(await whole.ping('h1', 'h2', 300), 'number', 'none is left: they go around')
  cut(5)
  t.equal(await whole.ping('h1', 'h2', 300), undefined, 'it was the way around')
  whole.network.stop()
})

t.test('what s1 holds for s4', async t => {
  const whole = await start()
  const { controller } = whole
  const [dpid] = [...controller.topology.current.switches.values()]
    .filter(({ name }) => name === 's1')
    .map(each => each.dpid)
  const section = controller.programs.get(dpid!)!.find(({ name }) => name.startsWith('egress/'))!
  const { switches } = controller.topology.current
  const s4 = [...switches.values()].find(({ name }) => name === 's4')!.index
  const share = 0x51500000 + s4
  t.same(
    section.groups.map(({ id, type, buckets }) => ({ id, type, buckets })),
    [
      {
        id: share,
        type: 'select',
        buckets: [
          { weight: 1, watchPort: 1, actions: [{ kind: 'output', port: 1 }] },
          { weight: 1, watchPort: 2, actions: [{ kind: 'output', port: 2 }] },
        ],
      },
      {
        id: 0x51000000 + s4,
        type: 'ff',
        buckets: [
          {
            watchGroup: share,
            actions: [
              { kind: 'load', to: { field: 'reg8', offset: 0, size: 20 }, value: s4 },
              { kind: 'resubmit', table: 95 },
            ],
          },
          { watchPort: 3, actions: [{ kind: 'output', port: 3 }] },
        ],
      },
    ],
  )
  const bundle = {
    kind: 'bundle',
    hash: { fields: 'symmetric_l3l4+udp', basis: 0 },
    algorithm: 'hrw',
    ports: [1, 2],
  }
  const reg8 = { value: s4, mask: 0xfffff }
  t.same(
    section.flows.map(({ table, priority, match, actions }) => [table, priority, match, actions]),
    [
      ['transit', 100, { eth_type: 0x0800, ip_proto: 17, reg8 }, [bundle]],
      ['transit', 100, { eth_type: 0x86dd, ip_proto: 17, reg8 }, [bundle]],
      ['transit', 10, { reg8 }, [{ kind: 'group', group: share }]],
    ],
  )
  await whole.stop()
})
