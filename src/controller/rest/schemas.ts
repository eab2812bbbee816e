/** The bodies that the API takes, as JSON Schema: type, validation and documentation in one. */

import Type from 'typebox'
import { policyNamePattern } from '../../base/rule-file-names.js'
import { policySpec } from '../../nfv/firewall/schema.js'

/** Of policies and objects. */
export const nameForm =
  'up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit'

const name = Type.String({
  pattern: policyNamePattern,
  title: nameForm,
})

export const policyBody = Type.Object(
  {
    source: Type.Optional(
      Type.String({ maxLength: 8_000_000, description: 'the text of a rule file' }),
    ),
    spec: Type.Optional(policySpec),
    includes: Type.Optional(
      Type.Record(Type.String({ maxLength: 1_024 }), Type.String({ maxLength: 8_000_000 }), {
        description: 'texts of included files, by the path in the include',
      }),
    ),
    file: Type.Optional(Type.String({ maxLength: 4_096, description: 'where it was read from' })),
    order: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'lower comes first' }),
    ),
    watch: Type.Optional(
      Type.Boolean({ description: 'put later edits of the file in force as well' }),
    ),
  },
  { additionalProperties: false },
)

const namedPolicy = Type.Object({ name, ...policyBody.properties }, { additionalProperties: false })

export const policiesBody = Type.Object(
  { policies: Type.Array(namedPolicy, { minItems: 1, maxItems: 1_000 }) },
  { additionalProperties: false },
)

/** Less than clients wait for the first octet of an answer (300 s in many). */
export const waitSeconds = Type.String({
  pattern: '^([1-9]?[0-9]|1[0-9]{2}|2[0-3][0-9]|240)$',
  title: 'seconds, 0 to 240',
  description: 'how long to wait',
})

export const waitQuery = Type.Object(
  {
    wait: Type.Optional(Type.Literal('installed')),
    timeout: Type.Optional(waitSeconds),
    who: Type.Optional(Type.String({ maxLength: 256, description: 'who asks, for the history' })),
    why: Type.Optional(Type.String({ maxLength: 1_024, description: 'why, for the history' })),
    confirm: Type.Optional(
      Type.String({
        pattern: '^[1-9][0-9]{0,4}$',
        title: 'seconds, 1 to 99999',
        description: 'seconds after which it is taken back unless confirmed',
      }),
    ),
    dryRun: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
  },
  { additionalProperties: false },
)

export const undoQuery = Type.Object(
  {
    ...waitQuery.properties,
    number: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,12}$',
        title: 'the number of a change',
        description: 'which change; without it the last that is not taken back yet',
      }),
    ),
    writeFile: Type.Optional(
      Type.Union([Type.Literal('true'), Type.Literal('false')], {
        description: 'what is in force again is written into watched files, too',
      }),
    ),
  },
  { additionalProperties: false },
)

export const nameParams = Type.Object({ name }, { additionalProperties: false })

export const nameQuery = Type.Object(
  { name: Type.Optional(Type.String({ maxLength: 256, description: 'only this one' })) },
  { additionalProperties: false },
)

export const remarksQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        pattern: '^[1-9][0-9]{0,5}[smhd]$',
        title: 'a time, such as 30s, 20m, 8h or 30d',
        description: 'how long a rule must have decided nothing to be told, such as 30d; 7d',
      }),
    ),
  },
  { additionalProperties: false },
)

export const rulesQuery = Type.Object(
  {
    ...nameQuery.properties,
    sessions: Type.Optional(
      Type.Union([Type.Literal('true'), Type.Literal('false')], {
        description: 'count the sessions that each rule has let in, where they can be read',
      }),
    ),
  },
  { additionalProperties: false },
)

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
