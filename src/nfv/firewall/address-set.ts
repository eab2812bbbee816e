/**
 * Sets of IPv4 and IPv6 addresses as sorted ranges that neither touch nor overlap; and as the
 * fewest prefixes, which is what a switch matches.
 */
import type { Cidr } from '../../base/addresses.js'

/** Both ends belong to it. */
export interface Range<N extends number | bigint> {
  readonly first: N
  readonly last: N
}

export interface AddressSet {
  readonly v4: readonly Range<number>[]
  readonly v6: readonly Range<bigint>[]
}

const lastV4 = 0xffffffff
const lastV6 = (1n << 128n) - 1n

export const noAddress: AddressSet = { v4: [], v6: [] }
export const everyAddress: AddressSet = {
  v4: [{ first: 0, last: lastV4 }],
  v6: [{ first: 0n, last: lastV6 }],
}

export const isEveryAddress = (set: AddressSet): boolean =>
  set === everyAddress || (isWhole(set.v4, 0, lastV4) && isWhole(set.v6, 0n, lastV6))

const isWhole = <N extends number | bigint>(ranges: readonly Range<N>[], first: N, last: N) =>
  ranges.length === 1 && ranges[0]!.first === first && ranges[0]!.last === last

export const isEmpty = (set: AddressSet): boolean => set.v4.length === 0 && set.v6.length === 0

export const setOfCidr = (cidr: Cidr): AddressSet => {
  if (cidr.version === 4) {
    const first = Number(cidr.address)
    return { v4: [{ first, last: first + 2 ** (32 - cidr.length) - 1 }], v6: [] }
  }
  const first = BigInt(cidr.address)
  return { v4: [], v6: [{ first, last: first + (1n << BigInt(128 - cidr.length)) - 1n }] }
}

export const setOfRange = (
  version: 4 | 6,
  first: number | bigint,
  last: number | bigint,
): AddressSet =>
  version === 4
    ? { v4: [{ first: Number(first), last: Number(last) }], v6: [] }
    : { v4: [], v6: [{ first: BigInt(first), last: BigInt(last) }] }

export const union = (sets: readonly AddressSet[]): AddressSet => {
  if (sets.length === 1) return sets[0]!
  if (sets.some(set => set === everyAddress)) return everyAddress
  return {
    v4: merge(
      sets.flatMap(set => set.v4),
      1,
    ),
    v6: merge(
      sets.flatMap(set => set.v6),
      1n,
    ),
  }
}

const merge = <N extends number | bigint>(ranges: Range<N>[], one: N): Range<N>[] => {
  const merged: { first: N; last: N }[] = []
  for (const range of ranges.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const open = merged.at(-1)
    // Written with the difference, because 2^32 and 2^128 are no addresses.
    if (open === undefined || (range.first > open.last && less(range.first, open.last) > one))
      merged.push({ ...range })
    else if (range.last > open.last) open.last = range.last
  }
  return merged
}

// The casts only satisfy the checker: both are numbers, or both are bigints.
const plus = <N extends number | bigint>(a: N, b: N): N => ((a as number) + (b as number)) as N
const less = <N extends number | bigint>(a: N, b: N): N => ((a as number) - (b as number)) as N

export const subtract = (from: AddressSet, what: AddressSet): AddressSet =>
  isEmpty(what) ? from : { v4: without(from.v4, what.v4, 1), v6: without(from.v6, what.v6, 1n) }

const without = <N extends number | bigint>(
  from: readonly Range<N>[],
  what: readonly Range<N>[],
  one: N,
): Range<N>[] => {
  let rest = [...from]
  for (const hole of what) {
    const next: Range<N>[] = []
    for (const range of rest) {
      if (hole.last < range.first || hole.first > range.last) {
        next.push(range)
        continue
      }
      if (hole.first > range.first) next.push({ first: range.first, last: less(hole.first, one) })
      if (hole.last < range.last) next.push({ first: plus(hole.last, one), last: range.last })
    }
    rest = next
  }
  return rest
}

export const contains = <N extends number | bigint>(
  ranges: readonly Range<N>[],
  value: N,
): boolean => {
  let low = 0
  let high = ranges.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const range = ranges[middle]!
    if (value < range.first) high = middle - 1
    else if (value > range.last) low = middle + 1
    else return true
  }
  return false
}

/** True when all of `inner` is in `outer`. */
export const covers = <N extends number | bigint>(
  outer: readonly Range<N>[],
  inner: readonly Range<N>[],
): boolean =>
  inner.every(range => outer.some(other => other.first <= range.first && other.last >= range.last))

export const overlap = <N extends number | bigint>(
  a: readonly Range<N>[],
  b: readonly Range<N>[],
): boolean =>
  a.some(range => b.some(other => other.first <= range.last && other.last >= range.first))

/** The fewest prefixes that make up the ranges. */
export const cidrsV4 = (ranges: readonly Range<number>[]): Cidr[] => {
  const cidrs: Cidr[] = []
  for (const { first, last } of ranges)
    for (let at = first; at <= last; ) {
      let size = at === 0 ? 2 ** 32 : (at & -at) >>> 0
      while (at + size - 1 > last) size /= 2
      cidrs.push({ version: 4, address: at, length: 32 - Math.log2(size) })
      at += size
    }
  return cidrs
}

export const cidrsV6 = (ranges: readonly Range<bigint>[]): Cidr[] => {
  const cidrs: Cidr[] = []
  for (const { first, last } of ranges)
    for (let at = first; at <= last; ) {
      let bits = 0
      while (bits < 128 && ((at >> BigInt(bits)) & 1n) === 0n) bits++
      while (at + (1n << BigInt(bits)) - 1n > last) bits--
      cidrs.push({ version: 6, address: at, length: 128 - bits })
      at += 1n << BigInt(bits)
    }
  return cidrs
}
