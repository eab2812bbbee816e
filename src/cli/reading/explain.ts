/** `sluice explain`: what a kind of object takes, from the schema that the controller checks it by. */
import type { Command } from 'commander'
import { Failure } from '../../base/failures.js'
import { nearest } from '../../base/nearest.js'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'
import { UsageError } from '../usage.js'
import { formatColumns } from './columns.js'

/** JSON Schema, as far as kinds use it. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

interface KindSchema {
  readonly kind: string
  readonly plural: string
  readonly path: string
  readonly summary: string
  readonly schema: Schema
}

export const addExplain = (program: Command, cli: Cli, client: () => Promise<Client>): void => {
  program
    .command('explain')
    .description('what a kind of object takes: every member, its type, and what it means')
    .argument(
      '[path]',
      'a kind, or what is inside: router.interfaces.addresses; without: all kinds',
    )
    .action(async (path: string | undefined) => {
      const { items } = await (await client()).get<{ items: KindSchema[] }>('/api/v1/objects')
      cli.print(path === undefined ? kindsText(items) : explained(items, path))
    })
}

const rulesNote =
  'Policies are rule files: docs/rules.md has every word, "sluice check FILE" finds mistakes.'

const kindsText = (items: readonly KindSchema[]): string =>
  `${formatColumns(
    ['KIND', 'PLURAL', 'IS'],
    items.map(({ kind, plural, summary }) => [kind, plural, summary]),
  )}\n${rulesNote}`

const explained = (items: readonly KindSchema[], path: string): string => {
  const [word = '', ...typed] = path.split('.')
  const lower = word.toLowerCase()
  if (['policy', 'policies', 'rule', 'rules'].includes(lower)) return rulesNote
  const kind = items.find(each =>
    [each.kind.toLowerCase(), each.plural, each.path.replace(/^.*\//, '')].includes(lower),
  )
  if (kind === undefined) {
    const words = items.flatMap(each => [each.kind, each.plural])
    throw new UsageError(
      `no kind of object is named ${word}; ${meant(word, words, `there are ${items.map(each => each.kind).join(', ')}`)}`,
    )
  }
  const steps = typed[0] === 'spec' ? typed.slice(1) : typed
  let schema = kind.schema
  const walked: string[] = []
  for (const step of steps) {
    const next = memberOf(schema, step)
    if (next === undefined) {
      const members = [...membersOf(schema).keys()]
      throw new Failure('not-found', {
        what: `member of ${[kind.kind, ...walked].join('.')}`,
        name: `${step}${members.length === 0 ? '' : `; ${meant(step, members, `there are ${members.join(', ')}`)}`}`,
        list: `"sluice explain ${[lower, ...walked].join('.')}"`,
      })
    }
    schema = next
    walked.push(step)
  }
  const head =
    walked.length === 0
      ? [
          `KIND   ${kind.kind}: ${kind.summary}`,
          `FORM   kind: ${kind.kind}, name: NAME, spec: {...}`,
        ]
      : [
          `KIND   ${kind.kind}`,
          `FIELD  spec.${walked.join('.')} <${typeOf(schema)}>`,
          ...(schema.description === undefined ? [] : [`MEANS  ${schema.description}`]),
        ]
  const members = membersOf(schema)
  if (members.size === 0) return head.join('\n')
  const needed = new Set(inner(schema).flatMap(each => each.required ?? []))
  const rows = [...members].map(([name, each]) => [
    name,
    typeOf(each),
    needed.has(name) ? 'yes' : '-',
    each.description ?? each.title ?? '-',
  ])
  return [...head, '', formatColumns(['MEMBER', 'TYPE', 'NEEDED', 'MEANS'], rows)].join('\n')
}

const meant = (word: string, words: readonly string[], otherwise: string): string => {
  const found = nearest(word, words)
  return found === undefined ? otherwise : `did you mean ${found}?`
}

/** What is inside lists and choices. */
const inner = (schema: Schema): readonly Schema[] => [
  schema,
  ...(schema.items ? inner(schema.items) : []),
  ...(schema.anyOf ?? []).flatMap(inner),
]

const anyName = 'NAME'

const membersOf = (schema: Schema): ReadonlyMap<string, Schema> =>
  new Map(
    inner(schema).flatMap(each => [
      ...Object.entries(each.properties ?? {}),
      ...Object.values(each.patternProperties ?? {}).map((one): [string, Schema] => [anyName, one]),
    ]),
  )

const memberOf = (schema: Schema, step: string): Schema | undefined => {
  const members = membersOf(schema)
  return members.get(step) ?? members.get(anyName)
}

/** `whole number 1 to 63`, `list of text`, `secure or standalone`. */
const typeOf = (schema: Schema): string => {
  if (schema.const !== undefined) return String(schema.const)
  if (schema.enum) return schema.enum.join(' or ')
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ')
  const { type, minimum, maximum } = schema
  const range =
    minimum !== undefined && maximum !== undefined
      ? ` ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` from ${minimum}`
        : ''
  if (type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`
  if (type === 'integer') return `whole number${range}`
  if (type === 'number') return `number${range}`
  if (type === 'string') return 'text'
  if (type === 'boolean') return 'true or false'
  if (schema.patternProperties) return 'members by name'
  return type === 'object' ? 'members' : 'anything'
}
