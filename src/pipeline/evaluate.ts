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
  type Instruction,
  type LearnAction,
  ports,
  type Subfield,
} from '../openflow/values.js'
import {
  chosenBuckets,
  chosenMember,
  hashOf,
  maxGroupDepth,
  oneOf,
  type RunGroup,
} from './choice.js'
import type { Conntrack } from './conntrack.js'
import { type FlowTable, fieldValue, masked, type Row } from './flow-table.js'
import { etherTypes, type Fields, ipProtocols, type Packet, type Tag } from './packet.js'
import type { Flow } from './program.js'
import { tableId } from './tables.js'

/** A row as it runs. */
export interface RunRow extends Row {
  readonly table: number
  readonly cookie: bigint
  readonly goto?: number
  readonly meter?: number
  readonly writeActions?: readonly Action[]
  readonly clearsActions?: boolean
  readonly writeMetadata?: { readonly metadata: bigint; readonly mask: bigint }
  /** The compiled row it came from, where we compiled it. */
  readonly flow?: Flow
}

/** What a packet meets inside a switch. */
export interface SwitchView {
  table(id: number): FlowTable<RunRow> | undefined
  group(id: number): RunGroup | undefined
  isLive(port: number): boolean
  readonly conntrack: Conntrack
  /** False when the meter drops the packet; absent: meters pass everything. */
  meterPasses?(id: number): boolean
  /** Where FLOOD and ALL go; absent: nowhere. */
  ports?(): Iterable<number>
  /** A flow learns another one from the packet's fields; absent: nothing is learnt. */
  learn?(action: LearnAction, fields: Fields): void
}

/** The meter of all packets to the controller that have none of their own, section 7.3.4.4. */
export const controllerMeter = 0xfffffffe

export interface Output {
  readonly port: number
  readonly fields: Fields
  /** Tags behind the outermost, as in `Packet`. */
  readonly under?: readonly Tag[]
  /** Octets after which the frame is cut off. */
  readonly maxLength?: number
}

export interface ToController {
  readonly fields: Fields
  readonly userdata?: Uint8Array
  /** 0 a table miss, 1 an action, 2 its TTL ran out. */
  readonly reason: number
  readonly table: number
  readonly cookie: bigint
  readonly maxLength?: number
  /** Which controller is meant; 0 is the usual. */
  readonly controllerId?: number
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
  /** What `ct` said of the packet each time that it went on in a table. */
  readonly ctStates: readonly number[]
  /** Actions that the evaluator does not know: what comes of the packet is not known. */
  readonly unmodelled: readonly string[]
  /** Groups and buckets that worked on the packet, for their counters. */
  readonly buckets: readonly { readonly group: number; readonly bucket: Bucket }[]
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
  run.finish()
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
    else if (instruction.kind === 'clear-actions') row.clearsActions = true
    else if (instruction.kind === 'write-metadata') row.writeMetadata = instruction
  }
  return row
}

class Run implements Outcome {
  readonly steps: Step[] = []
  readonly outputs: Output[] = []
  readonly toController: ToController[] = []
  readonly ctStates: number[] = []
  readonly unmodelled: string[] = []
  readonly buckets: { group: number; bucket: Bucket }[] = []
  readonly #view: SwitchView
  readonly #inPort: number
  #packet: Packet
  #actionSet: readonly Action[] = []
  #stack: bigint[] = []
  #groupDepth = 0
  /** Set by `exit`: nothing more is done with this copy of the packet. */
  #isOver = false

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
      const row: RunRow | undefined = this.#view.table(next)?.lookup(visible(this.#fields))
      this.steps.push({ table: next, fields: { ...this.#fields }, ...(row && { row }) })
      if (row === undefined) return
      if (row.meter !== undefined && this.#view.meterPasses?.(row.meter) === false) return
      if (!this.apply(row.actions, row)) return
      if (row.clearsActions) this.#actionSet = []
      if (row.writeActions) this.#actionSet = [...this.#actionSet, ...row.writeActions]
      if (row.writeMetadata) this.#writeMetadata(row.writeMetadata)
      next = row.goto
    }
  }

  /** The pipeline is at its end: what was written into the action set is done, once. */
  finish(): void {
    const actions = this.#actionSet
    this.#actionSet = []
    if (actions.length > 0 && !this.#isOver) this.#runActionSet(actions, undefined)
  }

  /** False when the table is to go no further: the TTL ran out, or `exit`. */
  apply(actions: readonly Action[], row: RunRow | undefined): boolean {
    for (const action of actions) {
      if (this.#isOver) return false
      if (action.kind === 'dec_ttl') {
        if (!this.#decrementTtl(action.controllerIds, row)) return false
      } else this.#one(action, row)
    }
    return !this.#isOver
  }

  #one(action: Action, row: RunRow | undefined): void {
    switch (action.kind) {
      case 'output':
        return this.#output(action.port, row, action.maxLength)
      case 'output_reg':
        return this.#output(Number(this.#read(action.from)), row, action.maxLength)
      case 'output_trunc':
        return this.#output(action.port, row, undefined, action.maxLength)
      case 'group':
        return this.#group(action.group, row)
      case 'set_field':
        return this.#setField(action.field, action.value, action.mask)
      case 'load':
        return this.#write(action.to, BigInt(action.value))
      case 'move':
        return this.#write(action.to, this.#read(action.from))
      case 'push':
        this.#stack.push(this.#read(action.from))
        return
      case 'pop':
        return this.#write(action.to, this.#stack.pop() ?? 0n)
      case 'push_vlan':
        return this.#pushTag()
      case 'pop_vlan':
        return this.#popTag()
      case 'set_nw_ttl':
        if (this.#fields.nw_ttl !== undefined) this.#fields.nw_ttl = action.ttl
        return
      case 'set_tunnel':
        this.#fields.tun_id = action.id
        return
      case 'write_metadata':
        return this.#writeMetadata(action)
      case 'resubmit':
        return this.#resubmit(action.table ?? row?.table ?? 0, action.port)
      case 'ct':
        return this.#ct(action, row)
      case 'ct_clear':
        for (const name of Object.keys(this.#fields) as FieldName[])
          if (name.startsWith('ct_')) delete this.#fields[name]
        return
      case 'multipath':
        return this.#write(
          action.to,
          BigInt(oneOf(hashOf(action.hash, this.#fields), action.linkCount)),
        )
      case 'bundle':
        return this.#bundle(action, row)
      case 'learn':
        return this.#view.learn?.(action, this.#fields)
      case 'clone':
        return this.#onCopy(() => this.apply(action.actions, row))
      case 'exit':
        this.#isOver = true
        return
      case 'controller':
        return this.#controller(row, action)
      default:
        if (!withoutEffect.has(action.kind)) this.unmodelled.push(action.kind)
        return
    }
  }

  /** Does something with a copy of the packet, which then goes on as it was. */
  #onCopy(work: () => void): void {
    const before = this.#packet
    this.#packet = { ...before, fields: { ...before.fields } }
    work()
    this.#packet = before
    this.#isOver = false
  }

  #output(
    port: number,
    row: RunRow | undefined,
    toControllerLength?: number,
    maxLength?: number,
  ): void {
    if (port === ports.controller) {
      const length = toControllerLength === undefined ? {} : { maxLength: toControllerLength }
      return this.#controller(row, length)
    }
    if (port === ports.table) return this.enter(0)
    if (port === ports.flood || port === ports.all) return this.#flood(maxLength)
    // A packet does not leave by the port it came in unless told so in as many words.
    const inPort = Number(this.#fields.in_port)
    if (port === inPort) return
    this.#leave(port === ports.inPort ? inPort : port, maxLength)
  }

  #flood(maxLength: number | undefined): void {
    for (const port of this.#view.ports?.() ?? [])
      if (port !== this.#inPort && port !== ports.local) this.#leave(port, maxLength)
  }

  #leave(port: number, maxLength: number | undefined): void {
    this.outputs.push({
      port,
      fields: { ...this.#fields },
      ...(this.#packet.under && { under: this.#packet.under }),
      ...(maxLength !== undefined && { maxLength }),
    })
  }

  #controller(
    row: RunRow | undefined,
    action: {
      readonly reason?: number
      readonly userdata?: Uint8Array
      readonly meter?: number
      readonly maxLength?: number
      readonly controllerId?: number
    },
  ): void {
    if (this.#view.meterPasses?.(action.meter || controllerMeter) === false) return
    const reason = action.reason ?? 1
    this.toController.push({
      fields: { ...this.#fields },
      reason: reason === 1 && isTableMiss(row) ? 0 : reason,
      table: row?.table ?? 0,
      cookie: row?.cookie ?? 0xffff_ffff_ffff_ffffn,
      ...(action.userdata && { userdata: action.userdata }),
      ...(action.maxLength !== undefined && { maxLength: action.maxLength }),
      ...(action.controllerId !== undefined && { controllerId: action.controllerId }),
    })
  }

  /** OpenFlow 1.3.5 section 5.12: a packet whose TTL runs out goes to the controller, and no further. */
  #decrementTtl(controllerIds: readonly number[] = [0], row: RunRow | undefined): boolean {
    const ttl = this.#fields.nw_ttl
    if (ttl === undefined) return true
    if (Number(ttl) > 1) {
      this.#fields.nw_ttl = Number(ttl) - 1
      return true
    }
    for (const controllerId of controllerIds) this.#controller(row, { reason: 2, controllerId })
    return false
  }

  #resubmit(table: number, port: number | undefined): void {
    const before = Number(this.#fields.in_port)
    const isOther = port !== undefined && port !== ports.inPort && port !== before
    if (isOther) this.#fields.in_port = port
    this.enter(table)
    if (isOther) this.#fields.in_port = before
  }

  #writeMetadata({ metadata, mask }: { readonly metadata: bigint; readonly mask: bigint }): void {
    const old = BigInt(this.#fields.metadata ?? 0)
    this.#fields.metadata = (old & ~mask) | (metadata & mask)
  }

  #bundle(action: Extract<Action, { kind: 'bundle' }>, row: RunRow | undefined): void {
    const port = chosenMember(action, this.#fields, member => this.#view.isLive(member))
    if (action.to) this.#write(action.to, BigInt(port ?? ports.any))
    else if (port !== undefined) this.#output(port, row)
  }

  #group(id: number, row: RunRow | undefined): void {
    const group = this.#view.group(id)
    if (group === undefined || this.#groupDepth >= maxGroupDepth) return
    this.#groupDepth++
    for (const bucket of chosenBuckets(this.#view, group, this.#fields)) {
      this.buckets.push({ group: id, bucket })
      this.#onCopy(() => this.#runActionSet(bucket.actions, row))
    }
    this.#groupDepth--
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
    if (
      !this.apply(
        changes.sort((a, b) => rank(a) - rank(b)),
        row,
      )
    )
      return
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
      this.#view.conntrack.track(zone, fork, action.nat !== undefined)
    if (action.commit) this.#commit(zone, fork, action, row)
    if (action.table !== undefined) {
      this.ctStates.push(Number(fork.fields.ct_state))
      const actionSet = this.#actionSet
      this.enter(action.table)
      this.finish()
      this.#actionSet = actionSet
      this.#isOver = false
    }
    this.#packet = before
  }

  #commit(zone: number, fork: Packet, action: CtAction, row: RunRow | undefined): void {
    const mark = fork.fields.ct_mark
    const label = fork.fields.ct_label
    this.apply(action.exec ?? [], row)
    this.#view.conntrack.commit(zone, fork, {
      ...(action.force && { isForced: true }),
      ...(action.nat && { nat: action.nat }),
      ...(fork.fields.ct_mark !== mark && { mark: Number(fork.fields.ct_mark) }),
      ...(fork.fields.ct_label !== label && { label: BigInt(fork.fields.ct_label ?? 0) }),
    })
  }

  #pushTag(): void {
    const { vlan_vid = 0, vlan_pcp } = this.#fields
    if (Number(vlan_vid) !== 0) {
      const tag = { vlan_vid, ...(vlan_pcp !== undefined && { vlan_pcp }) }
      this.#packet = { ...this.#packet, under: [...(this.#packet.under ?? []), tag] }
    }
    this.#fields.vlan_vid = 0x1000
    delete this.#fields.vlan_pcp
  }

  #popTag(): void {
    const { under = [], ...packet } = this.#packet
    delete this.#fields.vlan_pcp
    Object.assign(this.#fields, under.at(-1) ?? { vlan_vid: 0 })
    this.#packet = under.length > 1 ? { ...packet, under: under.slice(0, -1) } : packet
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

/** Conjunctions are resolved by the lookup; the others change neither the packet nor where it goes. */
const withoutEffect: ReadonlySet<Action['kind']> = new Set<Action['kind']>([
  'conjunction',
  'note',
  'set_queue',
  'pop_queue',
  'fin_timeout',
  'sample',
])

/**
 * What tables see of a packet: of a piece of a datagram no ports, whichever piece it is, as Open vSwitch has it
 * unless it is told otherwise (OFPC_FRAG_NORMAL).
 */
const visible = (fields: Fields): Fields => {
  if (!Number(fields.ip_frag ?? 0)) return fields
  const names = fields.eth_type === etherTypes.ipv6 ? portsOfIpv6 : portsOfIpv4
  const [source, destination] = names[Number(fields.ip_proto)] ?? []
  if (source === undefined || destination === undefined) return fields
  return { ...fields, [source]: 0, [destination]: 0 }
}

type PortFields = Readonly<Record<number, readonly [FieldName, FieldName]>>

const portsOfBoth: PortFields = {
  [ipProtocols.tcp]: ['tcp_src', 'tcp_dst'],
  [ipProtocols.udp]: ['udp_src', 'udp_dst'],
  [ipProtocols.sctp]: ['sctp_src', 'sctp_dst'],
}
const portsOfIpv4: PortFields = { ...portsOfBoth, [ipProtocols.icmp]: ['icmp_type', 'icmp_code'] }
const portsOfIpv6: PortFields = {
  ...portsOfBoth,
  [ipProtocols.icmpv6]: ['icmpv6_type', 'icmpv6_code'],
}

/** A row of lowest priority that matches everything, section 5.4. */
const isTableMiss = (row: RunRow | undefined): boolean =>
  row !== undefined && row.priority === 0 && Object.keys(row.match).length === 0
