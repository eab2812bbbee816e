/**
 * Kubernetes NetworkPolicy (networking.k8s.io/v1) with the Pods and Namespaces they select, as YAML or JSON documents
 * in one text: `kubectl get networkpolicies,pods,namespaces -A -o yaml`. Addresses are those of the pods at that time.
 */
import { parseAllDocuments } from 'yaml'
import { type Imported, RuleWriter } from './draft.js'
import { type Allowed, type Selected, writeSelective } from './selective.js'

interface Meta {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

interface Peer {
  readonly podSelector?: Selector
  readonly namespaceSelector?: Selector
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
}

interface PortSpec {
  readonly protocol?: string
  readonly port?: number | string
  readonly endPort?: number
}

interface Policy {
  readonly metadata: Meta
  readonly spec: {
    readonly podSelector?: Selector
    readonly policyTypes?: readonly string[]
    readonly ingress?: readonly {
      readonly from?: readonly Peer[]
      readonly ports?: readonly PortSpec[]
    }[]
    readonly egress?: readonly {
      readonly to?: readonly Peer[]
      readonly ports?: readonly PortSpec[]
    }[]
  }
}

interface Pod {
  readonly metadata: Meta
  readonly spec?: {
    readonly containers?: readonly {
      readonly ports?: readonly {
        readonly name?: string
        readonly containerPort: number
        readonly protocol?: string
      }[]
    }[]
  }
  readonly status?: {
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
  }
}

interface Cluster {
  readonly pods: readonly Pod[]
  readonly labelsByNamespace: ReadonlyMap<string, Readonly<Record<string, string>>>
}

/** @throws {Error} when it is no YAML or JSON */
export const importKubernetes = (text: string): Imported => {
  const writer = new RuleWriter()
  const objects = readObjects(text)
  const of = <T>(kind: string) => objects.filter(each => each.kind === kind) as unknown as T[]
  const labelsByNamespace = new Map(
    of<{ metadata: Meta }>('Namespace').map(({ metadata }) => [
      metadata.name,
      metadata.labels ?? {},
    ]),
  )
  const cluster: Cluster = { pods: of<Pod>('Pod'), labelsByNamespace }
  for (const kind of new Set(objects.map(each => String(each.kind))))
    if (!['NetworkPolicy', 'Pod', 'Namespace'].includes(kind))
      writer.note(0, `${kind} has no equivalent`)
  const policies = of<Policy>('NetworkPolicy')
  writer.comment('from Kubernetes NetworkPolicy; nodes are not told from other senders')
  writer.note(
    0,
    'Kubernetes lets a node reach its own pods: add a rule for its address where that is needed',
  )
  writeSelective(
    writer,
    policies.map(policy => selectedOf(policy, cluster, writer)),
  )
  return writer.done()
}

const readObjects = (text: string): Record<string, unknown>[] =>
  [...parseAllDocuments(text)].flatMap(document => {
    if ('errors' in document && document.errors[0]) throw new Error(document.errors[0].message)
    const value = document.toJS({ maxAliasCount: 20 }) as Record<string, unknown> | null
    if (value === null) return []
    return Array.isArray(value.items) ? (value.items as Record<string, unknown>[]) : [value]
  })

const selectedOf = ({ metadata, spec }: Policy, cluster: Cluster, writer: RuleWriter): Selected => {
  const home = metadata.namespace ?? 'default'
  const label = `${home}-${metadata.name}`
  const chosen = podsOf({ podSelector: spec.podSelector ?? {} }, home, cluster)
  if (chosen.length === 0) writer.note(0, `${home}/${metadata.name} selects no pod that is listed`)
  const types = spec.policyTypes ?? ['Ingress', ...(spec.egress ? ['Egress'] : [])]
  const allowed = (
    rules: readonly {
      peers?: readonly Peer[] | undefined
      ports?: readonly PortSpec[] | undefined
    }[],
    way: string,
  ): Allowed[] =>
    rules.flatMap(({ peers, ports }, index) => {
      const named = way === 'in' ? chosen : cluster.pods
      const services = servicesOf(ports, named, `${home}/${metadata.name}`, writer)
      if (services === undefined) return []
      const name = `${label}-${way}-${index + 1}`
      if (peers === undefined || peers.length === 0) return [{ name, services }]
      return peers.map(peer =>
        peer.ipBlock
          ? { name, services, peers: [peer.ipBlock.cidr], except: peer.ipBlock.except }
          : { name, services, peers: podsOf(peer, home, cluster).flatMap(addressesOf) },
      )
    })
  return {
    name: label,
    members: chosen.flatMap(addressesOf),
    ingress: types.includes('Ingress')
      ? allowed(
          (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports })),
          'in',
        )
      : undefined,
    egress: types.includes('Egress')
      ? allowed(
          (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports })),
          'out',
        )
      : undefined,
  }
}

/** Both selectors in one peer count together; without one for namespaces the policy's own is meant. */
const podsOf = ({ podSelector, namespaceSelector }: Peer, home: string, cluster: Cluster): Pod[] =>
  cluster.pods.filter(({ metadata }) => {
    const namespace = metadata.namespace ?? 'default'
    const labels = {
      ...cluster.labelsByNamespace.get(namespace),
      'kubernetes.io/metadata.name': namespace,
    }
    const isThere = namespaceSelector ? selects(namespaceSelector, labels) : namespace === home
    return isThere && selects(podSelector ?? {}, metadata.labels ?? {})
  })

const selects = (selector: Selector, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    if (operator === 'In') return value !== undefined && values.includes(value)
    if (operator === 'NotIn') return value === undefined || !values.includes(value)
    return operator === 'Exists' ? value !== undefined : value === undefined
  })

const addressesOf = ({ status }: Pod): string[] => {
  const all = (status?.podIPs ?? []).map(each => each.ip)
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : []
}

/** Undefined when a named port is nowhere: then the rule allows nothing. */
const servicesOf = (
  ports: readonly PortSpec[] | undefined,
  pods: readonly Pod[],
  where: string,
  writer: RuleWriter,
): string | undefined => {
  if (ports === undefined || ports.length === 0) return 'any'
  const services = ports.flatMap(({ protocol = 'TCP', port, endPort }) => {
    const name = protocol.toLowerCase()
    if (port === undefined) return [name]
    if (typeof port === 'number') return [`${name} ${port}${endPort ? `-${endPort}` : ''}`]
    const numbers = numbersOf(port, protocol, pods)
    if (numbers.length === 0)
      writer.note(0, `${where}: no pod that is listed has a port named ${port}`)
    return numbers.map(number => `${name} ${number}`)
  })
  return services.length === 0 ? undefined : services.join(', ')
}

const numbersOf = (name: string, protocol: string, pods: readonly Pod[]): number[] => [
  ...new Set(
    pods
      .flatMap(pod => pod.spec?.containers ?? [])
      .flatMap(container => container.ports ?? [])
      .filter(port => port.name === name && (port.protocol ?? 'TCP') === protocol)
      .map(port => port.containerPort),
  ),
]
