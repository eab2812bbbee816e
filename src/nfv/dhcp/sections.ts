/** The sections of DHCP for each switch; the same objects as long as they are the same. */
import type { Dpid } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import { Part } from '../../topology/forwarding/memo.js'
import { membershipsOf } from '../../topology/memberships.js'
import {
  hasEdge,
  type Network,
  portKey,
  portOfKey,
  type Switch,
  type Topology,
} from '../../topology/model.js'
import type { SectionsOf } from '../function.js'
import { baseSection, portSection, stationSection } from './rows.js'
import type { Served } from './scope.js'

const none: readonly Section[] = []

export class DhcpSections {
  readonly #parts = new Map<Dpid, Part>()
  readonly #stations = new Part()

  compile(
    topology: Topology,
    served: readonly Served[],
    served6: readonly Network[] = [],
  ): SectionsOf {
    for (const dpid of this.#parts.keys())
      if (!topology.switches.has(dpid)) this.#parts.delete(dpid)
    if (served.length + served6.length === 0) return () => none
    const stations = this.#stations.of(served, memo =>
      served
        .filter(({ server }) => !server.isRouter)
        .map(each => memo.get(each.network.name, [each], () => stationSection(each))),
    )
    const memberships = membershipsOf(topology.networks)
    const shared = sharedOf(topology)
    return self => {
      if (!hasEdge(self)) return none
      const part = this.#parts.get(self.dpid) ?? new Part()
      this.#parts.set(self.dpid, part)
      const key = [self.ports, topology.networks, topology.serving, stations, ...served, ...served6]
      return part.of(key, memo => [
        baseSection,
        ...stations,
        ...portsOf(self).flatMap(port => {
          const at = { dpid: self.dpid, port: port.number }
          const { untagged, tagged } = memberships.of(at)
          const numbers = [untagged, ...tagged.values()].flatMap(each => each?.number ?? [])
          const here = served.filter(({ network }) => numbers.includes(network.number))
          const here6 = served6.filter(({ number }) => numbers.includes(number))
          if (here.length + here6.length === 0) return []
          const isServer = topology.serving.get(portKey(at))?.includes('dhcp') === true
          return [
            memo.get(
              `port ${port.number}`,
              [port.name, isServer, [...shared].join(), ...here, ...here6],
              () => portSection(port, here, here6, isServer, shared),
            ),
          ]
        }),
      ])
    }
  }
}

/** Networks with a port that is declared for a DHCP server. */
export const sharedOf = ({
  networks,
  serving,
}: Pick<Topology, 'networks' | 'serving'>): ReadonlySet<number> => {
  const memberships = membershipsOf(networks)
  const shared = new Set<number>()
  for (const [key, services] of serving) {
    if (!services.includes('dhcp')) continue
    const { untagged, tagged } = memberships.of(portOfKey(key))
    for (const each of [untagged, ...tagged.values()]) if (each) shared.add(each.number)
  }
  return shared
}

const portsOf = ({ ports }: Switch) =>
  [...ports.values()].filter(({ kind, isUp }) => kind === 'edge' && isUp)
