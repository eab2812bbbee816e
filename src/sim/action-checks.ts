/** What Open vSwitch refuses in actions and instructions (its `ofpacts_check` and `ofproto_check_ofpacts`). */
import { type FieldName, fieldByName } from '../openflow/oxm.js'
import { type Action, type Instruction, type Match, ports } from '../openflow/values.js'
import { etherTypes, ipProtocols } from '../pipeline/packet.js'
import { Refusal } from './refusal.js'

/** Tables 0 to 253; 254 is the switch's own. */
export const tableCount = 254
/** Numbers of ports that Open vSwitch can give. */
const portLimit = 0xff00

export interface Known {
  hasGroup(id: number): boolean
  hasMeter(id: number): boolean
}

/** @throws {Refusal} with the error Open vSwitch would answer */
export const checkInstructions = (
  table: number,
  match: Match,
  instructions: readonly Instruction[],
  known: Known,
): void => {
  for (const instruction of instructions) {
    switch (instruction.kind) {
      case 'goto-table':
        if (instruction.table <= table || instruction.table >= tableCount)
          throw new Refusal('OFPBIC_BAD_TABLE_ID')
        break
      case 'meter':
        if (!known.hasMeter(instruction.meter)) throw new Refusal('OFPMMFC_INVALID_METER')
        break
      case 'apply-actions':
      case 'write-actions':
        checkActions(instruction.actions, match, known)
        break
      case 'unknown':
        throw new Refusal('OFPBIC_UNKNOWN_INST')
      default:
    }
  }
}

/** @param match what is certain about the packet; absent: anything (buckets, packet-outs) */
export const checkActions = (
  actions: readonly Action[],
  match: Match | undefined,
  known: Known,
): void => {
  checkConjunctions(actions)
  let isTagged = match !== undefined && hasTag(match)
  for (const action of actions) {
    checkReferences(action, known)
    if (match === undefined) continue
    if (action.kind === 'push_vlan') isTagged = true
    const field = changedField(action)
    if (field !== undefined && !isWritableIn(field, match, isTagged))
      throw new Refusal('OFPBAC_MATCH_INCONSISTENT')
    if (action.kind === 'pop_vlan') {
      if (!isTagged) throw new Refusal('OFPBAC_MATCH_INCONSISTENT')
      isTagged = false
    }
  }
}

const checkReferences = (action: Action, known: Known): void => {
  switch (action.kind) {
    case 'output':
    case 'output_trunc':
      if (!isPort(action.port)) throw new Refusal('OFPBAC_BAD_OUT_PORT')
      break
    case 'group':
      if (!known.hasGroup(action.group)) throw new Refusal('OFPBAC_BAD_OUT_GROUP')
      break
    case 'controller':
      if (action.meter && !known.hasMeter(action.meter)) throw new Refusal('OFPMMFC_INVALID_METER')
      break
    case 'set_field':
    case 'load':
    case 'move':
      if (!isWritable(action)) throw new Refusal('OFPBAC_BAD_SET_ARGUMENT')
      break
    case 'ct':
      if (action.table !== undefined && action.table >= tableCount)
        throw new Refusal('OFPBAC_BAD_ARGUMENT')
      break
    case 'unknown':
      throw new Refusal('OFPBAC_BAD_TYPE')
    default:
  }
}

const reserved: ReadonlySet<number> = new Set([
  ports.inPort,
  ports.table,
  ports.normal,
  ports.flood,
  ports.all,
  ports.controller,
  ports.local,
])

const isPort = (port: number): boolean => (port > 0 && port < portLimit) || reserved.has(port)

/** A conjunction stands alone, but for notes and other conjunctions; it has 2 to 64 clauses. */
const checkConjunctions = (actions: readonly Action[]): void => {
  if (!actions.some(action => action.kind === 'conjunction')) return
  for (const action of actions) {
    if (action.kind === 'note') continue
    if (
      action.kind !== 'conjunction' ||
      action.clauseCount < 2 ||
      action.clauseCount > 64 ||
      action.clause >= action.clauseCount
    )
      throw new Refusal('NXBAC_BAD_CONJUNCTION')
  }
}

const changedField = (action: Action): FieldName | undefined => {
  if (action.kind === 'set_field') return action.field
  return action.kind === 'load' || action.kind === 'move' ? action.to.field : undefined
}

/** ct_mark and ct_label can be written inside of ct() only; there nobody looks here. */
const isWritable = (action: Action): boolean => {
  const name = changedField(action)
  if (name === undefined) return true
  return fieldByName.get(name)?.isWritable === true && name !== 'ct_mark' && name !== 'ct_label'
}

const hasTag = ({ vlan_vid: wanted }: Match): boolean =>
  wanted !== undefined &&
  (Number(typeof wanted === 'object' ? wanted.value : wanted) & 0x1000) !== 0

const isWritableIn = (name: FieldName, match: Match, isTagged: boolean): boolean => {
  const type = match.eth_type
  const isIp = type === etherTypes.ipv4 || type === etherTypes.ipv6
  const isOver = (protocol: number) => isIp && match.ip_proto === protocol
  const nd = match.icmpv6_type === 135 || match.icmpv6_type === 136
  switch (fieldByName.get(name)?.prerequisite) {
    case 'ip':
      return isIp
    case 'ipv4':
      return type === etherTypes.ipv4
    case 'ipv6':
      return type === etherTypes.ipv6
    case 'arp':
      return type === etherTypes.arp
    case 'tcp':
      return isOver(ipProtocols.tcp)
    case 'udp':
      return isOver(ipProtocols.udp)
    case 'sctp':
      return isOver(ipProtocols.sctp)
    case 'icmpv4':
      return type === etherTypes.ipv4 && match.ip_proto === ipProtocols.icmp
    case 'icmpv6':
      return type === etherTypes.ipv6 && match.ip_proto === ipProtocols.icmpv6
    case 'nd':
    case 'nd-solicit':
    case 'nd-advert':
      return nd
    case 'vlan':
      return name === 'vlan_vid' || isTagged
    default:
      return true
  }
}
