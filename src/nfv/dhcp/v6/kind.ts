/** What people say of DHCP for IPv6 in a Network, as JSON Schema and what that cannot say. */
import Type, { type Static } from 'typebox'
import { parseIpv6, parseMac } from '../../../base/addresses.js'
import type { Complaint, KindMember } from '../../../base/kind.js'
import { labelsOf } from '../options.js'
import { parseLease } from '../ranges.js'

const strict = { additionalProperties: false }
const address = Type.String({ maxLength: 39 })

const reservation = Type.Object(
  {
    mac: Type.Optional(Type.String({ maxLength: 17 })),
    duid: Type.Optional(
      Type.String({
        maxLength: 260,
        pattern: '^([0-9a-fA-F]{2})+$',
        description: 'in hexadecimal digits',
      }),
    ),
    host: Type.Optional(Type.String({ maxLength: 63, description: 'a Host by name' })),
    address,
  },
  strict,
)

export const dhcp6Spec = Type.Object(
  {
    range: Type.Optional(
      Type.String({
        maxLength: 79,
        description:
          'FIRST-LAST, such as fd00:1::1000-fd00:1::1fff; absent: only what is told besides addresses',
      }),
    ),
    lease: Type.Optional(Type.String({ maxLength: 12, description: 'such as 12h; absent: 12h' })),
    dns: Type.Optional(
      Type.Array(address, {
        minItems: 1,
        maxItems: 8,
        description: 'name servers; absent: ours, where the network has dns',
      }),
    ),
    search: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { minItems: 1, maxItems: 16 }),
    ),
    reservations: Type.Optional(Type.Array(reservation, { maxItems: 10_000 })),
    perPort: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
  },
  { ...strict, description: 'addresses of IPv6 are handed out, or what hosts are told besides' },
)
export type Dhcp6Spec = Static<typeof dhcp6Spec>

export const mostAddresses6 = 65_536

export const parseRange6 = (text: string): { first: bigint; last: bigint } | undefined => {
  const [from = '', to = '', rest] = text.split('-').map(part => part.trim())
  const [first, last] = [parseIpv6(from), parseIpv6(to)]
  return first === undefined || last === undefined || rest !== undefined || last < first
    ? undefined
    : { first, last }
}

const checkDhcp6 = (spec: Dhcp6Spec): Complaint[] => {
  const complaints: Complaint[] = []
  const say = (path: readonly string[], message: string) => void complaints.push({ path, message })
  const range = spec.range === undefined ? undefined : parseRange6(spec.range)
  if (spec.range !== undefined && range === undefined)
    say(['range'], 'takes FIRST-LAST, such as fd00:1::1000-fd00:1::1fff')
  if (range && range.last - range.first >= BigInt(mostAddresses6))
    say(['range'], `has more than ${mostAddresses6} addresses`)
  if (spec.lease !== undefined && parseLease(spec.lease) === undefined)
    say(['lease'], 'takes 60s to 365d, such as 30m, 12h, 7d')
  for (const [index, text] of (spec.dns ?? []).entries())
    if (parseIpv6(text) === undefined) say(['dns', String(index)], 'takes an IPv6 address')
  for (const [index, text] of (spec.search ?? []).entries())
    if (labelsOf(text) === undefined) say(['search', String(index)], 'takes a domain name')
  const taken = new Set<string>()
  for (const [index, each] of (spec.reservations ?? []).entries()) {
    const path = ['reservations', String(index)]
    const keys = [each.mac, each.duid, each.host].filter(key => key !== undefined)
    const all = [...keys.map(key => key.toLowerCase()), each.address.toLowerCase()]
    if (keys.length !== 1) say(path, 'is for one of mac, duid or host')
    else if (parseIpv6(each.address) === undefined) say(path, 'address takes an IPv6 address')
    else if (each.mac !== undefined && parseMac(each.mac) === undefined)
      say(path, 'mac takes a MAC, such as 02:00:00:00:00:01')
    else if (all.some(key => taken.has(key))) say(path, 'is there already')
    for (const key of all) taken.add(key)
  }
  return complaints
}

export const dhcp6Member: KindMember = {
  kind: 'Network',
  name: 'dhcp6',
  schema: dhcp6Spec,
  check: checkDhcp6,
}
