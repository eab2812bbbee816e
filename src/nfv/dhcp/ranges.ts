/** Ranges of addresses and times of leases, as people write them. */
import { parseIpv4 } from '../../base/addresses.js'

export interface Range {
  readonly first: number
  readonly last: number
}

/** `10.1.0.100-10.1.0.199`, or one address. */
export const parseRange = (text: string): Range | undefined => {
  const [from = '', to = from, rest] = text.split('-').map(part => part.trim())
  const [first, last] = [parseIpv4(from), parseIpv4(to)]
  if (first === undefined || last === undefined || rest !== undefined || last < first)
    return undefined
  return { first, last }
}

export const isInRange = ({ first, last }: Range, address: number): boolean =>
  address >= first && address <= last

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Seconds of `30m`, `12h`, `7d`; undefined below a minute and above a year. */
export const parseLease = (text: string): number | undefined => {
  const found = /^(\d{1,8})([smhd])$/.exec(text)
  if (found === null) return undefined
  const time = Number(found[1]) * seconds[found[2]!]!
  return time >= 60 && time <= 365 * 86_400 ? time : undefined
}

/** As a person would write it: `11h 58m`, `45s`. */
export const formatTime = (time: number): string => {
  const parts: string[] = []
  let left = Math.max(0, Math.round(time))
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) parts.push(`${count}${unit}`)
    if (parts.length === 2) break
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}
