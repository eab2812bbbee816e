/** Mistakes in a `lab.yaml`, told with their place and what would be right. */
import type { ErrorObject } from 'ajv'
import { readIp } from '../base/addresses.js'
import type { End, LabSpec } from './lab-spec.js'
import { type Step, step } from './steps.js'

export interface Mistake {
  readonly at: readonly (string | number)[]
  readonly message: string
}

/** The words that a step can begin with. */
const words = step.anyOf.map(each => Object.keys(each.properties)[0]!)

/**
 * The complaint that helps: a step is one of many kinds, and a validator complains for each of them. The one
 * meant is the one whose word is there.
 */
export const explainError = (value: unknown, errors: readonly ErrorObject[]): Mistake => {
  const [, index] = /^\/steps\/(\d+)/.exec(errors[0]!.instancePath) ?? []
  if (index === undefined) return mistakeOf(errors[0]!)
  const written = (value as { steps: unknown[] }).steps[Number(index)]
  const known = written !== null && typeof written === 'object' ? Object.keys(written) : []
  const word = known.find(each => words.includes(each))
  if (word === undefined || known.length !== 1)
    return {
      at: ['steps', Number(index)],
      message: `is no step: it must have one of ${words.join(', ')}`,
    }
  const meant = errors.find(each => each.instancePath.startsWith(`/steps/${index}/${word}`))
  return mistakeOf(meant ?? errors[0]!)
}

const mistakeOf = ({ instancePath, message = 'is not right', params }: ErrorObject): Mistake => {
  const extra = 'additionalProperty' in params ? `: ${params.additionalProperty}` : ''
  return {
    at: instancePath
      .split('/')
      .slice(1)
      .map(word => (/^\d+$/.test(word) ? Number(word) : word)),
    message: `${message}${extra}`,
  }
}

/** Names of hosts, switches, ports, links and sessions that the lab does not have, and ports that are taken twice. */
export const mistakeIn = (spec: LabSpec): Mistake | undefined =>
  mistakeInPorts(spec) ?? first(spec.steps, (each, index) => mistakeInStep(spec, each, index))

const first = <T>(
  items: readonly T[],
  look: (item: T, index: number) => Mistake | undefined,
): Mistake | undefined => {
  for (const [index, item] of items.entries()) {
    const mistake = look(item, index)
    if (mistake) return mistake
  }
  return undefined
}

const mistakeInPorts = ({ switches, links, hosts }: LabSpec): Mistake | undefined => {
  const names = switches.map(each => each.name)
  const taken = new Set<string>()
  const plug = (end: End, at: Mistake['at']): Mistake | undefined => {
    const text = textOf(end)
    if (!names.includes(end.name)) return { at, message: `names ${end.name}, which is no switch` }
    if (taken.has(text)) return { at, message: `takes the port ${text} a second time` }
    taken.add(text)
    return undefined
  }
  return (
    first(links, ({ a, b }, at) => plug(a, ['links', at, 0]) ?? plug(b, ['links', at, 1])) ??
    first(hosts, ({ name, at }) => plug(at, ['hosts', name, 'at'])) ??
    first(hosts, ({ name, spare }) => spare && plug(spare, ['hosts', name, 'at']))
  )
}

const textOf = ({ name, port }: End): string => `${name}:${port}`

/** What a step names, by the member that names it. */
const named: Readonly<Record<string, Readonly<Record<string, 'host' | 'switch' | 'session'>>>> = {
  try: { from: 'host', to: 'host' },
  session: { from: 'host', to: 'host' },
  restart: { from: 'host', to: 'host' },
  pings: { from: 'host', to: 'host' },
  move: { host: 'host' },
  spoof: { from: 'host', as: 'host' },
  spread: { from: 'host', to: 'host', over: 'switch' },
  object: { path: 'switch' },
  dies: { '': 'switch' },
  returns: { '': 'switch' },
  flowing: { '': 'session' },
  stopped: { '': 'session' },
}

const mistakeInStep = (spec: LabSpec, each: Step, index: number): Mistake | undefined => {
  const [word, body] = Object.entries(each)[0]! as [string, unknown]
  const known = {
    host: spec.hosts.map(({ name }) => name),
    switch: spec.switches.map(({ name }) => name),
    session: spec.steps
      .slice(0, index)
      .flatMap(step => ('session' in step ? step.session.name : [])),
  }
  return (
    first(Object.entries(named[word] ?? {}), ([key, kind]) => {
      const at = ['steps', index, word, ...(key === '' ? [] : [key])]
      return first(namesAt(body, key), name =>
        known[kind].includes(name) || (kind === 'host' && key === 'to' && readIp(name))
          ? undefined
          : { at, message: `names ${name}, which is no ${kind}` },
      )
    }) ?? mistakeInLink(spec, each, index)
  )
}

/** A step has passed its schema: members are names, lists of names, or absent. */
const namesAt = (body: unknown, key: string): readonly string[] => {
  const value = key === '' ? body : (body as Readonly<Record<string, unknown>>)[key]
  return value === undefined ? [] : ([value].flat() as string[])
}

const mistakeInLink = ({ links }: LabSpec, each: Step, index: number): Mistake | undefined => {
  const [link, at] =
    'link' in each
      ? [each.link, ['link', 'between']]
      : 'pings' in each
        ? [each.pings.during, ['pings', 'during', 'between']]
        : [undefined, []]
  if (link === undefined) return undefined
  const [one, other] = link.between
  const isThere = links.some(({ a, b }) => {
    const ends = [textOf(a), textOf(b)]
    return ends.includes(one) && ends.includes(other)
  })
  if (isThere) return undefined
  return { at: ['steps', index, ...at], message: `no link is between ${one} and ${other}` }
}
