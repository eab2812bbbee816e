/** The program of each switch: forwarding, and rules where hosts are; the same list as long as it is the same. */
import type { Dpid } from '../../base/addresses.js'
import { Concern, OwnAddresses } from '../../nfv/firewall/concern.js'
import type { Section } from '../../pipeline/program.js'
import { hasOnlyKnownSenders } from '../../topology/guard.js'
import { HostsBySwitch } from '../../topology/hosts-by-switch.js'
import type { Host, Switch, Topology } from '../../topology/model.js'

/** The array of before for every switch whose sections are all the same, so that nothing is compared again. */
export const sameWhereUnchanged = (
  before: Map<Dpid, readonly Section[]>,
  after: ReadonlyMap<Dpid, readonly Section[]>,
): ReadonlyMap<Dpid, readonly Section[]> => {
  for (const dpid of before.keys()) if (!after.has(dpid)) before.delete(dpid)
  for (const [dpid, sections] of after) {
    const old = before.get(dpid)
    const isSame =
      old === sections ||
      (old?.length === sections.length && sections.every((each, index) => each === old[index]))
    if (!isSame) before.set(dpid, sections)
  }
  return before
}

/** Rules are asked where hosts are; a switch without edge ports only passes frames on. */
export const hasEdge = (self: Switch): boolean =>
  [...self.ports.values()].some(port => port.kind === 'edge' && port.isUp)

/** What is remembered of one switch. */
interface Known {
  readonly concern: Concern
  readonly hosts: readonly Host[]
  readonly own: OwnAddresses
}

/** What decides which rules concern a switch. */
type Network = Pick<Topology, 'guards' | 'hosts' | 'networks' | 'switches'>

export class Programs {
  /** Before everything else on every switch: whose rows these are. */
  readonly #owner: Section
  readonly #hosts = new HostsBySwitch()
  readonly #known = new Map<Dpid, Known>()
  readonly #combined = new WeakMap<
    readonly Section[],
    { with: readonly Section[]; program: readonly Section[] }
  >()

  constructor(owner: Section) {
    this.#owner = owner
  }

  /** @param firewall rows for any switch; each gets what concerns its hosts */
  of(
    topology: Network,
    forwarding: ReadonlyMap<Dpid, readonly Section[]>,
    firewall: readonly Section[],
  ): ReadonlyMap<Dpid, readonly Section[]> {
    const hosts = this.#hosts.of(topology.hosts)
    for (const dpid of this.#known.keys()) if (!forwarding.has(dpid)) this.#known.delete(dpid)
    const programs = new Map<Dpid, readonly Section[]>()
    for (const [dpid, sections] of forwarding) {
      const self = topology.switches.get(dpid)
      const rules =
        self && hasEdge(self) ? this.#rules(topology, self, hosts.get(dpid), firewall) : none
      const known = this.#combined.get(sections)
      const program = known?.with === rules ? known.program : [this.#owner, ...sections, ...rules]
      this.#combined.set(sections, { with: rules, program })
      programs.set(dpid, program)
    }
    return programs
  }

  /** Where hosts may send from any address, any rule may concern them. */
  #rules(
    topology: Network,
    self: Switch,
    hosts: readonly Host[] = noHosts,
    firewall: readonly Section[],
  ): readonly Section[] {
    if (!hasOnlyKnownSenders(topology, self)) return firewall
    const { dpid } = self
    const known = this.#known.get(dpid)
    const concern = known?.concern ?? new Concern()
    const isSame = known !== undefined && known.hosts === hosts
    const own = isSame ? known.own : new OwnAddresses(hosts.flatMap(host => host.ips))
    if (!isSame) this.#known.set(dpid, { concern, hosts, own })
    return concern.sections(firewall, own)
  }
}

const none: readonly Section[] = []
const noHosts: readonly Host[] = []
