/**
 * The rows of the rules that one switch needs: it judges connections of its own hosts, which they open or which are
 * opened to them. A row for others has nothing to match.
 *
 *     rules1  ct_nw_src=10.1.0.0/16 ct_nw_dst=10.2.0.7   kept where a host of 10.1.0.0/16 is, and at the switch of 10.2.0.7
 *     rules1  ct_nw_dst=10.2.0.7                         kept everywhere: anybody may open it
 *     rules1  ct_tp_dst=22 ...                           kept everywhere
 *
 * What a helper has let in is judged by its control connection, which may have been opened elsewhere: where a rule has
 * a helper, switches with hosts have all rows.
 */

import { type Dpid, type Ip, ipNumber } from '../../../base/addresses.js'
import { areSame } from '../../../base/same.js'
import type { FieldValue, Masked, Match } from '../../../openflow/values.js'
import type { Flow, Section } from '../../../pipeline/program.js'
import { hasOnlyKnownSenders } from '../../../topology/hosts/guard.js'
import { HostsBySwitch } from '../../../topology/hosts/hosts-by-switch.js'
import { type Host, hasEdge, type Topology } from '../../../topology/model.js'
import type { SectionsOf } from '../../function.js'

/** The addresses of the hosts of a switch. */
export class OwnAddresses {
  readonly v4 = new Masks<number>((value, mask) => (value & mask) >>> 0)
  readonly v6 = new Masks<bigint>((value, mask) => value & mask)

  constructor(ips: Iterable<Ip>) {
    for (const ip of ips) {
      const value = ipNumber(ip)
      if (typeof value === 'bigint') this.v6.add(value)
      else this.v4.add(value)
    }
  }
}

type MaskedBy<N> = Masked & { readonly value: N; readonly mask: N }

/** Numbers, and what is left of them under each mask that was asked for. */
class Masks<N extends FieldValue> {
  readonly #all = new Set<N>()
  readonly #masked = new Map<N, ReadonlySet<N>>()
  readonly #under: (value: N, mask: N) => N

  constructor(under: (value: N, mask: N) => N) {
    this.#under = under
  }

  add(value: N): void {
    this.#all.add(value)
  }

  /** @param mask undefined: the numbers as they are */
  under(mask: N | undefined): ReadonlySet<N> {
    if (mask === undefined) return this.#all
    const known = this.#masked.get(mask)
    const values = known ?? new Set([...this.#all].map(value => this.#under(value, mask)))
    this.#masked.set(mask, values)
    return values
  }
}

/** Senders that have no address yet (RFC 2131, RFC 4862): they are anywhere. */
const nobody = new OwnAddresses(['0.0.0.0' as Ip, '::' as Ip])

/** Numbers of rows by what they want an address to be: by mask, then by value. */
class Wishes<N extends FieldValue> {
  readonly #byMask = new Map<N | undefined, Map<N, number[]>>()

  add(wanted: N | MaskedBy<N>, row: number): void {
    if (typeof wanted === 'object') this.#put(wanted.mask, wanted.value, row)
    else this.#put(undefined, wanted, row)
  }

  #put(mask: N | undefined, value: N, row: number): void {
    const byValue = this.#byMask.get(mask) ?? new Map<N, number[]>()
    this.#byMask.set(mask, byValue)
    const rows = byValue.get(value)
    if (rows) rows.push(row)
    else byValue.set(value, [row])
  }

  /** Marks the rows that some of these addresses fulfil; what there is less of is gone through. */
  mark(addresses: Masks<N>, marks: Uint8Array): void {
    for (const [mask, byValue] of this.#byMask) {
      const own = addresses.under(mask)
      const met = own.size < byValue.size ? own : byValue.keys()
      for (const value of met)
        if (own.has(value)) for (const row of byValue.get(value) ?? []) marks[row] = 1
    }
  }
}

/** Which rows some addresses at one end can match. */
class End {
  readonly #v4 = new Wishes<number>()
  readonly #v6 = new Wishes<bigint>()
  /** Rows that say nothing of this end. */
  readonly #always: Uint8Array

  constructor(size: number) {
    this.#always = new Uint8Array(size)
  }

  add(row: number, v4: Match['ct_nw_src'], v6: Match['ct_ipv6_src']): void {
    if (v4 !== undefined) this.#v4.add(v4 as number | MaskedBy<number>, row)
    else if (v6 !== undefined) this.#v6.add(v6 as bigint | MaskedBy<bigint>, row)
    else this.#always[row] = 1
  }

  /** A mark for each row. */
  matching(...addresses: readonly OwnAddresses[]): Uint8Array {
    const marks = this.#always.slice()
    for (const { v4, v6 } of addresses) {
      this.#v4.mark(v4, marks)
      this.#v6.mark(v6, marks)
    }
    return marks
  }
}

/** The rows of a section by the addresses at their ends, so that choosing from them costs no look at each. */
class Chooser {
  readonly #section: Section
  readonly #sources: End
  readonly #destinations: End
  /** Numbers of the rows of each conjunction. */
  readonly #conjunctions = new Map<number, number[]>()

  constructor(section: Section) {
    this.#section = section
    this.#sources = new End(section.flows.length)
    this.#destinations = new End(section.flows.length)
    for (const [row, flow] of section.flows.entries()) {
      const { match } = flow
      this.#sources.add(row, match.ct_nw_src, match.ct_ipv6_src)
      this.#destinations.add(row, match.ct_nw_dst, match.ct_ipv6_dst)
      const id = conjunctionOf(flow)?.id ?? match.conj_id
      if (id === undefined) continue
      const known = this.#conjunctions.get(Number(id))
      if (known) known.push(row)
      else this.#conjunctions.set(Number(id), [row])
    }
  }

  /** The section without rows that can match no connection of these hosts; itself when it has none. */
  concerning(own: OwnAddresses): Section {
    const { flows } = this.#section
    const opening = this.#sources.matching(own, nobody)
    const answering = this.#destinations.matching(own)
    const kept = opening.map((mark, row) => mark | answering[row]!)
    for (const rows of this.#conjunctions.values()) {
      const isWhole = (marks: Uint8Array) => rows.every(row => marks[row] === 1)
      if (isWhole(opening) || isWhole(answering)) continue
      for (const row of rows) kept[row] = 0
      for (const marks of [opening, answering])
        for (const row of this.#true(rows, marks)) kept[row] = 1
    }
    const chosen: Flow[] = []
    for (let row = 0; row < flows.length; row++) if (kept[row] === 1) chosen.push(flows[row]!)
    return chosen.length === flows.length ? this.#section : { ...this.#section, flows: chosen }
  }

  /** Of the rows of a conjunction those that are marked; none, when a clause has no row left: it cannot come true. */
  #true(rows: readonly number[], marks: Uint8Array): readonly number[] {
    const marked = rows.filter(row => marks[row] === 1)
    const parts = marked.flatMap(row => conjunctionOf(this.#section.flows[row]!) ?? [])
    const seen = new Set(parts.map(({ clause }) => clause))
    return parts.length > 0 && seen.size === parts[0]!.clauseCount ? marked : []
  }
}

/** For all switches: the rows of a section are sorted once. */
export class Choosers {
  readonly #known = new WeakMap<Section, Chooser>()

  of(section: Section): Chooser {
    const chooser = this.#known.get(section) ?? new Chooser(section)
    this.#known.set(section, chooser)
    return chooser
  }
}

const isOfRules = ({ name }: Section): boolean => /^firewall\/rules\d/.test(name)
const isOfHelpers = ({ name }: Section): boolean => name === 'firewall/helpers'

/** What concerns one switch, from one change to the next: the same objects as long as they say the same. */
export class Concern {
  readonly #known = new WeakMap<Section, { own: OwnAddresses; section: Section }>()
  readonly #choosers: Choosers
  #list: readonly Section[] = []

  constructor(choosers = new Choosers()) {
    this.#choosers = choosers
  }

  sections(firewall: readonly Section[], own: OwnAddresses): readonly Section[] {
    if (firewall.some(isOfHelpers)) return firewall
    const list = firewall.map(section =>
      isOfRules(section) ? this.#concerning(section, own) : section,
    )
    if (!areSame(list, this.#list)) this.#list = list
    return this.#list
  }

  #concerning(section: Section, own: OwnAddresses): Section {
    const known = this.#known.get(section)
    if (known?.own === own) return known.section
    const made = this.#choosers.of(section).concerning(own)
    const isSame = known !== undefined && areSame(known.section.flows, made.flows)
    const kept = isSame ? known.section : made
    this.#known.set(section, { own, section: kept })
    return kept
  }
}

/** What is remembered of one switch. */
interface Known {
  readonly concern: Concern
  readonly hosts: readonly Host[]
  readonly own: OwnAddresses
}

/** Which rows each switch needs, from one change to the next. */
export class Concerns {
  readonly #hosts = new HostsBySwitch()
  readonly #choosers = new Choosers()
  readonly #known = new Map<Dpid, Known>()

  /**
   * A switch without edge ports only passes frames on, and needs no rows; where hosts may send from any address, any
   * rule may concern them, and so it may at the end of a segment that is not ours, where nobody is known to be judged.
   *
   * @param firewall rows for any switch
   */
  of(
    topology: Pick<Topology, 'guards' | 'hosts' | 'links' | 'networks' | 'switches'>,
    firewall: readonly Section[],
  ): SectionsOf {
    const hosts = this.#hosts.of(topology.hosts)
    for (const dpid of this.#known.keys())
      if (!topology.switches.has(dpid)) this.#known.delete(dpid)
    const atSegments = new Set<Dpid>()
    for (const { from, isForeign } of topology.links.values())
      if (isForeign) atSegments.add(from.dpid)
    return self => {
      if (atSegments.has(self.dpid)) return firewall
      if (!hasEdge(self)) return none
      if (!hasOnlyKnownSenders(topology, self)) return firewall
      return this.#ofHosts(self.dpid, hosts.get(self.dpid) ?? noHosts, firewall)
    }
  }

  #ofHosts(dpid: Dpid, hosts: readonly Host[], firewall: readonly Section[]): readonly Section[] {
    const known = this.#known.get(dpid)
    if (known?.hosts === hosts) return known.concern.sections(firewall, known.own)
    const concern = known?.concern ?? new Concern(this.#choosers)
    const own = new OwnAddresses(hosts.flatMap(host => host.ips))
    this.#known.set(dpid, { concern, hosts, own })
    return concern.sections(firewall, own)
  }
}

const none: readonly Section[] = []
const noHosts: readonly Host[] = []

/** The section without rows that can match no connection of these hosts; itself when it has none. */
export const concerning = (section: Section, own: OwnAddresses): Section =>
  new Chooser(section).concerning(own)

const conjunctionOf = ({ actions }: Flow) => {
  const [first] = actions
  return first?.kind === 'conjunction' ? first : undefined
}
