/** Pods and namespaces of a cluster, and the selectors that policies of all kinds choose them with. */
import { ImportError, type RuleWriter } from '../rule-writer.js'

export type Maybe<T> = T | null | undefined

export interface Meta {
  readonly name: string
  readonly namespace?: Maybe<string>
  readonly labels?: Maybe<Readonly<Record<string, string>>>
}

export interface Selector {
  readonly matchLabels?: Maybe<Readonly<Record<string, string>>>
  readonly matchExpressions?: Maybe<
    readonly {
      readonly key: string
      readonly operator: string
      readonly values?: Maybe<readonly string[]>
    }[]
  >
}

export interface Pod {
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

export type Labels = Readonly<Record<string, string>>

export interface Cluster {
  readonly pods: readonly Pod[]
  readonly labelsByNamespace: ReadonlyMap<string, Labels>
}

export const nameOf = ({ name, namespace }: Meta): string => `${namespace ?? 'default'}/${name}`

/** Pods with an address of their own that may still use it. */
export const isMeant = ({ metadata, spec, status }: Pod, writer: RuleWriter): boolean => {
  const place = { line: 0, path: `Pod ${nameOf(metadata)}` }
  if (spec?.hostNetwork === true) {
    writer.info(place, 'it has the address of its node, which policies do not select')
    return false
  }
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

/** Ports of a pod with this name, as a rule file writes them. */
export const numbersOf = (name: string, protocol: string, pod: Pod): string[] =>
  (pod.spec?.containers ?? [])
    .flatMap(container => container.ports ?? [])
    .filter(port => port.name === name && (port.protocol ?? 'TCP') === protocol)
    .map(port => `${protocol.toLowerCase()} ${port.containerPort}`)

const nameLabel = 'kubernetes.io/metadata.name'

/** Whether a namespace is chosen; one whose labels are asked and not in the file never is. */
export const selectsNamespace = (
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

export const selects = (selector: Selector, labels: Labels): boolean =>
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

export const addressesOf = ({ status }: Pod): string[] => {
  const all = (status?.podIPs ?? []).map(each => each.ip)
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : []
}
