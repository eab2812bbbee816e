/**
 * Policies that come one behind the other, by tier and priority, around NetworkPolicy (AdminNetworkPolicy, Antrea, Calico): the first rule that
 * matches decides; `pass` leaves all of them to NetworkPolicy, behind which the baseline is asked. Each direction is a base chain, since
 * both ends must let a connection through:
 *
 *     out, in:   jump to the first stage        allow: accept     deny: drop     pass: return
 *                jump to the next one, as NetworkPolicy: what it allows: accept     else, to pods that it selects: drop
 *                jump to the baseline, and then everything is accepted
 */
import { type AddressSet, isEmpty, type Range, union } from '../../meaning/address-set.js'
import { type Box, everyPort, everyProtocol, everything, intersect } from '../box.js'
import type { ChainRule, Verdict } from '../chains.js'
import { addressesOf as setOf } from '../condition.js'
import type { RuleWriter } from '../rule-writer.js'
import { writeChains } from '../write-chains.js'
import { addressesOf, type Pod } from './kubernetes-pods.js'

export type Way = 'in' | 'out'

/** Who is meant, at either end. */
export interface Side {
  readonly addresses: AddressSet
  /** Those of them that are pods, for ports by name. */
  readonly pods: readonly Pod[]
  readonly unsaid: readonly string[]
}

export interface Service {
  /** Absent: every protocol. */
  readonly protocols?: readonly Range<number>[]
  readonly ports?: readonly Range<number>[]
  readonly sourcePorts?: readonly Range<number>[]
  /** A name that each pod gives a number. */
  readonly named?: { readonly name: string; readonly protocol: string }
}

export interface TieredRule {
  readonly way: Way
  readonly subject: Side
  readonly peer: Side
  /** None: every service. */
  readonly services: readonly Service[]
  readonly verdict: Verdict
  readonly unsaid: readonly string[]
  readonly path: string
  readonly name: string
}

export const sideOf = (pods: readonly Pod[], unsaid: readonly string[] = []): Side => ({
  addresses: union(pods.flatMap(addressesOf).map(setOf)),
  pods,
  unsaid,
})

/** @param stages one behind the other; `return` goes to the next one. @throws {TooMuch} when it cannot be written out */
export const writeTiered = (
  writer: RuleWriter,
  stages: readonly (readonly TieredRule[])[],
): void => {
  const chains = new Map<string, readonly ChainRule[]>()
  for (const way of ['out', 'in'] as const) {
    const of = (rules: readonly TieredRule[]) =>
      rules.filter(rule => rule.way === way).flatMap(rule => chainRules(rule))
    const jumps = stages.map((rules, at): ChainRule => {
      const chain = `${way}-${at + 1}`
      chains.set(chain, of(rules))
      return {
        place: { line: 0, path: way },
        match: { boxes: [everything], unsaid: [] },
        verdict: { kind: 'jump', chain },
        text: '',
      }
    })
    chains.set(way, jumps)
  }
  writeChains(writer, {
    bases: (['out', 'in'] as const).map(chain => ({
      chain,
      region: everything,
      policy: 'accept',
      place: { line: 0, path: chain },
    })),
    chains,
    unseen: 'accept',
    isOfHost: false,
  })
}

const chainRules = (rule: TieredRule): ChainRule[] => {
  const { way, subject, peer, verdict, path, name } = rule
  if (isEmpty(subject.addresses) || isEmpty(peer.addresses)) return []
  const [from, to] = way === 'in' ? [peer, subject] : [subject, peer]
  const ends: Box = {
    ...everything,
    from: { addresses: from.addresses, zones: [] },
    to: { addresses: to.addresses, zones: [] },
  }
  const boxes = (rule.services.length === 0 ? [{}] : rule.services).flatMap(service =>
    serviceBoxes(service, to.pods).flatMap(box => intersect(ends, box) ?? []),
  )
  const unsaid = [...new Set([...subject.unsaid, ...peer.unsaid, ...rule.unsaid])]
  return [{ place: { line: 0, path }, match: { boxes, unsaid }, verdict, text: path, name }]
}

const transports: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 }

/** The number of a transport that objects of Kubernetes name; undefined: none is named so. */
export const transportOf = (name: string): number | undefined => transports[name]

const serviceBoxes = (service: Service, pods: readonly Pod[]): Box[] => {
  const { protocols = everyProtocol, ports = everyPort, sourcePorts = everyPort, named } = service
  if (named === undefined)
    return [{ ...everything, protocols, sourcePorts, destinationPorts: ports }]
  return pods.flatMap(pod =>
    (pod.spec?.containers ?? [])
      .flatMap(container => container.ports ?? [])
      .filter(port => port.name === named.name && (port.protocol ?? 'TCP') === named.protocol)
      .map(({ containerPort }) => ({
        ...everything,
        to: { addresses: union(addressesOf(pod).map(setOf)), zones: [] },
        protocols,
        sourcePorts,
        destinationPorts: [{ first: containerPort, last: containerPort }],
      })),
  )
}
