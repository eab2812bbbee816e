/** The bodies and queries that policies take, as JSON Schema. */
import Type from 'typebox'
import { name, nameQuery, waitSeconds } from '../../request-schemas.js'
import { policySpec } from '../text/schema.js'

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
