/**
 * Calico's policies as its reference says them: tiers by order, in each the policies that select the pod by order, in each the rules. Allow and
 * Deny end it, Pass goes to the next tier; who is selected in a tier, and met by no rule of it, is denied at its end. Without policies all is
 * allowed. Selectors are read without parentheses: alternatives of conditions that all hold.
 */
import type { Connection } from '../../pipeline/connection.js'
import { isV6, isWithin, type Thing, thing, things, words } from './reading.js'

type Labels = NonNullable<Thing>

interface Member {
  readonly labels: Labels
  readonly home: string | undefined
  readonly addresses: readonly string[]
}

export interface CalicoWorld {
  readonly pods: readonly Member[]
  namespaceLabels(name: string): Labels
  isNamedPort(name: string, connection: Connection): boolean
  /** What NetworkPolicy of Kubernetes says; undefined: it selects nobody here. */
  kubernetes(
    way: 'Ingress' | 'Egress',
    own: string,
    other: string,
    one: Connection,
  ): boolean | undefined
}

const holds = (condition: string, labels: Labels): boolean => {
  const text = condition.trim()
  if (text.startsWith('!')) return !holds(text.slice(1), labels)
  if (text === 'all()' || text === '') return true
  const has = /^has\((.+)\)$/.exec(text)
  if (has) return labels[has[1]!] !== undefined
  const equals = /^(\S+)\s*(==|!=)\s*'(.*)'$/.exec(text)
  if (equals) return (labels[equals[1]!] === equals[3]) === (equals[2] === '==')
  const among = /^(\S+)\s+(not in|in)\s*\{(.*)\}$/.exec(text)
  if (among === null) throw new Error(`the selector "${text}" is not evaluated`)
  const value = labels[among[1]!]
  const list = among[3]!.split(',').map(each => each.trim().slice(1, -1))
  return (value !== undefined && list.includes(String(value))) === (among[2] === 'in')
}

const selects = (selector: unknown, labels: Labels): boolean =>
  selector === undefined ||
  String(selector)
    .split('||')
    .some(all => all.split('&&').every(condition => holds(condition, labels)))

export const calicoOf = (objects: readonly Labels[], world: CalicoWorld) => {
  const own = objects.filter(({ apiVersion }) =>
    String(apiVersion).startsWith('projectcalico.org/'),
  )
  const metaOf = (object: Labels) => thing(object.metadata)
  const members: Member[] = [
    ...world.pods,
    ...own
      .filter(({ kind }) => kind === 'NetworkSet' || kind === 'GlobalNetworkSet')
      .map(object => ({
        labels: thing(metaOf(object).labels),
        home: object.kind === 'NetworkSet' ? String(metaOf(object).namespace) : undefined,
        addresses: words(thing(object.spec).nets),
      })),
  ]
  const tiers = [
    ...own
      .filter(({ kind }) => kind === 'Tier')
      .map(object => ({ name: String(metaOf(object).name), ...thing(object.spec) }) as Labels),
    { name: 'default', order: 1_000_000 } as Labels,
  ].sort((a, b) => Number(a.order) - Number(b.order))

  const isMember = (entity: Labels, home: string | undefined, address: string): boolean => {
    const { selector, notSelector, namespaceSelector } = entity
    const isNamed =
      selector !== undefined || notSelector !== undefined || namespaceSelector !== undefined
    if (!isNamed) return true
    return members.some(member => {
      if (!member.addresses.some(each => isWithin(address, each))) return false
      if (namespaceSelector === 'global()') {
        if (member.home !== undefined) return false
      } else if (namespaceSelector !== undefined) {
        if (member.home === undefined) return false
        if (!selects(namespaceSelector, world.namespaceLabels(member.home))) return false
      } else if (home !== undefined && member.home !== home) return false
      if (notSelector !== undefined && selects(notSelector, member.labels)) return false
      return selects(selector, member.labels)
    })
  }

  const isEntity = (entity: Labels, home: string | undefined, address: string): boolean =>
    isMember(entity, home, address) &&
    (entity.nets === undefined || words(entity.nets).some(net => isWithin(address, net))) &&
    !words(entity.notNets).some(net => isWithin(address, net))

  const isPort = (port: string, number: number, one: Connection): boolean => {
    const range = /^(\d+)(?::(\d+))?$/.exec(port)
    if (range === null) return world.isNamedPort(port, one)
    return number >= Number(range[1]) && number <= Number(range[2] ?? range[1])
  }

  const isRule = (rule: Labels, home: string | undefined, one: Connection): boolean => {
    const numbers: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1 }
    if (rule.ipVersion !== undefined && (rule.ipVersion === 6) !== isV6(one.source)) return false
    if (rule.protocol !== undefined && numbers[String(rule.protocol)] !== one.protocol) return false
    if (rule.notProtocol !== undefined && numbers[String(rule.notProtocol)] === one.protocol)
      return false
    const icmp = thing(rule.icmp)
    if (icmp.type !== undefined && icmp.type !== one.sourcePort) return false
    const [source, destination] = [thing(rule.source), thing(rule.destination)]
    const ports = (entity: Labels, number: number) =>
      (entity.ports === undefined || words(entity.ports).some(port => isPort(port, number, one))) &&
      !words(entity.notPorts).some(port => isPort(port, number, one))
    return (
      isEntity(source, home, one.source) &&
      isEntity(destination, home, one.destination) &&
      ports(source, one.sourcePort) &&
      ports(destination, one.destinationPort)
    )
  }

  const policies = own
    .filter(({ kind }) => kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy')
    .map(object => ({
      spec: thing(object.spec),
      name: String(metaOf(object).name),
      home: object.kind === 'NetworkPolicy' ? String(metaOf(object).namespace) : undefined,
    }))

  const isSelected = (
    { spec, home }: (typeof policies)[number],
    way: 'Ingress' | 'Egress',
    pod: Member,
  ): boolean => {
    const [ingress, egress] = [things(spec.ingress), things(spec.egress)]
    const usual =
      egress.length === 0 ? ['Ingress'] : ingress.length === 0 ? ['Egress'] : ['Ingress', 'Egress']
    const types = words(spec.types).length > 0 ? words(spec.types) : usual
    const isThere = home === undefined || pod.home === home
    const isNear =
      spec.namespaceSelector === undefined ||
      selects(spec.namespaceSelector, world.namespaceLabels(String(pod.home)))
    return types.includes(way) && isThere && isNear && selects(spec.selector, pod.labels)
  }

  return {
    isThere: policies.length > 0,
    agrees: (
      way: 'Ingress' | 'Egress',
      address: string,
      other: string,
      one: Connection,
    ): boolean => {
      const pod = world.pods.find(each => each.addresses.includes(address))
      if (pod === undefined) return true
      for (const tier of tiers) {
        const kubernetes =
          tier.name === 'default' ? world.kubernetes(way, address, other, one) : undefined
        const inForce = policies
          .filter(({ spec }) => (spec.tier ?? 'default') === tier.name)
          .filter(policy => isSelected(policy, way, pod))
          .map(policy => ({
            ...policy,
            order: Number(policy.spec.order ?? Number.POSITIVE_INFINITY),
          }))
          .sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
        if (inForce.length === 0 && kubernetes === undefined) continue
        let said = 'end'
        const ask = (list: typeof inForce) => {
          for (const { spec, home } of list)
            for (const rule of things(way === 'Ingress' ? spec.ingress : spec.egress)) {
              if (said !== 'end' || rule.action === 'Log' || !isRule(rule, home, one)) continue
              said = String(rule.action)
            }
        }
        ask(inForce.filter(({ order }) => order < 1_000))
        if (said === 'end' && kubernetes === true) said = 'Allow'
        ask(inForce.filter(({ order }) => order >= 1_000))
        if (said === 'Pass' || (said === 'end' && tier.defaultAction === 'Pass')) continue
        return said === 'Allow'
      }
      return true
    },
  }
}
