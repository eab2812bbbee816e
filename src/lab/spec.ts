/** A lab as its `lab.yaml` describes it: the network, and the story with what must come out. */
import { Ajv } from 'ajv'
import Type, { type Static } from 'typebox'
import { LineCounter, parseDocument } from 'yaml'

export interface End {
  readonly name: string
  readonly port: number
}

export interface SwitchSpec {
  readonly name: string
  /** 16 hex digits. */
  readonly dpid: string
}

export interface HostSpec {
  readonly name: string
  readonly mac: string
  /** With prefix length. */
  readonly ips: readonly string[]
  readonly routes: readonly string[]
  readonly at: End
}

export interface LinkSpec {
  readonly a: End
  readonly b: End
}

export interface LabSpec {
  readonly name: string
  readonly title: string
  readonly switches: readonly SwitchSpec[]
  readonly hosts: readonly HostSpec[]
  readonly links: readonly LinkSpec[]
  /** The rule file, beside lab.yaml. */
  readonly rules: string
  readonly steps: readonly Step[]
}

const endPattern = '^[a-z][a-z0-9]*:[0-9]+$'

const protocol = Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('icmp')])

const strict = { additionalProperties: false }

/** What happens, and what must come out of it. One member a step. */
const step = Type.Union([
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
  Type.Object(
    {
      link: Type.Object(
        {
          between: Type.Tuple([
            Type.String({ pattern: endPattern }),
            Type.String({ pattern: endPattern }),
          ]),
          is: Type.Union([Type.Literal('up'), Type.Literal('down')]),
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

const schema = Type.Object(
  {
    title: Type.String(),
    rules: Type.String(),
    switches: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9]{0,7}$' }), { minItems: 1 }),
    links: Type.Array(
      Type.Tuple([Type.String({ pattern: endPattern }), Type.String({ pattern: endPattern })]),
    ),
    hosts: Type.Record(
      Type.String({ pattern: '^[a-z][a-z0-9]{0,11}$' }),
      Type.Object(
        {
          at: Type.String({ pattern: endPattern }),
          ips: Type.Array(Type.String(), { minItems: 1 }),
          routes: Type.Optional(Type.Array(Type.String())),
        },
        strict,
      ),
    ),
    steps: Type.Array(step),
  },
  strict,
)

/** @throws {Error} with file, line and column */
export const readLab = (name: string, path: string, text: string): LabSpec => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const fail = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset)
    throw new Error(`${path}:${line}:${col}: ${message}`)
  }
  const problem = document.errors[0]
  if (problem) fail(problem.pos[0], problem.message.split('\n')[0]!)
  const value: unknown = document.toJS({ maxAliasCount: 10 })
  const validate = new Ajv({ strict: false }).compile<Static<typeof schema>>(schema)
  if (!validate(value)) {
    const error = validate.errors![0]!
    const words = error.instancePath
      .split('/')
      .slice(1)
      .map(word => (/^\d+$/.test(word) ? Number(word) : word))
    const node = document.getIn(words, true) as { range?: [number, number, number] } | undefined
    return fail(node?.range?.[0] ?? 0, `${words.join('.')} ${error.message}`)
  }
  return {
    name,
    title: value.title,
    rules: value.rules,
    steps: value.steps,
    switches: value.switches.map((each, index) => ({
      name: each,
      dpid: (index + 1).toString(16).padStart(16, '0'),
    })),
    links: value.links.map(([a, b]) => ({ a: endOf(a), b: endOf(b) })),
    hosts: Object.entries(value.hosts).map(([host, each], index) => ({
      name: host,
      mac: `02:00:00:00:01:${(index + 1).toString(16).padStart(2, '0')}`,
      ips: each.ips,
      routes: each.routes ?? [],
      at: endOf(each.at),
    })),
  }
}

export const endOf = (text: string): End => {
  const [name = '', port] = text.split(':')
  return { name, port: Number(port) }
}

/** The ports that the story speaks of: every host echoes on them. */
export const portsOfStory = (steps: readonly Step[]): number[] => {
  const ports = steps.flatMap(step =>
    'try' in step ? [step.try.port ?? 0] : 'session' in step ? [step.session.port] : [],
  )
  return [...new Set(ports)].filter(port => port > 0)
}

/** The first address of a host, without its prefix length. */
export const addressOf = (spec: LabSpec, host: string): string => {
  const found = spec.hosts.find(each => each.name === host)
  if (found === undefined) throw new Error(`the lab has no host ${host}`)
  return found.ips[0]!.split('/')[0]!
}
