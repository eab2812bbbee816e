/**
 * Routed intents to flows, in both directions. They stand before the rows of hosts in table forward, so what is
 * on its way while a path changes finds either the new row or the host's: nothing is lost between.
 *
 *     where a protected path begins:  fast failover: first path's port, else second path's port
 *     on either path:                 out of the next port
 */
import { type Dpid, macNumber } from '../../base/addresses.js'
import type { Action, Match } from '../../openflow/values.js'
import {
  type Flow,
  flow,
  type Group,
  groupNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { fabricVlan, tagged } from '../forwarding/tags.js'
import type { Host } from '../model.js'
import type { IntentHop, RoutedIntent } from './intent.js'

/** @param index small, its own: the numbers of its groups come from it */
export const intentSections = (
  { intent, from, to, path, backup }: RoutedIntent,
  index: number,
): ReadonlyMap<Dpid, Section> => {
  const origin: Origin = { kind: 'intent', name: intent.name }
  const parts = new Map<Dpid, { flows: Flow[]; groups: Group[] }>()
  const at = (dpid: Dpid) => {
    const known = parts.get(dpid) ?? { flows: [], groups: [] }
    parts.set(dpid, known)
    return known
  }
  const lay = (
    sender: Host,
    receiver: Host,
    ways: readonly (readonly IntentHop[])[],
    direction: 0 | 1,
  ) => {
    const [first, second] = ways
    const group = groupNumber('intent', index * 2 + direction)
    for (const [number, way] of ways.entries())
      for (const [place, hop] of way.entries()) {
        const isBegin = place === 0
        // The last switch has the host: its own row delivers. The first is laid once, for both ways.
        if (place === way.length - 1 || (isBegin && number > 0)) continue
        const out: Action =
          isBegin && second ? { kind: 'group', group } : { kind: 'output', port: hop.outPort }
        at(hop.dpid).flows.push(row(intent.name, sender, receiver, out, origin))
      }
    if (first && second && first.length > 1)
      at(first[0]!.dpid).groups.push({
        id: group,
        type: 'ff',
        buckets: [first, second].map(way => ({
          watchPort: way[0]!.outPort,
          actions: [{ kind: 'output', port: way[0]!.outPort }],
        })),
        because: `intent ${intent.name}: the second path when the first has no link`,
        origin,
      })
  }
  const ways = backup ? [path, backup] : [path]
  lay(from, to, ways, 0)
  lay(to, from, ways.map(reversed), 1)
  return new Map([...parts].map(([dpid, each]) => [dpid, section(`intent/${intent.name}`, each)]))
}

const reversed = (way: readonly IntentHop[]): IntentHop[] =>
  way.toReversed().map(({ dpid, inPort, outPort }) => ({ dpid, inPort: outPort, outPort: inPort }))

const row = (name: string, sender: Host, receiver: Host, out: Action, origin: Origin): Flow => {
  const match: Match = {
    eth_src: macNumber(sender.mac),
    eth_dst: macNumber(receiver.mac),
    reg0: bitsEqual([registers.network, receiver.network]),
  }
  const actions = tagged(fabricVlan({ number: receiver.network }), out)
  return flow('forward', 150, match, { actions }, `intent ${name}`, origin)
}
