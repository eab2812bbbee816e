/**
 * What comes before and behind NetworkPolicy, as the references say it: AdminNetworkPolicy and BaselineAdminNetworkPolicy
 * (policy.networking.k8s.io/v1alpha1), and the policies of Antrea in its tiers. The first rule that matches says what becomes of a packet.
 */
import type { Connection } from '../../pipeline/connection.js'
import { isWithin, type Thing, thing, things, words } from './reading.js'

export type Said = 'allow' | 'deny' | 'pass' | 'nothing'

/** What is asked of the cluster. */
export interface Asked {
  /** Whether the pod with an address is chosen by both selectors; `home`: the namespace that is meant where none is chosen. */
  isPod(address: string, selectors: NonNullable<Thing>, home: string | undefined): boolean
  isInNamespaces(address: string, selector: NonNullable<Thing>): boolean
  isPort(port: NonNullable<Thing>, connection: Connection): boolean
}

export interface Around {
  before(way: 'Ingress' | 'Egress', own: string, other: string, one: Connection): Said
  behind(way: 'Ingress' | 'Egress', own: string, other: string, one: Connection): Said
}

const tierRanks: Readonly<Record<string, number>> = {
  emergency: 50,
  securityops: 100,
  networkops: 150,
  platform: 200,
  application: 250,
  baseline: 253,
}

const saidBy: Readonly<Record<string, Said>> = {
  Allow: 'allow',
  Deny: 'deny',
  Drop: 'deny',
  Reject: 'deny',
  Pass: 'pass',
}

const nameOf = (object: NonNullable<Thing>): string => String(thing(object.metadata).name)

export const aroundOf = (objects: readonly NonNullable<Thing>[], asked: Asked): Around => {
  const isOf = (object: NonNullable<Thing>, group: string) =>
    String(object.apiVersion).startsWith(group)
  const admin = objects.filter(object => isOf(object, 'policy.networking.k8s.io/'))
  const antrea = objects.filter(object => isOf(object, 'crd.antrea.io/'))
  const ranks = new Map(Object.entries(tierRanks))
  for (const object of antrea)
    if (object.kind === 'Tier') ranks.set(nameOf(object), Number(thing(object.spec).priority))

  const isAdminPeer = (peer: NonNullable<Thing>, address: string): boolean => {
    if (peer.networks) return words(peer.networks).some(each => isWithin(address, each))
    if (peer.namespaces) return asked.isInNamespaces(address, thing(peer.namespaces))
    return peer.pods ? asked.isPod(address, thing(peer.pods), undefined) : false
  }

  const isAdminPort = (port: NonNullable<Thing>, one: Connection): boolean => {
    if (port.portNumber) return asked.isPort(thing(port.portNumber), one)
    const { protocol, start, end } = thing(port.portRange)
    if (port.portRange) return asked.isPort({ protocol, port: start, endPort: end }, one)
    return ['TCP', 'UDP', 'SCTP'].some(each =>
      asked.isPort({ protocol: each, port: port.namedPort }, one),
    )
  }

  type Ask = (way: 'Ingress' | 'Egress', own: string, other: string, one: Connection) => Said

  const admins =
    (kind: string): Ask =>
    (way, own, other, one) => {
      const inOrder = admin
        .filter(object => object.kind === kind)
        .map(object => thing(object.spec))
        .sort((a, b) => Number(a.priority ?? 0) - Number(b.priority ?? 0))
      for (const spec of inOrder) {
        if (!isAdminPeer(thing(spec.subject), own)) continue
        for (const rule of things(way === 'Ingress' ? spec.ingress : spec.egress)) {
          const peers = things(way === 'Ingress' ? rule.from : rule.to)
          const ports = things(rule.ports)
          const isMet =
            peers.some(peer => isAdminPeer(peer, other)) &&
            (ports.length === 0 || ports.some(port => isAdminPort(port, one)))
          if (isMet) return saidBy[String(rule.action)] ?? 'deny'
        }
      }
      return 'nothing'
    }

  const isAntreaPeer = (
    peer: NonNullable<Thing>,
    home: string | undefined,
    address: string,
  ): boolean => {
    if (peer.group) {
      const group = antrea.find(
        object =>
          object.kind === (home === undefined ? 'ClusterGroup' : 'Group') &&
          nameOf(object) === peer.group &&
          (home === undefined || thing(object.metadata).namespace === home),
      )
      const spec = thing(group?.spec)
      return (
        things(spec.ipBlocks).some(({ cidr }) => isWithin(address, String(cidr))) ||
        ((spec.podSelector !== undefined || spec.namespaceSelector !== undefined) &&
          asked.isPod(address, spec, home))
      )
    }
    if (peer.ipBlock) return isWithin(address, String(thing(peer.ipBlock).cidr))
    return asked.isPod(address, peer, home)
  }

  const antreas =
    (isBaseline: boolean): Ask =>
    (way, own, other, one) => {
      const tierOf = (spec: NonNullable<Thing>) => String(spec.tier ?? 'application').toLowerCase()
      const inOrder = antrea
        .filter(({ kind }) => kind === 'ClusterNetworkPolicy' || kind === 'NetworkPolicy')
        .map(object => ({
          spec: thing(object.spec),
          home:
            object.kind === 'NetworkPolicy'
              ? String(thing(object.metadata).namespace ?? 'default')
              : undefined,
        }))
        .filter(({ spec }) => (tierOf(spec) === 'baseline') === isBaseline)
        .sort(
          (a, b) =>
            (ranks.get(tierOf(a.spec)) ?? 0) - (ranks.get(tierOf(b.spec)) ?? 0) ||
            Number(a.spec.priority) - Number(b.spec.priority),
        )
      for (const { spec, home } of inOrder)
        for (const rule of things(way === 'Ingress' ? spec.ingress : spec.egress)) {
          const applied = things(rule.appliedTo).length > 0 ? rule.appliedTo : spec.appliedTo
          if (!things(applied).some(each => isAntreaPeer(each, home, own))) continue
          const peers = things(way === 'Ingress' ? rule.from : rule.to)
          const ports = things(rule.ports)
          const isMet =
            (peers.length === 0 || peers.some(peer => isAntreaPeer(peer, home, other))) &&
            (ports.length === 0 || ports.some(port => asked.isPort(port, one)))
          if (isMet) return saidBy[String(rule.action)] ?? 'deny'
        }
      return 'nothing'
    }

  const either =
    (...asks: Ask[]): Ask =>
    (...question) =>
      asks.map(ask => ask(...question)).find(said => said !== 'nothing') ?? 'nothing'
  return {
    before: either(antreas(false), admins('AdminNetworkPolicy')),
    behind: either(antreas(true), admins('BaselineAdminNetworkPolicy')),
  }
}
