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

import { type Dpid, type Ip, ipNumber } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import type { FieldValue, Masked, Match } from '../../openflow/values.js'
import type { Flow, Section } from '../../pipeline/program.js'
import { hasOnlyKnownSenders } from '../../topology/guard.js'
import { HostsBySwitch } from '../../topology/hosts-by-switch.js'
import { type Host, hasEdge, type Topology } from '../../topology/model.js'
import type { SectionsOf } from '../function.js'

/** The addresses of the hosts of a switch. */
export class OwnAddresses {
  readonly #v4 = new Masks<number>((value, mask) => (value & mask) >>> 0)
  readonly #v6 = new Masks<bigint>((value, mask) => value & mask)

  constructor(ips: Iterable<Ip>) {
    for (const ip of ips) {
      const value = ipNumber(ip)
      if (typeof value === 'bigint') this.#v6.add(value)
      else this.#v4.add(value)
    }
  }

  /** False when a row with this match can match nothing that they open; nor somebody who has no address yet. */
  mayOpen({ ct_nw_src: v4, ct_ipv6_src: v6 }: Match): boolean {
    return this.#has(v4, v6) || nobody.#has(v4, v6)
  }

  /** False when a row with this match can match nothing that is opened to them. */
  mayAnswer({ ct_nw_dst: v4, ct_ipv6_dst: v6 }: Match): boolean {
    return this.#has(v4, v6)
  }

  #has(v4: Match['ct_nw_src'], v6: Match['ct_ipv6_src']): boolean {
    if (v4 !== undefined) return this.#v4.has(v4 as number | MaskedBy<number>)
    if (v6 !== undefined) return this.#v6.has(v6 as bigint | MaskedBy<bigint>)
    return true
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

  has(wanted: N | MaskedBy<N>): boolean {
    if (typeof wanted !== 'object') return this.#all.has(wanted)
    let values = this.#masked.get(wanted.mask)
    if (values === undefined) {
      values = new Set([...this.#all].map(value => this.#under(value, wanted.mask)))
      this.#masked.set(wanted.mask, values)
    }
    return values.has(wanted.value)
  }
}

/** Senders that have no address yet (RFC 2131, RFC 4862): they are anywhere. */
const nobody = new OwnAddresses(['0.0.0.0' as Ip, '::' as Ip])

const isOfRules = ({ name }: Section): boolean => /^firewall\/rules\d/.test(name)
const isOfHelpers = ({ name }: Section): boolean => name === 'firewall/helpers'

/** What concerns one switch, from one change to the next: the same objects as long as they say the same. */
export class Concern {
  readonly #known = new WeakMap<Section, { own: OwnAddresses; section: Section }>()
  #list: readonly Section[] = []

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
    const made = concerning(section, own)
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
  readonly #known = new Map<Dpid, Known>()

  /**
   * A switch without edge ports only passes frames on, and needs no rows; where hosts may send from any address, any
   * rule may concern them.
   *
   * @param firewall rows for any switch
   */
  of(
    topology: Pick<Topology, 'guards' | 'hosts' | 'networks' | 'switches'>,
    firewall: readonly Section[],
  ): SectionsOf {
    const hosts = this.#hosts.of(topology.hosts)
    for (const dpid of this.#known.keys())
      if (!topology.switches.has(dpid)) this.#known.delete(dpid)
    return self => {
      if (!hasEdge(self)) return none
      if (!hasOnlyKnownSenders(topology, self)) return firewall
      return this.#ofHosts(self.dpid, hosts.get(self.dpid) ?? noHosts, firewall)
    }
  }

  #ofHosts(dpid: Dpid, hosts: readonly Host[], firewall: readonly Section[]): readonly Section[] {
    const known = this.#known.get(dpid)
    if (known?.hosts === hosts) return known.concern.sections(firewall, known.own)
    const concern = known?.concern ?? new Concern()
    const own = new OwnAddresses(hosts.flatMap(host => host.ips))
    this.#known.set(dpid, { concern, hosts, own })
    return concern.sections(firewall, own)
  }
}

const none: readonly Section[] = []
const noHosts: readonly Host[] = []

/** The section without rows that can match no connection of these hosts; itself when it has none. */
export const concerning = (section: Section, own: OwnAddresses): Section => {
  const flows: Flow[] = []
  const conjunctions = new Map<number, Flow[]>()
  for (const flow of section.flows) {
    const id = conjunctionOf(flow)?.id ?? flow.match.conj_id
    if (id === undefined) {
      if (own.mayOpen(flow.match) || own.mayAnswer(flow.match)) flows.push(flow)
      continue
    }
    // In its place among the others, as far as it is kept.
    flows.push(flow)
    const known = conjunctions.get(Number(id))
    if (known) known.push(flow)
    else conjunctions.set(Number(id), [flow])
  }
  const gone = new Set<Flow>()
  for (const rows of conjunctions.values()) for (const row of without(rows, own)) gone.add(row)
  const kept = gone.size === 0 ? flows : flows.filter(flow => !gone.has(flow))
  return kept.length === section.flows.length ? section : { ...section, flows: kept }
}

/** Rows of one conjunction that cannot help it to come true, neither for what these hosts open nor for what is opened to them. */
const without = (rows: readonly Flow[], own: OwnAddresses): readonly Flow[] => {
  const opening = rows.filter(({ match }) => own.mayOpen(match))
  const answering = rows.filter(({ match }) => own.mayAnswer(match))
  if (opening.length === rows.length || answering.length === rows.length) return []
  const kept = new Set([...whole(opening), ...whole(answering)])
  return rows.filter(row => !kept.has(row))
}

/** None, when a clause has no row left: it cannot come true. */
const whole = (rows: readonly Flow[]): readonly Flow[] => {
  const parts = rows.flatMap(row => conjunctionOf(row) ?? [])
  const seen = new Set(parts.map(({ clause }) => clause))
  return parts.length > 0 && seen.size === parts[0]!.clauseCount ? rows : []
}

const conjunctionOf = ({ actions }: Flow) => {
  const [first] = actions
  return first?.kind === 'conjunction' ? first : undefined
}
