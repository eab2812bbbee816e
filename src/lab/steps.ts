/** The words in which a lab tells its story: each is a step, and means the same on every stage. */
import Type, { type Static } from 'typebox'

export const endPattern = '^[a-z][a-z0-9]*:[0-9]+$'

const protocol = Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('icmp')])

export const strict = { additionalProperties: false }

export const end = Type.String({ pattern: endPattern })
const link = Type.Object(
  {
    between: Type.Tuple([end, end]),
    is: Type.Union([Type.Literal('up'), Type.Literal('down')]),
  },
  strict,
)
export const object = Type.Object(
  { kind: Type.String(), name: Type.String(), spec: Type.Record(Type.String(), Type.Unknown()) },
  strict,
)

/** What happens, and what must come out of it. One member a step. */
export const step = Type.Union([
  Type.Object({ say: Type.String() }, strict),
  Type.Object(
    {
      try: Type.Object(
        {
          from: Type.String(),
          to: Type.String(),
          protocol,
          port: Type.Optional(Type.Integer()),
          expect: Type.Union([
            Type.Literal('open'),
            Type.Literal('silent'),
            Type.Literal('refused'),
          ]),
          by: Type.Optional(Type.String({ description: 'the rule that must have decided' })),
        },
        strict,
      ),
    },
    strict,
  ),
  Type.Object(
    {
      session: Type.Object(
        {
          name: Type.String(),
          from: Type.String(),
          to: Type.String(),
          protocol,
          port: Type.Integer(),
        },
        strict,
      ),
    },
    strict,
  ),
  Type.Object(
    { stopped: Type.String({ description: 'a session that must carry nothing any more' }) },
    strict,
  ),
  Type.Object(
    { flowing: Type.String({ description: 'a session that must have lost nothing' }) },
    strict,
  ),
  Type.Object({ link }, strict),
  Type.Object({ dies: Type.String({ description: 'a switch that loses its power' }) }, strict),
  Type.Object({ returns: Type.String({ description: 'a switch that has died' }) }, strict),
  Type.Object(
    { move: Type.Object({ host: Type.String(), to: end }, strict) },
    { ...strict, description: 'a host is unplugged, and plugged in elsewhere' },
  ),
  Type.Object(
    {
      spoof: Type.Object(
        {
          from: Type.String(),
          as: Type.String(),
          claims: Type.Array(
            Type.Union([Type.Literal('arp'), Type.Literal('ip'), Type.Literal('mac')]),
            { minItems: 1 },
          ),
        },
        strict,
      ),
    },
    { ...strict, description: 'a host claims to be another one, which must stay where it is' },
  ),
  Type.Object(
    {
      spread: Type.Object(
        {
          from: Type.String(),
          to: Type.String(),
          port: Type.Integer(),
          protocol: Type.Optional(
            Type.Union([Type.Literal('tcp'), Type.Literal('udp')], {
              description: 'tcp, unless said otherwise',
            }),
          ),
          flows: Type.Integer({ minimum: 1, maximum: 10_000 }),
          over: Type.Array(Type.String(), { minItems: 1 }),
          percent: Type.Number({ description: 'how far a share may be from even' }),
        },
        strict,
      ),
    },
    {
      ...strict,
      description: 'connections that must share the load, as the switches have counted',
    },
  ),
  Type.Object(
    {
      pings: Type.Object(
        {
          from: Type.String(),
          to: Type.String(),
          count: Type.Integer(),
          intervalMillis: Type.Number(),
          lost: Type.Integer({ description: 'at most' }),
          during: Type.Optional(link),
        },
        strict,
      ),
    },
    strict,
  ),
  Type.Object({ declare: object }, strict),
  Type.Object(
    {
      object: Type.Object(
        {
          kind: Type.String(),
          name: Type.String(),
          is: Type.String({ description: 'its state' }),
          path: Type.Optional(Type.Array(Type.String())),
        },
        strict,
      ),
    },
    strict,
  ),
  Type.Object(
    { edit: Type.Object({ replace: Type.String(), with: Type.String() }, strict) },
    strict,
  ),
  Type.Object(
    {
      restart: Type.Object(
        {
          from: Type.String(),
          to: Type.String(),
          pings: Type.Integer(),
          intervalMillis: Type.Integer(),
        },
        strict,
      ),
    },
    strict,
  ),
])

export type Step = Static<typeof step>
