/** What must change on a switch to make what it holds what is wanted. Pure. */

import {
  type CanonicalFlow,
  canonicalFlow,
  canonicalGroup,
  canonicalMeter,
  type StrictMatch,
} from '../../pipeline/canonical.js'
import type { Flow, Group, Meter, Section } from '../../pipeline/program.js'

/** What a switch has confirmed to hold of ours, by key. */
export interface Holding {
  readonly flows: Map<string, HeldFlow>
  /** Canonical text by group id. */
  readonly groups: Map<number, string>
  readonly meters: Map<number, string>
}

export type HeldFlow = Pick<CanonicalFlow, 'body' | 'cookie' | 'strict'>

export interface Difference {
  readonly addFlows: readonly Flow[]
  /** Same cookie, other actions: the counters go on. */
  readonly modifyFlows: readonly Flow[]
  readonly deleteFlows: readonly (StrictMatch & { readonly key: string })[]
  readonly addGroups: readonly Group[]
  readonly modifyGroups: readonly Group[]
  readonly deleteGroups: readonly number[]
  readonly addMeters: readonly Meter[]
  readonly modifyMeters: readonly Meter[]
  readonly deleteMeters: readonly number[]
}

export const emptyHolding = (): Holding => ({
  flows: new Map(),
  groups: new Map(),
  meters: new Map(),
})

/**
 * @param before sections that the holding is known to agree with, absent after a read-back:
 *   then everything held that is not wanted goes
 */
export const difference = (
  wanted: readonly Section[],
  held: Holding,
  before: readonly Section[] | undefined,
): Difference => {
  const [changed, gone] = before ? exchanged(wanted, before) : [wanted, undefined]
  const [flows, goneFlows] = gone ? exchangedFlows(changed, gone) : [flowsOf(changed), undefined]
  return {
    ...flowDifference(flows, held, goneFlows),
    ...groupDifference(changed, held, gone),
    ...meterDifference(changed, held, gone),
  }
}

/** What came, and what went; what both lists begin and end with is not looked at twice. */
const exchanged = <T>(
  wanted: readonly T[],
  before: readonly T[],
): [came: readonly T[], went: readonly T[]] => {
  const shorter = Math.min(wanted.length, before.length)
  let start = 0
  while (start < shorter && wanted[start] === before[start]) start++
  let end = 0
  while (end < shorter - start && wanted.at(-1 - end) === before.at(-1 - end)) end++
  const came = wanted.slice(start, wanted.length - end)
  const went = before.slice(start, before.length - end)
  const [cameSet, wentSet] = [new Set(came), new Set(went)]
  return [came.filter(each => !wentSet.has(each)), went.filter(each => !cameSet.has(each))]
}

const flowsOf = (sections: readonly Section[]): readonly Flow[] =>
  sections.flatMap(({ flows }) => flows)

/** A section that takes the place of another may have most of its rows: they are not looked at. */
const exchangedFlows = (
  came: readonly Section[],
  went: readonly Section[],
): [came: readonly Flow[], went: readonly Flow[]] => {
  const wentByName = new Map(went.map(each => [each.name, each]))
  const cameFlows: (readonly Flow[])[] = []
  const wentFlows: (readonly Flow[])[] = []
  const paired = new Set<Section | undefined>()
  for (const section of came) {
    const former = wentByName.get(section.name)
    if (former) wentByName.delete(section.name)
    const [added, removed] = former ? exchanged(section.flows, former.flows) : [section.flows, []]
    cameFlows.push(added)
    wentFlows.push(removed)
    paired.add(former)
  }
  for (const each of went) if (!paired.has(each)) wentFlows.push(each.flows)
  return [cameFlows.flat(), wentFlows.flat()]
}

export const isEmpty = (change: Difference): boolean =>
  Object.values(change).every(list => list.length === 0)

const flowDifference = (
  changed: readonly Flow[],
  held: Holding,
  gone: readonly Flow[] | undefined,
) => {
  const addFlows: Flow[] = []
  const modifyFlows: Flow[] = []
  const met = new Set<HeldFlow>()
  for (const flow of changed) {
    const { key, body } = canonicalFlow(flow)
    const known = held.flows.get(key)
    if (known) met.add(known)
    if (known?.body === body) continue
    if (known?.cookie === flow.cookie) modifyFlows.push(flow)
    else addFlows.push(flow)
  }
  const candidates = gone ? heldOf(gone, held) : held.flows
  const deleteFlows: (StrictMatch & { key: string })[] = []
  for (const [key, known] of candidates)
    if (!met.has(known)) deleteFlows.push({ ...known.strict, key })
  return { addFlows, modifyFlows, deleteFlows }
}

const heldOf = (flows: readonly Flow[], held: Holding): ReadonlyMap<string, HeldFlow> => {
  const found = new Map<string, HeldFlow>()
  for (const flow of flows) {
    const { key } = canonicalFlow(flow)
    const known = held.flows.get(key)
    if (known) found.set(key, known)
  }
  return found
}

const groupDifference = (
  changed: readonly Section[],
  held: Holding,
  gone: readonly Section[] | undefined,
) => {
  const wanted = changed.flatMap(section => section.groups)
  const { add, modify, remove } = numbered(
    wanted,
    canonicalGroup,
    held.groups,
    gone?.flatMap(section => section.groups),
  )
  return { addGroups: add, modifyGroups: modify, deleteGroups: remove }
}

const meterDifference = (
  changed: readonly Section[],
  held: Holding,
  gone: readonly Section[] | undefined,
) => {
  const { add, modify, remove } = numbered(
    changed.flatMap(section => section.meters),
    canonicalMeter,
    held.meters,
    gone?.flatMap(section => section.meters),
  )
  return { addMeters: add, modifyMeters: modify, deleteMeters: remove }
}

const numbered = <T extends { readonly id: number }>(
  wanted: readonly T[],
  textOf: (item: T) => string,
  held: ReadonlyMap<number, string>,
  gone: readonly T[] | undefined,
) => {
  const wantedIds = new Set(wanted.map(item => item.id))
  const candidates = gone ? gone.map(item => item.id) : [...held.keys()]
  return {
    add: wanted.filter(item => !held.has(item.id)),
    modify: wanted.filter(item => held.has(item.id) && held.get(item.id) !== textOf(item)),
    remove: candidates.filter(id => held.has(id) && !wantedIds.has(id)),
  }
}
