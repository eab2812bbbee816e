/** What people say of DHCP in a Network, as JSON Schema and what that cannot say. */
import Type, { type Static } from 'typebox'
import { formatIpv4, parseCidr, parseIpv4, parseMac } from '../../base/addresses.js'
import type { Complaint, KindMember } from '../../base/kind.js'
import { type OptionsSpec, optionProblem } from './options.js'
import { parseLease, parseRange } from './ranges.js'

const strict = { additionalProperties: false }
const ip = Type.String({ maxLength: 15 })
const ips = (description: string) =>
  Type.Optional(Type.Array(ip, { minItems: 1, maxItems: 8, description }))
const domain = Type.String({ minLength: 1, maxLength: 253 })

const range = Type.Union(
  [
    Type.String({ maxLength: 31 }),
    Type.Array(Type.String({ maxLength: 31 }), { minItems: 1, maxItems: 64 }),
  ],
  { description: 'FIRST-LAST, such as 10.1.0.100-10.1.0.199; or several' },
)

const numbered = Type.Union([
  Type.String({ maxLength: 1_024 }),
  Type.Object({ hex: Type.String({ pattern: '^([0-9a-fA-F]{2})*$', maxLength: 2_048 }) }, strict),
  Type.Object({ addresses: Type.Array(ip, { minItems: 1, maxItems: 64 }) }, strict),
  Type.Object(
    {
      number: Type.Integer({ minimum: 0, maximum: 0xffffffff }),
      octets: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(4)]),
    },
    strict,
  ),
])

const options = Type.Object(
  {
    domain: Type.Optional(domain),
    search: Type.Optional(Type.Array(domain, { minItems: 1, maxItems: 16 })),
    ntp: ips('time servers'),
    mtu: Type.Optional(Type.Integer({ minimum: 68, maximum: 65_535 })),
    routes: Type.Optional(
      Type.Array(Type.Object({ to: Type.String({ maxLength: 18 }), via: ip }, strict), {
        maxItems: 32,
        description: 'classless routes (option 121); the default route is put before them',
      }),
    ),
  },
  {
    additionalProperties: false,
    patternProperties: { '^[1-9][0-9]{0,2}$': numbered },
    description: 'what clients are told besides; any other option by its number',
  },
)

const reservation = Type.Object(
  {
    mac: Type.Optional(Type.String({ maxLength: 17 })),
    clientId: Type.Optional(
      Type.String({
        maxLength: 510,
        pattern: '^([0-9a-fA-F]{2})+$',
        description: 'option 61 in hexadecimal digits, the first octet of it as well',
      }),
    ),
    host: Type.Optional(Type.String({ maxLength: 63, description: 'a Host by name' })),
    address: Type.Optional(
      Type.String({ maxLength: 15, description: 'absent: the first of the Host in the subnet' }),
    ),
  },
  strict,
)

const lease = Type.Optional(
  Type.String({ maxLength: 12, description: 'such as 30m, 12h, 7d; absent: 12h' }),
)

const relayed = Type.Object(
  {
    subnet: Type.String({ maxLength: 18 }),
    via: Type.String({ maxLength: 15, description: 'the relay agent, an address in this network' }),
    range,
    lease,
    router: ips('absent: none is told'),
    dns: ips('name servers'),
    options: Type.Optional(options),
  },
  strict,
)

export const dhcpSpec = Type.Object(
  {
    range: Type.Optional(range),
    lease,
    server: Type.Optional(
      Type.String({
        maxLength: 18,
        description:
          'its own address with the length of the subnet, such as 10.1.0.2/24; absent: that of the Router',
      }),
    ),
    router: Type.Optional(
      Type.Union([ip, Type.Array(ip, { maxItems: 8 })], {
        description: 'absent: the Router of the network; []: none',
      }),
    ),
    dns: ips('name servers; absent: ours, where the network has dns'),
    options: Type.Optional(options),
    reservations: Type.Optional(Type.Array(reservation, { maxItems: 10_000 })),
    relayed: Type.Optional(
      Type.Array(relayed, { maxItems: 64, description: 'subnets behind a relay agent' }),
    ),
    perPort: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_536,
        description: 'addresses that one port may have at once; absent: half of the range',
      }),
    ),
  },
  { ...strict, description: 'addresses are handed out' },
)
export type DhcpSpec = Static<typeof dhcpSpec>
export type RelayedSpec = Static<typeof relayed>
export type ReservationSpec = Static<typeof reservation>

/** Addresses of one network, all ranges together. */
export const mostAddresses = 65_536

const checkRanges = (spec: string | readonly string[], path: readonly string[]): Complaint[] => {
  const complaints: Complaint[] = []
  const found: { first: number; last: number }[] = []
  let count = 0
  for (const [index, text] of [spec].flat().entries()) {
    const at = typeof spec === 'string' ? path : [...path, String(index)]
    const one = parseRange(text)
    if (one === undefined) {
      const message = 'takes FIRST-LAST, such as 10.1.0.100-10.1.0.199'
      complaints.push({ path: at, message })
      continue
    }
    const other = found.find(each => each.first <= one.last && one.first <= each.last)
    if (other)
      complaints.push({
        path: at,
        message: `overlaps ${formatIpv4(other.first)}-${formatIpv4(other.last)}`,
      })
    found.push(one)
    count += one.last - one.first + 1
  }
  if (count > mostAddresses)
    complaints.push({ path, message: `has ${count} addresses: ${mostAddresses} are the most` })
  return complaints
}

const checkAddresses = (
  list: readonly string[] | undefined,
  path: readonly string[],
): Complaint[] =>
  (list ?? []).flatMap((text, index) =>
    parseIpv4(text) === undefined
      ? [{ path: [...path, String(index)], message: 'takes an IPv4 address' }]
      : [],
  )

const checkLease = (text: string | undefined): Complaint[] =>
  text === undefined || parseLease(text) !== undefined
    ? []
    : [{ path: ['lease'], message: 'takes 60s to 365d, such as 30m, 12h, 7d' }]

const checkOptions = (spec: OptionsSpec | undefined, path: readonly string[]): Complaint[] =>
  Object.entries(spec ?? {}).flatMap(([name, value]) => {
    const problem = optionProblem(name, value)
    return problem === undefined ? [] : [{ path: [...path, 'options', name], message: problem }]
  })

const checkReservation = (spec: ReservationSpec): string | undefined => {
  const { mac, clientId, host, address } = spec
  const keys = [mac, clientId, host].filter(each => each !== undefined)
  if (keys.length !== 1) return 'is for one of mac, clientId or host'
  if (mac !== undefined && parseMac(mac) === undefined)
    return 'mac takes a MAC, such as 02:00:00:00:00:01'
  if (address === undefined) return host === undefined ? 'needs an address' : undefined
  return parseIpv4(address) === undefined ? 'address takes an IPv4 address' : undefined
}

const checkReservations = (list: readonly ReservationSpec[]): Complaint[] => {
  const taken = new Map<string, number>()
  return list.flatMap((each, index) => {
    const path = ['reservations', String(index)]
    const problem = checkReservation(each)
    if (problem !== undefined) return [{ path, message: problem }]
    const keys = [each.mac?.toLowerCase(), each.clientId?.toLowerCase(), each.host, each.address]
    for (const key of keys) {
      const other = key === undefined ? undefined : taken.get(key)
      if (other !== undefined)
        return [{ path, message: `${key} is in reservation ${other} already` }]
      if (key !== undefined) taken.set(key, index)
    }
    return []
  })
}

const checkRelayed = (spec: RelayedSpec, index: number): Complaint[] => {
  const path = ['relayed', String(index)]
  const subnet = parseCidr(spec.subnet)
  const isRight = subnet?.version === 4
  const under = (complaint: Complaint) => ({ ...complaint, path: [...path, ...complaint.path] })
  return [
    ...(isRight
      ? []
      : [{ path: [...path, 'subnet'], message: 'takes a CIDR, such as 10.9.0.0/24' }]),
    ...(parseIpv4(spec.via) === undefined
      ? [{ path: [...path, 'via'], message: 'takes the IPv4 address of the relay agent' }]
      : []),
    ...checkRanges(spec.range, [...path, 'range']),
    ...checkLease(spec.lease).map(under),
    ...checkAddresses(spec.router, [...path, 'router']),
    ...checkAddresses(spec.dns, [...path, 'dns']),
    ...checkOptions(spec.options, path),
  ]
}

const checkDhcp = (spec: DhcpSpec): Complaint[] => {
  const server = spec.server === undefined ? undefined : parseCidr(ofSubnet(spec.server))
  const complaints: Complaint[] = []
  if (spec.server !== undefined && (server?.version !== 4 || server.length > 30))
    complaints.push({
      path: ['server'],
      message: 'takes an address with the length of its subnet, such as 10.1.0.2/24',
    })
  return [
    ...complaints,
    ...(spec.range === undefined ? [] : checkRanges(spec.range, ['range'])),
    ...checkLease(spec.lease),
    ...checkAddresses(spec.router === undefined ? [] : [spec.router].flat(), ['router']),
    ...checkAddresses(spec.dns, ['dns']),
    ...checkOptions(spec.options, []),
    ...checkReservations(spec.reservations ?? []),
    ...(spec.relayed ?? []).flatMap(checkRelayed),
  ]
}

/** The subnet of `10.1.0.2/24`; what is no such address stays as it is. */
const ofSubnet = (text: string): string => {
  const [address = '', length = ''] = text.split('/')
  const value = parseIpv4(address)
  const bits = Number(length)
  if (value === undefined || !/^\d{1,2}$/.test(length) || bits > 32 || bits === 0) return 'none'
  return `${formatIpv4((value & (-1 << (32 - bits))) >>> 0)}/${bits}`
}

export const dhcpMember: KindMember = {
  kind: 'Network',
  name: 'dhcp',
  schema: dhcpSpec,
  check: checkDhcp,
}
