/**
 * JSON Schema of a policy as an object: the statements of a rule file, in their order, each with the comment on its
 * line. For REST, editors and validation. `json.ts` makes it from statements and back.
 */
import { Type } from 'typebox'
import { maxCap, natActions, rejectCodes, tiers, verbs } from './rule.js'

const words = <const T extends readonly string[]>(list: T, description: string) =>
  Type.Enum([...list], { description })

const namePattern = '^[A-Za-z_][A-Za-z0-9_.-]*$'
const nameForm = 'letters, digits, dots, dashes and underscores, the first a letter or underscore'
const quoted = (description: string) =>
  Type.String({ pattern: '^[^"\\n]*$', title: 'a text without quotes, on one line', description })

const member = Type.String({
  description:
    'an address, a CIDR, a range, "host NAME", "network NAME", "vlan NUMBER", "port SWITCH:NUMBER", "mac PREFIX", a zone or "any"',
  examples: ['10.1.0.0/16', 'host web1', 'office'],
})
const members = Type.Array(member, { minItems: 1 })
const selection = Type.Union(
  [members, Type.Object({ of: members, except: members }, { additionalProperties: false })],
  { description: 'members, or members without others' },
)
const services = Type.Array(
  Type.String({
    description: 'a service, or ports as in a rule file',
    examples: [
      'web',
      'tcp 80 443',
      'tcp except 22',
      'udp 53 source 1024-65535',
      'icmp echo-request',
      'any',
    ],
  }),
  { minItems: 1 },
)
const rate = Type.String({
  pattern: '^[1-9][0-9]{0,6}/(s|second|m|minute|h|hour)$',
  title: 'a rate, such as 10/s, 5/m or 100/h',
  examples: ['10/s'],
})
const log = Type.Object(
  { rate: Type.Optional(rate), text: Type.Optional(quoted('put into each line')) },
  { additionalProperties: false, description: 'a line in the log for each connection' },
)
const limit = Type.Object(
  { rate, perSource: Type.Optional(Type.Boolean()) },
  { additionalProperties: false, description: 'connections that may begin' },
)
const cap = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: maxCap }),
    of: words(['connections', 'half-open'] as const, 'what is counted'),
    perSource: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false, description: 'connections that may be there at once' },
)

const statement = <const K extends string, const T extends Parameters<typeof Type.Object>[0]>(
  kind: K,
  parts: T,
) =>
  Type.Object(
    {
      kind: Type.Literal(kind),
      ...parts,
      comment: Type.Optional(
        Type.String({
          pattern: '^[^\\n]*$',
          title: 'a text on one line',
          description: 'what stands behind # on its line',
        }),
      ),
    },
    { additionalProperties: false },
  )

const answer = Type.Optional(
  words(rejectCodes, 'what "reject" tells the sender; absent: a reset, or admin-prohibited'),
)

const rule = statement('rule', {
  name: Type.Optional(Type.String({ pattern: namePattern, title: nameForm })),
  verb: words(verbs, 'what happens to a connection that this rule is the first to match'),
  audit: Type.Optional(Type.Boolean({ description: 'say what would happen, and go on' })),
  services,
  from: Type.Optional(selection),
  to: Type.Optional(selection),
  answer,
  dscp: Type.Optional(
    Type.Array(Type.String({ examples: ['ef', '10'] }), {
      minItems: 1,
      description: 'code points of the packets of "allow-stateless"',
    }),
  ),
  log: Type.Optional(log),
  limit: Type.Optional(limit),
  max: Type.Optional(Type.Array(cap, { minItems: 1 })),
  via: Type.Optional(Type.String({ description: 'the chain of functions it passes' })),
  until: Type.Optional(Type.String({ examples: ['2027-01-31', '2027-01-31T18:00Z'] })),
  schedule: Type.Optional(Type.String({ examples: ['mon-fri 08:00-18:00 Europe/Berlin'] })),
})

const verdicts = ['allow', 'drop', 'reject'] as const

const test = statement('test', {
  title: quoted('what is meant'),
  from: member,
  to: member,
  service: Type.String({ examples: ['tcp 443'] }),
  dscp: Type.Optional(Type.String({ description: 'of the packet; absent: 0', examples: ['ef'] })),
  verdict: words(verdicts, 'what the rules must say'),
  by: Type.Optional(Type.String({ description: 'the rule that must decide, or "default"' })),
  at: Type.Optional(
    Type.String({
      description: 'when; absent: with every schedule on',
      examples: ['2027-03-01T09:00 Europe/Berlin'],
    }),
  ),
})

const nat = statement('nat', {
  action: words(
    natActions,
    'masquerade, source: whom packets come from, outside · forward: what is published · one-to-one: both · none: what stays as it is',
  ),
  services: Type.Optional(services),
  from: Type.Optional(selection),
  to: Type.Optional(selection),
  out: Type.Optional(Type.String({ description: 'the network by which they leave' })),
  at: Type.Optional(
    Type.String({
      description: 'the address outside; of source a pool of them as well',
      examples: ['203.0.113.10', '198.51.100.7-198.51.100.10'],
    }),
  ),
  ports: Type.Optional(
    Type.String({
      description: 'ports that connections get outside',
      examples: ['40000-60999'],
    }),
  ),
  target: Type.Optional(
    Type.String({
      description: 'where what is published leads',
      examples: ['10.2.0.10:8443', '[fd00:2::10]:8443', 'host web1'],
    }),
  ),
})

const name = Type.String({ pattern: namePattern, title: nameForm })

const statements = Type.Union([
  rule,
  statement('default', {
    verb: words(verdicts, 'what happens where no rule speaks'),
    from: Type.Optional(selection),
    to: Type.Optional(selection),
    answer,
    log: Type.Optional(log),
  }),
  statement('zone', { name, members: selection }),
  statement('service', {
    name,
    members: services,
    timeout: Type.Optional(
      Type.String({
        pattern: '^[1-9][0-9]{0,8}[smhd]$',
        title: 'a time, such as 30s, 20m, 8h or 7d',
        description: 'how long its connections may be silent before switches forget them',
        examples: ['30s', '8h'],
      }),
    ),
  }),
  statement('tier', {
    tier: words(tiers, 'of the rules below'),
    audit: Type.Optional(Type.Boolean({ description: 'none of them is enforced' })),
  }),
  statement('section', {
    from: Type.Optional(selection),
    to: Type.Optional(selection),
    log: Type.Optional(log),
  }),
  nat,
  statement('end', {}),
  statement('file-audit', {}),
  statement('let', {
    name,
    value: Type.String({
      pattern: '^[^\\n]+$',
      title: 'words on one line',
      description: 'words that $NAME stands for',
    }),
  }),
  statement('include', { path: quoted('relative to the policy') }),
  test,
  statement('blank', {}),
])

export const policySpec = Type.Object(
  { statements: Type.Array(statements, { maxItems: 200_000 }) },
  { additionalProperties: false },
)

export const policyDocument = Type.Object(
  {
    kind: Type.Literal('Policy'),
    name: Type.String({
      pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
      title: 'letters, digits, dots, dashes and underscores',
    }),
    spec: policySpec,
  },
  { additionalProperties: false, $id: 'urn:sluice:schema:policy', title: 'Policy' },
)

export type PolicySpec = Type.Static<typeof policySpec>
export type StatementObject = Type.Static<typeof statements>
export type SelectionObject = Type.Static<typeof selection>
export type LogObject = Type.Static<typeof log>
export type NatObject = Type.Static<typeof nat>
export type RuleObject = Type.Static<typeof rule>
