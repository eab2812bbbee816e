/**
 * A set of packets as a box: the product of one set for each field that rules speak of. What rules of other firewalls
 * match is a list of boxes; that a jump leads into a chain is an intersection; that a chain is left early a difference.
 *
 *     source x destination x protocol x source port x destination port       all intervals
 *
 * ICMP has type * 256 + code where others have the destination port. Zones that are known by name only cannot be
 * intersected with addresses, so they are kept beside them.
 */
import {
  type AddressSet,
  covers,
  everyAddress,
  noAddress,
  type Range,
  subtract,
} from '../meaning/address-set.js'

/** Packets from, or to, the zone of this name; or those that are not. */
export interface ZoneTerm {
  readonly zone: string
  readonly isNot: boolean
}

export interface End {
  readonly addresses: AddressSet
  readonly zones: readonly ZoneTerm[]
}

export interface Box {
  readonly from: End
  readonly to: End
  /** 0 to 255. */
  readonly protocols: readonly Range<number>[]
  /** 0 to 65535, both. */
  readonly sourcePorts: readonly Range<number>[]
  readonly destinationPorts: readonly Range<number>[]
}

export const everyProtocol: readonly Range<number>[] = [{ first: 0, last: 255 }]
export const everyPort: readonly Range<number>[] = [{ first: 0, last: 65_535 }]
const anyEnd: End = { addresses: everyAddress, zones: [] }

/** All packets. */
export const everything: Box = {
  from: anyEnd,
  to: anyEnd,
  protocols: everyProtocol,
  sourcePorts: everyPort,
  destinationPorts: everyPort,
}

/** All packets of IPv4, or of IPv6. */
export const familyBox = (version: 4 | 6): Box => {
  const addresses: AddressSet =
    version === 4 ? { v4: everyAddress.v4, v6: [] } : { v4: [], v6: everyAddress.v6 }
  const end = { addresses, zones: [] }
  return { ...everything, from: end, to: end }
}

/** One number as a list of intervals. */
export const only = (value: number): readonly Range<number>[] => [{ first: value, last: value }]

/** What is in both, of sorted lists. O(a + b) */
export const bothRanges = <N extends number | bigint>(
  a: readonly Range<N>[],
  b: readonly Range<N>[],
): readonly Range<N>[] => {
  if (a === b) return a
  const found: Range<N>[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i]!, b[j]!]
    const first = one.first > other.first ? one.first : other.first
    const last = one.last < other.last ? one.last : other.last
    if (first <= last) found.push({ first, last })
    if (one.last < other.last) i++
    else j++
  }
  return found
}

export const bothAddresses = (a: AddressSet, b: AddressSet): AddressSet =>
  a === everyAddress
    ? b
    : b === everyAddress
      ? a
      : { v4: bothRanges(a.v4, b.v4), v6: bothRanges(a.v6, b.v6) }

/** All but these. @param end the last number there is */
export const otherRanges = (
  ranges: readonly Range<number>[],
  end: number,
): readonly Range<number>[] =>
  subtract({ v4: [{ first: 0, last: end }], v6: [] }, { v4: sorted(ranges), v6: [] }).v4

/** Sorted, and joined where they touch. */
export const sorted = (ranges: readonly Range<number>[]): readonly Range<number>[] => {
  const joined: { first: number; last: number }[] = []
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const open = joined.at(-1)
    if (open && first <= open.last + 1) open.last = Math.max(open.last, last)
    else joined.push({ first, last })
  }
  return joined
}

const bothEnds = (a: End, b: End): End => {
  const zones = b.zones.filter(
    term => !a.zones.some(other => other.zone === term.zone && other.isNot === term.isNot),
  )
  return {
    addresses: bothAddresses(a.addresses, b.addresses),
    zones: zones.length === 0 ? a.zones : [...a.zones, ...zones],
  }
}

/** Packets of both; undefined when there are none. */
export const intersect = (a: Box, b: Box): Box | undefined => {
  const box: Box = {
    from: bothEnds(a.from, b.from),
    to: bothEnds(a.to, b.to),
    protocols: bothRanges(a.protocols, b.protocols),
    sourcePorts: bothRanges(a.sourcePorts, b.sourcePorts),
    destinationPorts: bothRanges(a.destinationPorts, b.destinationPorts),
  }
  return isEmptyBox(box) ? undefined : box
}

/** A host is behind one port. */
const isOnePort = (zone: string): boolean => zone.startsWith('port ') && !zone.endsWith('*')

const isContradiction = ({ zones }: End): boolean =>
  zones.some(
    ({ zone, isNot }) =>
      !isNot &&
      zones.some(
        other =>
          (other.isNot && other.zone === zone) ||
          (!other.isNot && other.zone !== zone && isOnePort(zone) && isOnePort(other.zone)),
      ),
  )

/** True when no packet is in it: both ends of a packet are of one version. */
export const isEmptyBox = ({ from, to, ...rest }: Box): boolean => {
  const isOfVersion = (version: 'v4' | 'v6') =>
    from.addresses[version].length > 0 && to.addresses[version].length > 0
  return (
    (!isOfVersion('v4') && !isOfVersion('v6')) ||
    rest.protocols.length === 0 ||
    rest.sourcePorts.length === 0 ||
    rest.destinationPorts.length === 0 ||
    isContradiction(from) ||
    isContradiction(to)
  )
}

/** The box with addresses of versions that one end lacks taken off the other. */
export const trimmed = (box: Box): Box => {
  const { from, to } = box
  const v4 = from.addresses.v4.length > 0 && to.addresses.v4.length > 0
  const v6 = from.addresses.v6.length > 0 && to.addresses.v6.length > 0
  if (v4 && v6) return box
  const cut = (end: End): End => ({
    ...end,
    addresses: { v4: v4 ? end.addresses.v4 : [], v6: v6 ? end.addresses.v6 : [] },
  })
  return { ...box, from: cut(from), to: cut(to) }
}

const coversEnd = (outer: End, inner: End, versions: readonly ('v4' | 'v6')[]): boolean =>
  outer.zones.every(term =>
    inner.zones.some(other => other.zone === term.zone && other.isNot === term.isNot),
  ) &&
  versions.every(version =>
    version === 'v4'
      ? covers(outer.addresses.v4, inner.addresses.v4)
      : covers(outer.addresses.v6, inner.addresses.v6),
  )

/** True when each packet of `inner` is surely in `outer`. */
export const coversBox = (outer: Box, inner: Box): boolean => {
  const tight = trimmed(inner)
  const versions = (['v4', 'v6'] as const).filter(
    version => tight.from.addresses[version].length > 0,
  )
  return (
    coversEnd(outer.from, tight.from, versions) &&
    coversEnd(outer.to, tight.to, versions) &&
    covers(outer.protocols, tight.protocols) &&
    covers(outer.sourcePorts, tight.sourcePorts) &&
    covers(outer.destinationPorts, tight.destinationPorts)
  )
}

/**
 * What is left of a box without another one that is in it, where that is a box again: where they differ in one field.
 *
 * @returns undefined when it takes several boxes
 */
export const without = (box: Box, inner: Box): Box | undefined => {
  const outer = trimmed(box)
  const hole = trimmed(inner)
  const versions = (['v4', 'v6'] as const).filter(
    version => outer.from.addresses[version].length > 0,
  )
  const isSame = {
    from: coversEnd(hole.from, outer.from, versions),
    to: coversEnd(hole.to, outer.to, versions),
    protocols: covers(hole.protocols, outer.protocols),
    sourcePorts: covers(hole.sourcePorts, outer.sourcePorts),
    destinationPorts: covers(hole.destinationPorts, outer.destinationPorts),
  }
  const differing = Object.entries(isSame).flatMap(([field, same]) => (same ? [] : [field]))
  const [field] = differing
  if (differing.length !== 1 || field === undefined) return undefined
  if (field === 'from' || field === 'to') {
    const end = endWithout(outer[field], hole[field])
    return end && { ...outer, [field]: end }
  }
  const key = field as 'protocols' | 'sourcePorts' | 'destinationPorts'
  const rest = subtract({ v4: outer[key], v6: [] }, { v4: hole[key], v6: [] }).v4
  return { ...outer, [key]: rest }
}

const endWithout = (outer: End, hole: End): End | undefined => {
  const more = hole.zones.filter(
    term => !outer.zones.some(other => other.zone === term.zone && other.isNot === term.isNot),
  )
  const [term] = more
  if (term === undefined) return { ...outer, addresses: subtract(outer.addresses, hole.addresses) }
  const isOnlyZone = coversEnd({ ...hole, zones: [] }, outer, ['v4', 'v6'])
  if (more.length > 1 || !isOnlyZone) return undefined
  return { ...outer, zones: [...outer.zones, { zone: term.zone, isNot: !term.isNot }] }
}

/** The same packets on their way back. */
export const mirrored = (box: Box): Box => ({
  ...box,
  from: box.to,
  to: box.from,
  sourcePorts: box.destinationPorts,
  destinationPorts: box.sourcePorts,
})

export const nowhere: AddressSet = noAddress
