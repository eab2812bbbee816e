/** A lab as its `lab.yaml` describes it: the network, and the story with what must come out. */
import { Ajv } from 'ajv'
import Type, { type Static } from 'typebox'
import { LineCounter, parseDocument } from 'yaml'
import { type Backbone, backboneOf } from './backbone.js'
import { GmlError } from './gml.js'
import type { End, HostSpec, LabSpec } from './lab-spec.js'
import { explainError, type Mistake, mistakeIn } from './mistakes.js'
import { end, object, type Step, step, strict } from './steps.js'

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
  const failAt = ({ at, message }: Mistake): never => {
    const node = document.getIn(at, true) as { range?: [number, number, number] } | undefined
    return fail(node?.range?.[0] ?? 0, `${at.join('.')} ${message}`.trim())
  }
  const validate = new Ajv({ strict: false }).compile<Written>(schema)
  if (!validate(value)) return failAt(explainError(value, validate.errors!))
  const network = writtenNetwork(value, readFile, failAt)
  const spec: LabSpec = {
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
  const mistake = mistakeIn(spec)
  return mistake ? failAt(mistake) : spec
}

type Written = Static<typeof schema>

const writtenNetwork = (
  { topology, switches, links }: Written,
  readFile: (name: string) => string,
  failAt: (mistake: Mistake) => never,
): Backbone => {
  if (topology === undefined)
    return switches
      ? networkOf(switches, links ?? [])
      : failAt({ at: [], message: 'a lab needs switches, or a topology that has them' })
  if (switches || links)
    failAt({
      at: ['topology'],
      message: 'has the switches and links: leave switches and links out',
    })
  try {
    return backboneOf(readFile(topology))
  } catch (error) {
    if (!(error instanceof GmlError)) throw error
    return failAt({ at: ['topology'], message: `${topology}: ${error.message}` })
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
