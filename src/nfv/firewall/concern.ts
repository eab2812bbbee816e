/**
 * The rows of the rules that one switch needs. A connection is judged where it was opened, and the guard lets only known
 * hosts of a switch open one there, each by its own addresses: a row for other sources has nothing to match.
 *
 *     rules1  ct_nw_src=10.1.0.0/16 ...   kept where a host of 10.1.0.0/16 is
 *     rules1  ct_nw_src=10.2.0.7 ...      kept at the switch of 10.2.0.7
 *     rules1  ct_tp_dst=22 ...            kept everywhere
 *
 * What a helper has let in is judged by its control connection, which may have been opened elsewhere: where a rule has
 * a helper, switches with hosts have all rows.
 */

import { type Ip, ipNumber } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import type { FieldValue, Masked, Match } from '../../openflow/values.js'
import type { Flow, Section } from '../../pipeline/program.js'

/** Senders that have no address yet (RFC 2131, RFC 4862): they are anywhere. */
const nobody: readonly Ip[] = ['0.0.0.0' as Ip, '::' as Ip]

/** The addresses that may open connections at a switch. */
export class Openers {
  readonly #v4 = new Masks<number>((value, mask) => (value & mask) >>> 0)
  readonly #v6 = new Masks<bigint>((value, mask) => value & mask)

  constructor(ips: Iterable<Ip>) {
    for (const ip of [...nobody, ...ips]) {
      const value = ipNumber(ip)
      if (typeof value === 'bigint') this.#v6.add(value)
      else this.#v4.add(value)
    }
  }

  /** False when a row with this match can match none of them. */
  mayMatch({ ct_nw_src, ct_ipv6_src }: Match): boolean {
    if (ct_nw_src !== undefined) return this.#v4.has(ct_nw_src as number | MaskedBy<number>)
    if (ct_ipv6_src !== undefined) return this.#v6.has(ct_ipv6_src as bigint | MaskedBy<bigint>)
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

const isOfRules = ({ name }: Section): boolean => /^firewall\/rules\d/.test(name)
const isOfHelpers = ({ name }: Section): boolean => name === 'firewall/helpers'

/** What concerns one switch, from one change to the next: the same objects as long as they say the same. */
export class Concern {
  readonly #known = new WeakMap<Section, { openers: Openers; section: Section }>()
  #list: readonly Section[] = []

  sections(firewall: readonly Section[], openers: Openers): readonly Section[] {
    if (firewall.some(isOfHelpers)) return firewall
    const list = firewall.map(section =>
      isOfRules(section) ? this.#concerning(section, openers) : section,
    )
    if (!areSame(list, this.#list)) this.#list = list
    return this.#list
  }

  #concerning(section: Section, openers: Openers): Section {
    const known = this.#known.get(section)
    if (known?.openers === openers) return known.section
    const made = concerning(section, openers)
    const isSame = known !== undefined && areSame(known.section.flows, made.flows)
    const kept = isSame ? known.section : made
    this.#known.set(section, { openers, section: kept })
    return kept
  }
}

/** The section without rows that can match no connection that these open; itself when it has none. */
export const concerning = (section: Section, openers: Openers): Section => {
  const flows = section.flows.filter(({ match }) => openers.mayMatch(match))
  return flows.length === section.flows.length ? section : { ...section, flows: complete(flows) }
}

/** Without conjunctions of which a clause has no row left: they cannot come true. */
const complete = (flows: readonly Flow[]): readonly Flow[] => {
  const clauses = new Map<number, { readonly seen: Set<number>; readonly count: number }>()
  for (const flow of flows) {
    const part = conjunctionOf(flow)
    if (part === undefined) continue
    const known = clauses.get(part.id) ?? { seen: new Set(), count: part.clauseCount }
    clauses.set(part.id, known)
    known.seen.add(part.clause)
  }
  return flows.filter(flow => {
    const id = conjunctionOf(flow)?.id ?? flow.match.conj_id
    if (id === undefined) return true
    const known = clauses.get(Number(id))
    return known !== undefined && known.seen.size === known.count
  })
}

const conjunctionOf = ({ actions }: Flow) => {
  const [first] = actions
  return first?.kind === 'conjunction' ? first : undefined
}
