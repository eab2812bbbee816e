/** The sections of all routers for each switch; the same objects as long as they are the same. */
import type { Dpid } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import { Memo, Part } from '../../topology/forwarding/memo.js'
import { HostsBySwitch } from '../../topology/hosts-by-switch.js'
import { type Host, hasEdge, type Topology } from '../../topology/model.js'
import type { SectionsOf } from '../function.js'
import type { Router } from './model.js'
import { baseSection, neighbourSection, routerSection, turningSection } from './rows.js'

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
      this.#memo.sweep()
      return [baseSection, ...all, ...neighbours]
    })
    return self => {
      // A switch without edge ports only passes frames on.
      if (!hasEdge(self)) return none
      const hosts = this.#hosts.of(topology.hosts).get(self.dpid) ?? []
      const part = this.#own.get(self.dpid) ?? new Part()
      this.#own.set(self.dpid, part)
      return part.of([shared, hosts], () => [
        ...shared,
        turningSection(`router/turning/${self.dpid}`, routed(hosts, byNetwork)),
      ])
    }
  }
}

const routed = (hosts: readonly Host[], byNetwork: ReadonlySet<number>): readonly Host[] =>
  hosts.filter(({ network }) => byNetwork.has(network))
