/** What people declare of networks and hosts, as JSON Schema. */
import Type, { type Static } from 'typebox'
import { parseCidr, parseIpv4, parseIpv6, parseMac } from '../../base/addresses.js'
import type { Complaint, Kind } from '../../base/kind.js'
import { carrierNames } from '../../pipeline/carriers.js'
import { protections } from '../../topology/intents/intent.js'
import { services } from '../../topology/model.js'
import { costKinds } from '../../topology/paths/cost-kinds.js'

const strict = { additionalProperties: false }

const guard = Type.Optional(
  Type.Union([Type.Literal('off'), Type.Literal('default'), Type.Literal('strict')], {
    description:
      'off: the last to speak is believed · default: living hosts keep MAC and addresses · strict: only known source addresses pass',
  }),
)

const place = Type.String({
  pattern: '^[^:\\s]+:[^:\\s]+$',
  title: 'SWITCH:PORT, such as s1:3',
  maxLength: 256,
  description: 'SWITCH:PORT; the switch by name or dpid, the port by number or name',
})

export const networkSpec = Type.Object(
  {
    number: Type.Integer({
      minimum: 1,
      maximum: 63,
      description:
        'its own; between switches its frames carry it as VLAN. 1: the network that also has all ports that none names',
    }),
    access: Type.Optional(
      Type.Array(place, { maxItems: 10_000, description: 'ports without a tag' }),
    ),
    trunk: Type.Optional(
      Type.Array(
        Type.Object({ port: place, vlan: Type.Integer({ minimum: 1, maximum: 4_094 }) }, strict),
        { maxItems: 10_000, description: 'ports where its frames have this tag' },
      ),
    ),
    subnets: Type.Optional(
      Type.Array(Type.String({ maxLength: 49 }), {
        maxItems: 256,
        description: 'what "network NAME" means in rules; absent: the addresses of its hosts',
      }),
    ),
    guard,
  },
  strict,
)
export type NetworkSpec = Static<typeof networkSpec>

const checkNetwork = (spec: NetworkSpec): Complaint[] =>
  (spec.subnets ?? []).flatMap((text, index) =>
    parseCidr(text) === undefined
      ? [{ path: ['subnets', String(index)], message: 'takes a CIDR, such as 10.1.0.0/16' }]
      : [],
  )

export const networkKind: Kind = {
  kind: 'Network',
  path: 'network',
  plural: 'networks',
  summary: 'a segment of its own: ports that hear each other and nobody else',
  schema: networkSpec,
  check: checkNetwork,
}

export const hostSpec = Type.Object(
  {
    mac: Type.String({ maxLength: 17, description: 'such as 02:00:00:00:00:01' }),
    ips: Type.Optional(
      Type.Array(Type.String({ maxLength: 45 }), {
        maxItems: 64,
        description: 'its addresses; with a place nobody else can have them',
      }),
    ),
    network: Type.Optional(Type.String({ description: 'by name; absent: the first one' })),
    at: Type.Optional({ ...place, description: 'where it is, and stays: SWITCH:PORT' }),
  },
  strict,
)
export type HostSpec = Static<typeof hostSpec>

const checkHost = (spec: HostSpec): Complaint[] => {
  const complaints: Complaint[] = []
  if (parseMac(spec.mac) === undefined)
    complaints.push({ path: ['mac'], message: 'takes a MAC, such as 02:00:00:00:00:01' })
  for (const [index, ip] of (spec.ips ?? []).entries())
    if (parseIpv4(ip) === undefined && parseIpv6(ip) === undefined)
      complaints.push({ path: ['ips', String(index)], message: 'takes an IPv4 or IPv6 address' })
  if (spec.ips && spec.at === undefined)
    complaints.push({
      path: ['ips'],
      message: 'addresses are held only with a place: give at as well',
    })
  return complaints
}

export const hostKind: Kind = {
  kind: 'Host',
  path: 'host',
  plural: 'hosts',
  summary: 'a host by name; with its place it is pinned there',
  schema: hostSpec,
  check: checkHost,
}

export const portSpec = Type.Object(
  {
    at: place,
    role: Type.Optional(
      Type.Union([Type.Literal('edge'), Type.Literal('roaming'), Type.Literal('uplink')], {
        description:
          'edge: hosts only, never a link · roaming: the same, and hosts come and go · uplink: the same, and it leads outside: from there every address may send but those of our own subnets; one port is',
      }),
    ),
    serves: Type.Optional(
      Type.Array(Type.Union(services.map(each => Type.Literal(each))), {
        minItems: 1,
        maxItems: 2,
        description:
          'dhcp: answers of DHCP · router: router advertisements; once one port is declared for it, no other may',
      }),
    ),
    carries: Type.Optional(
      Type.Array(Type.Union(carrierNames.map(each => Type.Literal(each))), {
        minItems: 1,
        maxItems: carrierNames.length,
        description:
          'frames with IP inside that no rule can read; from other ports they are dropped while the default is not allow',
      }),
    ),
    guard,
    cost: Type.Optional(Type.Number({ minimum: 1, maximum: 1_000_000 })),
    latencyMillis: Type.Optional(Type.Number({ minimum: 0, maximum: 100_000 })),
    bandwidthKbps: Type.Optional(Type.Number({ minimum: 1 })),
    tags: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 })),
    peer: Type.Optional({ ...place, description: 'where its link must lead: SWITCH:PORT' }),
  },
  strict,
)
export type PortSpec = Static<typeof portSpec>

const checkPort = ({
  role,
  serves,
  guard: level,
  at: _,
  carries: __,
  ...link
}: PortSpec): Complaint[] => {
  if (role === 'uplink' && level === 'strict')
    return [
      {
        path: ['guard'],
        message: 'an uplink carries addresses that nobody has listed: leave guard out there',
      },
    ]
  return (role ?? serves ?? level) === undefined || Object.keys(link).length === 0
    ? []
    : [
        {
          path: ['role'],
          message: 'a port for hosts has no link: give role, or what its link is like',
        },
      ]
}

/** There is one uplink: whoever comes later is refused, so that nothing that runs is taken from another. */
const checkPorts: NonNullable<Kind['checkAll']> = (ports, changed) => {
  const uplinks = ports.filter(({ spec }) => (spec as PortSpec).role === 'uplink')
  const first = uplinks.find(({ name }) => !changed.has(name)) ?? uplinks[0]
  return uplinks.flatMap(({ name }) =>
    name === first?.name || !changed.has(name)
      ? []
      : [
          {
            name,
            path: ['role'],
            message: `port ${first?.name} is the uplink already: there is one, take the role from that port first`,
          },
        ],
  )
}

export const portKind: Kind = {
  kind: 'Port',
  path: 'port',
  plural: 'ports',
  summary: 'what a port is for, or what the link that leaves it is like',
  schema: portSpec,
  check: checkPort,
  checkAll: checkPorts,
}

const names = (description: string) =>
  Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64, description }))

const end = Type.String({ minLength: 1, maxLength: 256 })
const ends = (description: string) =>
  Type.Union([end, Type.Array(end, { minItems: 1, maxItems: 256 })], { description })

export const intentSpec = Type.Object(
  {
    from: ends(
      'where traffic begins: a host (name, MAC, address), SWITCH:PORT, a list of them, or any',
    ),
    to: ends('where it goes: a host, SWITCH:PORT, or a list of them'),
    cost: Type.Optional(
      Type.Union(
        costKinds.map(kind => Type.Literal(kind)),
        { description: 'what a link costs; given when absent' },
      ),
    ),
    avoid: names('switches that must not be passed'),
    through: names('switches that must be passed, in this order'),
    maxLatencyMillis: Type.Optional(Type.Number({ minimum: 0 })),
    minBandwidthKbps: Type.Optional(Type.Number({ minimum: 0 })),
    withTags: names('tags that every link must have'),
    withoutTags: names('tags that no link may have'),
    protection: Type.Optional(
      Type.Union(
        protections.map(each => Type.Literal(each)),
        {
          description:
            'disjoint: a second path without a switch in common takes over when a link or switch of the first dies · link-disjoint: without a link in common',
        },
      ),
    ),
  },
  strict,
)
export type IntentSpec = Static<typeof intentSpec>

const checkIntent = ({ from, to }: IntentSpec): Complaint[] => {
  const complaints: Complaint[] = []
  if ([to].flat().includes('any'))
    complaints.push({ path: ['to'], message: 'any is for from only: name where traffic goes' })
  if (Array.isArray(from) && from.includes('any') && from.length > 1)
    complaints.push({ path: ['from'], message: 'any stands alone: it means everybody' })
  return complaints
}

export const intentKind: Kind = {
  kind: 'Intent',
  path: 'intent',
  plural: 'intents',
  summary: 'a path that traffic between hosts, ports or groups of them takes',
  schema: intentSpec,
  check: checkIntent,
}
