/**
 * Sets of IPv4 and IPv6 addresses as sorted ranges that neither touch nor overlap; and as the
 * fewest prefixes, which is what a switch matches.
 */
import type { Cidr } from '../../../base/addresses.js'

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
  const rest: Range<N>[] = []
  let at = 0
  for (const range of from) {
    while (at < what.length && what[at]!.last < range.first) at++
    let { first } = range
    let isLeft = true
    for (let next = at; next < what.length && what[next]!.first <= range.last; next++) {
      const hole = what[next]!
      if (hole.first > first) rest.push({ first, last: less(hole.first, one) })
      isLeft = hole.last < range.last
      if (isLeft) first = plus(hole.last, one)
      else break
      at = next
    }
    if (isLeft) rest.push(first === range.first ? range : { first, last: range.last })
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
  inner.every(range => {
    const other = outer[placeOf(outer, range.first)]
    return other !== undefined && other.first <= range.first && other.last >= range.last
  })

export const overlap = <N extends number | bigint>(
  a: readonly Range<N>[],
  b: readonly Range<N>[],
): boolean =>
  a.length <= b.length
    ? a.some(range => {
        const other = b[placeOf(b, range.first)]
        return other !== undefined && other.first <= range.last
      })
    : overlap(b, a)

/** The first range that does not end before `value`. */
const placeOf = <N extends number | bigint>(ranges: readonly Range<N>[], value: N): number => {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ranges[middle]!.last < value) low = middle + 1
    else high = middle
  }
  return low
}

/** How many ranges the set is made of. */
export const rangeCount = (set: AddressSet): number => set.v4.length + set.v6.length

/** How many prefixes make up the ranges; no more than `most` are counted. */
export const prefixCount = (
  ranges: readonly Range<number>[] | readonly Range<bigint>[],
  most: number,
): number => {
  let count = 0
  for (const { first, last } of ranges) {
    count += typeof first === 'number' ? prefixesV4(first, Number(last)) : prefixesV6(first, last)
    if (count >= most) return most
  }
  return count
}

const prefixesV4 = (first: number, last: number): number => {
  let count = 0
  for (let at = first; at <= last; count++) {
    let size = at === 0 ? 2 ** 32 : (at & -at) >>> 0
    while (at + size - 1 > last) size /= 2
    at += size
  }
  return count
}

const prefixesV6 = (first: bigint, last: number | bigint): number => {
  let count = 0
  for (let at = first; at <= last; count++) at += largestBlock(at, BigInt(last))
  return count
}

/** The largest power of two that `at` is a multiple of, and that does not go beyond `last`. */
const largestBlock = (at: bigint, last: bigint): bigint => {
  const left = last - at + 1n
  const lowest = at & -at
  if (at !== 0n && lowest <= left) return lowest
  const digits = left.toString(16)
  const top = 31 - Math.clz32(Number.parseInt(digits[0]!, 16))
  return 1n << BigInt(4 * (digits.length - 1) + top)
}

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
      const size = largestBlock(at, last)
      cidrs.push({ version: 6, address: at, length: 129 - size.toString(2).length })
      at += size
    }
  return cidrs
}
