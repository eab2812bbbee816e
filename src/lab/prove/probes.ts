/** Connections to ask two firewalls about: the edges of everything that the source names, and random ones. */
import {
  formatIpv4,
  formatIpv6,
  type Ip,
  parseCidr,
  parseIpv4,
  parseIpv6,
} from '../../base/addresses.js'
import { setOfCidr } from '../../nfv/firewall/meaning/address-set.js'
import type { Connection } from '../../pipeline/connection.js'

/** A number from 0 to below `below`. */
export type Dice = (below: number) => number

/** Numbers that look random and are the same for the same seed (mulberry32). */
export const seededDice = (seed: number): Dice => {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** What a source may be about. */
export interface Pools {
  readonly v4: readonly number[]
  readonly v6: readonly bigint[]
  readonly ports: readonly number[]
  readonly protocols: readonly number[]
}

const mostOfEach = 400

/**
 * Addresses with those beside them, and numbers that may be ports, from the text itself.
 *
 * @param more protocols beside those that a kernel is asked about
 */
export const poolsOf = (text: string, more: readonly number[] = []): Pools => {
  const v4 = new Set<number>([parseIpv4('8.8.8.8')!, parseIpv4('172.16.5.5')!])
  const v6 = new Set<bigint>([parseIpv6('2001:db8:ffff::1')!, parseIpv6('fd00:9::1')!])
  for (const [word] of text.matchAll(/\d+\.\d+\.\d+\.\d+(\/\d+(\.\d+\.\d+\.\d+)?)?/g)) {
    const { v4: ranges } = cidrSet(word)
    for (const { first, last } of ranges)
      for (const value of [
        first - 1,
        first,
        first + 1,
        Math.floor((first + last) / 2),
        last,
        last + 1,
      ])
        if (isUsableV4(value)) v4.add(value)
  }
  for (const [word] of text.matchAll(/[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*(\/\d+)?/gi)) {
    const { v6: ranges } = cidrSet(word)
    for (const { first, last } of ranges)
      for (const value of [first - 1n, first, first + 1n, last, last + 1n])
        if (isUsableV6(value)) v6.add(value)
  }
  const ports = new Set<number>([80, 443, 22, 53, 40_000])
  for (const [word] of text.matchAll(/\b\d{1,5}\b/g)) {
    const value = Number(word)
    for (const port of [value - 1, value, value + 1])
      if (port >= 1 && port <= 65_535) ports.add(port)
  }
  return {
    v4: [...v4].slice(0, mostOfEach),
    v6: [...v6].slice(0, mostOfEach),
    ports: [...ports].slice(0, mostOfEach),
    // Not SCTP: the kernel wants a whole association from it.
    protocols: [6, 6, 6, 17, 17, 1, 58, 47, 50, 112, ...more],
  }
}

const cidrSet = (word: string) => {
  const cidr = parseCidr(word) ?? parseCidr(word.split('/')[0]!)
  return cidr === undefined ? { v4: [], v6: [] } : setOfCidr(cidr)
}

/** Addresses that a router forwards from and to: no multicast, loopback, link-local, or "this network". */
const isUsableV4 = (value: number): boolean => {
  const top = Math.floor(value / 2 ** 24)
  const isLinkLocal = Math.floor(value / 2 ** 16) === 0xa9fe
  const isOwn = Math.floor(value / 2 ** 8) === 0xc612ff
  return top >= 1 && top < 224 && top !== 127 && !isLinkLocal && !isOwn
}

const isUsableV6 = (value: bigint): boolean => {
  const top = Number(value >> 112n)
  return value > 0xffffn && top >= 0x0100 && top < 0xfe80 && value < 1n << 128n
}

/** A connection whose ends and ports lie at the edges. */
export const randomConnection = (dice: Dice, pools: Pools): Connection => {
  const pick = <T>(list: readonly T[]): T => list[dice(list.length)]!
  const isV6 = dice(3) === 0
  const address = (): Ip => {
    if (isV6) return formatIpv6(pick(pools.v6))
    const value = pick(pools.v4)
    // Now and then one between the edges.
    const other = (Math.floor(value / 256) * 256 + dice(256)) >>> 0
    return formatIpv4(dice(5) === 0 && isUsableV4(other) ? other : value)
  }
  const wanted = pick(pools.protocols)
  const protocol = wanted === 1 && isV6 ? 58 : wanted === 58 && !isV6 ? 1 : wanted
  const hasPorts = protocol === 6 || protocol === 17 || protocol === 132
  const request = isV6 ? 128 : pick([8, 8, 8, 13])
  return {
    source: address(),
    destination: address(),
    protocol,
    sourcePort: hasPorts
      ? pick([40_000, 40_000, pick(pools.ports)])
      : protocol === 1 || protocol === 58
        ? request
        : 0,
    destinationPort: hasPorts ? pick(pools.ports) : 0,
  }
}
