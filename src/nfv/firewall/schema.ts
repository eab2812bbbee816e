/** JSON Schema of a policy as an object: the same that a rule file says. For REST, editors and validation. */
import { Type } from 'typebox'
import { tiers, verbs } from './rule.js'

const words = <const T extends readonly string[]>(list: T, description: string) =>
  Type.Enum([...list], { description })

const member = Type.String({
  description:
    'an address, a CIDR, a range, "host NAME", "network NAME", "port SWITCH:NUMBER", a zone or "any"',
  examples: ['10.1.0.0/16', 'host web1', 'office'],
})

const selection = Type.Union(
  [
    Type.Array(member, { minItems: 1 }),
    Type.Object(
      { of: Type.Array(member, { minItems: 1 }), except: Type.Array(member, { minItems: 1 }) },
      { additionalProperties: false },
    ),
  ],
  { description: 'members, or members without others' },
)

const services = Type.Array(
  Type.String({
    description: 'a service, or ports as in a rule file',
    examples: ['web', 'tcp 80 443', 'udp 53 source 1024-65535', 'icmp echo-request', 'any'],
  }),
  { minItems: 1 },
)

const log = Type.Union(
  [
    Type.Boolean(),
    Type.Object(
      {
        rate: Type.Optional(
          Type.String({
            pattern: '^[1-9][0-9]{0,6}/(s|second|m|minute|h|hour)$',
            examples: ['10/s'],
          }),
        ),
        text: Type.Optional(Type.String({ pattern: '^[^"\\n]*$' })),
      },
      { additionalProperties: false },
    ),
  ],
  { description: 'a line in the log for each connection' },
)

const remarks = {
  comment: Type.Optional(Type.String({ description: 'behind it, on the same line' })),
  comments: Type.Optional(Type.Array(Type.String(), { description: 'the lines above it' })),
}

const rule = Type.Object(
  {
    name: Type.Optional(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' })),
    tier: Type.Optional(words(tiers, 'default: that of the policy')),
    action: words(verbs, 'what happens to a connection that this rule is the first to match'),
    audit: Type.Optional(Type.Boolean({ description: 'say what would happen, and go on' })),
    services,
    from: Type.Optional(selection),
    to: Type.Optional(selection),
    log: Type.Optional(log),
    limit: Type.Optional(
      Type.Object(
        {
          rate: Type.String({ examples: ['10/minute'] }),
          perSource: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
    via: Type.Optional(Type.String({ description: 'the chain of functions it passes' })),
    until: Type.Optional(Type.String({ examples: ['2027-01-31', '2027-01-31T18:00Z'] })),
    schedule: Type.Optional(Type.String({ examples: ['mon-fri 08:00-18:00 Europe/Berlin'] })),
    ...remarks,
  },
  { additionalProperties: false },
)

const defaults = Type.Object(
  {
    action: words(['allow', 'drop', 'reject'] as const, 'what happens where no rule speaks'),
    from: Type.Optional(selection),
    to: Type.Optional(selection),
    log: Type.Optional(log),
    ...remarks,
  },
  { additionalProperties: false },
)

const test = Type.Object(
  {
    title: Type.String({ pattern: '^[^"\\n]*$' }),
    from: member,
    to: member,
    service: Type.String({ examples: ['tcp 443'] }),
    verdict: words(['allow', 'drop', 'reject'] as const, 'what the rules must say'),
    by: Type.Optional(Type.String({ description: 'the rule that must decide, or "default"' })),
    ...remarks,
  },
  { additionalProperties: false },
)

const named = <const T extends Parameters<typeof Type.Object>[0]>(parts: T) =>
  Type.Object({ name: Type.String(), ...parts, ...remarks }, { additionalProperties: false })

export const policySpec = Type.Object(
  {
    order: Type.Optional(Type.Integer({ description: 'lower numbers count first; then by name' })),
    include: Type.Optional(
      Type.Array(Type.String({ description: 'a path, relative to the policy' })),
    ),
    zones: Type.Optional(Type.Array(named({ members: selection }))),
    services: Type.Optional(Type.Array(named({ members: services }))),
    tier: Type.Optional(words(tiers, 'of rules that name none; "main" when absent')),
    default: Type.Optional(
      Type.Union([
        words(['allow', 'drop', 'reject'] as const, 'where no rule speaks'),
        Type.Array(defaults),
      ]),
    ),
    rules: Type.Optional(Type.Array(rule)),
    tests: Type.Optional(Type.Array(test)),
    comments: Type.Optional(Type.Array(Type.String(), { description: 'lines at the end' })),
  },
  { additionalProperties: false },
)

export const policyDocument = Type.Object(
  {
    kind: Type.Literal('Policy'),
    name: Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$' }),
    spec: policySpec,
  },
  { additionalProperties: false, $id: 'urn:sluice:schema:policy', title: 'Policy' },
)

export type PolicySpec = Type.Static<typeof policySpec>
export type PolicyDocument = Type.Static<typeof policyDocument>
export type RuleObject = Type.Static<typeof rule>
export type DefaultObject = Type.Static<typeof defaults>
export type TestObject = Type.Static<typeof test>
export type SelectionObject = Type.Static<typeof selection>
export type LogObject = Type.Static<typeof log>
