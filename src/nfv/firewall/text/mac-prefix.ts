/** `mac 00:1b:21:00:00:00/24` in rules: one MAC, or all that begin with the same bits, such as those of one maker. */
import { formatMac, parseMac } from '../../../base/addresses.js'

export interface MacPrefix {
  /** The MAC as a number; 0 behind the prefix. */
  readonly value: number
  /** 1 to 48. */
  readonly length: number
}

/** How many numbers have these first bits in common. */
const spanOf = (length: number): number => 2 ** (48 - length)

/** Undefined when it is none, or when bits stand behind the prefix. */
export const readMacPrefix = (text: string): MacPrefix | undefined => {
  const [mac = '', bits = '48', rest] = text.split('/')
  const value = parseMac(mac)
  const length = /^[1-9]\d?$/.test(bits) ? Number(bits) : 0
  if (value === undefined || rest !== undefined || length < 1 || length > 48) return undefined
  return value % spanOf(length) === 0 ? { value, length } : undefined
}

/** @param mac as a number */
export const hasPrefix = (mac: number, { value, length }: MacPrefix): boolean =>
  mac >= value && mac < value + spanOf(length)

/** `00:1b:21:00:00:00/24` */
export const formatMacPrefix = ({ value, length }: MacPrefix): string =>
  length === 48 ? formatMac(value) : `${formatMac(value)}/${length}`
