/**
 * What a simulated switch is without its controllers: ports, tables, groups, meters, connections,
 * and packets that run through them.
 */
import { ipNumber, type Mac } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env/env.js'
import {
  allTables,
  type FlushFilter,
  type FlushTuple,
  flowFlags,
  type flowRemovedReasons,
  type Message,
  noBuffer,
  portConfig,
  type ReceivedOf,
} from '../openflow/index.js'
import {
  type Action,
  type FieldValue,
  type Match,
  ports as portNumbers,
} from '../openflow/values.js'
import { type Connection, Conntrack } from '../pipeline/conntrack.js'
import { evaluate, type Outcome, type SwitchView, type ToController } from '../pipeline/evaluate.js'
import { type Fields, readPacket } from '../pipeline/packet.js'
import { rewriteFrame } from '../pipeline/rewrite.js'
import { checkActions, checkInstructions, type Known } from './action-checks.js'
import { Change } from './change.js'
import { checkTable, type FlowEntry, Flows } from './flows.js'
import { Groups } from './groups.js'
import { Meters } from './meters.js'
import { describePort, type PortEntry, type PortOptions, Ports } from './ports.js'
import { Refusal } from './refusal.js'

export interface PacketToController {
  readonly frame: Uint8Array
  readonly match: Match
  readonly why: ToController
}

/** What a datapath does to the world around it. */
export interface DatapathHandlers {
  /** The frame is shared: whoever changes it copies it. */
  send(port: number, frame: Uint8Array): void
  packetIn(packet: PacketToController): void
  /** To all controllers that want it. */
  tell(message: Message): void
}

type FlowRemovedReason = keyof typeof flowRemovedReasons
/** Messages that change a switch, one at a time or in bundles. */
export type ChangeMessage = ReceivedOf<'flow-mod' | 'group-mod' | 'port-mod' | 'packet-out'>

export interface DatapathCounters {
  received: number
  sent: number
  /** Frames that no port took, or that came to a port that is down. */
  dropped: number
  toController: number
}

export class Datapath {
  readonly flows = new Flows()
  readonly groups = new Groups()
  readonly meters = new Meters()
  readonly conntrack = new Conntrack()
  readonly ports: Ports
  readonly lookups = new Map<number, { lookupCount: number; matchedCount: number }>()
  readonly counters: DatapathCounters = { received: 0, sent: 0, dropped: 0, toController: 0 }
  readonly #env: Env
  readonly #handlers: DatapathHandlers
  readonly #view: SwitchView
  readonly #known: Known
  /** Octets of the frame that is in the pipeline now. */
  #frameSize = 0
  #sweep: Cancel | undefined
  #sweepAtMillis = Number.POSITIVE_INFINITY

  constructor(
    env: Env,
    self: { readonly name: string; readonly mac: Mac },
    ports: readonly PortOptions[],
    handlers: DatapathHandlers,
  ) {
    this.#env = env
    this.#handlers = handlers
    this.ports = new Ports(self, ports, env.clock.nowMillis())
    this.#view = {
      table: id => this.flows.table(id),
      group: id => this.groups.get(id),
      isLive: port => this.ports.isUp(port),
      conntrack: this.conntrack,
      meterPasses: id => this.meters.passes(id, this.#frameSize, env.clock.nowMillis()),
      ports: () => this.ports.numbers(),
    }
    this.#known = {
      hasGroup: id => this.groups.has(id),
      hasMeter: id => this.meters.has(id),
    }
  }

  /** A frame comes in from outside. */
  receive(number: number, frame: Uint8Array): void {
    const port = this.ports.get(number)
    if (port === undefined || !this.ports.isUp(number) || port.config & portConfig.noReceive) {
      if (port) port.rxDropped++
      this.counters.dropped++
      return
    }
    port.rxPackets++
    port.rxBytes += frame.length
    this.counters.received++
    this.#run(frame, number)
  }

  setLink(number: number, isUp: boolean): void {
    const port = this.ports.get(number)
    if (port === undefined) throw new RangeError(`there is no port ${number}`)
    if (port.isLinkUp === isUp) return
    port.isLinkUp = isUp
    this.#tellPort(port)
  }

  /**
   * Does what a message says. The caller keeps the change or takes it back.
   *
   * @throws {Refusal} and nothing has changed
   */
  apply(message: ChangeMessage): Change {
    const change = new Change()
    try {
      this.#apply(message, change)
    } catch (error) {
      change.takeBack()
      throw error
    }
    return change
  }

  /** @throws {Refusal} meters are no part of bundles */
  applyMeter(mod: ReceivedOf<'meter-mod'>): Change {
    const change = new Change()
    const now = this.#env.clock.nowMillis()
    if (mod.command === 'add') change.did(this.meters.add(mod, now))
    else if (mod.command === 'modify') change.did(this.meters.modify(mod, now))
    else
      for (const meter of this.meters.select(mod.meterId)) {
        for (const entry of this.flows.usingMeter(meter.id))
          this.#removeFlow(entry, 'meter-delete', change)
        change.did(this.meters.remove(meter))
      }
    return change
  }

  /** Forgets flows, groups, meters and connections, as a switch that was switched off. */
  clear(): void {
    for (const entry of this.flows.select({ ...everything })) this.flows.remove(entry)
    for (const group of this.groups.select(0xfffffffc)) this.groups.remove(group)
    for (const meter of this.meters.select(0xffffffff)) this.meters.remove(meter)
    this.conntrack.flush()
  }

  /** NXT_CT_FLUSH. */
  flushConnections({ zone, original, reply }: FlushFilter): void {
    this.conntrack.forget(
      connection =>
        (zone === undefined || connection.zone === zone) &&
        isTuple(connection, original) &&
        isTuple(turned(connection.nat?.tuple ?? connection), reply),
    )
  }

  stop(): void {
    this.#sweep?.()
    this.#sweepAtMillis = Number.POSITIVE_INFINITY
  }

  #apply(message: ChangeMessage, change: Change): void {
    switch (message.kind) {
      case 'flow-mod':
        return this.#flowMod(message, change)
      case 'group-mod':
        return this.#groupMod(message, change)
      case 'port-mod':
        return this.#portMod(message, change)
      case 'packet-out':
        this.#checkPacketOut(message)
        return change.then(() => this.#packetOut(message))
    }
  }

  #flowMod(mod: ReceivedOf<'flow-mod'>, change: Change): void {
    const now = this.#env.clock.nowMillis()
    const isDelete = mod.command === 'delete' || mod.command === 'delete-strict'
    const isStrict = mod.command === 'modify-strict' || mod.command === 'delete-strict'
    checkTable(mod.tableId, isDelete)
    if (isDelete) {
      for (const entry of this.flows.doomed(mod, isStrict))
        this.#removeFlow(entry, 'delete', change)
      return
    }
    checkInstructions(mod.tableId, mod.match, mod.instructions, this.#known)
    if (mod.command === 'add') change.did(this.flows.add(mod, now))
    else for (const undo of this.flows.modify(mod, isStrict, now)) change.did(undo)
    if (mod.idleTimeout > 0 || mod.hardTimeout > 0) change.then(() => this.#arm())
    if (mod.bufferId !== noBuffer) throw new Refusal('OFPBRC_BUFFER_UNKNOWN')
  }

  #removeFlow(entry: FlowEntry, reason: FlowRemovedReason, change: Change): void {
    change.did(this.flows.remove(entry))
    if (entry.flags & flowFlags.sendFlowRemoved)
      change.then(() => this.#handlers.tell(this.#flowRemoved(entry, reason)))
  }

  #flowRemoved(entry: FlowEntry, reason: FlowRemovedReason): Message {
    return {
      kind: 'flow-removed',
      cookie: entry.cookie,
      priority: entry.priority,
      reason,
      tableId: entry.table,
      ...durationOf(entry.createdMillis, this.#env.clock.nowMillis()),
      idleTimeout: entry.idleTimeout,
      hardTimeout: entry.hardTimeout,
      packetCount: BigInt(entry.packetCount),
      byteCount: BigInt(entry.byteCount),
      match: entry.match,
    }
  }

  #groupMod(mod: ReceivedOf<'group-mod'>, change: Change): void {
    const now = this.#env.clock.nowMillis()
    if (mod.command === 'add') change.did(this.groups.add(mod, this.#known, now))
    else if (mod.command === 'modify') change.did(this.groups.modify(mod, this.#known, now))
    else
      for (const group of this.groups.select(mod.groupId)) {
        for (const entry of this.flows.usingGroup(group.id))
          this.#removeFlow(entry, 'group-delete', change)
        change.did(this.groups.remove(group))
      }
  }

  #portMod(mod: ReceivedOf<'port-mod'>, change: Change): void {
    const before = this.ports.get(mod.port)?.config ?? 0
    const port = this.ports.modify(mod)
    change.did(() => {
      port.config = before
    })
    if (port.config !== before) change.then(() => this.#tellPort(port))
  }

  #tellPort(port: PortEntry): void {
    this.#handlers.tell({ kind: 'port-status', reason: 'modify', description: describePort(port) })
  }

  #checkPacketOut(message: ReceivedOf<'packet-out'>): void {
    if (message.bufferId !== noBuffer) throw new Refusal('OFPBRC_BUFFER_UNKNOWN')
    const { inPort } = message
    const isSpecial =
      inPort === portNumbers.controller ||
      inPort === portNumbers.local ||
      inPort === portNumbers.any
    if (!isSpecial && (inPort === 0 || inPort >= portNumbers.max))
      throw new Refusal('OFPBRC_BAD_PORT')
    checkActions(message.actions, undefined, this.#known)
  }

  #packetOut(message: ReceivedOf<'packet-out'>): void {
    this.#run(message.data, message.inPort, message.actions)
  }

  #run(frame: Uint8Array, inPort: number, actions?: readonly Action[]): void {
    this.#frameSize = frame.length
    const packet = readPacket(frame)
    const outcome = evaluate(this.#view, packet, inPort, actions)
    this.#count(outcome, frame.length, (Number(packet.fields.tcp_flags ?? 0) & finOrReset) !== 0)
    for (const up of outcome.toController) {
      this.counters.toController++
      this.#handlers.packetIn({
        frame: rewriteFrame(frame, packet, up.fields),
        match: metadataOf(up.fields),
        why: up,
      })
    }
    for (const { port, fields, under, maxLength } of outcome.outputs)
      this.#leave(port, cut(rewriteFrame(frame, packet, fields, under), maxLength))
  }

  #leave(number: number, frame: Uint8Array): void {
    const port = this.ports.get(number)
    if (port === undefined || !this.ports.isUp(number) || port.config & portConfig.noForward) {
      if (port) port.txDropped++
      this.counters.dropped++
      return
    }
    port.txPackets++
    port.txBytes += frame.length
    this.counters.sent++
    this.#handlers.send(number, frame)
  }

  /** @param isEnding whether the packet ends a TCP connection */
  #count(outcome: Outcome, size: number, isEnding: boolean): void {
    const now = this.#env.clock.nowMillis()
    for (const { table, row } of outcome.steps) {
      let lookups = this.lookups.get(table)
      if (lookups === undefined) {
        lookups = { lookupCount: 0, matchedCount: 0 }
        this.lookups.set(table, lookups)
      }
      lookups.lookupCount++
      if (row === undefined) continue
      lookups.matchedCount++
      // Every row of these tables is an entry.
      const entry = row as FlowEntry
      entry.packetCount++
      entry.byteCount += size
      entry.usedMillis = now
      if (isEnding) shorten(entry)
    }
    if (isEnding) this.#arm()
    for (const { group, bucket } of outcome.buckets) this.#countBucket(group, bucket, size)
  }

  #countBucket(id: number, bucket: Outcome['buckets'][number]['bucket'], size: number): void {
    const group = this.groups.get(id)
    const counts = group?.bucketCounts[group.buckets.indexOf(bucket)]
    if (group === undefined || counts === undefined) return
    group.packetCount++
    group.byteCount += size
    counts.packetCount++
    counts.byteCount += size
  }

  /** Looks after flows that end by themselves, as often as the next one may. */
  #arm(): void {
    let next = Number.POSITIVE_INFINITY
    for (const entry of this.flows.mortal) next = Math.min(next, endOf(entry).atMillis)
    if (next >= this.#sweepAtMillis) return
    this.#sweep?.()
    this.#sweepAtMillis = next
    const delayMillis = Math.max(next - this.#env.clock.nowMillis(), sweepPauseMillis)
    this.#sweep = this.#env.timers.after(delayMillis, () => {
      this.#sweepAtMillis = Number.POSITIVE_INFINITY
      this.#expire()
      this.#arm()
    })
  }

  #expire(): void {
    const now = this.#env.clock.nowMillis()
    const change = new Change()
    for (const entry of [...this.flows.mortal]) {
      const { atMillis, reason } = endOf(entry)
      if (atMillis <= now) this.#removeFlow(entry, reason, change)
    }
    change.keep()
  }
}

/** Flows end in batches. */
const sweepPauseMillis = 20

const everything = {
  tableId: allTables,
  outPort: portNumbers.any,
  outGroup: 0xffffffff,
  cookie: 0n,
  cookieMask: 0n,
  match: {},
}

const endOf = (entry: FlowEntry): { atMillis: number; reason: FlowRemovedReason } => {
  const never = Number.POSITIVE_INFINITY
  const hard = entry.hardTimeout ? entry.modifiedMillis + entry.hardTimeout * 1000 : never
  const idle = entry.idleTimeout ? entry.usedMillis + entry.idleTimeout * 1000 : never
  return hard <= idle
    ? { atMillis: hard, reason: 'hard-timeout' }
    : { atMillis: idle, reason: 'idle-timeout' }
}

type Tuple = Pick<Connection, 'source' | 'destination' | 'sourcePort' | 'destinationPort'>

const turned = (tuple: Tuple): Tuple => ({
  source: tuple.destination,
  destination: tuple.source,
  sourcePort: tuple.destinationPort,
  destinationPort: tuple.sourcePort,
})

const isTuple = (tuple: Tuple, wanted: FlushTuple = {}): boolean =>
  (wanted.source === undefined || ipNumber(wanted.source) === tuple.source) &&
  (wanted.destination === undefined || ipNumber(wanted.destination) === tuple.destination) &&
  (wanted.sourcePort ?? tuple.sourcePort) === tuple.sourcePort &&
  (wanted.destinationPort ?? tuple.destinationPort) === tuple.destinationPort

export const durationOf = (fromMillis: number, nowMillis: number) => {
  const millis = Math.max(0, nowMillis - fromMillis)
  const durationSeconds = Math.floor(millis / 1000)
  return {
    durationSeconds,
    durationNanoseconds: Math.floor((millis - durationSeconds * 1000) * 1e6),
  }
}

/** FIN and RST. */
const finOrReset = 0x05

/** What `fin_timeout` in the row asks for. */
const shorten = (entry: FlowEntry): void => {
  for (const action of entry.actions) {
    if (action.kind !== 'fin_timeout') continue
    if (action.idleTimeout > 0)
      entry.idleTimeout = Math.min(entry.idleTimeout || action.idleTimeout, action.idleTimeout)
    if (action.hardTimeout > 0)
      entry.hardTimeout = Math.min(entry.hardTimeout || action.hardTimeout, action.hardTimeout)
  }
}

const cut = (frame: Uint8Array, maxLength: number | undefined): Uint8Array =>
  maxLength === undefined || frame.length <= maxLength ? frame : frame.subarray(0, maxLength)

/** What a packet-in tells beside the packet: everything about it that is not in its octets. */
const metadataOf = (fields: Fields): Match => {
  const match: Record<string, FieldValue> = { in_port: fields.in_port ?? 0 }
  for (const [name, value] of Object.entries(fields))
    if (
      /^(metadata|reg\d+|tun_id|pkt_mark|ct_(state|zone|mark|label|nw_proto|(nw|ipv6|tp)_(src|dst)))$/.test(
        name,
      ) &&
      value
    )
      match[name] = value
  return match as Match
}
