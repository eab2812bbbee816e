/** Statements of address translation as text. */
import { formatIpv4, formatIpv6 } from '../../../base/addresses.js'
import {
  type AddressRange,
  isAny,
  type Member,
  type Nat,
  type NatTarget,
  type Selection,
  type ServiceMember,
} from '../text/rule.js'

/** How parts that rules have as well are written: `format.ts`, which writes whole statements, brings them. */
export interface Parts {
  readonly selection: (selection: Selection) => string
  readonly services: (services: readonly ServiceMember[]) => string
  readonly member: (member: Member) => string
}

export const formatNat = (nat: Nat, parts: Parts): string => {
  const side = (word: string, end: Selection): string =>
    isBareAny(end) ? '' : ` ${word} ${parts.selection(end)}`
  const source = ({ from, to, out, ports }: Nat): string =>
    `${side('from', from)}${side('to', to)}${out ? ` out ${out.name}` : ''}${ports ? ` ports ${ports.from}-${ports.to}` : ''}`
  const at = nat.at && formatAddresses(nat.at)
  const services = nat.services && parts.services(nat.services)
  switch (nat.action) {
    case 'masquerade':
      return `nat masquerade${source(nat)}`
    case 'source':
      return `nat source ${at}${source(nat)}`
    case 'forward':
      return `nat forward ${services}${side('from', nat.from)} at ${at} to ${formatTarget(nat.target!, parts)}`
    case 'one-to-one':
      return `nat one-to-one ${at} ${formatTarget(nat.target!, parts)}`
    case 'none':
      return services === undefined
        ? `nat none${source(nat)}`
        : `nat none ${services}${side('from', nat.from)} at ${at}`
  }
}

const isBareAny = (end: Selection): boolean => isAny(end) && end.of.length === 1

export const formatAddresses = ({ version, first, last }: AddressRange): string => {
  const one = (value: number | bigint) =>
    version === 4 ? formatIpv4(Number(value)) : formatIpv6(BigInt(value))
  return first === last ? one(first) : `${one(first)}-${one(last)}`
}

export const formatTarget = ({ member, port }: NatTarget, parts: Pick<Parts, 'member'>): string => {
  const text = parts.member(member).replace(/\/(32|128)$/, '')
  if (port === undefined) return text
  return member.kind !== 'host' && text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`
}
