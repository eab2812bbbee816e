/** The bodies that the API takes, as JSON Schema: type, validation and documentation in one. */

import Type from 'typebox'

export const sinceQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,16}$',
        title: 'the number of an event',
        description: 'only what came behind it',
      }),
    ),
  },
  { additionalProperties: false },
)

const port = Type.Integer({ minimum: 0, maximum: 65535 })

export const traceBody = Type.Object(
  {
    from: Type.Optional(
      Type.String({ maxLength: 256, description: 'an address, MAC or name of a known host' }),
    ),
    to: Type.Optional(Type.String({ maxLength: 256, description: 'an address, MAC or name' })),
    protocol: Type.Optional(
      Type.Union([
        Type.Literal('tcp'),
        Type.Literal('udp'),
        Type.Literal('icmp'),
        Type.Literal('sctp'),
        Type.Integer({ minimum: 0, maximum: 255 }),
      ]),
    ),
    sourcePort: Type.Optional(port),
    destinationPort: Type.Optional(port),
    service: Type.Optional(
      Type.String({
        maxLength: 256,
        description: 'instead of protocol and ports: tcp 443, icmp echo-request, proto gre',
      }),
    ),
    via: Type.Optional(
      Type.String({
        maxLength: 256,
        description:
          'to whom the sender hands the packet, a host or MAC; absent: its destination, or the router that is declared',
      }),
    ),
    verify: Type.Optional(
      Type.Boolean({
        description: 'ask ofproto/trace of the daemons on this machine as well, and compare',
      }),
    ),
    frame: Type.Optional(
      Type.String({
        maxLength: 20_000,
        description: 'instead of from, to and protocol: an Ethernet frame in hex digits',
      }),
    ),
    at: Type.Optional(
      Type.String({
        maxLength: 256,
        description: 'where the frame comes in, SWITCH:PORT; absent: where its sender is',
      }),
    ),
  },
  { additionalProperties: false },
)
