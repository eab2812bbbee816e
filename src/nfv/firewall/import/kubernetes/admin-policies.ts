/**
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy (policy.networking.k8s.io/v1alpha1): those of an administrator before NetworkPolicy,
 * by priority, the lowest number first; the baseline behind it.
 */
import type { Verdict } from '../chains.js'
import { ImportError } from '../rule-writer.js'
import {
  type Fields,
  fieldsOf,
  homeOf,
  isInNamespaces,
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
  Deny: { kind: 'drop' },
  Pass: { kind: 'return' },
}

/** Rules in the order in which they are asked. @throws {ImportError} for words that are not known */
export const adminRules = (things: readonly Thing[], cluster: Cluster): TieredRule[] => {
  const priority = ({ spec }: Thing) => Number(spec?.priority ?? 0)
  return [...things]
    .sort((a, b) => priority(a) - priority(b))
    .flatMap(thing => rulesOf(thing, cluster))
}

const rulesOf = ({ kind, metadata, spec }: Thing, cluster: Cluster): TieredRule[] => {
  const path = `${kind} ${metadata.name}`
  const fields = spec ?? {}
  const strange = othersIn(fields, ['priority', 'subject', 'ingress', 'egress'])
  const subject = choose(fieldsOf(fields.subject), cluster, path, strange)
  return (['egress', 'ingress'] as const).flatMap(direction =>
    listOf(fields[direction]).flatMap((value, at) => {
      const way: Way = direction === 'ingress' ? 'in' : 'out'
      const rule = fieldsOf(value)
      const place = `${path} ${direction} ${at + 1}`
      const verdict = verdicts[String(rule.action)]
      if (verdict === undefined || (kind !== 'AdminNetworkPolicy' && verdict.kind === 'return'))
        throw new ImportError(`${place}: "${String(rule.action)}" is no action of it`)
      const peers = listOf(way === 'in' ? rule.from : rule.to).map(fieldsOf)
      if (peers.length === 0) throw new ImportError(`${place}: it names no peer`)
      const services = listOf(rule.ports).flatMap(port => servicesOf(fieldsOf(port), place))
      const unsaid = othersIn(rule, ['name', 'action', 'from', 'to', 'ports'])
      return peers.map(peer => ({
        way,
        subject,
        peer: choose(peer, cluster, place),
        services,
        verdict,
        unsaid,
        path: place,
        name: `${metadata.name}-${typeof rule.name === 'string' ? rule.name : `${way}-${at + 1}`}`,
      }))
    }),
  )
}

const choose = (
  fields: Fields,
  cluster: Cluster,
  path: string,
  more: readonly string[] = [],
): Side => {
  const strange = [...more, ...othersIn(fields, ['namespaces', 'pods', 'networks'])]
  if (strange.length > 0) return unsaidSide(cluster, strange)
  const { namespaces, pods, networks } = fields
  if (networks !== undefined) return prefixSide(listOf(networks).map(String), [], path)
  if (namespaces !== undefined) {
    const selector = fieldsOf(namespaces)
    const odd = othersIn(selector, ['matchLabels', 'matchExpressions'])
    if (odd.length > 0) return unsaidSide(cluster, odd)
    return sideOf(cluster.pods.filter(pod => isInNamespaces(selector, homeOf(pod), cluster, path)))
  }
  if (pods === undefined) return unsaidSide(cluster, ['nobody is named'])
  const chosen = fieldsOf(pods)
  const odd = othersIn(chosen, ['podSelector', 'namespaceSelector'])
  return odd.length > 0
    ? unsaidSide(cluster, odd)
    : sideOf(podsChosen(chosen, undefined, cluster, path))
}

const servicesOf = (fields: Fields, path: string): Service[] => {
  const { portNumber, portRange, namedPort } = fields
  const [odd] = othersIn(fields, ['portNumber', 'portRange', 'namedPort'])
  if (odd !== undefined) throw new ImportError(`${path}: the port "${odd}" is not known`)
  if (portNumber) return [portService(fieldsOf(portNumber), path)]
  if (portRange) {
    const { protocol, start, end } = fieldsOf(portRange)
    return [portService({ protocol, port: start, endPort: end }, path)]
  }
  // A name is that of a port of any protocol.
  return ['TCP', 'UDP', 'SCTP'].map(protocol =>
    portService({ protocol, port: String(namedPort) }, path),
  )
}
