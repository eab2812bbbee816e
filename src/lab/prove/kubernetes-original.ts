/**
 * Kubernetes NetworkPolicy as its reference says it (networking.k8s.io/v1; "Network Policies" of the documentation): by default everything
 * passes; a pod that a policy selects in a direction is isolated in it, and may do what the rules of any such policy allow. Both ends must agree.
 */
import type { Connection } from '../../pipeline/connection.js'
import { calicoOf } from './calico-original.js'
import type { Evaluator } from './evaluator.js'
import { documentsOf, isWithin, type Thing, thing, things, words } from './reading.js'
import { aroundOf } from './tiers-original.js'

interface Pod {
  readonly namespace: string
  readonly labels: NonNullable<Thing>
  readonly addresses: readonly string[]
  /** `TCP/http` to numbers. */
  readonly named: ReadonlyMap<string, readonly number[]>
}

const metaOf = (object: Thing) => thing(object?.metadata)
const namespaceOf = (object: Thing): string => String(metaOf(object).namespace ?? 'default')

const podOf = (object: NonNullable<Thing>): Pod | undefined => {
  const [spec, status] = [thing(object.spec), thing(object.status)]
  // Both are outside of what policies select.
  if (spec.hostNetwork === true || ['Succeeded', 'Failed'].includes(String(status.phase)))
    return undefined
  const named = new Map<string, number[]>()
  for (const container of things(spec.containers))
    for (const { name, protocol, containerPort } of things(container.ports)) {
      const key = `${String(protocol ?? 'TCP')}/${String(name)}`
      named.set(key, [...(named.get(key) ?? []), Number(containerPort)])
    }
  const all = things(status.podIPs).map(({ ip }) => String(ip))
  return {
    namespace: namespaceOf(object),
    labels: thing(metaOf(object).labels),
    addresses: all.length > 0 ? all : words(status.podIP),
    named,
  }
}

/** Label selectors: all conditions hold; an empty one selects everything. */
const selects = (selector: Thing, labels: NonNullable<Thing>): boolean => {
  for (const [key, value] of Object.entries(thing(selector?.matchLabels)))
    if (labels[key] !== value) return false
  for (const { key, operator, values } of things(selector?.matchExpressions)) {
    const value = labels[String(key)]
    const isListed = value !== undefined && words(values).includes(String(value))
    const holds: Readonly<Record<string, boolean>> = {
      In: isListed,
      NotIn: !isListed,
      Exists: value !== undefined,
      DoesNotExist: value === undefined,
    }
    if (holds[String(operator)] !== true) return false
  }
  return true
}

export const kubernetesOriginal = (source: string): Evaluator => {
  const objects = documentsOf(source).flatMap(document => {
    const { items } = thing(document)
    return Array.isArray(items) ? things(items) : [thing(document)]
  })
  const of = (kind: string) => objects.filter(object => object.kind === kind)
  const pods = of('Pod').flatMap(object => podOf(object) ?? [])
  const namespaces = new Map(
    of('Namespace').map(object => [String(metaOf(object).name), thing(metaOf(object).labels)]),
  )
  const policies = of('NetworkPolicy').filter(({ apiVersion }) =>
    String(apiVersion ?? 'networking.k8s.io/v1').startsWith('networking.k8s.io/'),
  )
  const podAt = (address: string) => pods.find(pod => pod.addresses.includes(address))
  const namespaceLabels = (name: string) => ({
    ...namespaces.get(name),
    'kubernetes.io/metadata.name': name,
  })

  const isPeer = (peer: NonNullable<Thing>, home: string, address: string): boolean => {
    if (peer.ipBlock) {
      const { cidr, except } = thing(peer.ipBlock)
      return isWithin(address, String(cidr)) && !words(except).some(each => isWithin(address, each))
    }
    const pod = podAt(address)
    if (pod === undefined) return false
    const isInside = peer.namespaceSelector
      ? selects(thing(peer.namespaceSelector), namespaceLabels(pod.namespace))
      : pod.namespace === home
    return isInside && selects(thing(peer.podSelector), pod.labels)
  }

  const isPort = (port: NonNullable<Thing>, connection: Connection): boolean => {
    const protocol = String(port.protocol ?? 'TCP')
    if ({ TCP: 6, UDP: 17, SCTP: 132 }[protocol] !== connection.protocol) return false
    const { destinationPort: number } = connection
    if (port.port === undefined || port.port === null) return true
    if (typeof port.port === 'string')
      return (
        podAt(connection.destination)?.named.get(`${protocol}/${port.port}`)?.includes(number) ??
        false
      )
    return number >= Number(port.port) && number <= Number(port.endPort ?? port.port)
  }

  const around = aroundOf(objects, {
    isPod: (address, { podSelector, namespaceSelector }, home) => {
      const pod = podAt(address)
      if (pod === undefined) return false
      const isThere = namespaceSelector
        ? selects(thing(namespaceSelector), namespaceLabels(pod.namespace))
        : home === undefined || pod.namespace === home
      return isThere && selects(thing(podSelector), pod.labels)
    },
    isInNamespaces: (address, selector) => {
      const pod = podAt(address)
      return pod !== undefined && selects(selector, namespaceLabels(pod.namespace))
    },
    isPort,
  })

  const agrees = (
    way: 'Ingress' | 'Egress',
    own: string,
    other: string,
    connection: Connection,
  ) => {
    const pod = podAt(own)
    if (pod === undefined) return true
    const first = around.before(way, own, other, connection)
    if (first === 'allow' || first === 'deny') return first === 'allow'
    const said = native(way, own, other, connection)
    if (said === undefined) return around.behind(way, own, other, connection) !== 'deny'
    return said
  }

  /** What NetworkPolicy says of a pod; undefined: none selects it. */
  const native = (
    way: 'Ingress' | 'Egress',
    own: string,
    other: string,
    connection: Connection,
  ): boolean | undefined => {
    const pod = podAt(own)
    if (pod === undefined) return undefined
    const inForce = policies.filter(policy => {
      const spec = thing(policy.spec)
      const egress = things(spec.egress)
      const named = words(spec.policyTypes)
      const types =
        named.length > 0 ? named : egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
      return (
        types.includes(way) &&
        namespaceOf(policy) === pod.namespace &&
        selects(thing(spec.podSelector), pod.labels)
      )
    })
    if (inForce.length === 0) return undefined
    return inForce.some(policy => {
      const rules = thing(policy.spec)[way === 'Ingress' ? 'ingress' : 'egress']
      return things(rules).some(rule => {
        const peers = things(way === 'Ingress' ? rule.from : rule.to)
        const ports = things(rule.ports)
        return (
          (peers.length === 0 || peers.some(peer => isPeer(peer, namespaceOf(policy), other))) &&
          (ports.length === 0 || ports.some(port => isPort(port, connection)))
        )
      })
    })
  }

  const calico = calicoOf(objects, {
    pods: pods.map(({ namespace, labels, addresses }) => ({
      labels: { ...labels, 'projectcalico.org/namespace': namespace },
      home: namespace,
      addresses,
    })),
    namespaceLabels: name => ({ ...namespaceLabels(name), 'projectcalico.org/name': name }),
    isNamedPort: (name, one) =>
      ['TCP', 'UDP', 'SCTP'].some(protocol => isPort({ protocol, port: name }, one)),
    kubernetes: (...question) => native(...question),
  })
  if (calico.isThere)
    return {
      passes: one =>
        calico.agrees('Egress', one.source, one.destination, one) &&
        calico.agrees('Ingress', one.destination, one.source, one),
    }
  return {
    passes: connection =>
      agrees('Egress', connection.source, connection.destination, connection) &&
      agrees('Ingress', connection.destination, connection.source, connection),
  }
}
