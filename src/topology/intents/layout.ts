/**
 * A routed intent as entries: what one switch does with its frames that come in at one port. They stand before
 * the rows of hosts in table forward.
 *
 * A protected path turns back: the switch before a dead link sends frames back where they came from, and the first
 * switch sends what comes back over the second path. So any link of the path may die, and any switch but the ends,
 * and only switches that see it die must notice.
 *
 *              ┌────────────── second path ─────────────┐
 *     sender ─ s0 ──── s1 ──── s2 ──X── s3 ──────────── s4 ─ receiver
 *               <───── <────── ┘ back out of the port it came in
 *
 * Each frame goes at most once up the path, back, and over the second path: it cannot loop.
 */

import { macNumber } from '../../base/addresses.js'
import { type Action, type Bucket, type Match, ports } from '../../openflow/values.js'
import { flow, type Group, groupNumber, type Origin } from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { toSwitch } from '../forwarding/tags.js'
import type { Host } from '../model.js'
import type { Entries, Entry } from './entries.js'
import type { IntentHop, IntentTree, Lane, RoutedIntent } from './lanes.js'

/** @param numberOf a number of its own for each text, below 2^20 */
export const layOut = (
  name: string,
  { lanes, trees }: RoutedIntent,
  numberOf: (text: string) => number,
): Entries => {
  const layout = new Layout(name, numberOf)
  for (const lane of lanes) layout.lane(lane)
  for (const tree of trees) layout.tree(tree)
  return layout.entries
}

/** What an entry is made from. */
interface Place extends Omit<Entry, 'text' | 'flows' | 'groups'> {
  /** Undefined: wherever they come in. */
  readonly inPort: number | undefined
  readonly pairs: readonly (readonly [sender: Host | undefined, receiver: Host])[]
  /** A port, or the port that is tried first and the other one. */
  readonly out: number | readonly [number, number]
}

const keyOf = (lane: Lane, { dpid }: IntentHop, inPort: number): string =>
  `${lane.key} ${dpid} ${inPort}`

/** The entry behind the hop with this index; none behind the last but one. */
const following = (lane: Lane, way: readonly IntentHop[], index: number): string[] => {
  const after = way[index + 1]!
  return index + 2 === way.length ? [] : [keyOf(lane, after, after.inPort!)]
}

class Layout {
  readonly entries = new Map<string, Entry>()
  readonly #name: string
  readonly #origin: Origin
  readonly #numberOf: (text: string) => number

  constructor(name: string, numberOf: (text: string) => number) {
    this.#name = name
    this.#origin = { kind: 'intent', name }
    this.#numberOf = numberOf
  }

  lane(lane: Lane): void {
    const { path, backup, pairs } = lane
    const begin = path[0]!
    if (path.length < 2) return
    // The last switch has the host: its own rows deliver.
    for (const inPort of new Set(pairs.map(([sender]) => sender.at.port)))
      this.#place(lane, begin, inPort, {
        isEntrance: true,
        out: backup ? [begin.outPort!, backup[0]!.outPort!] : begin.outPort!,
        next: [...following(lane, path, 0), ...(backup ? following(lane, backup, 0) : [])],
      })
    for (const [index, hop] of path.slice(0, -1).entries()) {
      const before = path[index - 1]
      if (before === undefined) continue
      const back = backup ? [keyOf(lane, before, before.outPort!)] : []
      this.#place(lane, hop, hop.inPort!, {
        out: backup ? [hop.outPort!, ports.inPort] : hop.outPort!,
        next: [...following(lane, path, index), ...back],
      })
    }
    if (backup) this.#returning(lane, backup)
  }

  /** What comes back goes further back, and from the first switch over the second path. */
  #returning(lane: Lane, backup: readonly IntentHop[]): void {
    const { path } = lane
    for (const [index, hop] of path.slice(0, -2).entries()) {
      const before = path[index - 1]
      this.#place(lane, hop, hop.outPort!, {
        out: before ? hop.inPort! : backup[0]!.outPort!,
        next: before ? [keyOf(lane, before, before.outPort!)] : following(lane, backup, 0),
      })
    }
    for (const [index, hop] of backup.slice(0, -1).entries())
      if (index > 0)
        this.#place(lane, hop, hop.inPort!, {
          out: hop.outPort!,
          next: following(lane, backup, index),
        })
  }

  tree({ egress, receivers, branches }: IntentTree): void {
    const lane = `tree ${egress}`
    for (const { dpid, next, outPort, alternate } of branches)
      this.#put(140, {
        lane,
        key: `${lane} ${dpid}`,
        dpid,
        isEntrance: false,
        inPort: undefined,
        out: alternate === undefined ? outPort : [outPort, alternate],
        next: next === egress ? [] : [`${lane} ${next}`],
        pairs: receivers.map(host => [undefined, host]),
      })
  }

  #place(
    lane: Lane,
    hop: IntentHop,
    inPort: number,
    { isEntrance = false, out, next }: Pick<Place, 'out' | 'next'> & { isEntrance?: boolean },
  ): void {
    const pairs = isEntrance
      ? lane.pairs.filter(([sender]) => sender.at.port === inPort)
      : lane.pairs
    const key = keyOf(lane, hop, inPort)
    this.#put(150, { lane: lane.key, key, dpid: hop.dpid, isEntrance, inPort, out, next, pairs })
  }

  #put(priority: number, { pairs, out, inPort, ...place }: Place): void {
    const group = typeof out === 'number' ? undefined : this.#group(place.key, out, inPort)
    const action: Action =
      typeof out === 'number' ? { kind: 'output', port: out } : { kind: 'group', group: group!.id }
    const flows = pairs.map(([sender, receiver]) =>
      flow(
        'forward',
        priority,
        { ...(inPort !== undefined && { in_port: inPort }), ...matchOf(sender, receiver) },
        { actions: toSwitch({ number: receiver.network }, action) },
        `intent ${this.#name}`,
        this.#origin,
      ),
    )
    const who = pairs.map(([from, to]) => `${from?.mac ?? ''} ${to.mac} ${to.network}`)
    const text = `${out} ${who.join()}`
    this.entries.set(place.key, { ...place, text, flows, groups: group ? [group] : [] })
  }

  #group(
    key: string,
    [first, second]: readonly [number, number],
    inPort: number | undefined,
  ): Group {
    const bucket = (port: number): Bucket => ({
      watchPort: port === ports.inPort ? inPort! : port,
      actions: [{ kind: 'output', port }],
    })
    return {
      id: groupNumber('intent', this.#numberOf(`${this.#name} ${key}`)),
      type: 'ff',
      buckets: [bucket(first), bucket(second)],
      because: `intent ${this.#name}: another way when the next link is dead`,
      origin: this.#origin,
    }
  }
}

const matchOf = (sender: Host | undefined, receiver: Host): Match => ({
  ...(sender && { eth_src: macNumber(sender.mac) }),
  eth_dst: macNumber(receiver.mac),
  reg0: bitsEqual([registers.network, receiver.network]),
})
