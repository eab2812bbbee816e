/** Objects of policies beside NetworkPolicy, read field by field: what is not known is never silently left away. */
import { type AddressSet, everyAddress, subtract, union } from '../../meaning/address-set.js'
import { NotUnderstood, addressesOf as setOf } from '../condition.js'
import { ImportError } from '../rule-writer.js'
import {
  type Cluster,
  type Labels,
  type Maybe,
  type Meta,
  type Pod,
  type Selector,
  selects,
} from './kubernetes-pods.js'
import { type Service, type Side, sideOf, transportOf } from './tiered.js'

export type Fields = Readonly<Record<string, unknown>>

export interface Thing {
  readonly kind: string
  readonly apiVersion?: Maybe<string>
  readonly metadata: Meta
  readonly spec?: Maybe<Fields>
}

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Names of fields that are set and not among those that are read. */
export const othersIn = (fields: Fields, known: readonly string[]): string[] =>
  Object.entries(fields).flatMap(([name, value]) =>
    known.includes(name) || value === undefined || value === null || isEmptyList(value)
      ? []
      : [name],
  )

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

const nameLabel = 'kubernetes.io/metadata.name'

/** @throws {ImportError} when labels are asked that the file does not have: a drop would be lost */
export const isInNamespaces = (
  selector: Selector,
  namespace: string,
  { labelsByNamespace }: Cluster,
  path: string,
): boolean => {
  const known: Labels | undefined = labelsByNamespace.get(namespace)
  const asked = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key }) => key),
  ]
  if (known === undefined && asked.some(key => key !== nameLabel))
    throw new ImportError(
      `${path}: the labels of the namespace ${namespace} are not in the file: kubectl get namespaces -o yaml`,
    )
  return selects(selector, { ...known, [nameLabel]: namespace })
}

export const homeOf = ({ metadata }: Pod): string => metadata.namespace ?? 'default'

/** Pods by both selectors; without one for namespaces those of `home`, or of all where there is none. */
export const podsChosen = (
  { podSelector, namespaceSelector }: Fields,
  home: string | undefined,
  cluster: Cluster,
  path: string,
): Pod[] =>
  cluster.pods.filter(pod => {
    const isThere = namespaceSelector
      ? isInNamespaces(namespaceSelector as Selector, homeOf(pod), cluster, path)
      : home === undefined || homeOf(pod) === home
    return isThere && selects((podSelector ?? {}) as Selector, pod.metadata.labels ?? {})
  })

export const everybody = (cluster: Cluster): Side => ({
  addresses: everyAddress,
  pods: cluster.pods,
  unsaid: [],
})

/** Nobody knows who it is: an allow is left out, a deny holds for all. */
export const unsaidSide = (cluster: Cluster, what: readonly string[]): Side => ({
  ...everybody(cluster),
  unsaid: what,
})

/** @throws {ImportError} for what is no prefix */
export const prefixSide = (
  cidrs: readonly string[],
  except: readonly string[],
  path: string,
): Side => {
  try {
    const of = (texts: readonly string[]): AddressSet => union(texts.map(setOf))
    return { addresses: subtract(of(cidrs), of(except)), pods: [], unsaid: [] }
  } catch (error) {
    if (error instanceof NotUnderstood) throw new ImportError(`${path}: ${error.message}`)
    throw error
  }
}

/** `{protocol, port, endPort}`: a number, a range, or the name of a port. @throws {ImportError} */
export const portService = (fields: Fields, path: string): Service => {
  const { protocol = 'TCP', port, endPort } = fields
  const number = transportOf(String(protocol))
  if (number === undefined) throw new ImportError(`${path}: "${String(protocol)}" is no protocol`)
  const protocols = [{ first: number, last: number }]
  if (port === undefined || port === null) return { protocols }
  if (typeof port === 'string' && !/^\d+$/.test(port))
    return { protocols, named: { name: port, protocol: String(protocol) } }
  const first = Number(port)
  return { protocols, ports: [{ first, last: Number(endPort ?? first) }] }
}

export { sideOf }
