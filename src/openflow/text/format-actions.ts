/** Actions and instructions as `ovs-ofctl` prints them. */

import { fullMask, widthOf } from '../match.js'
import { fieldByName } from '../oxm.js'
import type {
  Action,
  CtAction,
  HashFields,
  Instruction,
  LearnAction,
  LearnSpec,
  NatAction,
  Subfield,
} from '../values.js'
import { ports } from '../values.js'
import { toHex } from '../wire/codecs.js'
import { conditionOf, formatPort, formatValue, hex, symbolOf } from './format-match.js'

/** What a flow or a bucket does: `output:3`, several joined by commas, `drop` for nothing. */
export const formatActions = (what: readonly Action[] | readonly Instruction[]): string => {
  const texts = what.flatMap(one =>
    isInstruction(one) ? formatInstruction(one) : [formatAction(one)],
  )
  return texts.length === 0 ? 'drop' : texts.join(',')
}

// biome-ignore format: a table
const instructionKinds = new Set<string>(['apply-actions', 'write-actions', 'clear-actions', 'goto-table', 'write-metadata', 'meter'])

const isInstruction = (
  one: Action | Instruction,
): one is Exclude<Instruction, { kind: 'unknown' }> => instructionKinds.has(one.kind)

const formatInstruction = (one: Exclude<Instruction, { kind: 'unknown' }>): string[] => {
  switch (one.kind) {
    case 'apply-actions':
      return one.actions.map(formatAction)
    case 'write-actions':
      return [`write_actions(${formatActions(one.actions)})`]
    case 'clear-actions':
      return ['clear_actions']
    case 'goto-table':
      return [`goto_table:${one.table}`]
    case 'meter':
      return [`meter:${one.meter}`]
    case 'write-metadata':
      return [`write_metadata:${formatMetadata(one.metadata, one.mask)}`]
  }
}

const allOnes = 0xffff_ffff_ffff_ffffn
const formatMetadata = (metadata: bigint, mask: bigint): string =>
  `${hex(metadata)}${mask === allOnes ? '' : `/${hex(mask)}`}`

/** `NXM_NX_REG0[0..15]`, `[3]` for one bit, `[]` for all of a field. */
export const formatSubfield = ({ field, offset, size }: Subfield): string => {
  const width = widthOf(fieldByName.get(field)!)
  if (offset === 0 && size === width) return `${symbolOf(field)}[]`
  return size === 1
    ? `${symbolOf(field)}[${offset}]`
    : `${symbolOf(field)}[${offset}..${offset + size - 1}]`
}

const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
const dotted = (bytes: Uint8Array): string => (toHex(bytes).match(/../g) ?? []).join('.')

const formatAction = (action: Action): string => {
  switch (action.kind) {
    case 'output':
      return formatOutput(action.port, action.maxLength)
    case 'output_reg':
      return `output:${formatSubfield(action.from)}`
    case 'group':
      return `group:${action.group}`
    case 'set_field':
      return formatSetField(action)
    case 'load':
      return `load:${hex(action.value)}->${formatSubfield(action.to)}`
    case 'move':
      return `move:${formatSubfield(action.from)}->${formatSubfield(action.to)}`
    case 'push_vlan':
    case 'push_mpls':
    case 'pop_mpls':
    case 'push_pbb':
      return `${action.kind}:${hex4(action.ethertype)}`
    case 'dec_ttl':
      return action.controllerIds ? `dec_ttl(${action.controllerIds.join(',')})` : 'dec_ttl'
    case 'resubmit':
      return formatResubmit(action)
    case 'ct':
      return formatCt(action)
    case 'conjunction':
      return `conjunction(${action.id},${action.clause + 1}/${action.clauseCount})`
    case 'controller':
      return formatController(action)
    case 'note':
      return `note:${dotted(action.note)}`
    case 'set_mpls_ttl':
      return `set_mpls_ttl(${action.ttl})`
    case 'set_mpls_label':
      return `set_mpls_label(${action.label})`
    case 'set_mpls_tc':
      return `set_mpls_tc(${action.tc})`
    case 'set_queue':
      return `set_queue:${action.queue}`
    case 'set_nw_ttl':
      return `mod_nw_ttl:${action.ttl}`
    case 'set_tunnel':
      return `set_tunnel${action.isWide || action.id > 0xffffffffn ? '64' : ''}:${hex(action.id)}`
    default:
      return formatRareAction(action)
  }
}

type RareAction = Exclude<
  Action,
  {
    kind:
      | 'output'
      | 'output_reg'
      | 'group'
      | 'set_field'
      | 'load'
      | 'move'
      | 'push_vlan'
      | 'push_mpls'
      | 'pop_mpls'
      | 'push_pbb'
      | 'dec_ttl'
      | 'resubmit'
      | 'ct'
      | 'conjunction'
      | 'controller'
      | 'note'
      | 'set_mpls_ttl'
      | 'set_mpls_label'
      | 'set_mpls_tc'
      | 'set_queue'
      | 'set_nw_ttl'
      | 'set_tunnel'
  }
>

const formatRareAction = (action: RareAction): string => {
  switch (action.kind) {
    case 'multipath':
      return `multipath(${formatHash(action.hash)},${action.algorithm},${action.linkCount},${action.argument},${formatSubfield(action.to)})`
    case 'bundle':
      return formatBundle(action)
    case 'learn':
      return formatLearn(action)
    case 'fin_timeout':
      return formatFinTimeout(action)
    case 'write_metadata':
      return `write_metadata:${formatMetadata(action.metadata, action.mask)}`
    case 'push':
      return `push:${formatSubfield(action.from)}`
    case 'pop':
      return `pop:${formatSubfield(action.to)}`
    case 'sample':
      return formatSample(action)
    case 'output_trunc':
      return `output(port=${formatPort(action.port)},max_len=${action.maxLength})`
    case 'clone':
      return `clone(${formatActions(action.actions)})`
    case 'encap':
      return formatEncap(action)
    case 'decap':
      return formatDecap(action.packetType)
    case 'check_pkt_larger':
      return `check_pkt_larger(${action.size})->${formatSubfield(action.to)}`
    case 'delete_field':
      return `delete_field:${action.field}`
    case 'unknown':
      return `unknown:${toHex(action.bytes)}`
    default:
      // The rest say all they have to say by their name.
      return action.kind
  }
}

const formatOutput = (port: number, maxLength: number | undefined): string => {
  if (port === ports.controller) return `CONTROLLER:${maxLength ?? 0xffff}`
  return port < ports.max ? `output:${port}` : formatPort(port)
}

const formatSetField = (action: Extract<Action, { kind: 'set_field' }>): string => {
  const field = fieldByName.get(action.field)!
  const condition = conditionOf(
    field,
    action.mask === undefined ? action.value : { value: action.value, mask: action.mask },
  )!
  // The mask of an option of a tunnel is as long as the option is; one of all octets says nothing.
  const isShown = field.isVariable
    ? action.mask !== fullMask(field.name)
    : action.isMasked && field.bits < 8 * field.size
  const mask = isShown ? action.mask : condition.mask
  const text =
    field.format === 'decimal' && mask !== undefined
      ? `${condition.value}/${hex(mask)}`
      : field.format === 'port' && mask !== undefined
        ? `${formatPort(Number(condition.value))}/${hex(mask)}`
        : formatValue(field, condition.value, mask)
  return `set_field:${text}->${fieldNames[action.field] ?? action.field}`
}

/** What `ovs-ofctl` calls fields in `set_field`, where that is not their name. */
const fieldNames: Readonly<Record<string, string>> = {
  ip_ecn: 'nw_ecn',
  in_port16: 'in_port',
  in_port: 'in_port_oxm',
}

const formatResubmit = ({ port, table, ct }: Extract<Action, { kind: 'resubmit' }>): string => {
  const where = port === undefined ? undefined : formatPort(port)
  if (table === undefined && !ct && where !== undefined) return `resubmit:${where}`
  return `resubmit(${where ?? ''},${table ?? ''}${ct ? ',ct' : ''})`
}

const formatController = (action: Extract<Action, { kind: 'controller' }>): string => {
  const { maxLength, controllerId, reason, userdata, meter, pause } = action
  const parts: string[] = []
  if (reason !== undefined && reason !== 1) parts.push(`reason=${reasonNames[reason] ?? reason}`)
  if (maxLength !== undefined && maxLength !== 0xffff) parts.push(`max_len=${maxLength}`)
  if (controllerId) parts.push(`id=${controllerId}`)
  if (userdata?.length) parts.push(`userdata=${dotted(userdata)}`)
  if (pause) parts.push('pause')
  if (meter !== undefined) parts.push(`meter_id=${meter}`)
  const isPlain = parts.every(part => part.startsWith('max_len='))
  return isPlain ? `CONTROLLER:${maxLength ?? 0xffff}` : `controller(${parts.join(',')})`
}

// biome-ignore format: a table
export const reasonNames = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'] as const

// biome-ignore format: a table
const algNames: Readonly<Record<number, string>> = { 21: 'ftp', 69: 'tftp' }

const formatCt = (action: CtAction): string => {
  const parts: string[] = []
  if (action.commit) parts.push('commit')
  if (action.force) parts.push('force')
  if (action.table !== undefined) parts.push(`table=${action.table}`)
  if (typeof action.zone !== 'number') parts.push(`zone=${formatSubfield(action.zone)}`)
  else if (action.zone !== 0) parts.push(`zone=${action.zone}`)
  if (action.nat && !action.isNatLast) parts.push(formatNat(action.nat))
  const nested = action.exec?.map(formatAction) ?? []
  if (action.nat && action.isNatLast) nested.push(formatNat(action.nat))
  if (nested.length > 0) parts.push(`exec(${nested.join(',')})`)
  if (action.alg) parts.push(`alg=${algNames[action.alg] ?? action.alg}`)
  return `ct(${parts.join(',')})`
}

const formatNat = (nat: NatAction): string => {
  const parts: string[] = []
  if (nat.type !== undefined) parts.push(`${nat.type}${formatNatRange(nat)}`)
  // Without a range the rest is not told.
  if (nat.type !== undefined && nat.addressMin === undefined) return `nat(${parts[0]})`
  if (nat.persistent) parts.push('persistent')
  if (nat.hash) parts.push('hash')
  if (nat.random) parts.push('random')
  return parts.length === 0 ? 'nat' : `nat(${parts.join(',')})`
}

const formatNatRange = ({ addressMin, addressMax, portMin, portMax }: NatAction): string => {
  if (addressMin === undefined && portMin === undefined) return ''
  const isBracketed = portMin !== undefined && addressMin?.includes(':')
  const address = (text: string) => (isBracketed ? `[${text}]` : text)
  const from = addressMin === undefined ? '' : address(addressMin)
  const to = addressMax === undefined ? '' : `-${address(addressMax)}`
  const low = portMin === undefined ? '' : `:${portMin}`
  return `=${from}${to}${low}${portMax === undefined ? '' : `-${portMax}`}`
}

const formatHash = ({ fields, basis }: HashFields): string => `${fields},${basis}`

const formatBundle = (action: Extract<Action, { kind: 'bundle' }>): string => {
  const { hash, algorithm, ports: members, to } = action
  const where = to ? `${formatSubfield(to)},` : ''
  return `${to ? 'bundle_load' : 'bundle'}(${formatHash(hash)},${algorithm},ofport,${where}members:${members.map(formatPort).join(',')})`
}

const formatFinTimeout = ({
  idleTimeout,
  hardTimeout,
}: Extract<Action, { kind: 'fin_timeout' }>): string => {
  const parts = idleTimeout ? [`idle_timeout=${idleTimeout}`] : []
  return `fin_timeout(${(hardTimeout ? [...parts, `hard_timeout=${hardTimeout}`] : parts).join(',')})`
}

const formatSample = (action: Extract<Action, { kind: 'sample' }>): string => {
  const { samplingPort, direction } = action
  const port =
    samplingPort === undefined || samplingPort === ports.any
      ? ''
      : `,sampling_port=${formatPort(samplingPort)}`
  return `sample(probability=${action.probability},collector_set_id=${action.collectorSet},obs_domain_id=${action.observationDomain},obs_point_id=${action.observationPoint}${port}${direction ? `,${direction}` : ''})`
}

const ethernetPacket = 0
const nshPacket = 0x0001894f
const nshClass = 0x0004

const formatEncap = ({ packetType, properties }: Extract<Action, { kind: 'encap' }>): string => {
  if (packetType === ethernetPacket) return 'encap(ethernet)'
  if (packetType === 0x00018847) return 'encap(mpls)'
  if (packetType === 0x00018848) return 'encap(mpls_mc)'
  if (packetType !== nshPacket) return `encap(${hex(packetType)})`
  const parts = properties.map(({ class: owner, type, data }) => {
    if (owner === nshClass && type === 1) return `md_type=${data[0] ?? 0}`
    if (owner !== nshClass || type !== 2 || data.length < 4)
      return `prop(${owner},${type},${toHex(data)})`
    const optionClass = (data[0]! << 8) | data[1]!
    return `tlv(${hex4(optionClass)},${data[2]},0x${toHex(data.subarray(4, 4 + data[3]!))})`
  })
  return parts.length === 0 ? 'encap(nsh)' : `encap(nsh(${parts.join(',')}))`
}

const nextProtocol = 0x0000fffe
const formatDecap = (packetType: number): string =>
  packetType === nextProtocol
    ? 'decap()'
    : `decap(packet_type(ns=${packetType >>> 16},type=${hex(packetType & 0xffff)}))`

const formatLearn = (action: LearnAction): string => {
  const parts = [`table=${action.table}`]
  if (action.idleTimeout) parts.push(`idle_timeout=${action.idleTimeout}`)
  if (action.hardTimeout) parts.push(`hard_timeout=${action.hardTimeout}`)
  if (action.finIdleTimeout) parts.push(`fin_idle_timeout=${action.finIdleTimeout}`)
  if (action.finHardTimeout) parts.push(`fin_hard_timeout=${action.finHardTimeout}`)
  if (action.priority !== 0x8000) parts.push(`priority=${action.priority}`)
  const flags = action.flags ?? 0
  if (flags & 1) parts.push('send_flow_rem')
  if (flags & 2) parts.push('delete_learned')
  if (action.cookie) parts.push(`cookie=${hex(action.cookie)}`)
  if (action.limit) parts.push(`limit=${action.limit}`)
  if (action.result) parts.push(`result_dst=${formatSubfield(action.result)}`)
  return `learn(${[...parts, ...action.specs.map(formatLearnSpec)].join(',')})`
}

const formatLearnSpec = ({ to, from, destination, size }: LearnSpec): string => {
  const source = 'field' in from ? formatSubfield({ ...from, size }) : undefined
  if (to === 'output') return `output:${source ?? ''}`
  const target = formatSubfield({ ...destination!, size })
  if (to === 'load') return `load:${'value' in from ? hex(from.value) : source}->${target}`
  if (source !== undefined) return source === target ? target : `${target}=${source}`
  const field = fieldByName.get(destination!.field)!
  const value = 'value' in from ? from.value : 0n
  const isWhole = destination!.offset === 0 && size >= widthOf(field)
  if (!isWhole) return `${target}=${hex(value)}`
  const plain = field.bits > 48 ? value : Number(value)
  return `${learnNames[field.name] ?? field.name}=${formatValue(field, plain, undefined)}`
}

/** Where a learnt field has another name than in set_field. */
const learnNames: Readonly<Record<string, string>> = {
  in_port16: 'in_port',
  ip_proto: 'nw_proto',
  ip_ecn: 'nw_ecn',
}
