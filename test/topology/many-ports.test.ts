/** Switches with more ports than fit into one message, or than anybody has. */
import t from 'tap'
import type { Mac } from '../../src/base/addresses.js'
import { encode } from '../../src/openflow/index.js'
import type { Group } from '../../src/pipeline/program.js'
import { floodGroup } from '../../src/topology/forwarding/compile.js'
import { multicastSection, networkSection } from '../../src/topology/forwarding/network-rows.js'
import { emptyTopology } from '../../src/topology/model.js'
import type { PortReport } from '../../src/topology/port-reports.js'
import { dpidOf } from './networks.js'
import { ring, Whole } from './whole.js'

const [network] = emptyTopology.networks

/** Every port that a frame leaves by, through groups of groups. */
const outputs = (groups: readonly Group[], id: number): number[] =>
  groups
    .find(group => group.id === id)!
    .buckets.flatMap(({ actions }) =>
      actions.flatMap(action =>
        action.kind === 'group'
          ? outputs(groups, action.group)
          : action.kind === 'output'
            ? [action.port]
            : [],
      ),
    )

const sizeOf = ({ id, type, buckets }: Group): number =>
  encode({ kind: 'group-mod', command: 'add', groupId: id, type, buckets }).length

t.test('broadcast to more ports than fit into a group goes through groups of groups', t => {
  const edge = Array.from({ length: 5_000 }, (_, index) => ({
    port: index + 1,
    // Tags make buckets as large as they are.
    vlan: index % 2 === 0 ? undefined : 100,
  }))
  const { groups } = networkSection(network!, { edge, fabric: [6_000] })
  t.equal(groups.length, 7)
  t.equal(new Set(groups.map(({ id }) => id)).size, 7)
  t.same(outputs(groups, floodGroup(1)), [...edge.map(({ port }) => port), 6_000])
  for (const group of groups) t.ok(sizeOf(group) <= 65_535, `${sizeOf(group)} octets`)
  t.equal(groups.at(-1)?.id, floodGroup(1), 'what is pointed to comes first')
  const group = { network: 1, mac: 0x01005e010203, index: 9_999, ports: [] }
  const multicast = multicastSection(network!, group, { edge, fabric: [] }).groups
  for (const each of multicast) t.ok(sizeOf(each) <= 65_535)
  t.end()
})

t.test('few ports make one group, as before', t => {
  const { groups } = networkSection(network!, { edge: [{ port: 1, vlan: undefined }], fabric: [2] })
  t.same(
    groups.map(({ id, buckets }) => [id, buckets.length]),
    [[floodGroup(1), 2]],
  )
  t.end()
})

const report = (number: number): PortReport => ({
  number,
  name: `p${number}`,
  mac: '02:00:00:00:00:01' as Mac,
  isUp: true,
  speedKbps: 0,
})

t.test(
  'of a switch with more ports than it may have some are not used, and it is told',
  async t => {
    const whole = await Whole.start(ring(3))
    const { topology } = whole.controller
    topology.switchConnected(
      dpidOf(9),
      's9',
      Array.from({ length: 10_000 }, (_, index) => report(10_000 - index)),
    )
    const portsOf = () => topology.current.switches.get(dpidOf(9))!.ports
    t.equal(portsOf().size, 4_096)
    t.ok(portsOf().has(1))
    topology.portChanged(dpidOf(9), report(20_000))
    t.equal(portsOf().size, 4_096)
    topology.portRemoved(dpidOf(9), 1)
    topology.portChanged(dpidOf(9), report(20_000))
    t.ok(portsOf().has(20_000), 'where one has gone there is room')
    t.match(whole.events('ports-limited'), [{ dpid: dpidOf(9), count: 10_000, taken: 4_096 }, {}])
    await whole.stop()
  },
)
