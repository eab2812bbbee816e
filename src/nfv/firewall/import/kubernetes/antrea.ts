/**
 * Antrea's own policies (crd.antrea.io): ClusterNetworkPolicy and NetworkPolicy in tiers, by priority of the tier and then of the policy, the
 * lowest number first; the tier `baseline` behind NetworkPolicy of Kubernetes. `Pass` leaves all of them.
 */
import { union } from '../../meaning/address-set.js'
import type { Verdict } from '../chains.js'
import { ImportError } from '../rule-writer.js'
import {
  everybody,
  type Fields,
  fieldsOf,
  listOf,
  othersIn,
  podsChosen,
  portService,
  prefixSide,
  type Thing,
  unsaidSide,
} from './kubernetes-objects.js'
import type { Cluster } from './kubernetes-pods.js'
import { type Service, type Side, sideOf, type TieredRule, type Way } from './tiered.js'

const verdicts: Readonly<Record<string, Verdict>> = {
  Allow: { kind: 'accept' },
  Drop: { kind: 'drop' },
  Reject: { kind: 'reject' },
  Pass: { kind: 'return' },
}

/** Those that Antrea has from the beginning; others are objects. */
const ownTiers: Readonly<Record<string, number>> = {
  emergency: 50,
  securityops: 100,
  networkops: 150,
  platform: 200,
  application: 250,
  baseline: 253,
}

export interface AntreaRules {
  readonly upper: readonly TieredRule[]
  readonly lower: readonly TieredRule[]
}

/** Rules in the order in which they are asked. @throws {ImportError} for words that are not known */
export const antreaRules = (things: readonly Thing[], cluster: Cluster): AntreaRules => {
  const tiers = new Map(Object.entries(ownTiers))
  for (const { kind, metadata, spec } of things)
    if (kind === 'Tier') tiers.set(metadata.name.toLowerCase(), Number(spec?.priority))
  const groups = new Map<string, Thing>()
  for (const thing of things)
    if (thing.kind === 'ClusterGroup' || thing.kind === 'Group')
      groups.set(groupKey(thing.kind === 'Group' ? homeOf(thing) : undefined, thing), thing)
  const policies = things
    .filter(({ kind }) => kind === 'ClusterNetworkPolicy' || kind === 'NetworkPolicy')
    .map(thing => {
      const tier = String(thing.spec?.tier ?? 'application').toLowerCase()
      const rank = tiers.get(tier)
      if (rank === undefined || Number.isNaN(rank))
        throw new ImportError(`${pathOf(thing)}: the tier "${tier}" is not in the file`)
      return { thing, tier, rank, priority: Number(thing.spec?.priority ?? 0) }
    })
    .sort((a, b) => a.rank - b.rank || a.priority - b.priority)
  const of = (isBaseline: boolean) =>
    policies
      .filter(({ tier }) => (tier === 'baseline') === isBaseline)
      .flatMap(({ thing, tier }) => new Reader(thing, tier, cluster, groups).rules())
  return { upper: of(false), lower: of(true) }
}

const homeOf = ({ metadata }: Thing): string => metadata.namespace ?? 'default'
const pathOf = (thing: Thing): string =>
  `${thing.kind} ${thing.kind === 'NetworkPolicy' ? `${homeOf(thing)}/` : ''}${thing.metadata.name} (Antrea)`
const groupKey = (home: string | undefined, { metadata }: Pick<Thing, 'metadata'>): string =>
  `${home ?? ''}/${metadata.name}`

class Reader {
  readonly #thing: Thing
  readonly #tier: string
  readonly #cluster: Cluster
  readonly #groups: ReadonlyMap<string, Thing>
  /** A policy of the cluster means pods of all namespaces where it names none. */
  readonly #home: string | undefined
  readonly #path: string

  constructor(thing: Thing, tier: string, cluster: Cluster, groups: ReadonlyMap<string, Thing>) {
    this.#thing = thing
    this.#tier = tier
    this.#cluster = cluster
    this.#groups = groups
    this.#home = thing.kind === 'NetworkPolicy' ? homeOf(thing) : undefined
    this.#path = pathOf(thing)
  }

  rules(): TieredRule[] {
    const spec = this.#thing.spec ?? {}
    const strange = othersIn(spec, ['tier', 'priority', 'appliedTo', 'ingress', 'egress'])
    return (['egress', 'ingress'] as const).flatMap(direction =>
      listOf(spec[direction]).flatMap((value, at) =>
        this.#rule(fieldsOf(value), direction === 'ingress' ? 'in' : 'out', at, strange),
      ),
    )
  }

  #rule(rule: Fields, way: Way, at: number, strange: readonly string[]): TieredRule[] {
    const path = `${this.#path} ${way} ${at + 1}`
    const verdict = verdicts[String(rule.action)]
    if (verdict === undefined || (verdict.kind === 'return' && this.#tier === 'baseline'))
      throw new ImportError(`${path}: "${String(rule.action)}" is no action of it`)
    const known = [
      'action',
      'name',
      'from',
      'to',
      'ports',
      'protocols',
      'appliedTo',
      'enableLogging',
      'logLabel',
    ]
    const unsaid = [...strange, ...othersIn(rule, known)]
    const own = listOf(rule.appliedTo)
    const applied = own.length > 0 ? own : listOf(this.#thing.spec?.appliedTo)
    if (applied.length === 0) throw new ImportError(`${path}: it is applied to nothing`)
    const peers = listOf(way === 'in' ? rule.from : rule.to)
    const services = [
      ...listOf(rule.ports).map(port => this.#port(fieldsOf(port), path)),
      ...listOf(rule.protocols).map(protocol => protocolService(fieldsOf(protocol), path)),
    ]
    const side = (value: unknown) => this.#side(fieldsOf(value), path)
    return applied.map(side).flatMap(subject =>
      (peers.length === 0 ? [everybody(this.#cluster)] : peers.map(side)).map(peer => ({
        way,
        subject,
        peer,
        services,
        verdict,
        unsaid,
        path,
        name: `${this.#thing.metadata.name}-${typeof rule.name === 'string' ? rule.name : `${way}-${at + 1}`}`,
      })),
    )
  }

  #port(fields: Fields, path: string): Service {
    const service = portService(fields, path)
    const { sourcePort, sourceEndPort } = fields
    if (sourcePort === undefined) return service
    const first = Number(sourcePort)
    return { ...service, sourcePorts: [{ first, last: Number(sourceEndPort ?? first) }] }
  }

  #side(fields: Fields, path: string): Side {
    const strange = othersIn(fields, ['podSelector', 'namespaceSelector', 'ipBlock', 'group'])
    if (strange.length > 0) return unsaidSide(this.#cluster, strange)
    const { ipBlock, group } = fields
    if (ipBlock) return this.#block(fieldsOf(ipBlock), path)
    if (group !== undefined) return this.#group(String(group), this.#home, path, 0)
    if (!fields.podSelector && !fields.namespaceSelector)
      return unsaidSide(this.#cluster, ['nobody is named'])
    return sideOf(podsChosen(fields, this.#home, this.#cluster, path))
  }

  #block(fields: Fields, path: string): Side {
    const except = listOf(fields.except).map(String)
    return prefixSide([String(fields.cidr)], except, path)
  }

  #group(name: string, home: string | undefined, path: string, depth: number): Side {
    const found = this.#groups.get(groupKey(home, { metadata: { name } }))
    if (found === undefined || depth > 8)
      throw new ImportError(`${path}: the group "${name}" is not in the file`)
    const spec = found.spec ?? {}
    const known = ['podSelector', 'namespaceSelector', 'ipBlocks', 'ipBlock', 'childGroups']
    const strange = othersIn(spec, known)
    if (strange.length > 0) return unsaidSide(this.#cluster, strange)
    const sides = [
      ...listOf(spec.ipBlocks).map(block => this.#block(fieldsOf(block), path)),
      ...(spec.ipBlock ? [this.#block(fieldsOf(spec.ipBlock), path)] : []),
      ...listOf(spec.childGroups).map(child => this.#group(String(child), home, path, depth + 1)),
      ...(spec.podSelector || spec.namespaceSelector
        ? [sideOf(podsChosen(spec, home, this.#cluster, path))]
        : []),
    ]
    return {
      addresses: union(sides.map(side => side.addresses)),
      pods: sides.flatMap(side => side.pods),
      unsaid: sides.flatMap(side => side.unsaid),
    }
  }
}

/** `{icmp: {icmpType, icmpCode}}` and `{igmp: {}}`. */
const protocolService = (fields: Fields, path: string): Service => {
  const [odd] = othersIn(fields, ['icmp', 'igmp'])
  if (odd !== undefined || (fields.icmp === undefined && fields.igmp === undefined))
    throw new ImportError(`${path}: the protocol "${odd ?? ''}" is not known`)
  if (fields.icmp === undefined) return { protocols: [{ first: 2, last: 2 }] }
  const { icmpType, icmpCode } = fieldsOf(fields.icmp)
  const protocols = [
    { first: 1, last: 1 },
    { first: 58, last: 58 },
  ]
  if (icmpType === undefined) return { protocols }
  const first = Number(icmpType) * 256 + Number(icmpCode ?? 0)
  return { protocols, ports: [{ first, last: icmpCode === undefined ? first + 255 : first }] }
}
