/**
 * Kubernetes NetworkPolicy (networking.k8s.io/v1) with the Pods and Namespaces they select, as YAML or JSON documents
 * in one text: `kubectl get networkpolicies,pods,namespaces -A -o yaml`. Addresses are those of the pods at that time.
 */
import { parseAllDocuments } from 'yaml'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from './rule-writer.js'
import { type Allowed, type Selected, writeSelective } from './selective.js'

type Maybe<T> = T | null | undefined

interface Meta {
  readonly name: string
  readonly namespace?: Maybe<string>
  readonly labels?: Maybe<Readonly<Record<string, string>>>
}

interface Selector {
  readonly matchLabels?: Maybe<Readonly<Record<string, string>>>
  readonly matchExpressions?: Maybe<
    readonly {
      readonly key: string
      readonly operator: string
      readonly values?: Maybe<readonly string[]>
    }[]
  >
}

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

interface Pod {
  readonly metadata: Meta
  readonly spec?: Maybe<{
    readonly hostNetwork?: Maybe<boolean>
    readonly containers?: Maybe<
      readonly {
        readonly ports?: Maybe<
          readonly {
            readonly name?: Maybe<string>
            readonly containerPort: number
            readonly protocol?: Maybe<string>
          }[]
        >
      }[]
    >
  }>
  readonly status?: Maybe<{
    readonly phase?: Maybe<string>
    readonly podIP?: Maybe<string>
    readonly podIPs?: Maybe<readonly { readonly ip: string }[]>
  }>
}

type Labels = Readonly<Record<string, string>>

interface Cluster {
  readonly pods: readonly Pod[]
  readonly labelsByNamespace: ReadonlyMap<string, Labels>
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
  if (policies.length > 0 && pods.length === 0)
    throw new ImportError(
      'there is no Pod in it, so that its policies would restrict nothing: kubectl get networkpolicies,pods,namespaces -A -o yaml',
    )
  const cluster: Cluster = { pods: pods.filter(pod => isMeant(pod, writer)), labelsByNamespace }
  writer.comment('from Kubernetes NetworkPolicy')
  writer.info(
    { line: 0 },
    'Kubernetes lets a node reach its own pods: add a rule for its address where that is needed',
  )
  writeSelective(
    writer,
    policies.map(policy => selectedOf(policy, cluster, writer)),
  )
  return writer.done()
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
  if (
    isForeign(each) ||
    /Policy$|^Tier$|Group$|NetworkSet$/.test(String(kind)) !== (kind === 'NetworkPolicy')
  )
    throw new ImportError(`${what}: only NetworkPolicy of networking.k8s.io/v1 is read`)
  if (!(String(kind) in ownGroups))
    writer.info({ line: 0, path: what }, 'it is no part of a policy')
}

const nameOf = ({ name, namespace }: Meta): string => `${namespace ?? 'default'}/${name}`

/** Pods with an address of their own that may still use it. */
const isMeant = ({ metadata, spec, status }: Pod, writer: RuleWriter): boolean => {
  const place = { line: 0, path: `Pod ${nameOf(metadata)}` }
  if (spec?.hostNetwork === true) {
    writer.info(place, 'it has the address of its node, which policies do not select')
    return false
  }
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
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

const numbersOf = (name: string, protocol: string, pod: Pod): string[] =>
  (pod.spec?.containers ?? [])
    .flatMap(container => container.ports ?? [])
    .filter(port => port.name === name && (port.protocol ?? 'TCP') === protocol)
    .map(port => `${protocol.toLowerCase()} ${port.containerPort}`)

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

const nameLabel = 'kubernetes.io/metadata.name'

const selectsNamespace = (
  selector: Selector,
  namespace: string,
  { labelsByNamespace }: Cluster,
  path: string,
  writer: RuleWriter,
): boolean => {
  const known = labelsByNamespace.get(namespace)
  const asked = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key }) => key),
  ]
  if (known === undefined && asked.some(key => key !== nameLabel)) {
    writer.loss(
      { line: 0, path },
      'left out',
      `the labels of the namespace ${namespace} are not in the file: none of its pods is selected by them`,
    )
    return false
  }
  return selects(selector, { ...known, [nameLabel]: namespace })
}

const selects = (selector: Selector, labels: Labels): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    const list = values ?? []
    if (operator === 'In') return value !== undefined && list.includes(value)
    if (operator === 'NotIn') return value === undefined || !list.includes(value)
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    throw new ImportError(`"${operator}" is no operator of a selector`)
  })

const addressesOf = ({ status }: Pod): string[] => {
  const all = (status?.podIPs ?? []).map(each => each.ip)
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : []
}
