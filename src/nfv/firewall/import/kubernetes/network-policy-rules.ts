/** NetworkPolicy as rules that come behind others: what it allows, and then nothing else for the pods that it selects. */
import {
  everybody,
  type Fields,
  fieldsOf,
  listOf,
  podsChosen,
  portService,
  prefixSide,
  type Thing,
} from './kubernetes-objects.js'
import type { Cluster, Pod } from './kubernetes-pods.js'
import { type Side, sideOf, type TieredRule, type Way } from './tiered.js'

/** What policies allow in a direction, and the pods that they select in it. */
export const networkPolicyParts = (
  things: readonly Thing[],
  way: Way,
  cluster: Cluster,
): { readonly selected: readonly Side[]; readonly rules: readonly TieredRule[] } => {
  const isolated = new Set<Pod>()
  const rules = things.flatMap(thing => {
    const { subject, isMeant } = selectedBy(thing, way, cluster)
    if (!isMeant) return []
    for (const pod of subject) isolated.add(pod)
    return rulesOf(thing, way, sideOf(subject), cluster)
  })
  return { selected: isolated.size === 0 ? [] : [sideOf([...isolated])], rules }
}

export const networkPolicyRules = (things: readonly Thing[], cluster: Cluster): TieredRule[] =>
  (['out', 'in'] as const).flatMap(way => {
    const { selected, rules } = networkPolicyParts(things, way, cluster)
    const [subject] = selected
    if (subject === undefined) return []
    const rest: TieredRule = {
      way,
      subject,
      peer: everybody(cluster),
      services: [],
      verdict: { kind: 'drop' },
      unsaid: [],
      path: `NetworkPolicy, all else ${way}`,
      name: way === 'in' ? 'no-other-ingress' : 'no-other-egress',
    }
    return [...rules, rest]
  })

const homeOf = ({ metadata }: Thing): string => metadata.namespace ?? 'default'
const pathOf = (thing: Thing): string => `NetworkPolicy ${homeOf(thing)}/${thing.metadata.name}`

const selectedBy = (thing: Thing, way: Way, cluster: Cluster) => {
  const spec = thing.spec ?? {}
  const named = listOf(spec.policyTypes).map(String)
  // As the API server fills in.
  const types =
    named.length > 0 ? named : ['Ingress', ...(listOf(spec.egress).length > 0 ? ['Egress'] : [])]
  const subject = podsChosen(
    { podSelector: spec.podSelector },
    homeOf(thing),
    cluster,
    pathOf(thing),
  )
  return { subject, isMeant: types.includes(way === 'in' ? 'Ingress' : 'Egress') }
}

const rulesOf = (thing: Thing, way: Way, subject: Side, cluster: Cluster): TieredRule[] =>
  listOf(thing.spec?.[way === 'in' ? 'ingress' : 'egress']).flatMap((value, at) => {
    const rule = fieldsOf(value)
    const path = `${pathOf(thing)} ${way} ${at + 1}`
    const peers = listOf(way === 'in' ? rule.from : rule.to).map(fieldsOf)
    const services = listOf(rule.ports).map(port => portService(fieldsOf(port), path))
    const sides =
      peers.length === 0 ? [everybody(cluster)] : peers.map(peer => peerOf(thing, peer, cluster))
    return sides.map(peer => ({
      way,
      subject,
      peer,
      services,
      verdict: { kind: 'accept' as const },
      unsaid: [],
      path,
      name: `${homeOf(thing)}-${thing.metadata.name}-${way}-${at + 1}`,
    }))
  })

const peerOf = (thing: Thing, peer: Fields, cluster: Cluster): Side => {
  const { cidr, except } = fieldsOf(peer.ipBlock)
  if (cidr !== undefined)
    return prefixSide([String(cidr)], listOf(except).map(String), pathOf(thing))
  return sideOf(podsChosen(peer, homeOf(thing), cluster, pathOf(thing)))
}
