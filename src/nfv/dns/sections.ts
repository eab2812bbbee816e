/** Rows of DNS: in `answer`, questions to our address go to the controller, through a meter of the port. */

import type { Dpid } from '../../base/addresses.js'
import type { Match } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { flow, meterNumber, type Origin, type Section, section } from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { Part } from '../../topology/forwarding/memo.js'
import { packetMeter } from '../../topology/forwarding/meters.js'
import { membershipsOf } from '../../topology/memberships.js'
import { hasEdge, type Network, type Port, type Topology } from '../../topology/model.js'
import type { SectionsOf } from '../function.js'
import type { Address } from '../router/addresses.js'
import './tables.js'

/** Where a network is answered. */
export interface Station {
  readonly network: Network
  readonly mac: number
  readonly addresses: readonly Pick<Address, 'version' | 'value'>[]
}

/** Of one port, a second; as many more may come at once. */
const questionsPerSecond = 1_000

const base: Origin = { kind: 'function', name: 'dns' }
const none: readonly Section[] = []

const portSection = (port: Port, stations: readonly Station[]): Section => {
  const meter = meterNumber('dns', port.number)
  return section(`dns/port/${port.number}`, {
    flows: stations.flatMap(({ network, mac, addresses }) =>
      addresses.map(({ version, value }) => {
        const match: Match = {
          reg0: bitsEqual([registers.network, network.number]),
          in_port: port.number,
          eth_dst: mac,
          eth_type: version === 4 ? etherTypes.ipv4 : etherTypes.ipv6,
          ip_proto: ipProtocols.udp,
          [version === 4 ? 'ip_dst' : 'ipv6_dst']: value,
          udp_dst: 53,
        }
        const userdata = writeUserdata('dns', network.number)
        return flow(
          'answer',
          140,
          match,
          { actions: [{ kind: 'controller', maxLength: 0xffff, userdata, meter }] },
          `the name server of network ${network.name} answers`,
          { kind: 'function', name: `dns/${network.name}` },
        )
      }),
    ),
    meters: [
      packetMeter(
        meter,
        questionsPerSecond,
        questionsPerSecond,
        `questions for names from ${port.name} that the controller answers each second`,
        base,
      ),
    ],
  })
}

export class DnsSections {
  readonly #parts = new Map<Dpid, Part>()

  compile(topology: Topology, stations: readonly Station[]): SectionsOf {
    for (const dpid of this.#parts.keys())
      if (!topology.switches.has(dpid)) this.#parts.delete(dpid)
    if (stations.length === 0) return () => none
    const memberships = membershipsOf(topology.networks)
    return self => {
      if (!hasEdge(self)) return none
      const part = this.#parts.get(self.dpid) ?? new Part()
      this.#parts.set(self.dpid, part)
      return part.of([self.ports, topology.networks, ...stations], memo =>
        [...self.ports.values()]
          .filter(({ kind, isUp }) => kind === 'edge' && isUp)
          .flatMap(port => {
            const { untagged, tagged } = memberships.of({ dpid: self.dpid, port: port.number })
            const numbers = [untagged, ...tagged.values()].flatMap(each => each?.number ?? [])
            const here = stations.filter(({ network }) => numbers.includes(network.number))
            return here.length === 0
              ? []
              : [
                  memo.get(`port ${port.number}`, [port.name, ...here], () =>
                    portSection(port, here),
                  ),
                ]
          }),
      )
    }
  }
}
