/**
 * `nat ...`: which addresses are translated, and to what.
 *
 *     nat masquerade [from MEMBERS] [to MEMBERS] out NETWORK [ports FIRST-LAST]
 *     nat source ADDRESS[-ADDRESS] [from MEMBERS] [to MEMBERS] out NETWORK [ports FIRST-LAST]
 *     nat forward SERVICES [from MEMBERS] at ADDRESS to TARGET
 *     nat one-to-one ADDRESS TARGET
 *     nat none [from MEMBERS] [to MEMBERS] [out NETWORK]
 *     nat none SERVICES [from MEMBERS] at ADDRESS
 *
 * TARGET is an address, `ADDRESS:PORT`, `[ADDRESS]:PORT`, `host NAME` or `host NAME:PORT`.
 */
import { parseIpv4, parseIpv6 } from '../../../base/addresses.js'
import { didYouMean } from '../text/complaint.js'
import type { LineReader } from '../text/line-reader.js'
import { takeMember, takePorts, takeSelection, takeServices } from '../text/parse-parts.js'
import {
  type AddressRange,
  any,
  type Nat,
  type NatTarget,
  natActions,
  type PortRange,
  type ServiceMember,
} from '../text/rule.js'

const actionHint = `behind "nat" comes ${natActions.join(', ')}`

export const takeNat = (reader: LineReader): Nat => {
  const token = reader.word('what is done', actionHint)
  const action = natActions.find(each => each === token.text)
  if (action === undefined)
    return reader.fail(
      `"${token.text}" is no translation`,
      didYouMean(token.text, natActions, actionHint),
      token,
    )
  switch (action) {
    case 'masquerade':
      return { kind: 'nat', action, ...takeSource(reader, true) }
    case 'source': {
      const at = takeAddresses(reader)
      return { kind: 'nat', action, at, ...takeSource(reader, true) }
    }
    case 'forward':
      return takeForward(reader)
    case 'one-to-one': {
      const at = takeAddress(reader)
      const target = takeNatTarget(reader)
      if (target.port !== undefined)
        reader.fail(
          'one address stands for another, with all its ports',
          'write: nat forward SERVICES at ADDRESS to ADDRESS:PORT',
          reader.last,
        )
      return { kind: 'nat', action, from: any, to: any, at, target }
    }
    case 'none':
      return takeNone(reader)
  }
}

const outHint = 'write the network by which they leave: out NETWORK'

const takeSource = (
  reader: LineReader,
  needsOut: boolean,
): Pick<Nat, 'from' | 'to' | 'out' | 'ports'> => {
  const from = reader.skip('from') ? takeSelection(reader) : any
  const to = reader.skip('to') ? takeSelection(reader) : any
  const out = takeOut(reader, needsOut)
  const ports = reader.skip('ports') ? takeNatPorts(reader) : undefined
  return { from, to, ...(out && { out }), ...(ports && { ports }) }
}

const takeOut = (reader: LineReader, isNeeded: boolean): Nat['out'] => {
  if (!reader.skip('out')) {
    if (isNeeded) reader.fail('"out" is expected here', outHint)
    return undefined
  }
  const token = reader.word('the network', outHint)
  return { name: token.text, at: token.at }
}

const portsHint = 'write the first and the last of them: ports 40000-60999'

/** `40000-60999` */
export const takeNatPorts = (reader: LineReader): PortRange => {
  const token = reader.peek()
  const [range, ...others] = takePorts(reader)
  if (range === undefined || others.length > 0)
    return reader.fail('one range of ports is expected here', portsHint, token)
  if (range.from < 1_024)
    return reader.fail('ports below 1024 are those of servers', portsHint, token)
  return range
}

const takeForward = (reader: LineReader): Nat => {
  const services = takeServices(reader)
  const from = reader.skip('from') ? takeSelection(reader) : any
  takeWord(reader, 'at', 'write the address that is published: at ADDRESS')
  const at = takeAddress(reader)
  takeWord(reader, 'to', 'write where it leads: to ADDRESS, or to ADDRESS:PORT')
  const target = takeNatTarget(reader)
  if (target.port !== undefined && !isOnePort(services))
    reader.fail(
      'several ports keep their numbers',
      'leave the port of the target out, or publish one port a statement',
      reader.last,
    )
  return { kind: 'nat', action: 'forward', services, from, to: any, at, target }
}

/** Of each protocol one port. */
const isOnePort = (services: readonly ServiceMember[]): boolean =>
  services.every(
    each =>
      each.kind === 'ports' &&
      each.ports.length === 1 &&
      each.ports[0]!.from === each.ports[0]!.to &&
      each.exceptPorts === undefined,
  )

const sourceWords = ['from', 'to', 'out']

const takeNone = (reader: LineReader): Nat => {
  const next = reader.peek()
  if (next === undefined || sourceWords.includes(next.text)) {
    const { from, to, out } = takeSource(reader, false)
    return { kind: 'nat', action: 'none', from, to, ...(out && { out }) }
  }
  const services = takeServices(reader)
  const from = reader.skip('from') ? takeSelection(reader) : any
  takeWord(reader, 'at', 'write the address: nat none SERVICES at ADDRESS')
  return { kind: 'nat', action: 'none', services, from, to: any, at: takeAddress(reader) }
}

const takeWord = (reader: LineReader, word: string, hint: string): void => {
  if (!reader.skip(word)) reader.fail(`"${word}" is expected here`, hint)
}

const addressHint = 'write one address, such as 203.0.113.10 or 2001:db8::10'

const addressOf = (text: string): AddressRange | undefined => {
  const v4 = parseIpv4(text)
  if (v4 !== undefined) return { version: 4, first: v4, last: v4 }
  const v6 = parseIpv6(text)
  return v6 === undefined ? undefined : { version: 6, first: v6, last: v6 }
}

/** One address. */
export const takeAddress = (reader: LineReader): AddressRange => {
  const token = reader.word('an address', addressHint)
  return addressOf(token.text) ?? reader.fail(`"${token.text}" is no address`, addressHint, token)
}

const mostAddresses = 256

/** One, or the first and the last of several: `198.51.100.7-198.51.100.10`. */
export const takeAddresses = (reader: LineReader): AddressRange => {
  const token = reader.word('an address', addressHint)
  const [first, last = first, rest] = token.text.split('-')
  const [a, b] = [addressOf(first ?? ''), addressOf(last ?? '')]
  if (a === undefined || b === undefined || rest !== undefined || a.version !== b.version)
    return reader.fail(`"${token.text}" is no address`, addressHint, token)
  if (a.first > b.first || BigInt(b.first) - BigInt(a.first) >= mostAddresses)
    return reader.fail(
      `"${token.text}" is no pool of addresses`,
      `write the lower one first; a pool has ${mostAddresses} addresses at most`,
      token,
    )
  return { ...a, last: b.last }
}

const targetHint = 'write an address, ADDRESS:PORT, [ADDRESS]:PORT, or "host NAME"'

/** Where published connections go. */
export const takeNatTarget = (reader: LineReader): NatTarget => {
  const token = reader.peek()
  if (token?.text !== 'host') {
    const { text } = reader.word('where it leads', targetHint)
    const found = /^\[([^\]]+)\]:(\d+)$/.exec(text) ?? /^(\d[^:]*):(\d+)$/.exec(text)
    const address = addressOf(found?.[1] ?? text)
    if (address === undefined) return reader.fail(`"${text}" is no address`, targetHint, token)
    const { version, first } = address
    const length = version === 4 ? 32 : 128
    const member = { kind: 'cidr', cidr: { version, address: first, length } } as const
    return { member, ...portOf(reader, found?.[2]) }
  }
  const member = takeMember(reader)
  if (member.kind !== 'host') return reader.fail('a host is expected here', targetHint, token)
  const found = /^(.+):(\d+)$/.exec(member.name)
  // A MAC ends in two digits as well.
  if (found === null || /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(member.name)) return { member }
  return { member: { ...member, name: found[1]! }, ...portOf(reader, found[2]) }
}

const portOf = (reader: LineReader, text: string | undefined): { readonly port?: number } => {
  if (text === undefined) return {}
  const port = Number(text)
  if (port < 1 || port > 65_535)
    reader.fail(`"${text}" is no port`, 'ports go from 1 to 65535', reader.last)
  return { port }
}
