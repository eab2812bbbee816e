/** What people say of DNS in a Network, as JSON Schema and what that cannot say. */
import Type, { type Static } from 'typebox'
import { readIp } from '../../base/addresses.js'
import type { Complaint, KindMember } from '../../base/kind.js'

const strict = { additionalProperties: false }

const service = Type.Object(
  {
    name: Type.String({ maxLength: 130, pattern: '^_[a-z0-9-]{1,60}\\._(tcp|udp)$' }),
    host: Type.String({ maxLength: 63, description: 'a name in the zone' }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  },
  strict,
)

export const dnsSpec = Type.Object(
  {
    zone: Type.String({ minLength: 1, maxLength: 200, description: 'such as office.example' }),
    upstream: Type.Optional(
      Type.Array(Type.String({ maxLength: 47 }), {
        minItems: 1,
        maxItems: 8,
        description:
          'servers that are asked for all else, ADDRESS or ADDRESS:PORT, [ADDRESS]:PORT of IPv6; absent: it is refused',
      }),
    ),
    services: Type.Optional(
      Type.Array(service, { maxItems: 1_024, description: 'SRV records, such as _http._tcp' }),
    ),
  },
  { ...strict, description: 'names are answered' },
)
export type DnsSpec = Static<typeof dnsSpec>

export interface Upstream {
  readonly host: string
  readonly port: number
}

/** `10.0.0.53`, `10.0.0.53:5353`, `fd00::53`, `[fd00::53]:5353`. */
export const parseUpstream = (text: string): Upstream | undefined => {
  const [, inner, port = '53'] = /^\[([^\]]+)\]:(\d{1,5})$/.exec(text) ??
    /^([0-9.]+):(\d{1,5})$/.exec(text) ?? [text, text]
  const host = readIp(inner ?? '')
  const number = Number(port)
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number }
}

export const isName = (name: string): boolean =>
  name.length <= 253 &&
  name.split('.').every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))

const checkDns = ({ zone, upstream = [] }: DnsSpec): Complaint[] => [
  ...(isName(zone.replace(/\.$/, ''))
    ? []
    : [{ path: ['zone'], message: 'takes a domain name, such as office.example' }]),
  ...upstream.flatMap((text, index) =>
    parseUpstream(text) === undefined
      ? [
          {
            path: ['upstream', String(index)],
            message: 'takes the address of a name server, such as 10.0.0.53 or [fd00::53]:5353',
          },
        ]
      : [],
  ),
]

export const dnsMember: KindMember = {
  kind: 'Network',
  name: 'dns',
  schema: dnsSpec,
  check: checkDns,
}
