/** What crosses the wire, as a page for people: written from the tables, kept in step by a test. */
import { standardActions } from '../../src/openflow/actions/actions.js'
import { instructionTypes } from '../../src/openflow/actions/instructions.js'
import { niciraActions } from '../../src/openflow/actions/nicira-actions.js'
import { errorKinds } from '../../src/openflow/error-codes.js'
import { messageTables } from '../../src/openflow/messages/index.js'
import type { MessageTable, Place } from '../../src/openflow/messages/message.js'
import { fields } from '../../src/openflow/oxm.js'

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`

const placeOf = (place: Place): string => {
  switch (place.layer) {
    case 'header':
      return `type ${place.type}`
    case 'multipart':
      return `multipart ${place.isReply ? 'reply' : 'request'} ${place.number}`
    case 'experimenter':
      return `experimenter ${hex(place.experimenter)}, ${place.number}`
    default:
      return `multipart ${place.isReply ? 'reply' : 'request'} of experimenter ${hex(place.experimenter)}, ${place.number}`
  }
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

const messageSection = (table: MessageTable): string => {
  const rows = table.fields.filter(([name]) => name !== '')
  const head = `### ${table.kind}\n\n${table.spec}; ${placeOf(table.place)}.\n`
  if (rows.length === 0) return `${head}\nNothing behind the header.\n`
  return `${head}\n| member | what it is |\n| --- | --- |\n${rows
    .map(([name, , meaning]) => `| \`${name}\` | ${cell(meaning)} |\n`)
    .join('')}`
}

const fieldRows = (): string =>
  fields
    .filter(({ name }) => !/^tun_metadata(?!0$)/.test(name))
    .map(field => {
      const experimenter = field.oxmClass > 0xffff
      const where = experimenter
        ? `experimenter ${hex(field.oxmClass - 2 ** 32)}, ${field.number}`
        : `0x${field.oxmClass.toString(16).padStart(4, '0')}, ${field.number}`
      const name = field.name === 'tun_metadata0' ? 'tun_metadata0 to 63' : field.name
      const size = field.isVariable ? 'up to 992' : String(field.bits)
      return `| \`${name}\` | ${where} | ${size} | ${field.isMaskable ? 'yes' : 'no'} | ${field.isWritable ? 'yes' : 'no'} | ${field.prerequisite} | \`${field.symbol}\` |\n`
    })
    .join('')

const actionRows = (): string => {
  const standard = standardActions.map(
    ({ kind, type }) => `| \`${kind}\` | OpenFlow 1.3.5, 7.2.5 | ${type} |\n`,
  )
  const byKind = new Map<string, number[]>()
  for (const { kind, numbers } of niciraActions)
    byKind.set(kind, [...(byKind.get(kind) ?? []), ...numbers])
  const nicira = [...byKind].map(
    ([kind, numbers]) => `| \`${kind}\` | Nicira, ovs-actions(7) | ${numbers.join(', ')} |\n`,
  )
  return [...standard, ...nicira, '| `nat` | Nicira, inside `ct` | 36 |\n'].join('')
}

const errorRows = (): string =>
  errorKinds
    .map(
      ({ name, type, code, experimenter, meaning }) =>
        `| \`${name}\` | ${type} | ${code} | ${experimenter === undefined ? '' : hex(experimenter)} | ${cell(meaning)} |\n`,
    )
    .join('')

/** The page `docs/wire.md`. */
export const wireReference = (): string => `# OpenFlow on the wire

Written from the tables in \`src/openflow/\`; a test fails when it is behind. Messages are values with a \`kind\`; \`decode\` gives
all members, \`encode\` lets those with a usual value be left away. What is unknown is kept as octets and written back the same.

In the \`object\` of \`sluice wire --jsonl\` numbers of more than 48 bits are decimal strings, octets are hex, absent members are absent; a field with
a mask is \`{"value", "mask"}\`, with \`size\` in octets for tunnel metadata. A decoded match must name a field's prerequisites before it
(\`OFPBMC_BAD_PREREQ\`); values have no bits outside their field (\`OFPBMC_BAD_VALUE\`) or mask (\`OFPBMC_BAD_WILDCARDS\`).

\`sluice wire\` takes hex digits, files of hex digits or hex dumps, pcap and pcapng, and \`-\`; it ends with 1 when something could not be
read. \`--jsonl\` takes lines \`{"hex"}\` or \`{"text", "as": "flow-mod" | "group-mod" | "meter-mod"}\`; \`text\` is what \`ovs-ofctl add-flow\`, \`add-group\`
and \`add-meter\` take, with \`add\`, \`modify\`, \`modify_strict\`, \`delete\` or \`delete_strict\` in front where wanted. The answer is \`{"kind", "text", "object", "hex"}\` or
\`{"error": {"reason", "offset"}}\`, the offset in octets from the start of the message.

## Messages

${(messageTables as readonly MessageTable[]).map(messageSection).join('\n')}
Others are \`unknown\`, \`unknown-stats-request\`, \`unknown-stats-reply\`, \`experimenter\`, \`experimenter-stats-request\` and \`experimenter-stats-reply\`, with their \`data\`.

## Match fields

| name | class, number | bits | mask | writable | needs | in actions |
| --- | --- | --- | --- | --- | --- | --- |
${fieldRows()}
## Instructions

| kind | type |
| --- | --- |
${Object.entries(instructionTypes)
  .map(([kind, type]) => `| \`${kind}\` | ${type} |\n`)
  .join('')}
## Actions

| kind | where | number |
| --- | --- | --- |
${actionRows()}
## Errors

Those with type 65535 are an experimenter's.

| name | type | code | experimenter | meaning |
| --- | --- | --- | --- | --- |
${errorRows()}`
