/**
 * Actions as bytes: OpenFlow 1.3.5 section 7.2.5. One row an action; Nicira's are in
 * `nicira-actions.ts`. What nobody we know has defined is kept as bytes.
 */

import { readSetField, UnknownFieldError, writeSetField } from '../match.js'
import type { FieldName } from '../oxm.js'
import { type Action, ports } from '../values.js'
import { pad, u8, u16, u32 } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { type Row, RowsCodec } from '../wire/structure.js'
import type { Writer } from '../wire/writer.js'
import type { ActionList } from './action-list.js'
import { niciraActionByKind, niciraActionByNumber, niciraExperimenter } from './nicira-actions.js'

const experimenterType = 0xffff

type Kind = Action['kind']
type ActionOf<K extends Kind> = Extract<Action, { kind: K }>

/** What comes behind an action's header; padding to eight octets is done for all alike. */
interface Body {
  read(reader: Reader): Action
  write(writer: Writer, action: Action): void
}

export interface StandardAction extends Body {
  readonly kind: Kind
  readonly type: number
}

const action = <K extends Kind>(
  kind: K,
  type: number,
  read: (reader: Reader) => ActionOf<K>,
  write: (writer: Writer, action: ActionOf<K>) => void,
): StandardAction => ({ kind, type, read, write: write as Body['write'] })

const fromRows = (kind: Kind, type: number, ...rows: readonly Row[]): StandardAction => {
  const codec = new RowsCodec(rows, 'OFPBAC_BAD_LEN')
  return {
    kind,
    type,
    read(reader) {
      const members = { kind }
      codec.readInto(reader, members)
      return members as unknown as Action
    },
    write: (writer, value) => codec.write(writer, value as unknown as Record<string, unknown>),
  }
}

const unused = (size: number): Row => ['', pad(size), 'padding']

/** How much of a packet goes to the controller when nothing is said: all of it. */
const wholePacket = 0xffff
const usualMaxLength = (port: number): number => (port === ports.controller ? wholePacket : 0)

const readOutput = (reader: Reader): Action => {
  const port = reader.u32()
  const maxLength = reader.u16()
  reader.skip(6)
  return maxLength === usualMaxLength(port)
    ? { kind: 'output', port }
    : { kind: 'output', port, maxLength }
}

// biome-ignore format: a table
export const standardActions: readonly StandardAction[] = [
  action('output', 0, readOutput as (reader: Reader) => ActionOf<'output'>, (writer, { port, maxLength }) => {
    writer.u32(port)
    writer.u16(maxLength ?? usualMaxLength(port))
    writer.zeros(6)
  }),
  fromRows('copy_ttl_out', 11, unused(4)),
  fromRows('copy_ttl_in',  12, unused(4)),
  fromRows('set_mpls_ttl', 15, ['ttl', u8, 'of the outermost label'], unused(3)),
  fromRows('dec_mpls_ttl', 16, unused(4)),
  fromRows('push_vlan',    17, ['ethertype', u16, 'of the new tag'], unused(2)),
  fromRows('pop_vlan',     18, unused(4)),
  fromRows('push_mpls',    19, ['ethertype', u16, 'of the new label'], unused(2)),
  fromRows('pop_mpls',     20, ['ethertype', u16, 'of what is under the label'], unused(2)),
  fromRows('set_queue',    21, ['queue', u32, 'of the port it goes out by']),
  fromRows('group',        22, ['group', u32, 'processes the packet']),
  fromRows('set_nw_ttl',   23, ['ttl', u8, 'of the IP header'], unused(3)),
  fromRows('dec_ttl',      24, unused(4)),
  action('set_field', 25, reader => {
    const field = readSetField(reader)
    // A mask came with OpenFlow 1.5; before, Nicira's action takes one.
    if (field.mask !== undefined) throw reader.error('set_field takes no mask', 'OFPBAC_BAD_SET_MASK')
    reader.skip(reader.remaining)
    return { kind: 'set_field', ...field }
  }, (writer, { field, value, mask }) => writeSetField(writer, field, value, mask)),
  fromRows('push_pbb',     26, ['ethertype', u16, 'of the new service tag'], unused(2)),
  fromRows('pop_pbb',      27, unused(4)),
]

const actionByType = new Map(standardActions.map(entry => [entry.type, entry]))
const actionByKind = new Map<string, StandardAction>(
  standardActions.map(entry => [entry.kind, entry]),
)

const readAction = (reader: Reader): Action => {
  const start = reader.offset
  const type = reader.u16()
  const length = reader.u16()
  if (length < 8 || length % 8 !== 0)
    throw reader.error(`an action of ${length} octets`, 'OFPBAC_BAD_LEN')
  const outer = reader.narrow(length - 4, 'OFPBAC_BAD_LEN')
  let value: Action | undefined
  try {
    value =
      type === experimenterType ? readExperimenter(reader) : actionByType.get(type)?.read(reader)
  } catch (error) {
    if (!(error instanceof UnknownFieldError)) throw error
  }
  if (value === undefined) {
    reader.offset = reader.end
    value = { kind: 'unknown', bytes: reader.bytes.subarray(start, reader.end) }
  }
  reader.widen(outer, 'OFPBAC_BAD_LEN')
  return value
}

const readExperimenter = (reader: Reader): Action | undefined => {
  if (reader.u32() !== niciraExperimenter) return undefined
  const entry = niciraActionByNumber.get(reader.u16())
  if (entry === undefined) return undefined
  const value = entry.read(reader, actionList)
  // What is left is padding up to a multiple of eight.
  if (reader.remaining >= 8 && !entry.isOpenEnded)
    throw reader.error(`${reader.remaining} octets too many`, 'OFPBAC_BAD_LEN')
  reader.offset = reader.end
  return value
}

const writeAction = (writer: Writer, value: Action): void => {
  if (value.kind === 'unknown') return writer.bytes(value.bytes)
  const start = writer.mark()
  const entry = needsNicira(value) ? undefined : actionByKind.get(value.kind)
  if (entry !== undefined) {
    writer.u16(entry.type)
    writer.u16(0)
    entry.write(writer, value)
  } else {
    const nicira = niciraActionByKind.get(value.kind)!
    writer.u16(experimenterType)
    writer.u16(0)
    writer.u32(niciraExperimenter)
    const numberMark = writer.mark()
    writer.u16(0)
    writer.patch16(numberMark, nicira.write(writer, value, actionList))
  }
  writer.align8(start)
  writer.patch16(start + 2, writer.since(start))
}

/** Forms of standard actions that only Nicira's kin of them can express. */
const needsNicira = (value: Action): boolean =>
  (value.kind === 'dec_ttl' && value.controllerIds !== undefined) ||
  (value.kind === 'set_field' && value.mask !== undefined)

/** The field that an action writes, where it names one. */
const writtenField = (action: Action): FieldName | undefined => {
  if (action.kind === 'set_field') return action.field
  return action.kind === 'load' || action.kind === 'move' ? action.to.field : undefined
}

const isOfConnection = (field: FieldName | undefined): boolean =>
  field === 'ct_mark' || field === 'ct_label'

/** Actions up to the end of what holds them. */
export const actionList: ActionList = {
  read(reader) {
    const actions: Action[] = []
    while (reader.offset < reader.end) {
      const action = readAction(reader)
      if (isOfConnection(writtenField(action)))
        throw reader.error('mark and label are set inside of ct', 'OFPBAC_BAD_SET_ARGUMENT')
      actions.push(action)
    }
    return actions
  },
  readInCt(reader) {
    const action = readAction(reader)
    if (!isOfConnection(writtenField(action)))
      throw reader.error(`ct does not set mark or label by ${action.kind}`, 'OFPBAC_BAD_ARGUMENT')
    return action
  },
  write(writer, actions) {
    for (const one of actions) writeAction(writer, one)
  },
}
