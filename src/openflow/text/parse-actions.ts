/**
 * Actions in `ovs-ofctl`'s syntax (ovs-actions(7)) as the values that go on the wire over OpenFlow
 * 1.3. What 1.3 says in another way is translated as Open vSwitch translates it: `mod_nw_tos` is a
 * `set_field`, a masked `set_field` is one `load` for each run of bits.
 */

import { widthOf } from '../match.js'
import { type Field, fieldByName } from '../oxm.js'
import { type Action, type FieldValue, type Instruction, ports, type Subfield } from '../values.js'
import { type ActionContext, parseNested, splitArrow } from './parse-nested.js'
import {
  allOnes,
  asFieldValue,
  findNamedField,
  findPort,
  findSymbol,
  parseBits,
  parsePort,
  parseSubfield,
} from './parse-value.js'
import {
  FlowTextError,
  parseDecimal,
  parseNumber,
  parseOctets,
  parseSmall,
  splitMask,
  splitWords,
} from './parse-words.js'

/** One word of a list of actions: some are two actions on the wire, some are instructions. */
type Parsed = readonly Action[] | Instruction

type Parser = (value: string, context: ActionContext) => Parsed

const setField = (name: string, value: FieldValue): readonly Action[] => [
  { kind: 'set_field', field: name as Field['name'], value },
]

const exact = (name: string, value: string): readonly Action[] => {
  const field = fieldByName.get(name)!
  return setField(name, asFieldValue(field, parseBits(field, value).value))
}

const transport = (
  value: string,
  context: ActionContext,
  side: 'src' | 'dst',
): readonly Action[] => {
  const name = ({ 6: 'tcp', 17: 'udp', 132: 'sctp' } as const)[Number(context.known.ip_proto)]
  if (name === undefined)
    throw new FlowTextError(
      `mod_tp_${side} needs a match that says tcp, udp or sctp, or write set_field:${value}->tcp_${side}`,
    )
  return setField(`${name}_${side}`, parseSmall(value, 16, `mod_tp_${side}`))
}

/** A tag is pushed when there is none, where the action says so. */
const vlan = (
  context: ActionContext,
  action: readonly Action[],
  pushes: boolean,
): readonly Action[] => {
  const needsTag = pushes && !context.hasVlan
  context.hasVlan = true
  return needsTag ? [{ kind: 'push_vlan', ethertype: 0x8100 }, ...action] : action
}

const vlanId = (value: string): readonly Action[] =>
  setField('vlan_vid', 0x1000 | parseSmall(value, 12, 'VLAN VID'))
const vlanPriority = (value: string): readonly Action[] =>
  setField('vlan_pcp', parseSmall(value, 3, 'VLAN PCP'))

const parseOutput: Parser = (value, context) => {
  if (value.includes('max_len')) {
    const given = new Map(splitWords(value).map(word => [word.key, word.value]))
    const port = parsePort(given.get('port') ?? '', context.ports)
    const maxLength = parseSmall(given.get('max_len') ?? '', 32, 'max_len')
    if (port >= ports.max && port !== ports.local && port !== ports.inPort)
      throw new FlowTextError(`output to unsupported truncate port: ${given.get('port')}`)
    if (maxLength < 14) throw new FlowTextError('max_len 0 should be at least 14 bytes')
    return [{ kind: 'output_trunc', port, maxLength }]
  }
  const port = findPort(value, context.ports)
  return [
    port === undefined
      ? { kind: 'output_reg', from: parseSubfield(value) }
      : { kind: 'output', port },
  ]
}

// biome-ignore format: a table
export const reasons: Readonly<Record<string, number>> = {
  no_match: 0, action: 1, invalid_ttl: 2, action_set: 3, group: 4, packet_out: 5,
}

const parseController: Parser = value => {
  if (value === '') return [{ kind: 'output', port: ports.controller }]
  if (/^[0-9]/.test(value)) return [toController(parseSmall(value, 16, 'max_len'))]
  const action: Record<string, unknown> = { kind: 'controller' }
  for (const { key, value: text } of splitWords(value)) {
    if (key === 'reason') action.reason = reasonOf(text)
    else if (key === 'max_len') action.maxLength = parseSmall(text, 16, key)
    else if (key === 'id') action.controllerId = parseSmall(text, 16, key)
    else if (key === 'userdata') action.userdata = parseOctets(text)
    else if (key === 'pause') action.pause = true
    else if (key === 'meter_id') action.meter = parseSmall(text, 32, key)
    else throw new FlowTextError(`unknown key "${key}" parsing controller action`)
  }
  const isPlain = Object.keys(action).every(
    key =>
      key === 'kind' ||
      key === 'maxLength' ||
      (key === 'reason' && action.reason === 1) ||
      (key === 'controllerId' && action.controllerId === 0),
  )
  return [
    isPlain ? toController(action.maxLength as number | undefined) : (action as unknown as Action),
  ]
}

const toController = (maxLength: number | undefined): Action =>
  maxLength === undefined || maxLength === 0xffff
    ? { kind: 'output', port: ports.controller }
    : { kind: 'output', port: ports.controller, maxLength }

const reasonOf = (text: string): number => {
  const reason = reasons[text]
  if (reason === undefined) throw new FlowTextError(`unknown reason "${text}"`)
  return reason
}

/** A queue is of one port: of none that stands for several. */
const queuePort = (text: string, context: ActionContext): number => {
  const port = parsePort(text, context.ports)
  if (port >= ports.max && port !== ports.inPort && port !== ports.local)
    throw new FlowTextError(`${text}: no port with queues (OFPBAC_BAD_OUT_PORT)`)
  return port
}

const parseEnqueue: Parser = (value, context) => {
  const [port = '', queue = ''] = value.split(/[:,]/)
  return [
    { kind: 'set_queue', queue: parseSmall(queue, 32, 'queue') },
    { kind: 'output', port: queuePort(port, context), maxLength: 0xffff },
    { kind: 'pop_queue' },
  ]
}

const parseResubmit: Parser = (value, context) => {
  const [port = '', table = '', ct] = value.split(',').map(part => part.trim())
  if (ct !== undefined && ct !== 'ct') throw new FlowTextError(`${value}: unknown parameter ${ct}`)
  if (port === '' && table === '')
    throw new FlowTextError('at least one "in_port" or "table" must be specified on resubmit')
  const inPort = port === '' ? ports.inPort : parsePort(port, context.ports)
  const tableId = table === '' ? 0xff : parseDecimal(table, 8, 'table')
  if (inPort === ports.inPort && tableId === 0xff)
    throw new FlowTextError('at least one "in_port" or "table" must be specified on resubmit')
  return [
    {
      kind: 'resubmit',
      ...(inPort === ports.inPort ? {} : { port: inPort }),
      ...(tableId === 0xff ? {} : { table: tableId }),
      ...(ct ? { ct: true } : {}),
    },
  ]
}

const parseSetField: Parser = (text, context) => {
  const [value, name] = splitArrow(text, 'set_field')
  const field = name === 'in_port' ? fieldByName.get('in_port16')! : findNamedField(name.trim())
  if (field === undefined) throw new FlowTextError(`${name} is not a valid OXM field name`)
  if (!field.isWritable) throw new FlowTextError(`${name} is read-only`)
  checkCt(field.name, context)
  const bits = parseBits(field, value, context.ports)
  const isMaskGiven = value.includes('/') || /^[+-]/.test(value)
  const isExact = bits.mask === allOnes(field.isVariable ? 992 : 8 * field.size)
  if (!isMaskGiven || isExact)
    return [{ kind: 'set_field', field: field.name, value: asFieldValue(field, bits.value) }]
  if (!field.isMaskable) throw new FlowTextError(`${value}: invalid mask for field ${name}`)
  return loads(field, bits.value & bits.mask, bits.mask)
}

const checkCt = (name: string, context: ActionContext): void => {
  const isCt = name === 'ct_mark' || name === 'ct_label'
  if (isCt && !context.isInCt) throw new FlowTextError('cannot set CT fields outside of ct action')
  if (!isCt && context.isInCt)
    throw new FlowTextError("ct action doesn't support nested modification of other fields")
}

const parseLoad: Parser = (text, context) => {
  const [value, destination] = splitArrow(text, 'load')
  const to = parseSubfield(destination)
  const field = fieldByName.get(to.field)!
  if (!field.isWritable) throw new FlowTextError(`${destination} is read-only`)
  checkCt(field.name, context)
  const number = parseLoaded(value)
  if (number >> BigInt(to.size) !== 0n)
    throw new FlowTextError(`${text}: value ${value} does not fit into ${to.size} bits`)
  const shift = BigInt(to.offset)
  return loads(field, number << shift, allOnes(to.size) << shift)
}

/** A number; as `ovs-ofctl` does, what comes behind its digits is passed over. */
const parseLoaded = (text: string): bigint => {
  const found = /^(?:0x[0-9a-f]+|\d+)/i.exec(text)
  if (found === null) throw new FlowTextError(`${text}: cannot parse integer value`)
  return parseNumber(found[0], 1024, 'value')
}

/** One `load` for each run of ones in the mask, from the lowest bit up, none of more than 64 bits. */
export const loads = (field: Field, value: bigint, mask: bigint): readonly Action[] => {
  // Options of tunnels are as long as they are: their mask says it.
  if (field.isVariable) return [{ kind: 'set_field', field: field.name, value, mask }]
  const actions: Action[] = []
  const width = widthOf(field)
  for (let offset = 0; offset < width; ) {
    if (((mask >> BigInt(offset)) & 1n) === 0n) {
      offset++
      continue
    }
    let size = 1
    while (size < 64 && offset + size < width && ((mask >> BigInt(offset + size)) & 1n) === 1n)
      size++
    const part = (value >> BigInt(offset)) & allOnes(size)
    const to: Subfield = { field: field.name, offset, size }
    actions.push({ kind: 'load', to, value: asFieldValue(field, part) })
    offset += size
  }
  return actions
}

const parseMove: Parser = text => {
  const [source, destination] = splitArrow(text, 'move')
  const from = parseSubfield(source)
  const to = parseSubfield(destination)
  if (from.size !== to.size)
    throw new FlowTextError(
      `${text}: source field is ${from.size} bits wide but destination is ${to.size} bits wide`,
    )
  return [{ kind: 'move', from, to }]
}

const parseDecTtl: Parser = value =>
  value === ''
    ? [{ kind: 'dec_ttl' }]
    : [
        {
          kind: 'dec_ttl',
          controllerIds: value.split(',').map(id => parseSmall(id.trim(), 16, 'controller id')),
        },
      ]

const ethertype = (value: string): number => parseSmall(value, 16, 'ethertype')

const parsePushVlan: Parser = (value, context) => {
  const type = ethertype(value)
  if (type !== 0x8100 && type !== 0x88a8)
    throw new FlowTextError(`${value}: not a valid VLAN ethertype`)
  context.hasVlan = true
  return [{ kind: 'push_vlan', ethertype: type }]
}

const popVlan: Parser = (_, context) => {
  context.hasVlan = false
  return [{ kind: 'pop_vlan' }]
}

const writeMetadata = (value: string): Instruction => {
  const [metadata, mask] = splitMask(value)
  const bits = mask === undefined ? allOnes(64) : parseNumber(mask, 64, 'metadata mask')
  return { kind: 'write-metadata', metadata: parseNumber(metadata, 64, 'metadata'), mask: bits }
}

// biome-ignore format: a table
const parsers: Readonly<Record<string, Parser>> = {
  output: parseOutput, controller: parseController, enqueue: parseEnqueue, resubmit: parseResubmit,
  group: value => [{ kind: 'group', group: parseSmall(value, 32, 'group') }],
  set_field: parseSetField, load: parseLoad, move: parseMove,
  mod_vlan_vid: (value, context) => vlan(context, vlanId(value), true),
  set_vlan_vid: (value, context) => vlan(context, vlanId(value), false),
  mod_vlan_pcp: (value, context) => vlan(context, vlanPriority(value), true),
  set_vlan_pcp: (value, context) => vlan(context, vlanPriority(value), false),
  push_vlan: parsePushVlan, strip_vlan: popVlan, pop_vlan: popVlan,
  mod_dl_src: value => exact('eth_src', value), mod_dl_dst: value => exact('eth_dst', value),
  mod_nw_src: value => exact('ip_src', value), mod_nw_dst: value => exact('ip_dst', value),
  mod_nw_tos: value => setField('ip_dscp', parseTos(value)),
  mod_nw_ecn: value => setField('ip_ecn', parseSmall(value, 2, 'ECN')),
  mod_nw_ttl: value => [{ kind: 'set_nw_ttl', ttl: parseSmall(value, 8, 'TTL') }],
  set_nw_ttl: value => [{ kind: 'set_nw_ttl', ttl: parseSmall(value, 8, 'TTL') }],
  mod_tp_src: (value, context) => transport(value, context, 'src'),
  mod_tp_dst: (value, context) => transport(value, context, 'dst'),
  dec_ttl: parseDecTtl,
  set_mpls_label: value => setField('mpls_label', parseSmall(value, 20, 'MPLS label')),
  set_mpls_tc: value => setField('mpls_tc', parseSmall(value, 3, 'MPLS TC')),
  set_mpls_ttl: value => [{ kind: 'set_mpls_ttl', ttl: parseSmall(value, 8, 'MPLS TTL') }],
  dec_mpls_ttl: () => [{ kind: 'dec_mpls_ttl' }],
  push_mpls: value => [{ kind: 'push_mpls', ethertype: ethertype(value) }],
  pop_mpls: value => [{ kind: 'pop_mpls', ethertype: ethertype(value) }],
  set_tunnel: value => setField('tun_id', parseNumber(value, 64, 'tunnel id')),
  set_tunnel64: value => setField('tun_id', parseNumber(value, 64, 'tunnel id')),
  set_queue: value => [{ kind: 'set_queue', queue: parseSmall(value, 32, 'queue') }],
  pop_queue: () => [{ kind: 'pop_queue' }],
  push: value => [{ kind: 'push', from: parseSubfield(value) }],
  pop: value => [{ kind: 'pop', to: parseSubfield(value) }],
  note: value => [{ kind: 'note', note: parseOctets(value) }],
  exit: () => [{ kind: 'exit' }], ct_clear: () => [{ kind: 'ct_clear' }], dec_nsh_ttl: () => [{ kind: 'dec_nsh_ttl' }],
  delete_field: value => [{ kind: 'delete_field', field: metadataField(value) }],
  clone: (value, context) => [{ kind: 'clone', actions: parseActions(value, { ...context }) }],
  goto_table: value => ({ kind: 'goto-table', table: parseDecimal(value, 8, 'table') }),
  write_metadata: writeMetadata,
  meter: value => ({ kind: 'meter', meter: parseSmall(value, 32, 'meter') }),
  clear_actions: () => ({ kind: 'clear-actions' }),
  write_actions: (value, context) => ({ kind: 'write-actions', actions: parseActions(value, { ...context }) }),
}

const parseTos = (value: string): number => {
  const tos = parseSmall(value, 8, 'TOS')
  if ((tos & 3) !== 0) throw new FlowTextError(`${value}: not a valid TOS`)
  return tos >>> 2
}

const metadataField = (name: string): Field['name'] => {
  const field = findSymbol(name) ?? findNamedField(name)
  if (!field?.isVariable) throw new FlowTextError(`cannot delete field ${name}`)
  return field.name
}

const parseOne = (key: string, value: string, context: ActionContext): Parsed => {
  const word = key.toLowerCase()
  const parser = Object.hasOwn(parsers, word) ? parsers[word] : undefined
  if (parser !== undefined) {
    const parsed = parser(value, context)
    if (!isInstruction(parsed) && word !== 'set_field' && word !== 'load')
      for (const action of parsed) if (action.kind === 'set_field') context.lenient?.add(action)
    return parsed
  }
  const nested = parseNested(word, value, context, parseActions)
  if (nested !== undefined) return [nested]
  const port = findPort(key, context.ports)
  if (port === undefined) throw new FlowTextError(`unknown action ${key}`)
  return [{ kind: 'output', port }]
}

const isInstruction = (parsed: Parsed): parsed is Instruction => !Array.isArray(parsed)

/** A list without instructions: of a bucket, of `write_actions`, of `clone`, of `ct(exec(...))`. */
export const parseActions = (text: string, context: ActionContext): Action[] =>
  parseAll(text, context).flatMap(parsed => {
    if (isInstruction(parsed))
      throw new FlowTextError(`${parsed.kind} is an instruction and cannot stand here`)
    return parsed
  })

const parseAll = (text: string, context: ActionContext): Parsed[] => {
  const words = splitWords(text)
  if (words.some(word => word.key.toLowerCase() === 'drop')) {
    if (words.length > 1)
      throw new FlowTextError('"drop" must not be accompanied by any other action or instruction')
    return []
  }
  return words.map(word => parseOne(word.key, word.value, context))
}

/** In which order a switch executes them, which is the order they have to be given in. */
// biome-ignore format: a table
const order = ['meter', 'apply-actions', 'clear-actions', 'write-actions', 'write-metadata', 'goto-table'] as const

/** What a flow does: plain actions become one apply-actions instruction. */
export const parseInstructions = (text: string, context: ActionContext): Instruction[] => {
  const instructions: Instruction[] = []
  let applied: Action[] | undefined
  for (const parsed of parseAll(text, context)) {
    if (isInstruction(parsed)) {
      if (parsed.kind === 'write-actions' && parsed.actions.length === 0) continue
      checkOrder(instructions, parsed)
      instructions.push(parsed)
      continue
    }
    if (applied === undefined) {
      applied = []
      const instruction: Instruction = { kind: 'apply-actions', actions: applied }
      checkOrder(instructions, instruction)
      instructions.push(instruction)
    } else if (instructions.at(-1)?.kind !== 'apply-actions')
      throw new FlowTextError('actions must come before the other instructions')
    applied.push(...parsed)
  }
  checkConjunctions(applied ?? [], instructions)
  return instructions
}

const checkConjunctions = (
  actions: readonly Action[],
  instructions: readonly Instruction[],
): void => {
  const other = [...actions, ...instructions.filter(({ kind }) => kind !== 'apply-actions')].find(
    ({ kind }) => kind !== 'conjunction' && kind !== 'note',
  )
  if (other && actions.some(({ kind }) => kind === 'conjunction'))
    throw new FlowTextError(
      `"conjunction" actions may be used along with "note" but not any other kind of action (such as the "${other.kind}" action used here)`,
    )
}

const checkOrder = (before: readonly Instruction[], next: Instruction): void => {
  const last = before.at(-1)
  if (last === undefined) return
  const rank = (one: Instruction) => order.indexOf(one.kind as (typeof order)[number])
  if (before.some(one => one.kind === next.kind))
    throw new FlowTextError(`duplicate ${next.kind} instruction not allowed`)
  if (rank(last) > rank(next))
    throw new FlowTextError(
      `invalid instruction ordering: ${next.kind} must appear before ${last.kind}`,
    )
}
