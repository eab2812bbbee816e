/**
 * What is wrong with a value is told in our words: every schema that people's values are held against (routes, kinds,
 * the configuration) is broken in every way at every member, and no phrase or regular expression of the validator gets out.
 */
import { Ajv } from 'ajv'
import t from 'tap'
import { mistakeText, schemaMistakes } from '../../src/base/schema-mistakes.js'
import { configSchema } from '../../src/controller/config.js'
import { hostKind, intentKind, networkKind, portKind } from '../../src/controller/declared/kinds.js'
import * as requests from '../../src/controller/rest/schemas.js'
import { switchKind } from '../../src/controller/switch-setup/kind.js'
import * as policies from '../../src/nfv/firewall/rest/schemas.js'
import { functions } from '../../src/nfv/functions.js'
import * as common from '../../src/nfv/request-schemas.js'

interface Schema {
  readonly type?: string
  readonly title?: string
  readonly pattern?: string
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
}

const rest = { ...common, ...requests, ...policies }

const schemas: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(Object.entries(rest).filter(([, each]) => typeof each === 'object')),
  config: configSchema,
  ...Object.fromEntries(
    [
      ...[switchKind, networkKind, hostKind, portKind, intentKind],
      ...functions.flatMap(each => each.kinds ?? []),
    ].map(({ kind, schema }) => [kind, schema]),
  ),
}

const wrong: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  1e12,
  '',
  '\u0000 "\n',
  'x'.repeat(5_000),
  [],
  [null],
  {},
  { surprise: 1 },
]

/** Every value with one thing wrong somewhere, as a function of the values around it. */
const broken = function* (schema: Schema, depth = 0): Generator<unknown> {
  yield* wrong
  if (depth > 6) return
  for (const [name, each] of Object.entries(schema.properties ?? {}))
    for (const value of broken(each, depth + 1)) yield { [name]: value }
  for (const each of Object.values(schema.patternProperties ?? {}))
    for (const value of broken(each, depth + 1)) {
      yield { 7: value }
      yield { netdev: value }
    }
  if (schema.items) for (const value of broken(schema.items, depth + 1)) yield [value]
  for (const each of schema.anyOf ?? []) yield* broken(each, depth + 1)
}

const validators =
  /must (be|match|NOT|have)|pattern|additional propert|should|instancePath|constant/
const expressions = /\^|\$|\[0-9|\\s|\{\d+,\d*\}|\)\?/

t.test('no mistake is told in the words of the validator', async t => {
  let count = 0
  for (const [name, schema] of Object.entries(schemas)) {
    const validate = new Ajv({ allErrors: true, verbose: true, strict: false }).compile(
      schema as object,
    )
    const bad = new Set<string>()
    for (const value of broken(schema as Schema)) {
      if (validate(value)) continue
      const mistakes = schemaMistakes(validate.errors ?? [])
      if (mistakes.length === 0) bad.add(`nothing is told of ${JSON.stringify(value)}`)
      for (const mistake of mistakes) {
        count++
        const text = mistakeText({ ...mistake, path: ['it'] }, 'it')
        if (
          validators.test(text) ||
          expressions.test(text) ||
          /undefined|something else/.test(text)
        )
          bad.add(text)
      }
    }
    t.same([...bad].slice(0, 10), [], name)
  }
  t.ok(count > 2_000, `${count} mistakes`)
})

t.test('the sentences', async t => {
  const validate = new Ajv({ allErrors: true, verbose: true }).compile(rest.policiesBody)
  validate({ policies: [{ name: 'p', order: 'first', surce: '', watch: 1 }], x: 1 })
  t.same(
    schemaMistakes(validate.errors ?? [])
      .map(each => mistakeText(each, 'the body'))
      .sort(),
    [
      'policies[0].order takes a whole number from 0 to 1000000',
      'policies[0].surce does not belong here; did you mean source?',
      'policies[0].watch takes true or false',
      'x does not belong here; these do: policies',
    ],
  )
  const trace = new Ajv({ allErrors: true, verbose: true }).compile(rest.traceBody)
  trace({ protocol: 'tcp/80', port: 5 })
  t.match(
    schemaMistakes(trace.errors ?? [])
      .map(each => mistakeText(each, 'the body'))
      .join(' | '),
    /protocol takes tcp, or udp, or icmp, or sctp, or a whole number from 0 to 255/,
  )
})
