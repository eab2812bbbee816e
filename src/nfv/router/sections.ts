/** The sections of all routers for each switch; the same objects as long as they are the same. */
import type { Dpid } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import { Memo, Part } from '../../topology/forwarding/memo.js'
import { HostsBySwitch } from '../../topology/hosts/hosts-by-switch.js'
import { membershipsOf } from '../../topology/memberships.js'
import { type Host, hasEdge, type PortRef, type Topology } from '../../topology/model.js'
import type { SectionsOf } from '../function.js'
import { formatAddress } from './addresses.js'
import type { Router } from './model.js'
import {
  baseSection,
  isShared,
  neighbourSection,
  routerSection,
  sharedSection,
  turningSection,
} from './rows.js'
import { uplinkSection } from './uplink.js'

const none: readonly Section[] = []

export class RouterSections {
  readonly #hosts = new HostsBySwitch()
  readonly #memo = new Memo()
  readonly #shared = new Part()
  readonly #own = new Map<Dpid, Part>()

  compile(topology: Topology, routers: readonly Router[]): SectionsOf {
    for (const dpid of this.#own.keys()) if (!topology.switches.has(dpid)) this.#own.delete(dpid)
    if (routers.length === 0) return () => none
    const byNetwork = new Set(
      routers.flatMap(each => each.interfaces.map(({ network }) => network.number)),
    )
    const lists = [...this.#hosts.of(topology.hosts)]
    const shared = this.#shared.of([...routers, ...lists.map(([, hosts]) => hosts)], () => {
      const all = routers.map(router =>
        this.#memo.get(`router ${router.name}`, [router], () => routerSection(router)),
      )
      const neighbours = lists.map(([dpid, hosts]) =>
        this.#memo.get(`neighbours ${dpid}`, [hosts, ...byNetwork], () =>
          neighbourSection(`router/neighbours/${dpid}`, routed(hosts, byNetwork)),
        ),
      )
      const shared = routers.flatMap(router => this.#sharedOf(router, lists))
      this.#memo.sweep()
      return [baseSection, ...all, ...shared, ...neighbours]
    })
    return self => {
      // A switch without edge ports only passes frames on.
      if (!hasEdge(self)) return none
      const hosts = this.#hosts.of(topology.hosts).get(self.dpid) ?? []
      const part = this.#own.get(self.dpid) ?? new Part()
      this.#own.set(self.dpid, part)
      const uplink = topology.uplink?.dpid === self.dpid ? topology.uplink : undefined
      return part.of([shared, hosts, uplink, uplink && topology.networks], () => [
        ...shared,
        turningSection(`router/turning/${self.dpid}`, routed(hosts, byNetwork)),
        ...(uplink ? [uplinkSection(uplink.port, networksAt(topology, uplink), routers)] : []),
      ])
    }
  }

  /** Anew only when other next hops are known. */
  #sharedOf(
    router: Router,
    lists: readonly (readonly [Dpid, readonly Host[]])[],
  ): readonly Section[] {
    const hops = router.routes.filter(isShared).flatMap(({ via }) => via)
    if (hops.length === 0) return []
    const wanted = new Set(
      hops.map(({ network, address }) => keyOf(network, formatAddress(address))),
    )
    const known = new Set<string>()
    for (const [, hosts] of lists)
      for (const { network, ips } of hosts)
        for (const ip of ips) if (wanted.has(keyOf(network, ip))) known.add(keyOf(network, ip))
    return [
      this.#memo.get(`shared ${router.name}`, [router, [...known].sort().join()], () =>
        sharedSection(router, ({ network, address }) =>
          known.has(keyOf(network, formatAddress(address))),
        ),
      ),
    ]
  }
}

/** Numbers of the networks that a port is of. */
const networksAt = ({ networks }: Topology, at: PortRef): readonly number[] => {
  const { untagged, tagged } = membershipsOf(networks).of(at)
  return [untagged, ...tagged.values()].flatMap(each => each?.number ?? [])
}

const keyOf = (network: number, ip: string): string => `${network} ${ip}`

const routed = (hosts: readonly Host[], byNetwork: ReadonlySet<number>): readonly Host[] =>
  hosts.filter(({ network }) => byNetwork.has(network))
