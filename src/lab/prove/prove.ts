/** An imported rule file beside the firewall it came from, connection by connection. */

import { decide } from '../../nfv/firewall/meaning/decide.js'
import { factsOf, knownAddresses } from '../../nfv/firewall/meaning/known-addresses.js'
import { resolve } from '../../nfv/firewall/meaning/resolve.js'
import { loadText } from '../../nfv/firewall/text/load.js'
import { Parser } from '../../nfv/firewall/text/parse.js'
import type { Connection } from '../../pipeline/connection.js'
import type { Original } from './original.js'
import { poolsOf, randomConnection, seededDice } from './probes.js'

export interface Proof {
  readonly connections: number
  readonly passInBoth: number
  readonly stopInBoth: number
  /** Allowed here, and not there. */
  readonly wider: readonly Connection[]
  /** Allowed there, and not here. */
  readonly narrower: readonly Connection[]
}

export interface ProofOptions {
  readonly count: number
  readonly seed: number
}

/** @throws {CommandFailed} when the kernel does not take the source */
export const prove = async (
  original: Original,
  imported: string,
  { count, seed }: ProofOptions,
): Promise<Proof> => {
  const dice = seededDice(seed)
  const pools = poolsOf(original.words, original.protocols)
  const asked = new Map<string, Connection>()
  const targets = new Set<string>()
  // A small world has fewer connections than were asked for.
  for (let tries = 0; asked.size < count && tries < count * 4; tries++) {
    const connection = randomConnection(dice, pools)
    // The way back of another one would be its answer; without ports, two behind one translation are the same.
    const same = targetOf(connection)
    // Nobody is on the way to himself.
    if (connection.source === connection.destination) continue
    if (asked.has(keyOf(turned(connection))) || (same !== undefined && targets.has(same))) continue
    asked.set(keyOf(connection), connection)
    if (same !== undefined) targets.add(same)
  }
  const connections = [...asked.values()]
  const there = await original.ask(connections)
  const here = deciderOf(imported, original.known)
  const both = connections.map((connection, at) => ({
    connection,
    isHere: here(connection),
    isThere: there[at]!,
  }))
  const of = (isHere: boolean, isThere: boolean) =>
    both.filter(each => each.isHere === isHere && each.isThere === isThere)
  return {
    connections: connections.length,
    passInBoth: of(true, true).length,
    stopInBoth: of(false, false).length,
    wider: of(true, false).map(({ connection }) => connection),
    narrower: of(false, true).map(({ connection }) => connection),
  }
}

const keyOf = (one: Connection): string =>
  `${one.source} ${one.destination} ${one.protocol} ${one.sourcePort} ${one.destinationPort}`

/** Of protocols without ports or numbers that would tell connections apart. */
const targetOf = ({ destination, protocol }: Connection): string | undefined =>
  [1, 6, 17, 58].includes(protocol) ? undefined : `${destination} ${protocol}`

const turned = (one: Connection): Connection => ({
  ...one,
  source: one.destination,
  destination: one.source,
  sourcePort: one.destinationPort,
  destinationPort: one.sourcePort,
})

const deciderOf = (
  text: string,
  known: readonly string[],
): ((connection: Connection) => boolean) => {
  const loaded = loadText(new Parser(), 'imported.rules', text)
  const resolved = resolve(
    [{ name: 'imported', order: 0, loaded }],
    factsOf(knownAddresses(known), 0),
  )
  const [complaint] = resolved.complaints
  if (complaint) throw new Error(`the imported rules have a mistake: ${complaint.message}`)
  return connection => decide(resolved, connection).verdict === 'allow'
}

/** One line for a difference. */
export const formatConnection = (one: Connection): string => {
  const hasPorts = [6, 17, 132].includes(one.protocol)
  const ports = hasPorts ? ` ${one.sourcePort} -> ${one.destinationPort}` : ''
  return `${one.source} -> ${one.destination} protocol ${one.protocol}${ports}`
}
