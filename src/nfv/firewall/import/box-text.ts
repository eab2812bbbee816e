/** Boxes in the words of a rule file. */
import { formatCidr, formatIpv4, formatIpv6 } from '../../../base/addresses.js'
import {
  type AddressSet,
  cidrsV4,
  cidrsV6,
  everyAddress,
  isEveryAddress,
  type Range,
  subtract,
} from '../meaning/address-set.js'
import { icmpRequests } from '../meaning/unjudged-packets.js'
import { icmpTypeWord, protocolWord } from '../text/words.js'
import { type Box, type End, everyPort, everyProtocol, otherRanges } from './box.js'

/** What a list of these would be called if it had a name. */
export type NameMembers = (members: readonly string[]) => string

/** Ranges of IPv4 in as few words as there are: a prefix, or `first-last`. */
const v4Members = (ranges: readonly Range<number>[]): string[] =>
  ranges.flatMap(range => {
    const cidrs = cidrsV4([range])
    return cidrs.length <= 1
      ? cidrs.map(formatCidr)
      : [`${formatIpv4(range.first)}-${formatIpv4(range.last)}`]
  })

const v6Members = (ranges: readonly Range<bigint>[]): string[] =>
  ranges.flatMap(range => {
    const cidrs = cidrsV6([range])
    return cidrs.length <= 1
      ? cidrs.map(formatCidr)
      : [`${formatIpv6(range.first)}-${formatIpv6(range.last)}`]
  })

/** Members of a zone that are these addresses. */
export const members = ({ v4, v6 }: AddressSet): string[] => [...v4Members(v4), ...v6Members(v6)]

const whole = { v4: '0.0.0.0/0', v6: '::/0' } as const

/** The shorter of "these" and "all but those". */
const addressText = (set: AddressSet): { readonly of: string[]; readonly except: string[] } => {
  if (isEveryAddress(set)) return { of: ['any'], except: [] }
  const direct = members(set)
  const versions = (['v4', 'v6'] as const).filter(version => set[version].length > 0)
  const all: AddressSet = {
    v4: set.v4.length > 0 ? everyAddress.v4 : [],
    v6: set.v6.length > 0 ? everyAddress.v6 : [],
  }
  const missing = members(subtract(all, set))
  if (missing.length >= direct.length) return { of: direct, except: [] }
  const of = versions.length === 2 ? ['any'] : versions.map(version => whole[version])
  return { of, except: missing }
}

/** @returns undefined when no list of members means it: several zones at once */
export const endText = ({ addresses, zones }: End, nameOf: NameMembers): string | undefined => {
  const inside = zones.filter(({ isNot }) => !isNot)
  const outside = zones.filter(({ isNot }) => isNot).map(({ zone }) => zone)
  if (inside.length > 1) return undefined
  const [zone] = inside
  const list = (words: readonly string[]) => nameOf(words)
  if (zone !== undefined) {
    const other = members(subtract(everyAddress, addresses))
    const except = [...outside, ...other]
    return except.length === 0 ? zone.zone : `${zone.zone} except ${list(except)}`
  }
  const { of, except } = addressText(addresses)
  const out = [...except, ...outside]
  return out.length === 0 ? list(of) : `${list(of)} except ${list(out)}`
}

/** Port 0 is never on the wire. */
const portsText = (ranges: readonly Range<number>[]): string[] =>
  ranges
    .filter(({ last }) => last > 0)
    .map(({ first, last }) =>
      Math.max(first, 1) === last ? String(last) : `${Math.max(first, 1)}-${last}`,
    )

/** The shorter of "these" and "all but those". */
const shorterPorts = (ranges: readonly Range<number>[]): string[] => {
  const direct = portsText(ranges)
  const others = portsText(otherRanges(ranges, 65_535))
  return others.length > 0 && others.length < direct.length ? ['except', ...others] : direct
}

const isZero = (ranges: readonly Range<number>[]): boolean => ranges.every(({ last }) => last === 0)

const isWhole = (ranges: readonly Range<number>[], all: readonly Range<number>[]): boolean =>
  ranges.length === 1 && ranges[0]!.first === all[0]!.first && ranges[0]!.last === all[0]!.last

export interface Services {
  /** Undefined: nothing of it is left for a rule to say. */
  readonly text: string | undefined
  /** What the words mean more, or less, than the box; for `drop` more, for `allow` less. */
  readonly changed: readonly string[]
}

/**
 * The protocols and ports of a box.
 *
 * @param isOpening the rule lets connections in; what cannot be said is left out of it, and kept out whole otherwise
 */
export const servicesText = (box: Box, isOpening: boolean, nameOf: NameMembers): Services => {
  const { protocols, sourcePorts, destinationPorts } = box
  const anyPorts = isWhole(sourcePorts, everyPort) && isWhole(destinationPorts, everyPort)
  if (isWhole(protocols, everyProtocol) && anyPorts) return { text: 'any', changed: [] }
  const changed: string[] = []
  const words: string[] = []
  for (const { first, last } of protocols)
    for (let protocol = first; protocol <= last; protocol++)
      words.push(...protocolText(box, protocol, anyPorts, isOpening, changed))
  return { text: words.length === 0 ? undefined : nameOf(joined(words)), changed }
}

/** The same ports of TCP and UDP in one word. */
const joined = (words: readonly string[]): string[] => {
  const behind = (word: string, start: string) =>
    word.startsWith(`${start} `) ? word.slice(start.length) : undefined
  const udp = new Set(words.flatMap(word => behind(word, 'udp') ?? []))
  const both = new Set(words.flatMap(word => behind(word, 'tcp') ?? []).filter(p => udp.has(p)))
  return words.flatMap(word => {
    if (both.has(behind(word, 'udp') ?? '')) return []
    const ports = behind(word, 'tcp')
    return ports !== undefined && both.has(ports) ? [`tcp+udp${ports}`] : [word]
  })
}

const portWords: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }
const icmpVersions: Readonly<Record<number, 4 | 6>> = { 1: 4, 58: 6 }

const protocolText = (
  { sourcePorts, destinationPorts }: Box,
  protocol: number,
  anyPorts: boolean,
  isOpening: boolean,
  changed: string[],
): string[] => {
  const version = icmpVersions[protocol]
  if (version !== undefined) return icmpText(version, destinationPorts)
  const word = portWords[protocol]
  const isSeen = word !== undefined && (protocol !== 132 || isOpening)
  if (anyPorts) return [word ?? `proto ${protocolWord(protocol)}`]
  if (!isSeen) {
    changed.push(`ports of protocol ${protocolWord(protocol)}`)
    return isOpening ? [] : [word ?? `proto ${protocolWord(protocol)}`]
  }
  if (isZero(sourcePorts) || isZero(destinationPorts)) return []
  const ports = isWhole(destinationPorts, everyPort) ? [] : shorterPorts(destinationPorts)
  const sources = isWhole(sourcePorts, everyPort) ? [] : ['source', ...portsText(sourcePorts)]
  return [[word, ...ports, ...sources].join(' ')]
}

/** Types that open connections; others pass with the connection that they are about, and alone never. */
const icmpText = (version: 4 | 6, types: readonly Range<number>[]): string[] => {
  const word = version === 4 ? 'icmp' : 'icmp6'
  if (isWhole(types, everyPort)) return [word]
  return [...icmpRequests[version]].flatMap(type => {
    const first = type * 256
    const last = first + 255
    const inside = types.filter(range => range.first <= last && range.last >= first)
    if (inside.some(range => range.first <= first && range.last >= last))
      return [`${word} ${icmpTypeWord(version, type)}`]
    const codes: string[] = []
    for (const range of inside)
      for (let at = Math.max(first, range.first); at <= Math.min(last, range.last); at++)
        codes.push(`${word} ${type}/${at - first}`)
    return codes
  })
}
