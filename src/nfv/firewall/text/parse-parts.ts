/** The parts that statements are made of: addresses and zones, services, ports, rates, times. */
import { ipv4Mask, parseCidr, parseIpv4, parseIpv6 } from '../../../base/addresses.js'
import { everyPort, subtractPorts } from '../meaning/ports.js'
import { didYouMean } from './complaint.js'
import { maxNameLength } from './limits.js'
import type { LineReader, Token } from './line-reader.js'
import { readMacPrefix } from './mac-prefix.js'
import {
  type Cap,
  type Day,
  days,
  helpers,
  type Limit,
  type LogWish,
  type Member,
  maxAdmissionsPerSecond,
  maxCap,
  memberKinds,
  type PortRange,
  perSecond,
  type Rate,
  type Schedule,
  type Selection,
  type ServiceMember,
  type Transport,
  transports,
} from './rule.js'
import { parseSpan, parseUntil } from './times.js'
import { icmp6Types, icmpTypes, ipProtocols, reserved } from './words.js'

const namePattern = /^[A-Za-z_][\w.-]*$/
const memberHint =
  'write an address, a CIDR, a range, "host NAME", "network NAME", "vlan NUMBER", "port SWITCH:NUMBER", "mac PREFIX", a zone or "any"'
const serviceHint =
  'write for example "tcp 443", "udp 53", "icmp echo-request", "proto gre", a service or "any"'

/** A name that a zone, service or rule may have. */
export const takeName = (reader: LineReader, what: string): string => {
  const token = reader.word(`the name of the ${what}`, `write the name of the ${what}`)
  checkName(reader, token.text, what, token)
  return token.text
}

export const checkName = (reader: LineReader, name: string, what: string, token: Token): void => {
  if (reserved.has(name))
    reader.fail(`"${name}" is a word of the language`, `choose another name for the ${what}`, token)
  if (!namePattern.test(name))
    reader.fail(
      `"${name}" cannot be the name of a ${what}`,
      'a name begins with a letter; letters, digits, "_", "-" and "." follow',
      token,
    )
  if (name.length > maxNameLength)
    reader.fail(
      `the name of the ${what} is longer than ${maxNameLength} characters`,
      'choose a shorter one',
      token,
    )
}

export const takeSelection = (reader: LineReader): Selection => {
  const of = takeList(reader, takeMember)
  const except = reader.skip('except') ? takeList(reader, takeMember) : []
  return { of, except }
}

const takeList = <T>(reader: LineReader, takeOne: (reader: LineReader) => T): T[] => {
  const list = [takeOne(reader)]
  while (reader.skipComma()) list.push(takeOne(reader))
  return list
}

export const takeMember = (reader: LineReader): Member => {
  const token = reader.word('an address or zone', memberHint)
  const word = token.text
  if (word === 'any') return { kind: 'any' }
  const kind = memberKinds.find(each => each === word)
  if (kind !== undefined) {
    const what = kind === 'vlan' ? 'number' : kind === 'mac' ? 'bits' : 'name'
    const name = reader.word(`the ${what} of the ${kind}`, memberHint)
    if (kind === 'port' && !/^[^:]+:(\w+|\*)$/.test(name.text))
      reader.fail(`"${name.text}" is no port`, 'write the switch and its port: port s2:4', name)
    if (kind === 'vlan' && !(/^[1-9]\d{0,3}$/.test(name.text) && Number(name.text) <= 4094))
      reader.fail(`"${name.text}" is no VLAN`, 'a VLAN is a number from 1 to 4094: vlan 100', name)
    if (kind === 'mac' && readMacPrefix(name.text) === undefined)
      reader.fail(
        `"${name.text}" is no MAC, nor the beginning of one`,
        'write mac 00:1b:21:0a:0b:0c, or for all that begin so: mac 00:1b:21:00:00:00/24',
        name,
      )
    return { kind, name: name.text, at: name.at }
  }
  if (reserved.has(word)) reader.fail(`"${word}" is no address or zone`, memberHint, token)
  return readAddress(word) ?? readZone(reader, token)
}

const readZone = (reader: LineReader, token: Token): Member => {
  const word = token.text
  if (namePattern.test(word)) return { kind: 'zone', name: word, at: token.at }
  return reader.fail(`"${word}" is no address`, addressHint(word), token)
}

/** An address, CIDR or range; undefined when the word is none, or says more than it means. */
const readAddress = (word: string): Member | undefined => {
  const quick = readIpv4Cidr(word)
  if (quick !== undefined) return { kind: 'cidr', cidr: quick }
  if (word.length > longestAddress) return undefined
  if (!/^[0-9a-fA-F:./-]+$/.test(word) || !/[.:]/.test(word)) return undefined
  const dash = word.indexOf('-')
  if (dash > 0) return readRange(word.slice(0, dash), word.slice(dash + 1))
  const cidr = parseCidr(word)
  if (cidr === undefined) return undefined
  const host = word.split('/')[0]!
  const address = cidr.version === 4 ? parseIpv4(host) : parseIpv6(host)
  return address === cidr.address ? { kind: 'cidr', cidr } : undefined
}

/** Of two IPv6 addresses with IPv4 ends, and a dash. */
const longestAddress = 91

const readRange = (first: string, last: string): Member | undefined => {
  const [a, b] = [parseIpv4(first), parseIpv4(last)]
  if (a !== undefined && b !== undefined)
    return a <= b ? { kind: 'range', version: 4, first: a, last: b } : undefined
  const [c, d] = [parseIpv6(first), parseIpv6(last)]
  if (c === undefined || d === undefined || c > d) return undefined
  return { kind: 'range', version: 6, first: c, last: d }
}

const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/

/** The commonest form, read without help; undefined also when bits stand behind the prefix. */
const readIpv4Cidr = (word: string) => {
  const found = dotted.exec(word)
  if (found === null) return undefined
  let address = 0
  for (let part = 1; part <= 4; part++) {
    const octet = Number(found[part])
    if (octet > 255 || (found[part]!.length > 1 && found[part]![0] === '0')) return undefined
    address = address * 256 + octet
  }
  const length = found[5] === undefined ? 32 : Number(found[5])
  if (length > 32 || (address & ~ipv4Mask(length)) !== 0) return undefined
  return { version: 4 as const, address, length }
}

const addressHint = (word: string): string => {
  const cidr = parseCidr(word)
  if (cidr !== undefined && word.includes('/')) {
    const [host, length] = word.split('/')
    return `bits stand behind the prefix: write ${host} for the one address, or clear what follows the first ${length} bits`
  }
  if (word.includes('-')) return 'a range is two addresses of one kind, the lower one first'
  if (/\/\d+$/.test(word)) return 'the prefix length goes to 32 for IPv4 and to 128 for IPv6'
  return memberHint
}

export const takeServices = (reader: LineReader): ServiceMember[] => {
  const list: ServiceMember[] = takeTogether(reader)
  let together = list.length
  while (reader.skipComma()) {
    const before = list.at(-1)!
    // `tcp 80, 443`: a bare number after a comma is one more port of the same protocols.
    if (before.kind === 'ports' && hasPorts(before) && isPortNext(reader)) {
      const { transport: _, ...more } = takeMorePorts(reader, before)
      for (let at = list.length - together; at < list.length; at++)
        list[at] = { ...(list[at] as PortsMember), ...more }
      continue
    }
    const token = reader.peek()
    const next = takeTogether(reader)
    const [first] = next
    if (first !== undefined && readsTwice(before, first)) failBare(reader, before, first, token)
    together = next.length
    list.push(...next)
  }
  return list
}

type PortsMember = ServiceMember & { readonly kind: 'ports' }

/** Whether the second's ports would seem to be the first's as well: `tcp, udp 53`. */
export const readsTwice = (before: ServiceMember, next: ServiceMember): next is PortsMember =>
  isBare(before) && next.kind === 'ports' && hasPorts(next) && next.transport !== before.transport

const hasPorts = ({ ports, exceptPorts }: PortsMember): boolean =>
  ports.length > 0 || exceptPorts !== undefined

/** A protocol without ports, which is all of it. */
export const isBare = (member: ServiceMember): member is PortsMember =>
  member.kind === 'ports' && !hasPorts(member) && member.sourcePorts.length === 0

/** `tcp, udp 53` reads as one port for both in other languages, and is all of TCP here. */
const failBare = (
  reader: LineReader,
  before: ServiceMember,
  next: PortsMember,
  token: Token | undefined,
): never => {
  const [one, other] = [(before as PortsMember).transport, next.transport]
  const words = (ranges: readonly PortRange[]) =>
    ranges.map(({ from, to }) => (from === to ? from : `${from}-${to}`))
  const { exceptPorts } = next
  const ports = [
    ...words(next.ports),
    ...(exceptPorts ? ['except', ...words(exceptPorts)] : []),
  ].join(' ')
  return reader.fail(
    `"${one}, ${other} ${ports}" would be all of ${one.toUpperCase()}, and ${other} ${ports}`,
    `write "${one}+${other} ${ports}" for these ports of both, or "${other} ${ports}, ${one}" for all of ${one.toUpperCase()}`,
    token,
  )
}

/** `tcp+udp 53`: the same ports of several protocols; or one service. */
const takeTogether = (reader: LineReader): ServiceMember[] => {
  const token = reader.peek()
  const words = token?.kind === 'word' ? token.text.split('+') : []
  if (words.length < 2) return [takeService(reader)]
  reader.word('a service', serviceHint)
  const wrong = words.find(
    (word, at) => !Object.hasOwn(transports, word) || words.indexOf(word) !== at,
  )
  if (wrong !== undefined)
    reader.fail(
      `"${token!.text}" are no protocols with the same ports`,
      'write for example tcp+udp 53',
      token,
    )
  const ports = takePortsExcept(reader)
  return words.map(word => ({ kind: 'ports', transport: word as Transport, ...ports }))
}

type Ports = Extract<ServiceMember, { kind: 'ports' }>

const isPortNext = (reader: LineReader): boolean => /^\d/.test(reader.peek()?.text ?? '')

/** All that follow one after the other: adding each to a copy of those before would take ever longer. */
const takeMorePorts = (reader: LineReader, before: Ports): Ports => {
  const ports = [...before.ports]
  const sourcePorts = [...before.sourcePorts]
  let exceptPorts = before.exceptPorts && [...before.exceptPorts]
  let member = before
  do {
    // Behind "except" the list goes on with exceptions.
    for (const range of takePorts(reader)) (exceptPorts ?? ports).push(range)
    const others = takeExceptions(reader)
    if (others) exceptPorts = [...(exceptPorts ?? []), ...others]
    for (const range of takeSourcePorts(reader)) sourcePorts.push(range)
    const except = exceptPorts && { exceptPorts }
    member = withHelper(reader, { ...member, ports, sourcePorts, ...except })
  } while (
    reader.peek()?.kind === 'comma' &&
    /^\d/.test(reader.peek(1)?.text ?? '') &&
    reader.skipComma()
  )
  // Once for all: there may be thousands of them.
  return leavingSome(reader, member)
}

export const takeService = (reader: LineReader): ServiceMember => {
  const token = reader.word('a service', serviceHint)
  const word = token.text
  if (word === 'any') return { kind: 'any' }
  if (Object.hasOwn(transports, word)) {
    const transport = word as Transport
    return withHelper(reader, { kind: 'ports', transport, ...takePortsExcept(reader) })
  }
  if (word === 'icmp' || word === 'icmp6') return takeIcmp(reader, word === 'icmp' ? 4 : 6)
  if (word === 'proto') return takeProtocol(reader)
  if (/^\d/.test(word))
    reader.fail(`"${word}" is no service`, `name the protocol: tcp ${word}`, token)
  if (reserved.has(word)) reader.fail(`a service is expected before "${word}"`, serviceHint, token)
  if (!namePattern.test(word)) reader.fail(`"${word}" is no service`, serviceHint, token)
  return { kind: 'service', name: word, at: token.at }
}

/** `tcp 21 helper ftp` */
const withHelper = (reader: LineReader, member: Ports): Ports => {
  if (!reader.skip('helper')) return member
  const token = reader.word('the helper', 'write: tcp 21 helper ftp')
  const helper = helpers.find(name => name === token.text)
  if (helper === undefined)
    reader.fail(
      `there is no helper "${token.text}"`,
      didYouMean(token.text, helpers, `the helpers are ${helpers.join(', ')}`),
      token,
    )
  const isRead = ({ from, to }: PortRange) => from === ftpPort && to === ftpPort
  const isPlain = member.transport === 'tcp' && member.exceptPorts === undefined
  if (!isPlain || member.ports.length === 0 || !member.ports.every(isRead))
    reader.fail(
      `the helper ${helper} reads connections to TCP port ${ftpPort} only`,
      `write: tcp ${ftpPort} helper ${helper}; for a server at another port, fix its passive ports and allow them`,
      token,
    )
  return { ...member, helper }
}

/** Open vSwitch reads connections to no other. */
const ftpPort = 21

/** Ports and ranges of them, as many as there are. */
export const takePorts = (reader: LineReader): PortRange[] => {
  const ports: PortRange[] = []
  while (/^\d/.test(reader.peek()?.text ?? '') && reader.peek()?.kind === 'word') {
    const token = reader.word('a port', '')
    const [first, last = first, rest] = token.text.split('-')
    const range = { from: Number(first), to: Number(last) }
    const isWhole = /^\d+$/.test(first!) && /^\d+$/.test(last!) && rest === undefined
    if (!isWhole || range.to > 65535)
      reader.fail(
        `"${token.text}" is no port`,
        'ports go from 1 to 65535; a range is 8000-8099',
        token,
      )
    if (/^0\d/.test(first!) || /^0\d/.test(last!))
      reader.fail(
        `"${token.text}" begins with a zero`,
        `write ${token.text.replace(/(^|-)0+(?=\d)/g, '$1')}`,
        token,
      )
    if (range.to === 0)
      reader.fail('port 0 is never on the wire', 'ports go from 1 to 65535', token)
    if (range.from > range.to)
      reader.fail(`the range ${token.text} is empty`, `write ${last}-${first}`, token)
    ports.push(range)
  }
  return ports
}

/** `[PORTS] [except PORTS] [source PORTS]` */
const takePortsExcept = (reader: LineReader) => {
  const ports = takePorts(reader)
  const exceptPorts = takeExceptions(reader)
  const sourcePorts = takeSourcePorts(reader)
  return leavingSome(reader, { ports, sourcePorts, ...(exceptPorts && { exceptPorts }) })
}

/** Ports behind `except`, if it stands here. */
const takeExceptions = (reader: LineReader): PortRange[] | undefined => {
  if (!reader.skip('except')) return undefined
  const ports = takePorts(reader)
  if (ports.length === 0)
    reader.fail('the ports behind "except" are missing', 'write for example: tcp except 22 25')
  return ports
}

/** The ports, unless nothing is left of them. */
const leavingSome = <P extends Pick<Ports, 'ports' | 'exceptPorts'>>(
  reader: LineReader,
  member: P,
): P => {
  const { ports, exceptPorts } = member
  if (
    exceptPorts &&
    subtractPorts(ports.length === 0 ? everyPort : ports, exceptPorts).length === 0
  )
    reader.fail(
      'no port is left behind "except"',
      'write other ports, or leave it away',
      reader.last,
    )
  return member
}

const takeSourcePorts = (reader: LineReader): PortRange[] => {
  if (!reader.skip('source')) return []
  const ports = takePorts(reader)
  if (ports.length === 0)
    reader.fail('the source port is missing', 'write for example: source 1024-65535')
  return ports
}

const takeIcmp = (reader: LineReader, version: 4 | 6): ServiceMember => {
  const words = version === 4 ? icmpTypes : icmp6Types
  const token = reader.peek()
  if (token?.kind !== 'word' || reserved.has(token.text) || token.text === 'at')
    return { kind: 'icmp', version }
  reader.word('a type', '')
  const [typeText = '', codeText] = token.text.split('/')
  const type = wordOf(words, typeText) ?? takeOctet(typeText)
  const code = codeText === undefined ? undefined : takeOctet(codeText)
  if (type === undefined || (codeText !== undefined && code === undefined))
    reader.fail(
      `"${token.text}" is no ${version === 4 ? 'ICMP' : 'ICMPv6'} type`,
      didYouMean(
        typeText,
        Object.keys(words),
        'write a type or type/code by number, or a name such as echo-request',
      ),
      token,
    )
  return { kind: 'icmp', version, type, ...(code === undefined ? {} : { code }) }
}

/** Of a table's own words: "constructor" is none of them. */
const wordOf = <T>(table: Readonly<Record<string, T>>, word: string): T | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined

const takeOctet = (text: string): number | undefined =>
  /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined

const takeProtocol = (reader: LineReader): ServiceMember => {
  const token = reader.word('the protocol', 'write its number or name: proto gre')
  const number = wordOf(ipProtocols, token.text) ?? takeOctet(token.text)
  if (number === undefined)
    reader.fail(
      `"${token.text}" is no IP protocol`,
      didYouMean(token.text, Object.keys(ipProtocols), 'write its number, 0 to 255'),
      token,
    )
  return { kind: 'protocol', number }
}

const periods: Readonly<Record<string, Rate['per']>> = {
  s: 'second',
  second: 'second',
  m: 'minute',
  minute: 'minute',
  h: 'hour',
  hour: 'hour',
}

const isRate = (text: string): boolean => /^\d+\//.test(text)

const takeRate = (reader: LineReader): Rate => {
  const token = reader.word('a rate', 'write for example 10/s, 100/minute or 5/hour')
  const [count = '', period = ''] = token.text.split('/')
  const per = wordOf(periods, period)
  if (!/^[1-9]\d{0,6}$/.test(count) || per === undefined)
    reader.fail(`"${token.text}" is no rate`, 'write for example 10/s, 100/minute or 5/hour', token)
  return { count: Number(count), per }
}

/** After `log`: `[new] [RATE] ["text"]`. */
export const takeLog = (reader: LineReader): LogWish => {
  if (reader.isWord('all', 'sample'))
    reader.fail(
      `"log ${reader.peek()!.text}" is not offered`,
      'each connection is logged once, when it is judged: write "log" or "log new 10/s"',
    )
  reader.skip('new')
  const rate = isRate(reader.peek()?.text ?? '') ? takeRate(reader) : undefined
  const text =
    reader.peek()?.kind === 'string' ? reader.take('string', 'a text', '').text : undefined
  return { ...(rate && { rate }), ...(text !== undefined && { text }) }
}

/** After `limit`: `RATE [per source]`. */
export const takeLimit = (reader: LineReader): Limit => {
  const token = reader.peek()
  const rate = takeRate(reader)
  if (perSecond(rate) > maxAdmissionsPerSecond)
    reader.fail(
      `no more than ${maxAdmissionsPerSecond} connections a second can be counted`,
      'write a lower rate, or leave the limit away',
      token,
    )
  return { rate, isPerSource: takePerSource(reader, 'limit 10/minute per source') }
}

const takePerSource = (reader: LineReader, example: string): boolean => {
  if (!reader.skip('per')) return false
  if (!reader.skip('source')) reader.fail('"per" is followed by "source"', `write: ${example}`)
  return true
}

const capHint = 'write for example: max 100 connections, or: max 5 half-open per source'

/** After `max`: `COUNT connections|half-open [per source]`. @param others caps that the rule has already */
export const takeCap = (reader: LineReader, others: readonly Cap[]): Cap => {
  const first = reader.last
  const token = reader.word('how many', capHint)
  const count = /^[1-9]\d{0,5}$/.test(token.text) ? Number(token.text) : 0
  if (count === 0 || count > maxCap)
    reader.fail(`"${token.text}" is no count`, `write a number from 1 to ${maxCap}`, token)
  const kind = reader.word('what is counted', capHint)
  const of = (['connections', 'half-open'] as const).find(word => word === kind.text)
  if (of === undefined)
    reader.fail(
      `"${kind.text}" cannot be counted`,
      didYouMean(kind.text, ['connections', 'half-open'], capHint),
      kind,
    )
  const isPerSource = takePerSource(reader, 'max 5 connections per source')
  if (others.some(other => other.of === of && other.isPerSource === isPerSource))
    reader.fail('the same is counted twice', 'keep the lower number', first)
  return { count, of, isPerSource }
}

const untilHint = 'write a day, 2027-01-31 (to its end, UTC), or a time, 2027-01-31T18:00Z'

/** After `until`: milliseconds since 1970. */
/** `8h`: seconds. */
export const takeSpan = (reader: LineReader): number => {
  const token = reader.word('a time', spanHint)
  return parseSpan(token.text) ?? reader.fail(`"${token.text}" is no time`, spanHint, token)
}

const spanHint = 'write for example 30s, 20m, 8h or 7d; a second at least and 49 days at most'

export const takeUntil = (reader: LineReader): number => {
  const token = reader.word('a date', untilHint)
  return parseUntil(token.text) ?? reader.fail(`"${token.text}" is no date`, untilHint, token)
}

const scheduleHint = 'write for example: schedule mon-fri 08:00-18:00 Europe/Berlin'

/** After `schedule`: `DAYS HH:MM-HH:MM [TIME-ZONE]`. */
export const takeSchedule = (reader: LineReader): Schedule => {
  const dayToken = reader.word('the days', scheduleHint)
  const list = readDays(dayToken.text)
  if (list === undefined) reader.fail(`"${dayToken.text}" names no days`, scheduleHint, dayToken)
  const times = reader.word('the time of day', scheduleHint)
  const found = /^(\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(times.text)
  const [from, to] = found
    ? [minutes(found[1]!, found[2]!), minutes(found[3]!, found[4]!)]
    : [undefined, undefined]
  if (from === undefined || to === undefined || from === to)
    reader.fail(`"${times.text}" is no time of day`, scheduleHint, times)
  return { days: list, from, to, timeZone: takeTimeZone(reader) ?? 'UTC' }
}

/** An IANA name, if there is one. */
export const takeTimeZone = (reader: LineReader): string | undefined => {
  const zone = reader.peek()
  if (zone?.kind !== 'word' || !/^(UTC|[A-Z][A-Za-z_]+\/[\w/+-]+)$/.test(zone.text))
    return undefined
  reader.word('a time zone', '')
  if (!isTimeZone(zone.text))
    reader.fail(`"${zone.text}" is no time zone`, 'use an IANA name such as Europe/Berlin', zone)
  return zone.text
}

const minutes = (hours: string, mins: string): number | undefined => {
  const sum = Number(hours) * 60 + Number(mins)
  return Number(mins) < 60 && sum <= 24 * 60 ? sum : undefined
}

const readDays = (text: string): Day[] | undefined => {
  if (text === 'daily') return [...days]
  const [first, last = first] = text.split('-')
  const [a, b] = [days.indexOf(first as Day), days.indexOf(last as Day)]
  if (a < 0 || b < 0) return undefined
  return a <= b ? days.slice(a, b + 1) : [...days.slice(a), ...days.slice(0, b + 1)]
}

/** Those that are: asking takes a while, and thousands of rules name the same one. */
const timeZones = new Set<string>()

const isTimeZone = (name: string): boolean => {
  if (timeZones.has(name)) return true
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    timeZones.add(name)
    return true
  } catch {
    // The only error here is the RangeError for an unknown name.
    return false
  }
}
