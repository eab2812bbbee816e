/**
 * What is wrong with a value, by its JSON Schema, in our words: which member, and what belongs there. What a validator
 * says of itself (its phrases, its regular expressions, its complaint for each branch of a union) never gets out.
 *
 * A schema with a `pattern` says in its `title` what that takes, such as `letters, digits and dots`.
 */
import type { ErrorObject } from 'ajv'
import { nearest } from './nearest.js'

/** `message` goes on where the path ends: `takes a whole number`, `is missing`. */
export interface SchemaMistake {
  readonly path: readonly string[]
  readonly message: string
}

/** Of a member; whoever sends it chose it. */
const longestName = 200

/** As much of a schema as is told. */
interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly title?: string
  readonly description?: string
  readonly examples?: readonly unknown[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
}

/**
 * One for each place, in the order of the validator's.
 *
 * @param errors of an Ajv with `verbose: true` and `allErrors: true`
 */
export const schemaMistakes = (errors: readonly ErrorObject[]): readonly SchemaMistake[] => {
  const told = new Map<string, SchemaMistake>()
  for (const error of withoutBranches(errors)) {
    const mistake = mistakeOf(error)
    const key = JSON.stringify(mistake.path)
    if (!told.has(key)) told.set(key, mistake)
  }
  return [...told.values()]
}

/** `policies[0].order takes a whole number`; `root` stands where the whole value is wrong. */
export const mistakeText = ({ path, message }: SchemaMistake, root: string): string => {
  const name = path
    .map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('')
    .slice(0, longestName)
  return `${name === '' ? root : name} ${message}`
}

/** Of a union the branch that was meant, where that can be told; else the union as a whole. */
const withoutBranches = (errors: readonly ErrorObject[]): readonly ErrorObject[] => {
  const unions = errors
    .filter(({ keyword }) => keyword === 'anyOf')
    .sort((a, b) => a.schemaPath.length - b.schemaPath.length)
  let left = [...errors]
  for (const union of unions) {
    if (!left.includes(union)) continue
    const within = left.filter(
      each => each !== union && each.schemaPath.startsWith(`${union.schemaPath}/`),
    )
    const meant = branchMeant(union, within)
    const gone = new Set<ErrorObject>(within.filter(each => !meant.includes(each)))
    if (meant.length > 0) gone.add(union)
    left = left.filter(each => !gone.has(each))
  }
  return left
}

/** Branches are told apart by a member that is the same word in each value: the one whose word is there was meant. */
const branchMeant = (
  union: ErrorObject,
  within: readonly ErrorObject[],
): readonly ErrorObject[] => {
  const { anyOf = [] } = union.parentSchema as Schema
  const data = union.data as Readonly<Record<string, unknown>> | null
  if (data === null || typeof data !== 'object') return []
  const candidates = anyOf.flatMap((branch, index) =>
    isMeant(branch, data)
      ? [within.filter(each => each.schemaPath.startsWith(`${union.schemaPath}/${index}/`))]
      : [],
  )
  return candidates.length === 1 ? candidates[0]! : []
}

const isMeant = ({ type, properties = {} }: Schema, data: object): boolean => {
  if (Array.isArray(data)) return type === 'array'
  if (type !== 'object') return false
  return Object.entries(properties).every(
    ([name, { const: word }]) =>
      word === undefined || (data as Readonly<Record<string, unknown>>)[name] === word,
  )
}

const mistakeOf = ({ instancePath, keyword, params, parentSchema }: ErrorObject): SchemaMistake => {
  const path = instancePath
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const schema = (parentSchema ?? {}) as Schema
  const named = params as Readonly<Record<string, unknown>>
  if (keyword === 'required')
    return { path: [...path, String(named.missingProperty)], message: 'is missing' }
  if (keyword === 'additionalProperties')
    return unknownMember(path, String(named.additionalProperty), schema)
  return { path, message: `takes ${describe(schema)}` }
}

const unknownMember = (path: readonly string[], name: string, schema: Schema): SchemaMistake => {
  const known = Object.keys(schema.properties ?? {})
  const guess = nearest(name, known)
  const way =
    known.length === 0
      ? schema.title === undefined
        ? 'nothing does'
        : `names here are ${schema.title}`
      : guess === undefined
        ? `these do: ${known.join(', ')}`
        : `did you mean ${guess}?`
  return { path: [...path, name], message: `does not belong here; ${way}` }
}

/** What a schema takes, behind "takes". */
const describe = (schema: Schema): string => {
  const { title, examples = [] } = schema
  if (schema.const !== undefined) return String(schema.const)
  const choices = choicesOf(schema)
  if (choices) return choices.length === 1 ? choices[0]! : `one of ${choices.join(', ')}`
  if (title !== undefined) return title
  if (schema.anyOf) return [...new Set(schema.anyOf.map(describe))].join(', or ')
  const form = formOf(schema)
  return examples.length > 0 ? `${form}, such as ${examples[0]}` : form
}

/** The words that a schema takes, when they are all it takes. */
const choicesOf = (schema: Schema): string[] | undefined => {
  if (schema.enum) return schema.enum.map(String)
  if (!schema.anyOf?.every(each => each.const !== undefined)) return undefined
  return schema.anyOf.map(each => String(each.const))
}

const formOf = (schema: Schema): string => {
  const { type, description, items } = schema
  if (type === 'integer') return `a whole number${range(schema.minimum, schema.maximum)}`
  if (type === 'number') return `a number${range(schema.minimum, schema.maximum)}`
  if (type === 'boolean') return 'true or false'
  if (type === 'array')
    return `a list${count(schema.minItems, schema.maxItems)}${items ? `, each ${describe(items)}` : ''}`
  if (type === 'object') return `names with values${known(schema)}`
  if (type === 'string' && schema.pattern === undefined)
    return `a text${lengths(schema.minLength, schema.maxLength)}`
  return description ?? 'something else'
}

const range = (from?: number, to?: number): string => {
  if (from !== undefined && to !== undefined) return ` from ${from} to ${to}`
  if (from !== undefined) return ` of ${from} or more`
  return to === undefined ? '' : ` up to ${to}`
}

const count = (from = 0, to?: number): string => {
  if (to !== undefined) return ` of ${from} to ${to}`
  return from > 0 ? ` of ${from} or more` : ''
}

const lengths = (from = 0, to?: number): string => {
  if (to !== undefined) return ` of ${from} to ${to} characters`
  return from > 0 ? ' that is not empty' : ''
}

const known = ({ properties = {} }: Schema): string => {
  const names = Object.keys(properties)
  return names.length === 0 ? '' : `: ${names.join(', ')}`
}
