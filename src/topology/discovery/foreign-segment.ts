/**
 * What lies in the middle of a link across a switch that is not ours: a segment on which hosts may live (ADR 17). It
 * takes a frame to whoever has its MAC, without a switch of ours, and what is for all to both ends of the link.
 *
 *     s1 ── end ── segment ── end ── s2
 *                 │       │
 *               hosts, at whichever end the topology keeps them
 */
import type { Dpid } from '../../base/addresses.js'
import { type Host, isSamePort, type Link, type PortRef, portKey, type Topology } from '../model.js'

export interface ForeignSegment {
  readonly ends: readonly [PortRef, PortRef]
}

/** The segment that a port leads to; undefined where it does not lead to one that joins two switches. */
export const segmentAt = (
  { links }: Pick<Topology, 'links'>,
  at: PortRef,
): ForeignSegment | undefined => {
  const link = links.get(portKey(at))
  return link?.isForeign ? { ends: [link.from, link.to] } : undefined
}

export const isOnSegment = ({ ends }: ForeignSegment, { at }: Pick<Host, 'at'>): boolean =>
  ends.some(end => isSamePort(end, at))

/** The end by which the segment leads to a switch; undefined when neither does, or both do. */
export const endTowards = (
  links: ReadonlyMap<string, Link>,
  { ends }: ForeignSegment,
  to: Dpid,
): PortRef | undefined => {
  const near = ends.filter(end => reachable(links, end.dpid, ends).has(to))
  return near.length === 1 ? near[0] : undefined
}

/** Switches that a switch reaches, but over a link between these ends. */
const reachable = (
  links: ReadonlyMap<string, Link>,
  from: Dpid,
  ends: ForeignSegment['ends'],
): ReadonlySet<Dpid> => {
  const found = new Set([from])
  // What is found is looked at as well.
  for (const dpid of found)
    for (const link of links.values())
      if (link.from.dpid === dpid && !ends.some(end => isSamePort(end, link.from)))
        found.add(link.to.dpid)
  return found
}
