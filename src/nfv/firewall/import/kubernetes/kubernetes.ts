/**
 * Kubernetes NetworkPolicy (networking.k8s.io/v1) with the Pods and Namespaces they select, as YAML or JSON documents
 * in one text: `kubectl get networkpolicies,pods,namespaces -A -o yaml`. Addresses are those of the pods at that time.
 */
import { parseAllDocuments } from 'yaml'
import { TooMuch } from '../chains.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from '../rule-writer.js'
import { type Allowed, type Selected, writeSelective } from '../selective.js'
import { adminRules } from './admin-policies.js'
import { antreaRules } from './antrea.js'
import { calicoStages } from './calico.js'
import type { Thing } from './kubernetes-objects.js'
import {
  addressesOf,
  type Cluster,
  isMeant,
  type Maybe,
  type Meta,
  nameOf,
  numbersOf,
  type Pod,
  type Selector,
  selects,
  selectsNamespace,
} from './kubernetes-pods.js'
import { networkPolicyRules } from './network-policy-rules.js'
import { writeTiered } from './tiered.js'

interface Peer {
  readonly podSelector?: Maybe<Selector>
  readonly namespaceSelector?: Maybe<Selector>
  readonly ipBlock?: Maybe<{ readonly cidr: string; readonly except?: Maybe<readonly string[]> }>
}

interface PortSpec {
  readonly protocol?: Maybe<string>
  readonly port?: Maybe<number | string>
  readonly endPort?: Maybe<number>
}

type Rule = Maybe<{
  readonly from?: Maybe<readonly Peer[]>
  readonly to?: Maybe<readonly Peer[]>
  readonly ports?: Maybe<readonly PortSpec[]>
}>

interface Policy {
  readonly metadata: Meta
  readonly spec?: Maybe<{
    readonly podSelector?: Maybe<Selector>
    readonly policyTypes?: Maybe<readonly string[]>
    readonly ingress?: Maybe<readonly Rule[]>
    readonly egress?: Maybe<readonly Rule[]>
  }>
}

interface Document {
  readonly kind?: unknown
  readonly apiVersion?: unknown
}

/** @throws {ImportError} when it is no YAML or JSON, or restricts in words that are not known */
export const importKubernetes = (text: string, options: ImportOptions = {}): Imported => {
  const writer = new RuleWriter(options)
  const objects = readObjects(text)
  const of = <T>(kind: string) =>
    objects.filter(each => each.kind === kind && !isForeign(each)) as unknown as T[]
  for (const each of objects) refuse(each, writer)
  const labelsByNamespace = new Map(
    of<{ metadata: Meta }>('Namespace').map(({ metadata }) => [
      metadata.name,
      metadata.labels ?? {},
    ]),
  )
  const pods = of<Pod>('Pod')
  const policies = of<Policy>('NetworkPolicy')
  const tiered = tieredKinds(objects)
  if (policies.length + tiered.length > 0 && pods.length === 0)
    throw new ImportError(
      'there is no Pod in it, so that its policies would restrict nothing: kubectl get networkpolicies,pods,namespaces -A -o yaml',
    )
  const cluster: Cluster = { pods: pods.filter(pod => isMeant(pod, writer)), labelsByNamespace }
  writer.info(
    { line: 0 },
    'Kubernetes lets a node reach its own pods: add a rule for its address where that is needed',
  )
  if (tiered.length > 0) {
    writer.comment('from Kubernetes NetworkPolicy and policies in tiers')
    writeStages(writer, tiered, of<Thing>('NetworkPolicy'), cluster)
    return writer.done()
  }
  writer.comment('from Kubernetes NetworkPolicy')
  writeSelective(
    writer,
    policies.map(policy => selectedOf(policy, cluster, writer)),
  )
  return writer.done()
}

/** Kinds of policies, and what they name, that come in tiers; by the beginning of their version. */
const tierKinds: Readonly<Record<string, string>> = {
  'policy.networking.k8s.io/v1alpha1': 'AdminNetworkPolicy BaselineAdminNetworkPolicy',
  'crd.antrea.io/v1': 'ClusterNetworkPolicy NetworkPolicy Tier ClusterGroup Group',
  'projectcalico.org/v3': 'GlobalNetworkPolicy NetworkPolicy Tier GlobalNetworkSet NetworkSet',
}

const isTiered = ({ kind, apiVersion }: Document): boolean =>
  Object.entries(tierKinds).some(
    ([version, kinds]) =>
      String(apiVersion).startsWith(version) && kinds.split(' ').includes(String(kind)),
  )

const tieredKinds = (objects: readonly Document[]): Thing[] =>
  objects.filter(isTiered) as unknown as Thing[]

/** @throws {ImportError} when two projects say what comes before NetworkPolicy */
const writeStages = (
  writer: RuleWriter,
  tiered: readonly Thing[],
  middle: readonly Thing[],
  cluster: Cluster,
): void => {
  const groups = new Set(tiered.map(({ apiVersion }) => apiVersion?.split('/')[0]))
  if (groups.size > 1)
    throw new ImportError(
      `policies of ${[...groups].join(' and ')}: which comes first is not known here: import each by itself`,
    )
  const [group] = groups
  const named = (kind: string) =>
    adminRules(
      tiered.filter(thing => thing.kind === kind),
      cluster,
    )
  const stages = () => {
    if (group === 'projectcalico.org') return calicoStages(tiered, middle, cluster)
    const { upper, lower } =
      group === 'crd.antrea.io'
        ? antreaRules(tiered, cluster)
        : { upper: named('AdminNetworkPolicy'), lower: named('BaselineAdminNetworkPolicy') }
    return [upper, networkPolicyRules(middle, cluster), lower]
  }
  try {
    writeTiered(writer, stages())
  } catch (error) {
    if (error instanceof TooMuch) throw new ImportError(error.message)
    throw error
  }
}

const readObjects = (text: string): (Document & Record<string, unknown>)[] => {
  const found = [...parseAllDocuments(text)].flatMap(document => {
    const problem = 'errors' in document ? document.errors[0] : undefined
    if (problem) throw new ImportError(problem.message, problem.linePos?.[0].line)
    const value: unknown = document.toJS({ maxAliasCount: 20 })
    if (value === null) return []
    const items = (value as { items?: unknown }).items
    const list = Array.isArray(items) ? items : [value]
    for (const each of list)
      if (typeof each !== 'object' || each === null || typeof each.kind !== 'string')
        throw new ImportError(
          'there is a document without "kind": is it the output of kubectl get -o yaml?',
        )
    return list as (Document & Record<string, unknown>)[]
  })
  if (found.length === 0) throw new ImportError('there is no object in it')
  return found
}

const ownGroups: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networking.k8s.io/',
  Pod: 'v1',
  Namespace: 'v1',
}

/** Other projects have kinds of the same name, which say other things. */
const isForeign = ({ kind, apiVersion }: Document): boolean => {
  const group = ownGroups[String(kind)]
  return group !== undefined && apiVersion !== undefined && !String(apiVersion).startsWith(group)
}

/** @throws {ImportError} when it restricts traffic in a way that is not read here */
const refuse = (each: Document & Record<string, unknown>, writer: RuleWriter): void => {
  const { kind, apiVersion } = each
  const name = (each.metadata as Maybe<Meta>)?.name ?? ''
  const what = `${String(kind)} ${name} (${String(apiVersion)})`
  if (isTiered(each)) return
  if (
    isForeign(each) ||
    /Policy$|^Tier$|Group$|NetworkSet$|^HostEndpoint$/.test(String(kind)) !==
      (kind === 'NetworkPolicy')
  )
    throw new ImportError(
      `${what}: only NetworkPolicy of networking.k8s.io/v1, AdminNetworkPolicy, Antrea's and Calico's policies are read`,
    )
  if (!(String(kind) in ownGroups))
    writer.info({ line: 0, path: what }, 'it is no part of a policy')
}

const selectedOf = ({ metadata, spec }: Policy, cluster: Cluster, writer: RuleWriter): Selected => {
  const home = metadata.namespace ?? 'default'
  const label = `${home}-${metadata.name}`
  const path = `NetworkPolicy ${nameOf(metadata)}`
  const chosen = podsOf({ podSelector: spec?.podSelector ?? {} }, home, cluster, path, writer)
  if (chosen.length === 0) writer.info({ line: 0, path }, 'it selects no pod that is listed')
  // As the API server fills in (networking/v1 defaults).
  const named = spec?.policyTypes ?? []
  for (const type of named)
    if (type !== 'Ingress' && type !== 'Egress')
      throw new ImportError(`${path}: "${type}" is no type of a policy`)
  const types =
    named.length > 0 ? named : ['Ingress', ...((spec?.egress ?? []).length > 0 ? ['Egress'] : [])]
  const allowed = (rules: readonly Rule[], way: 'in' | 'out'): Allowed[] =>
    rules.flatMap((rule, index) => {
      writer.take(`${path} ${way} ${index}`)
      const peers = (way === 'in' ? rule?.from : rule?.to) ?? []
      const reached = (peer: Peer) => podsOf(peer, home, cluster, path, writer)
      const name = `${label}-${way}-${index + 1}`
      const ports = rule?.ports ?? []
      const everybody = { peers: undefined, except: undefined }
      const sides =
        peers.length === 0
          ? [{ ...everybody, pods: cluster.pods }]
          : peers.map(peer =>
              peer.ipBlock
                ? { peers: [peer.ipBlock.cidr], except: peer.ipBlock.except ?? undefined, pods: [] }
                : {
                    peers: reached(peer).flatMap(addressesOf),
                    except: undefined,
                    pods: reached(peer),
                  },
            )
      return sides.flatMap(side =>
        ofSide(name, ports, side, way === 'in' ? chosen : side.pods, way),
      )
    })
  return {
    name: label,
    members: chosen.flatMap(addressesOf),
    ingress: types.includes('Ingress') ? allowed(spec?.ingress ?? [], 'in') : undefined,
    egress: types.includes('Egress') ? allowed(spec?.egress ?? [], 'out') : undefined,
  }
}

interface PeerSide {
  readonly peers: readonly string[] | undefined
  readonly except: readonly string[] | undefined
}

/** Numbers hold for all; a name is that of a port of each pod that has it, and of no other. */
const ofSide = (
  name: string,
  ports: readonly PortSpec[],
  { peers, except }: PeerSide,
  pods: readonly Pod[],
  way: 'in' | 'out',
): Allowed[] => {
  if (ports.length === 0) return [{ name, services: 'any', peers, except }]
  const plain = ports.filter(({ port }) => typeof port !== 'string')
  const found: Allowed[] = []
  if (plain.length > 0) found.push({ name, services: servicesOf(plain), peers, except })
  const byServices = new Map<string, string[]>()
  for (const pod of pods) {
    const numbers = ports.flatMap(({ port, protocol }) =>
      typeof port === 'string' ? numbersOf(port, protocol ?? 'TCP', pod) : [],
    )
    if (numbers.length === 0) continue
    const services = [...new Set(numbers)].join(', ')
    byServices.set(services, [...(byServices.get(services) ?? []), ...addressesOf(pod)])
  }
  for (const [services, addresses] of byServices)
    found.push(
      way === 'in'
        ? { name, services, peers, except, own: addresses }
        : { name, services, peers: addresses },
    )
  return found
}

/** All of a protocol comes last: `tcp, udp 53` reads in two ways. */
const servicesOf = (ports: readonly PortSpec[]): string => {
  const words = [...new Set(ports.map(serviceOf))]
  const isBare = (word: string) => !word.includes(' ')
  return [...words.filter(word => !isBare(word)), ...words.filter(isBare)].join(', ')
}

const serviceOf = ({ protocol, port, endPort }: PortSpec): string => {
  const name = (protocol ?? 'TCP').toLowerCase()
  if (port === undefined || port === null) return name
  return `${name} ${port}${typeof endPort === 'number' && endPort !== port ? `-${endPort}` : ''}`
}

/** Both selectors in one peer count together; without one for namespaces the policy's own is meant. */
const podsOf = (
  { podSelector, namespaceSelector }: Peer,
  home: string,
  cluster: Cluster,
  path: string,
  writer: RuleWriter,
): Pod[] =>
  cluster.pods.filter(({ metadata }) => {
    const namespace = metadata.namespace ?? 'default'
    const isThere =
      namespaceSelector === undefined || namespaceSelector === null
        ? namespace === home
        : selectsNamespace(namespaceSelector, namespace, cluster, path, writer)
    return isThere && selects(podSelector ?? {}, metadata.labels ?? {})
  })
