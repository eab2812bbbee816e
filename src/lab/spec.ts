/** A lab as its `lab.yaml` describes it: the network, and the story with what must come out. */
import { Ajv } from 'ajv'
import Type, { type Static } from 'typebox'
import { LineCounter, parseDocument } from 'yaml'
import { type Backbone, backboneOf } from './backbone.js'

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
  /** The VLAN of its frames, which it tags itself. */
  readonly vlan?: number
  /** Another place it can be plugged in at: its second interface, dead until it moves. */
  readonly spare?: End
}

/** An object as the API takes it. */
export interface ObjectSpec {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
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
  /** Declared before the hosts first speak. */
  readonly objects: readonly ObjectSpec[]
  readonly steps: readonly Step[]
}

const endPattern = '^[a-z][a-z0-9]*:[0-9]+$'

const protocol = Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('icmp')])

const strict = { additionalProperties: false }

const end = Type.String({ pattern: endPattern })
const link = Type.Object(
  {
    between: Type.Tuple([end, end]),
    is: Type.Union([Type.Literal('up'), Type.Literal('down')]),
  },
  strict,
)
const object = Type.Object(
  { kind: Type.String(), name: Type.String(), spec: Type.Record(Type.String(), Type.Unknown()) },
  strict,
)

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
          flows: Type.Integer({ minimum: 1, maximum: 10_000 }),
          over: Type.Array(Type.String(), { minItems: 1 }),
          percent: Type.Number({ description: 'how far a share may be from even' }),
        },
        strict,
      ),
    },
    {
      ...strict,
      description: 'TCP connections that must share the load, as the switches have counted',
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

const schema = Type.Object(
  {
    title: Type.String(),
    rules: Type.String(),
    topology: Type.Optional(
      Type.String({ description: 'a GML file that has the switches and links, beside lab.yaml' }),
    ),
    switches: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z0-9]{0,7}$' }), { minItems: 1 }),
    ),
    links: Type.Optional(Type.Array(Type.Tuple([end, end]))),
    objects: Type.Optional(Type.Array(object)),
    hosts: Type.Record(
      Type.String({ pattern: '^[a-z][a-z0-9]{0,11}$' }),
      Type.Object(
        {
          at: end,
          vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_094 })),
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

/**
 * @param readFile reads a file that is named in it
 * @throws {Error} with file, line and column
 */
export const readLab = (
  name: string,
  path: string,
  text: string,
  readFile: (name: string) => string = missing,
): LabSpec => {
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
  const network =
    value.topology === undefined
      ? networkOf(value.switches ?? [], value.links ?? [])
      : backboneOf(readFile(value.topology))
  return {
    name,
    title: value.title,
    rules: value.rules,
    steps: value.steps,
    ...network,
    objects: [...network.objects, ...(value.objects ?? [])],
    hosts: Object.entries(value.hosts).map(([host, each], index) => ({
      name: host,
      mac: `02:00:00:00:01:${(index + 1).toString(16).padStart(2, '0')}`,
      ips: each.ips,
      routes: each.routes ?? [],
      at: endOf(each.at),
      ...(each.vlan !== undefined && { vlan: each.vlan }),
      ...sparesOf(host, value.steps),
    })),
  }
}

const missing = (name: string): string => {
  throw new Error(`${name} cannot be read here`)
}

const networkOf = (
  switches: readonly string[],
  links: readonly (readonly [string, string])[],
): Backbone => ({
  switches: switches.map((name, index) => ({
    name,
    dpid: (index + 1).toString(16).padStart(16, '0'),
  })),
  links: links.map(([a, b]) => ({ a: endOf(a), b: endOf(b) })),
  objects: [],
})

const sparesOf = (host: string, steps: readonly Step[]): Pick<HostSpec, 'spare'> => {
  const move = steps.find(step => 'move' in step && step.move.host === host)
  return move && 'move' in move ? { spare: endOf(move.move.to) } : {}
}

export const endOf = (text: string): End => {
  const [name = '', port] = text.split(':')
  return { name, port: Number(port) }
}

/** Where hosts hear what a liar sends. */
export const echoPort = 7

/** The ports that the story speaks of: every host echoes on them. */
export const portsOfStory = (steps: readonly Step[]): number[] => {
  const ports = steps.flatMap(step =>
    'try' in step
      ? [step.try.port ?? 0]
      : 'session' in step
        ? [step.session.port]
        : 'spread' in step
          ? [step.spread.port]
          : 'spoof' in step
            ? [echoPort]
            : [],
  )
  return [...new Set(ports)].filter(port => port > 0)
}

/** The first address of a host, without its prefix length. */
export const addressOf = (spec: LabSpec, host: string): string =>
  hostNamed(spec, host).ips[0]!.split('/')[0]!

/** @throws {Error} when there is none */
export const hostNamed = (spec: LabSpec, name: string): HostSpec => {
  const found = spec.hosts.find(each => each.name === name)
  if (found === undefined) throw new Error(`the lab has no host ${name}`)
  return found
}

/** Where a host moves to. @throws {Error} when it does not */
export const spareOf = (spec: LabSpec, host: string): End => {
  const spare = hostNamed(spec, host).spare
  if (spare === undefined) throw new Error(`the story does not move ${host}`)
  return spare
}
