/**
 * Runs a packet through the flows of one switch: the one piece of code that does, used by `trace`,
 * by the simulated switches and by tests. It keeps to what Open vSwitch does, as `ofproto/trace` shows it.
 */
import { type FieldName, fieldByName } from '../openflow/oxm.js'
import {
  type Action,
  type Bucket,
  type CtAction,
  type FieldValue,
  type GroupType,
  type Instruction,
  ports,
  type Subfield,
} from '../openflow/values.js'
import type { Conntrack } from './conntrack.js'
import { type FlowTable, fieldValue, masked, type Row } from './flow-table.js'
import type { Fields, Packet } from './packet.js'
import type { Flow } from './program.js'
import { tableId } from './tables.js'

/** A row as it runs. */
export interface RunRow extends Row {
  readonly table: number
  readonly cookie: bigint
  readonly goto?: number
  readonly meter?: number
  readonly writeActions?: readonly Action[]
  /** The compiled row it came from, where we compiled it. */
  readonly flow?: Flow
}

export interface RunGroup {
  readonly type: GroupType
  readonly buckets: readonly Bucket[]
}

/** What a packet meets inside a switch. */
export interface SwitchView {
  table(id: number): FlowTable<RunRow> | undefined
  group(id: number): RunGroup | undefined
  isLive(port: number): boolean
  readonly conntrack: Conntrack
  /** False when the meter drops the packet; absent: meters pass everything. */
  meterPasses?(id: number): boolean
}

export interface Output {
  readonly port: number
  readonly fields: Fields
}

export interface ToController {
  readonly fields: Fields
  readonly userdata?: Uint8Array
  readonly reason: number
  readonly table: number
  readonly cookie: bigint
}

export interface Step {
  readonly table: number
  /** Absent: no row matched, the packet was dropped. */
  readonly row?: RunRow
  /** The packet's fields when it came to the table. */
  readonly fields: Fields
}

export interface Outcome {
  readonly steps: readonly Step[]
  readonly outputs: readonly Output[]
  readonly toController: readonly ToController[]
}

/** Open vSwitch's own bound on resubmits and recirculations of one packet. */
const maxSteps = 4096

export const evaluate = (
  view: SwitchView,
  packet: Packet,
  inPort: number,
  actions?: readonly Action[],
): Outcome => {
  const run = new Run(view, packet, inPort)
  if (actions) run.apply(actions, undefined)
  else run.enter(0)
  return run
}

export const rowOfFlow = (flow: Flow): RunRow => ({
  table: tableId[flow.table],
  priority: flow.priority,
  match: flow.match,
  actions: flow.actions,
  cookie: flow.cookie,
  ...(flow.goto === undefined ? {} : { goto: tableId[flow.goto] }),
  flow,
})

export const rowOfInstructions = (
  table: number,
  priority: number,
  match: RunRow['match'],
  cookie: bigint,
  instructions: readonly Instruction[],
): RunRow => {
  const row: { -readonly [key in keyof RunRow]: RunRow[key] } = {
    table,
    priority,
    match,
    cookie,
    actions: [],
  }
  for (const instruction of instructions) {
    if (instruction.kind === 'apply-actions') row.actions = instruction.actions
    else if (instruction.kind === 'write-actions') row.writeActions = instruction.actions
    else if (instruction.kind === 'goto-table') row.goto = instruction.table
    else if (instruction.kind === 'meter') row.meter = instruction.meter
  }
  return row
}

class Run implements Outcome {
  readonly steps: Step[] = []
  readonly outputs: Output[] = []
  readonly toController: ToController[] = []
  readonly #view: SwitchView
  readonly #inPort: number
  #packet: Packet
  #actionSet: readonly Action[] = []

  constructor(view: SwitchView, packet: Packet, inPort: number) {
    this.#view = view
    this.#inPort = inPort
    this.#packet = { ...packet, fields: { ...packet.fields, in_port: inPort } }
  }

  get #fields(): Fields {
    return this.#packet.fields
  }

  enter(table: number): void {
    let next: number | undefined = table
    while (next !== undefined) {
      if (this.steps.length >= maxSteps) return
      const row: RunRow | undefined = this.#view.table(next)?.lookup(this.#fields)
      this.steps.push({ table: next, fields: { ...this.#fields }, ...(row && { row }) })
      if (row === undefined) return
      if (row.meter !== undefined && this.#view.meterPasses?.(row.meter) === false) return
      this.apply(row.actions, row)
      if (row.writeActions) this.#actionSet = [...this.#actionSet, ...row.writeActions]
      next = row.goto
    }
    if (this.#actionSet.length > 0) this.#runActionSet(this.#actionSet, undefined)
  }

  apply(actions: readonly Action[], row: RunRow | undefined): void {
    for (const action of actions) this.#one(action, row)
  }

  #one(action: Action, row: RunRow | undefined): void {
    switch (action.kind) {
      case 'output':
        return this.#output(action.port, row, action.maxLength)
      case 'output_reg':
        return this.#output(Number(this.#read(action.from)), row)
      case 'group':
        return this.#group(action.group, row)
      case 'set_field':
        return this.#setField(action.field, action.value, action.mask)
      case 'load':
        return this.#write(action.to, BigInt(action.value))
      case 'move':
        return this.#write(action.to, this.#read(action.from))
      case 'push_vlan':
        this.#fields.vlan_vid = 0x1000
        return
      case 'pop_vlan':
        this.#fields.vlan_vid = 0
        return
      case 'dec_ttl':
        this.#fields.nw_ttl = Number(this.#fields.nw_ttl ?? 0) - 1
        return
      case 'resubmit':
        return this.enter(action.table ?? row?.table ?? 0)
      case 'ct':
        return this.#ct(action, row)
      case 'ct_clear':
        for (const name of Object.keys(this.#fields) as FieldName[])
          if (name.startsWith('ct_')) delete this.#fields[name]
        return
      case 'controller':
        return this.#controller(row, action.reason ?? 1, action.userdata, action.meter)
      default:
        // conjunction is resolved by the lookup; notes do nothing; what we do not model changes no field.
        return
    }
  }

  #output(port: number, row: RunRow | undefined, _maxLength?: number): void {
    if (port === ports.controller) return this.#controller(row, 1, undefined, undefined)
    if (port === ports.table) return this.enter(0)
    const out = port === ports.inPort ? this.#inPort : port
    // A packet does not leave by the port it came in unless told so in as many words.
    if (port === this.#inPort) return
    this.outputs.push({ port: out, fields: { ...this.#fields } })
  }

  #controller(
    row: RunRow | undefined,
    reason: number,
    userdata: Uint8Array | undefined,
    meter: number | undefined,
  ): void {
    if (meter !== undefined && meter !== 0 && this.#view.meterPasses?.(meter) === false) return
    this.toController.push({
      fields: { ...this.#fields },
      reason,
      table: row?.table ?? 0,
      cookie: row?.cookie ?? 0xffff_ffff_ffff_ffffn,
      ...(userdata && { userdata }),
    })
  }

  #group(id: number, row: RunRow | undefined): void {
    const group = this.#view.group(id)
    if (group === undefined) return
    for (const bucket of chosenBuckets(this.#view, group, this.#fields)) {
      const before = this.#packet
      this.#packet = { ...before, fields: { ...before.fields } }
      this.#runActionSet(bucket.actions, row)
      this.#packet = before
    }
  }

  /** An action set runs in the order of OpenFlow 1.3.5 section 5.10, and ends with one way out. */
  #runActionSet(actions: readonly Action[], row: RunRow | undefined): void {
    const isFinal = (action: Action) =>
      action.kind === 'group' ||
      action.kind === 'output' ||
      action.kind === 'output_reg' ||
      action.kind === 'resubmit' ||
      action.kind === 'ct'
    const rank = (action: Action) =>
      action.kind === 'pop_vlan' ? 0 : action.kind === 'push_vlan' ? 1 : 2
    const changes = actions.filter(action => !isFinal(action))
    for (const action of changes.sort((a, b) => rank(a) - rank(b))) this.#one(action, row)
    const last = ['group', 'output', 'output_reg', 'resubmit', 'ct']
      .map(kind => actions.find(action => action.kind === kind))
      .find(action => action !== undefined)
    if (last) this.#one(last, row)
  }

  #ct(action: CtAction, row: RunRow | undefined): void {
    const zone = typeof action.zone === 'number' ? action.zone : Number(this.#read(action.zone))
    const fork: Packet = { ...this.#packet, fields: { ...this.#packet.fields } }
    const before = this.#packet
    this.#packet = fork
    // A packet that comes to commit untracked is looked up by the same action.
    const zoneBefore = fork.fields.ct_zone
    if (!action.commit || fork.fields.ct_state === undefined || zoneBefore !== zone)
      this.#view.conntrack.track(zone, fork)
    if (action.commit) this.#commit(zone, fork, action, row)
    if (action.table !== undefined) this.enter(action.table)
    this.#packet = before
  }

  #commit(zone: number, fork: Packet, action: CtAction, row: RunRow | undefined): void {
    const mark = fork.fields.ct_mark
    const label = fork.fields.ct_label
    this.apply(action.exec ?? [], row)
    this.#view.conntrack.commit(zone, fork, {
      ...(fork.fields.ct_mark !== mark && { mark: Number(fork.fields.ct_mark) }),
      ...(fork.fields.ct_label !== label && { label: BigInt(fork.fields.ct_label ?? 0) }),
    })
  }

  #setField(name: FieldName, value: FieldValue, mask: FieldValue | undefined): void {
    if (mask === undefined) {
      this.#fields[name] = value
      return
    }
    const old = BigInt(fieldValue(this.#fields, name) ?? 0)
    this.#put(name, (old & ~BigInt(mask)) | BigInt(masked(value, mask)))
  }

  #read(from: Subfield): bigint {
    const value = BigInt(fieldValue(this.#fields, from.field) ?? 0)
    return (value >> BigInt(from.offset)) & ((1n << BigInt(from.size)) - 1n)
  }

  #write(to: Subfield, value: bigint): void {
    const mask = ((1n << BigInt(to.size)) - 1n) << BigInt(to.offset)
    const old = BigInt(fieldValue(this.#fields, to.field) ?? 0)
    this.#put(to.field, (old & ~mask) | ((value << BigInt(to.offset)) & mask))
  }

  #put(name: FieldName, value: bigint): void {
    this.#fields[name] = fieldByName.get(name)!.bits > 48 ? value : Number(value)
  }
}

const isAlive = (view: SwitchView, bucket: Bucket): boolean => {
  const isPortWatched = bucket.watchPort !== undefined && bucket.watchPort !== ports.any
  const isGroupWatched = bucket.watchGroup !== undefined && bucket.watchGroup !== ports.any
  if (!isPortWatched && !isGroupWatched) return true
  if (isPortWatched && view.isLive(bucket.watchPort)) return true
  const watched = isGroupWatched ? view.group(bucket.watchGroup) : undefined
  return watched?.buckets.some(inner => isAlive(view, inner)) ?? false
}

const chosenBuckets = (view: SwitchView, group: RunGroup, fields: Fields): readonly Bucket[] => {
  if (group.type === 'all') return group.buckets
  if (group.type === 'indirect') return group.buckets.slice(0, 1)
  const alive = group.buckets.filter(bucket => isAlive(view, bucket))
  if (group.type === 'ff') return alive.slice(0, 1)
  const chosen = alive[symmetricHash(fields) % Math.max(alive.length, 1)]
  return chosen ? [chosen] : []
}

/** The same for both directions of a connection. */
const symmetricHash = (fields: Fields): number => {
  const side = (...values: readonly (FieldValue | undefined)[]) =>
    values.reduce<number>(
      (hash, value) => (Math.imul(hash, 31) + Number(BigInt.asUintN(32, BigInt(value ?? 0)))) >>> 0,
      7,
    )
  const a = side(
    fields.ip_src ?? fields.ipv6_src ?? fields.eth_src,
    fields.tcp_src ?? fields.udp_src,
  )
  const b = side(
    fields.ip_dst ?? fields.ipv6_dst ?? fields.eth_dst,
    fields.tcp_dst ?? fields.udp_dst,
  )
  const mixed = Math.imul((a ^ b) >>> 0, 0x9e3779b1) >>> 0
  return mixed >>> 8
}
