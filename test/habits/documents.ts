/** Documents that are written from tables of the code. `npm run docs` writes them; a test fails when one is behind. */

import { execFileSync } from 'node:child_process'
import { eventKinds } from '../../src/base/events.js'
import { failures } from '../../src/base/failures.js'
import { familiesWith, maxSeries } from '../../src/controller/metrics/families.js'
import { rightsWith, roles } from '../../src/controller/rights/rights.js'
import { grammar } from '../../src/nfv/firewall/text/grammar.js'
import { policyDocument } from '../../src/nfv/firewall/text/schema.js'
import { functions } from '../../src/nfv/functions.js'
import { label, registers } from '../../src/pipeline/registers.js'
import { tables } from '../../src/pipeline/tables.js'
import { programPath } from '../program.js'
import { wireReference } from './wire-reference.js'

const row = (...cells: readonly (string | number)[]): string =>
  `| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`

const table = (headings: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
  [row(...headings), row(...headings.map(() => '---')), ...rows.map(cells => row(...cells))].join(
    '\n',
  )

const bitsOf = (
  layout: Readonly<Record<string, { field: string; offset: number; size: number }>>,
) =>
  table(
    ['field', 'bits', 'holds'],
    Object.entries(layout).map(([name, { field, offset, size }]) => [
      field,
      `${offset}..${offset + size - 1}`,
      name,
    ]),
  )

const pipeline = (): string => `# The pipeline

Written from \`src/pipeline/tables.ts\` and \`registers.ts\`, where the drawing is; do not edit it here.

In each table the row with the highest priority that matches wins. Every table ends in a row of priority 0 that says what a miss means, so a drop is always a row with a counter, a reason and an
origin. Cookies are \`[16 namespace 0x5147][16 owner][32 hash of the origin]\`.

${table(
  ['id', 'table', 'job', 'a miss means'],
  tables.map(({ id, name, job, miss }) => [id, name, job, miss]),
)}

## Registers

${bitsOf(registers)}

## The label of a connection

${bitsOf(label)}
`

const rightsPage = (): string => `# Who may do what

Written from \`src/controller/rights/rights.ts\` and what network functions bring; do not edit it here. How tokens and certificates are made: [service.md](service.md).

A role ${Object.entries(roles)
  .map(([name, what]) => `**${name}** ${what}`)
  .join(
    '; ',
  )}. A route that is not in this table does not start. On a plain address of loopback, with no proxy in front, whoever has no token is a viewer.

${table(
  ['route', ...Object.keys(roles)],
  Object.entries(rightsWith(functions)).map(([route, right]) => [
    `\`${route}\``,
    ...Object.keys(roles).map(role =>
      right === 'public' ? 'everybody' : right.some(each => each === role) ? 'yes' : '',
    ),
  ]),
)}
`

const metricsPage = (): string => `# Metrics

Written from \`src/controller/metrics/families.ts\` and what network functions measure; do not edit it here. \`GET /metrics\` answers in the text format of Prometheus to whoever may read ([service.md](service.md)). Of one name there are ${maxSeries} series at most: counters that are more are added up under \`(others)\`, gauges are left out.

${table(
  ['name', 'type', 'labels', 'means'],
  Object.entries(familiesWith(functions)).map(([name, { type, labels, help }]) => [
    `\`${name}\``,
    type,
    labels.join(', '),
    help,
  ]),
)}
`

const eventsPage = (): string => `# Kinds of events

Written from \`src/base/events.ts\` and what network functions declare; do not edit it here. How they are read: [events.md](events.md).

Every event has \`sequence\`, \`time\` and \`kind\`. Behind a member is what it holds; with \`?\` it may be absent. A \`port\` is \`{dpid, port}\`.

${table(
  ['kind', 'level', 'what happened', 'members'],
  [...eventKinds].map(([kind, { level, means, has }]) => [
    `\`${kind}\``,
    level,
    means,
    Object.entries(has)
      .map(([name, word]) => `\`${name}\` ${word}`)
      .join(', '),
  ]),
)}
| \`gap\` | | events are missing here: [events.md](events.md) | \`after\` number, \`reason\` text |
`

const failuresPage = (): string => `# Failures

Written from \`src/base/failures.ts\`; do not edit it here. The API answers them as \`application/problem+json\` (RFC 9457) with \`type\` \`urn:sluice:failure:CODE\`.

${table(
  ['code', 'status', 'what', 'what to do'],
  Object.entries(failures).map(([code, { status, title, hint }]) => [code, status, title, hint]),
)}
`

/** The program says it itself; without the loader of the tests. */
const commandLine = (): string => {
  const { NODE_OPTIONS: _, ...env } = process.env
  return execFileSync(process.execPath, [programPath, 'help', '--markdown'], {
    env,
    encoding: 'utf8',
  })
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** By path in the repository. */
export const documents: Readonly<Record<string, () => string>> = {
  'docs/pipeline.md': pipeline,
  'docs/event-kinds.md': eventsPage,
  'docs/cli.md': commandLine,
  'docs/failures.md': failuresPage,
  'docs/rights.md': rightsPage,
  'docs/metrics.md': metricsPage,
  'docs/wire.md': wireReference,
  'contrib/editor/sluice.tmLanguage.json': () => json(grammar),
  'contrib/editor/policy.schema.json': () => json(policyDocument),
}
