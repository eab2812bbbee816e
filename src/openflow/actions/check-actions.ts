/**
 * Whether actions go with a match, as a switch asks before it takes a flow: each field that is read or
 * written must exist in every packet that matches, as the actions before have left it.
 */
import type { ErrorName } from '../error-codes.js'
import { type FieldName, fieldByName, type Prerequisite } from '../oxm.js'
import { isMet, type Known } from '../prerequisites.js'
import {
  type Action,
  type FieldValue,
  type Instruction,
  type LearnAction,
  type Masked,
  type Match,
  ports,
} from '../values.js'

type State = { -readonly [K in keyof Known]: Known[K] }

const inconsistent: ErrorName = 'OFPBAC_MATCH_INCONSISTENT'
const greatestMeter = 0xffff0000

/**
 * The first reason to refuse the instructions of a flow; undefined when they are right.
 *
 * @param lenient changes of fields that, like `dec_ttl`, wait in an action set for a packet that has the field
 */
export const checkInstructions = (
  instructions: readonly Instruction[],
  match: Match,
  tableId?: number,
  lenient?: ReadonlySet<Action>,
): ErrorName | undefined => {
  const state = stateOf(match)
  for (const one of instructions) {
    const wrong = checkInstruction(one, state, tableId, lenient)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** A packet without an Ethernet header has its EtherType in `packet_type`. */
const stateOf = (match: Match): State => {
  const { packet_type: type } = match
  return typeof type === 'number' && type >>> 16 === 1
    ? { ...match, eth_type: type & 0xffff }
    : { ...match }
}

const checkInstruction = (
  one: Instruction,
  state: State,
  tableId: number | undefined,
  lenient: ReadonlySet<Action> | undefined,
): ErrorName | undefined => {
  switch (one.kind) {
    case 'apply-actions':
      return checkList(one.actions, state)
    case 'write-actions':
      return checkSet(one.actions, { ...state }, lenient)
    case 'goto-table':
      return tableId !== undefined && tableId !== 0xff && one.table <= tableId
        ? 'OFPBIC_BAD_TABLE_ID'
        : undefined
    case 'meter':
      return one.meter === 0 || one.meter > greatestMeter ? 'OFPMMFC_INVALID_METER' : undefined
    default:
      return undefined
  }
}

/** The same for actions alone, of a packet-out or a bucket. */
export const checkActions = (
  actions: readonly Action[],
  match: Match = {},
): ErrorName | undefined => checkList(actions, stateOf(match))

const checkList = (actions: readonly Action[], state: State): ErrorName | undefined => {
  for (const action of actions) {
    const wrong = checkAction(action, state)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** What is executed at the end of the pipeline finds the packet as other tables have left it. */
const checkSet = (
  actions: readonly Action[],
  state: State,
  lenient: ReadonlySet<Action> | undefined,
): ErrorName | undefined => {
  for (const action of actions) {
    const wrong = checkAction(action, state)
    const waits = waiting.has(action.kind) || lenient?.has(action)
    if (wrong !== undefined && !(waits && wrong === inconsistent)) return wrong
  }
  return undefined
}

const waiting: ReadonlySet<Action['kind']> = new Set([
  'pop_vlan',
  'set_nw_ttl',
  'dec_ttl',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'set_mpls_label',
  'set_mpls_tc',
  'pop_mpls',
  'fin_timeout',
  'dec_nsh_ttl',
])

const need = (prerequisite: Prerequisite, state: State): ErrorName | undefined =>
  isMet(prerequisite, state) ? undefined : inconsistent

const readable = (name: FieldName, state: State): ErrorName | undefined =>
  ofFrames.has(name) && !isFrame(state)
    ? inconsistent
    : need(fieldByName.get(name)!.prerequisite, state)

/** Fields of the Ethernet header and of its tag. */
const ofFrames = new Set<FieldName>(['eth_src', 'eth_dst', 'vlan_tci', 'vlan_vid', 'vlan_pcp'])

const isFrame = ({ packet_type: type }: State): boolean => type === undefined || type === 0

const writable = (name: FieldName, state: State): ErrorName | undefined => {
  if (!fieldByName.get(name)!.isWritable) return 'OFPBAC_BAD_SET_ARGUMENT'
  if (name === 'vlan_vid') return need('vlan', state)
  return readable(name, state)
}

const setTag = (state: State, isThere: boolean): undefined => {
  delete state.vlan_tci
  state.vlan_vid = isThere ? 0x1000 : 0
  return undefined
}

const popTag = (state: State): ErrorName | undefined => {
  const wrong = need('vlan', state)
  setTag(state, false)
  return wrong
}

const checkAction = (action: Action, state: State): ErrorName | undefined => {
  switch (action.kind) {
    case 'output':
    case 'output_trunc':
      return checkPort(action.port)
    case 'set_field': {
      const wrong = writable(action.field, state)
      if (wrong === undefined && action.field === 'vlan_tci') setTag(state, true)
      return wrong
    }
    case 'load':
      if (action.to.field === 'vlan_tci' && isFrame(state)) return setTag(state, true)
      return writable(action.to.field, state)
    case 'move':
      return readable(action.from.field, state) ?? writable(action.to.field, state)
    case 'push_vlan':
      return setTag(state, true)
    case 'pop_vlan':
      return popTag(state)
    case 'set_nw_ttl':
    case 'dec_ttl':
      return need('ip', state)
    case 'set_mpls_ttl':
    case 'dec_mpls_ttl':
    case 'set_mpls_label':
    case 'set_mpls_tc':
      return need('mpls', state)
    case 'push_mpls':
    case 'pop_mpls':
      return checkLabel(action.kind === 'pop_mpls', action.ethertype, state)
    default:
      return checkNicira(action, state)
  }
}

const checkLabel = (isPop: boolean, ethertype: number, state: State): ErrorName | undefined => {
  const wrong = isPop ? need('mpls', state) : isFrame(state) ? undefined : inconsistent
  state.eth_type = ethertype
  return wrong
}

const checkPort = (port: number): ErrorName | undefined =>
  port < ports.max || (port >= ports.inPort && port !== ports.any)
    ? undefined
    : 'OFPBAC_BAD_OUT_PORT'

/** What the protocols that conntrack helps run over, by their ports: FTP and TFTP. */
const helped: Readonly<Record<number, Prerequisite>> = { 21: 'tcp', 69: 'udp' }

const checkNicira = (action: Action, state: State): ErrorName | undefined => {
  switch (action.kind) {
    case 'output_reg':
    case 'push':
      return readable(action.from.field, state)
    case 'pop':
    case 'multipath':
    case 'check_pkt_larger':
      return writable(action.to.field, state)
    case 'bundle':
      return action.to && writable(action.to.field, state)
    case 'resubmit':
      return action.ct ? need('ct', state) : undefined
    case 'ct':
      return (
        need(helped[action.alg ?? 0] ?? 'ip', state) ??
        (action.exec && checkList(action.exec, { ...state }))
      )
    case 'fin_timeout':
      return need('tcp', state)
    case 'dec_nsh_ttl':
      return need('nsh', state)
    case 'clone':
      return checkList(action.actions, { ...state })
    case 'learn':
      return checkLearn(action, state)
    case 'encap':
      return addHeader(action.packetType, state)
    case 'decap':
      return takeHeader(state)
    default:
      return undefined
  }
}

const addHeader = (packetType: number, state: State): undefined => {
  state.packet_type = packetType
  if (packetType >>> 16 === 1) state.eth_type = packetType & 0xffff
  return undefined
}

const unknownType = 0xffff

/** Under an Ethernet header is what its type says; what is under another one is not known before it is off. */
const takeHeader = (state: State): undefined => {
  const type = isFrame(state) && typeof state.eth_type === 'number' ? state.eth_type : unknownType
  state.packet_type = 0x10000 + type
  state.eth_type = type
  return undefined
}

/** What is learnt must be a match in itself with actions that go with it, and be filled from fields that packets here have. */
const checkLearn = ({ specs }: LearnAction, state: State): ErrorName | undefined => {
  const learnt: Record<string, FieldValue | Masked> = {}
  for (const { to, from, destination } of specs) {
    const wrong =
      ('field' in from ? readable(from.field, state) : undefined) ??
      (destination === undefined
        ? undefined
        : to === 'match'
          ? readable(destination.field, learnt)
          : writable(destination.field, learnt))
    if (wrong !== undefined) return wrong
    if (to === 'match' && destination && 'value' in from)
      learnt[destination.field] = Number(from.value)
  }
  return undefined
}
