/**
 * Sessions as the switches remember them, with the rule that let them in and the hosts by name. Only those of
 * switches on this machine can be read; of the others it is said that they cannot.
 */

import type { Ip } from '../../../base/addresses.js'
import type { Env } from '../../../base/env/env.js'
import { askDaemon, controlSockets } from '../../../ovsdb/local-daemons.js'
import { publishedZoneOf, slotOf, zoneOf } from '../../../pipeline/zones.js'
import type { Topology } from '../../../topology/model.js'
import type { TimeoutBook } from '../flows/timeout-zones.js'
import { decide } from '../meaning/decide.js'
import type { PlacedRule, Resolved } from '../meaning/resolved.js'
import { type Outside, parseConntrack, type TrackedConnection } from './conntrack-dump.js'

export interface Session {
  readonly switch: string
  readonly protocol: number
  readonly source: Ip
  readonly sourcePort: number
  readonly destination: Ip
  readonly destinationPort: number
  /** What the source has become on its way out; absent: it stays as it is. */
  readonly translatedSource?: Ip
  readonly translatedSourcePort?: number
  /** What the client asked for: a published address; absent: the destination itself. */
  readonly askedDestination?: Ip
  readonly askedDestinationPort?: number
  readonly sourceHost?: string
  readonly destinationHost?: string
  /** Absent for what a fragment opened, and where the rule is gone. */
  readonly rule?: string
  readonly policy?: string
  /** False: its next packet asks the rules. */
  readonly isCurrent: boolean
  readonly state?: string
}

/** A switch of which the sessions are not known, and why. */
export interface Unread {
  readonly switch: string
  readonly reason: string
}

export interface Sessions {
  readonly items: readonly Session[]
  readonly unread: readonly Unread[]
}

const elsewhere =
  'only a controller on the machine of its ovs-vswitchd can read its connections (see "sluice run --openvswitch")'

/** What is known of the rules that sessions were judged by. */
export interface SessionRules {
  readonly generation: number
  readonly timeouts: TimeoutBook
  rule(id: number): PlacedRule | undefined
}

export class SessionReader {
  readonly #env: Env
  readonly #places: readonly string[]
  readonly #topology: () => Topology
  readonly #rules: SessionRules

  /** @param places control sockets of ovs-vswitchd, and folders that hold them */
  constructor(env: Env, places: readonly string[], topology: () => Topology, rules: SessionRules) {
    this.#env = env
    this.#places = places
    this.#topology = topology
    this.#rules = rules
  }

  async read(): Promise<Sessions> {
    const topology = this.#topology()
    const { sockets, unread: folders } = await controlSockets(this.#env, this.#places)
    const reason = [elsewhere, ...folders].join('; ')
    const unread = new Map<string, string>(
      [...topology.switches.values()].map(each => [each.name, reason]),
    )
    const items: Session[] = []
    for (const socket of sockets) {
      let names: string[] = []
      try {
        const bridges = await askDaemon(this.#env, socket, 'ofproto/list')
        names = bridges.split('\n').filter(name => unread.has(name))
        const dump = await askDaemon(this.#env, socket, 'dpctl/dump-conntrack')
        items.push(...this.#itemsOf(topology, names, parseConntrack(dump)))
        for (const name of names) unread.delete(name)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        for (const name of names) unread.set(name, reason)
        this.#env.log.debug({ socket, err: error }, 'connections could not be read')
      }
    }
    return { items, unread: [...unread].map(([name, reason]) => ({ switch: name, reason })) }
  }

  #itemsOf(
    topology: Topology,
    names: readonly string[],
    connections: readonly TrackedConnection[],
  ): Session[] {
    const slots = [
      ...topology.networks.map(({ number }) => slotOf(number)),
      ...this.#rules.timeouts.zones.flatMap(zone => Object.values(zone.slots)),
    ]
    const zones = new Map(
      [...topology.switches.values()]
        .filter(each => names.includes(each.name))
        .flatMap(each => slots.map(slot => [zoneOf(each.index, slot), each.name] as const)),
    )
    const hosts = new Map(
      [...topology.hosts.values()].flatMap(host =>
        host.name === undefined ? [] : host.ips.map(ip => [ip, host.name!] as const),
      ),
    )
    const translated = translationsOf(topology, connections)
    return connections.flatMap(connection => {
      const { zone, label, outside: _, ...tuple } = connection
      const name = zones.get(zone)
      // What another switch has decided is listed there.
      if (name === undefined || label.isElsewhere) return []
      const rule = this.#rules.rule(label.rule)?.rule
      const [sourceHost, destinationHost] = [hosts.get(tuple.source), hosts.get(tuple.destination)]
      return [
        {
          switch: name,
          ...tuple,
          ...translated(connection),
          ...(sourceHost && { sourceHost }),
          ...(destinationHost && { destinationHost }),
          ...(rule && { rule: rule.name, policy: rule.policy }),
          isCurrent: label.generation === this.#rules.generation,
        },
      ]
    })
  }
}

type Translated = Pick<
  Session,
  'translatedSource' | 'translatedSourcePort' | 'askedDestination' | 'askedDestinationPort'
>

/**
 * What each connection is outside: its source as the switch of the uplink has it, which may be another one than that which
 * decides; its destination as the zone of what is published has it.
 */
const translationsOf = (
  topology: Topology,
  connections: readonly TrackedConnection[],
): ((connection: TrackedConnection) => Translated) => {
  const published = new Set(
    [...topology.switches.values()].map(each => publishedZoneOf(each.index)),
  )
  const keyOf = (protocol: number, { source, destination, sourcePort, destinationPort }: Outside) =>
    `${protocol} ${source} ${sourcePort} ${destination} ${destinationPort}`
  const sources = new Map<string, Translated>()
  const asked = new Map<string, Translated>()
  for (const { zone, protocol, outside, ...own } of connections) {
    if (published.has(zone))
      asked.set(keyOf(protocol, outside), {
        askedDestination: own.destination,
        ...(outside.destinationPort !== own.destinationPort && {
          askedDestinationPort: own.destinationPort,
        }),
      })
    else if (outside.source !== own.source)
      sources.set(keyOf(protocol, own), {
        translatedSource: outside.source,
        ...(protocol !== 1 && protocol !== 58 && { translatedSourcePort: outside.sourcePort }),
      })
  }
  return connection => {
    const key = keyOf(connection.protocol, connection)
    return { ...sources.get(key), ...asked.get(key) }
  }
}

/** What other rules would do to sessions that those of today let run. */
export const judgeSessions = (
  sessions: readonly Session[],
  today: Resolved | undefined,
  next: Resolved,
) => {
  const isAllowed = (rules: Resolved, session: Session) =>
    decide(rules, session).verdict === 'allow'
  const running = sessions.filter(each => today === undefined || isAllowed(today, each))
  return {
    cut: running.filter(each => !isAllowed(next, each)),
    kept: running.filter(each => isAllowed(next, each)),
  }
}
