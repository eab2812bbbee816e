/**
 * Calico's policies (projectcalico.org/v3): GlobalNetworkPolicy and NetworkPolicy in tiers, by `order`, the lowest first, and those without one
 * last. NetworkPolicy of Kubernetes stands in the tier `default` with order 1000. Who is selected by any policy of a tier, and met by no
 * rule of it, is denied at its end, or passed where the tier says so. `Pass` goes to the next tier, and behind the last one all is allowed.
 */
import {
  type AddressSet,
  everyAddress,
  type Range,
  subtract,
  union,
} from '../../meaning/address-set.js'
import { bothAddresses, familyBox, otherRanges, sorted } from '../box.js'
import type { Verdict } from '../chains.js'
import { NotUnderstood, protocolOf, addressesOf as setOf } from '../condition.js'
import { ImportError } from '../rule-writer.js'
import { readSelector } from './calico-selector.js'
import {
  everybody,
  type Fields,
  fieldsOf,
  homeOf,
  listOf,
  othersIn,
  type Thing,
  unsaidSide,
} from './kubernetes-objects.js'
import { addressesOf, type Cluster, type Labels, type Pod } from './kubernetes-pods.js'
import { networkPolicyParts } from './network-policy-rules.js'
import type { Service, Side, TieredRule, Way } from './tiered.js'

const verdicts: Readonly<Record<string, Verdict>> = {
  Allow: { kind: 'accept' },
  Deny: { kind: 'drop' },
  Pass: { kind: 'return' },
  Log: { kind: 'log', text: '' },
}

/** A pod, or a set of networks that has labels like one. */
interface Endpoint {
  readonly labels: Labels
  /** Undefined: a set of the whole cluster. */
  readonly home: string | undefined
  readonly addresses: AddressSet
  readonly pod?: Pod
}

/** The order of Kubernetes' own policies in the tier `default`. */
const kubernetesOrder = 1_000

/** Rules of each tier, in the order in which they are asked. @throws {ImportError} for words that are not known */
export const calicoStages = (
  things: readonly Thing[],
  own: readonly Thing[],
  cluster: Cluster,
): TieredRule[][] => {
  const endpoints = endpointsOf(things, cluster)
  const orders = new Map<string, number>([
    ['adminnetworkpolicy', 1_000],
    ['default', 1_000_000],
    ['baselineadminnetworkpolicy', 10_000_000],
  ])
  const passing = new Set<string>()
  for (const { kind, metadata, spec } of things)
    if (kind === 'Tier') {
      orders.set(metadata.name, Number(spec?.order ?? Number.POSITIVE_INFINITY))
      if (spec?.defaultAction === 'Pass') passing.add(metadata.name)
    }
  const policies = things
    .filter(({ kind }) => kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy')
    .map(thing => new Policy(thing, endpoints, cluster))
  for (const { tier, path } of policies)
    if (!orders.has(tier)) throw new ImportError(`${path}: the tier "${tier}" is not in the file`)
  const names = [...orders].sort(([, a], [, b]) => a - b).map(([name]) => name)
  return names.map(name =>
    (['out', 'in'] as const).flatMap(way => {
      const kubernetes =
        name === 'default'
          ? [{ order: kubernetesOrder, name: '', ...networkPolicyParts(own, way, cluster) }]
          : []
      const inOrder = [
        ...policies.filter(policy => policy.tier === name).map(policy => policy.part(way)),
        ...kubernetes,
      ].sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
      const sides = inOrder.flatMap(part => part.selected)
      if (sides.length === 0) return []
      const rest: TieredRule[] = sides.map(subject => ({
        way,
        subject,
        peer: everybody(cluster),
        services: [],
        verdict: { kind: passing.has(name) ? 'return' : 'drop' },
        unsaid: [],
        path: `the end of the tier ${name}, ${way}`,
        name: `end-of-${name}-${way}`,
      }))
      return [...inOrder.flatMap(part => part.rules), ...rest]
    }),
  )
}

const namespaceLabel = 'projectcalico.org/namespace'

const endpointsOf = (things: readonly Thing[], cluster: Cluster): Endpoint[] => [
  ...cluster.pods.map(pod => ({
    labels: {
      ...pod.metadata.labels,
      [namespaceLabel]: homeOf(pod),
      'projectcalico.org/orchestrator': 'k8s',
    },
    home: homeOf(pod),
    addresses: union(addressesOf(pod).map(setOf)),
    pod,
  })),
  ...things
    .filter(({ kind }) => kind === 'NetworkSet' || kind === 'GlobalNetworkSet')
    .map(({ kind, metadata, spec }) => ({
      labels: metadata.labels ?? {},
      home: kind === 'NetworkSet' ? (metadata.namespace ?? 'default') : undefined,
      addresses: netsOf(spec?.nets, `${kind} ${metadata.name}`),
    })),
]

const netsOf = (value: unknown, path: string): AddressSet => {
  try {
    return union(listOf(value).map(each => setOf(String(each))))
  } catch (error) {
    if (error instanceof NotUnderstood) throw new ImportError(`${path}: ${error.message}`)
    throw error
  }
}

interface Part {
  readonly order: number
  readonly name: string
  /** Who is denied at the end of the tier. */
  readonly selected: readonly Side[]
  readonly rules: readonly TieredRule[]
}

const specFields = 'tier order selector namespaceSelector types ingress egress'.split(' ')
const ruleFields = 'action protocol notProtocol icmp ipVersion source destination metadata'.split(
  ' ',
)
const entityFields = 'selector notSelector namespaceSelector nets notNets ports notPorts'.split(' ')

class Policy {
  readonly tier: string
  readonly path: string
  readonly #thing: Thing
  readonly #home: string | undefined
  readonly #endpoints: readonly Endpoint[]
  readonly #cluster: Cluster

  constructor(thing: Thing, endpoints: readonly Endpoint[], cluster: Cluster) {
    this.#thing = thing
    this.#endpoints = endpoints
    this.#cluster = cluster
    this.#home =
      thing.kind === 'NetworkPolicy' ? (thing.metadata.namespace ?? 'default') : undefined
    this.tier = String(thing.spec?.tier ?? 'default')
    this.path = `${thing.kind} ${this.#home === undefined ? '' : `${this.#home}/`}${thing.metadata.name} (Calico)`
  }

  part(way: Way): Part {
    const spec = this.#thing.spec ?? {}
    const { name } = this.#thing.metadata
    const order = typeof spec.order === 'number' ? spec.order : Number.POSITIVE_INFINITY
    if (!this.#types(spec).includes(way === 'in' ? 'Ingress' : 'Egress'))
      return { order, name, selected: [], rules: [] }
    const subject = this.#subject(spec)
    const rules = listOf(spec[way === 'in' ? 'ingress' : 'egress']).flatMap((rule, at) =>
      this.#rule(fieldsOf(rule), way, at, subject),
    )
    return { order, name, selected: [subject], rules }
  }

  #types(spec: Fields): readonly string[] {
    const named = listOf(spec.types).map(String)
    for (const type of named)
      if (type !== 'Ingress' && type !== 'Egress')
        throw new ImportError(`${this.path}: "${type}" is no type of a policy`)
    if (named.length > 0) return named
    const [ingress, egress] = [listOf(spec.ingress), listOf(spec.egress)]
    if (egress.length === 0) return ['Ingress']
    return ingress.length === 0 ? ['Egress'] : ['Ingress', 'Egress']
  }

  /** Pods alone: sets of networks are never the subject. */
  #subject(spec: Fields): Side {
    const strange = othersIn(spec, specFields)
    if (strange.length > 0) return unsaidSide(this.#cluster, strange)
    const own = this.#choose(spec.selector, spec.namespaceSelector, true)
    return this.#side(own.filter(({ pod }) => pod !== undefined))
  }

  /** @param isLimited a policy of a namespace means its own endpoints */
  #choose(selector: unknown, namespaces: unknown, isLimited: boolean): Endpoint[] {
    const isChosen =
      selector === undefined || selector === ''
        ? () => true
        : readSelector(String(selector), this.path)
    const text = namespaces === undefined ? '' : String(namespaces).trim()
    const isGlobal = text === 'global()'
    const isThere = text === '' || isGlobal ? () => true : readSelector(text, this.path)
    return this.#endpoints.filter(({ labels, home }) => {
      if (isGlobal) return home === undefined && isChosen(labels)
      if (text !== '')
        return home !== undefined && isThere(this.#spaceLabels(home)) && isChosen(labels)
      return (!isLimited || this.#home === undefined || home === this.#home) && isChosen(labels)
    })
  }

  /** @throws {ImportError} when the labels of a namespace are not in the file: a drop could be lost */
  #spaceLabels(name: string): Labels {
    const known = this.#cluster.labelsByNamespace.get(name)
    if (known === undefined)
      throw new ImportError(
        `${this.path}: the labels of the namespace ${name} are not in the file: kubectl get namespaces -o yaml`,
      )
    return { ...known, 'projectcalico.org/name': name, 'kubernetes.io/metadata.name': name }
  }

  #side(endpoints: readonly Endpoint[]): Side {
    return {
      addresses: union(endpoints.map(({ addresses }) => addresses)),
      pods: endpoints.flatMap(({ pod }) => pod ?? []),
      unsaid: [],
    }
  }

  #rule(rule: Fields, way: Way, at: number, subject: Side): TieredRule[] {
    const path = `${this.path} ${way} ${at + 1}`
    const verdict = verdicts[String(rule.action)]
    if (verdict === undefined)
      throw new ImportError(`${path}: "${String(rule.action)}" is no action`)
    const [source, destination] = [fieldsOf(rule.source), fieldsOf(rule.destination)]
    const [own, other] = way === 'in' ? [destination, source] : [source, destination]
    const unsaid = [
      ...othersIn(rule, ruleFields),
      ...othersIn(source, entityFields),
      ...othersIn(destination, entityFields),
      ...this.#oddPorts(source),
    ]
    const family = this.#family(rule.ipVersion, path)
    const narrowed = this.#narrowed(subject, own)
    const peer = this.#narrowed(everybody(this.#cluster), other)
    return [
      {
        way,
        subject: { ...narrowed, addresses: bothAddresses(narrowed.addresses, family) },
        peer,
        services: this.#services(rule, source, destination, path),
        verdict,
        unsaid,
        path,
        name: `${this.#thing.metadata.name}-${way}-${at + 1}`,
      },
    ]
  }

  /** Ports by name of those who send, and names that are to be left out, are not known. */
  #oddPorts(source: Fields): string[] {
    const isName = (port: unknown) => !/^\d+(:\d+)?$/.test(String(port))
    return [...listOf(source.ports), ...listOf(source.notPorts)].some(isName)
      ? ['a source port by name']
      : []
  }

  #family(version: unknown, path: string): AddressSet {
    if (version === undefined) return everyAddress
    if (version !== 4 && version !== 6)
      throw new ImportError(`${path}: "${String(version)}" is no version`)
    return familyBox(version).from.addresses
  }

  /** All that an entity says counts together. */
  #narrowed(side: Side, entity: Fields): Side {
    const { selector, notSelector, namespaceSelector, nets, notNets } = entity
    let { addresses, pods } = side
    const isNamed = [selector, notSelector, namespaceSelector].some(
      each => each !== undefined && each !== '',
    )
    if (isNamed) {
      const not = notSelector ? readSelector(String(notSelector), this.path) : () => false
      const chosen = this.#choose(selector, namespaceSelector, true).filter(
        ({ labels }) => !not(labels),
      )
      const found = this.#side(chosen)
      addresses = bothAddresses(addresses, found.addresses)
      pods = pods.filter(pod => found.pods.includes(pod))
    }
    if (listOf(nets).length > 0) addresses = bothAddresses(addresses, netsOf(nets, this.path))
    if (listOf(notNets).length > 0) addresses = subtract(addresses, netsOf(notNets, this.path))
    return { addresses, pods, unsaid: side.unsaid }
  }

  #services(rule: Fields, source: Fields, destination: Fields, path: string): Service[] {
    const protocols = this.#protocols(rule, path)
    const sourcePorts = portsOf(source, path)
    checkPorts(rule, source, destination, path)
    const names = listOf(destination.ports).map(String).filter(isPortName)
    if (listOf(destination.notPorts).map(String).some(isPortName))
      throw new ImportError(`${path}: notPorts with a name`)
    const ends = { ...(protocols && { protocols }), ...(sourcePorts && { sourcePorts }) }
    if (rule.icmp !== undefined && rule.icmp !== null) {
      const { type, code } = fieldsOf(rule.icmp)
      if (type === undefined) return [ends]
      const first = Number(type) * 256 + Number(code ?? 0)
      const ports = [{ first, last: code === undefined ? first + 255 : first }]
      return [{ ...ends, ports }]
    }
    const ports = portsOf(destination, path)
    const plain = names.length === 0 || (ports !== undefined && ports.length > 0)
    return [
      ...(plain ? [{ ...ends, ...(ports && { ports }) }] : []),
      ...names.map(name => ({
        ...ends,
        named: { name, protocol: String(rule.protocol ?? 'TCP').toUpperCase() },
      })),
    ]
  }

  #protocols(rule: Fields, path: string): readonly Range<number>[] | undefined {
    const { protocol, notProtocol } = rule
    try {
      if (protocol !== undefined) return [protocolOf(String(protocol).toLowerCase())]
      if (notProtocol !== undefined)
        return otherRanges([protocolOf(String(notProtocol).toLowerCase())], 255)
    } catch (error) {
      if (error instanceof NotUnderstood) throw new ImportError(`${path}: ${error.message}`)
      throw error
    }
    return undefined
  }
}

/** @throws {ImportError} for ports of what has none, and types of what is no ICMP */
const checkPorts = (rule: Fields, source: Fields, destination: Fields, path: string): void => {
  const word = String(rule.protocol ?? '').toUpperCase()
  const hasPorts = [source, destination].some(
    ({ ports, notPorts }) => listOf(ports).length + listOf(notPorts).length > 0,
  )
  if (hasPorts && !['TCP', 'UDP', 'SCTP'].includes(word))
    throw new ImportError(`${path}: ports without the protocol TCP, UDP or SCTP`)
  if (rule.icmp !== undefined && rule.icmp !== null && !['ICMP', 'ICMPV6'].includes(word))
    throw new ImportError(`${path}: a type of ICMP without the protocol ICMP or ICMPv6`)
}

const isPortName = (text: string): boolean => !/^\d+(:\d+)?$/.test(text)

/** Numbers and ranges `1000:2000`; undefined: every port. Names are looked at elsewhere. */
const portsOf = (
  { ports, notPorts }: Fields,
  path: string,
): readonly Range<number>[] | undefined => {
  const range = (text: string): Range<number> => {
    const [first = 0, last = first] = text.split(':').map(Number)
    if (first > last || last > 65_535) throw new ImportError(`${path}: "${text}" is no port`)
    return { first, last }
  }
  const numbers = (value: unknown) =>
    sorted(
      listOf(value)
        .map(String)
        .filter(text => !isPortName(text))
        .map(range),
    )
  const wanted = listOf(ports).length > 0 ? numbers(ports) : undefined
  if (listOf(notPorts).length === 0) return wanted
  const others = otherRanges(numbers(notPorts), 65_535)
  if (wanted === undefined) return others
  return subtract({ v4: wanted, v6: [] }, { v4: numbers(notPorts), v6: [] }).v4
}
