/**
 * A switch that is not there: it speaks real OpenFlow 1.3 over real connections, as Open vSwitch
 * 3.1 does, and runs packets through its flows with our own evaluator.
 *
 *     const one = new SimulatedSwitch(env, {
 *       dpid, name: 's1', ports: [{ number: 1, name: 's1-eth1', mac }], send: (port, frame) => ...,
 *     })
 *     one.connect({ host: '127.0.0.1', port: 6653 })
 *     one.receive(1, frame)
 *
 * It does not do: NAT, reassembly of fragments, learn, NORMAL, tunnels, MPLS, buffers, resume.
 */
import { type Dpid, dpidNumber, formatMac } from '../base/addresses.js'
import type { Address, Env } from '../base/env/env.js'
import {
  flowRemovedReasons,
  type Message,
  packetInReasons,
  type Received,
  type ReceivedOf,
} from '../openflow/index.js'
import { nicira, onf } from '../openflow/messages/experimenters.js'
import { tableCount } from './action-checks.js'
import { answer, type ListReply } from './answers.js'
import { Channel, type ChannelLimits, channelLimits } from './channel.js'
import { Datapath, type DatapathCounters, type PacketToController } from './datapath.js'
import type { PortOptions } from './ports.js'
import { Refusal } from './refusal.js'

export interface SwitchOptions {
  readonly dpid: Dpid
  readonly name: string
  readonly ports: readonly PortOptions[]
  /** Called for each frame that leaves; the octets are shared, copy them to change them. */
  send(port: number, frame: Uint8Array): void
  readonly limits?: Partial<ChannelLimits>
}

/** Before any controller gave one. */
const noGeneration = 0xffff_ffff_ffff_ffffn

export class SimulatedSwitch {
  readonly dpid: Dpid
  readonly name: string
  /** Tables, groups, meters, ports and connections, for looking at. */
  readonly datapath: Datapath
  readonly #env: Env
  readonly #limits: ChannelLimits
  readonly #channels = new Set<Channel>()
  #generation = noGeneration
  #fragmentFlags = 0

  constructor(env: Env, options: SwitchOptions) {
    this.#env = env
    this.dpid = options.dpid
    this.name = options.name
    this.#limits = { ...channelLimits, ...options.limits }
    const mac = formatMac(Number(dpidNumber(options.dpid) & 0xffff_ffff_ffffn))
    this.datapath = new Datapath(env, { name: options.name, mac }, options.ports, {
      send: (port, frame) => options.send(port, frame),
      packetIn: packet => this.#packetIn(packet),
      tell: message => this.#tell(message),
    })
  }

  get counters(): DatapathCounters {
    return this.datapath.counters
  }

  /** True when a controller has said hello. */
  get isConnected(): boolean {
    return [...this.#channels].some(channel => channel.isOpen)
  }

  /** Calls a controller, and again whenever the connection ends. Once for each controller. */
  connect(to: Address): void {
    this.#channels.add(new Channel(this.#env, to, this, this.#limits))
  }

  /** Leaves all controllers. Flows stay. */
  disconnect(): void {
    for (const channel of this.#channels) channel.stop()
    this.#channels.clear()
  }

  /** Breaks all connections to controllers; they are made anew. Flows stay. */
  dropConnections(): void {
    for (const channel of this.#channels) channel.drop()
  }

  /** Ends what runs; nothing comes of this switch any more. */
  stop(): void {
    this.disconnect()
    this.datapath.stop()
  }

  /** Switched off and on again: everything it was told is forgotten. */
  restart(): void {
    this.datapath.clear()
    this.#generation = noGeneration
    this.dropConnections()
  }

  /** A frame comes in. */
  receive(port: number, frame: Uint8Array): void {
    this.datapath.receive(port, frame)
  }

  /** The cable of a port is plugged in or pulled out. */
  setPort(number: number, isUp: boolean): void {
    this.datapath.setLink(number, isUp)
  }

  /** A message from a controller; for the channel. */
  received(channel: Channel, message: Received): void {
    const now = this.#env.clock.nowMillis()
    const told = answer(message, this.datapath, this.name, now)
    if (told === undefined) return this.#command(channel, message)
    if ('kind' in told) channel.send(told, message.xid)
    else sendList(channel, told, message.xid)
  }

  #command(channel: Channel, message: Received): void {
    switch (message.kind) {
      case 'flow-mod':
      case 'group-mod':
      case 'port-mod':
      case 'packet-out':
        mustNotBeSlave(channel)
        return this.datapath.apply(message).keep()
      case 'meter-mod':
        mustNotBeSlave(channel)
        return this.datapath.applyMeter(message).keep()
      case 'bundle-add':
        mustNotBeSlave(channel)
        return channel.bundles.add(message)
      case 'bundle-control':
        return this.#bundle(channel, message)
      case 'barrier-request':
        return channel.send({ kind: 'barrier-reply' }, message.xid)
      case 'role-request':
        return this.#role(channel, message)
      case 'features-request':
        return channel.send(this.#features(), message.xid)
      default:
        return this.#setting(channel, message)
    }
  }

  #setting(channel: Channel, message: Received): void {
    const { xid } = message
    switch (message.kind) {
      case 'get-config-request': {
        const { missSendLength } = channel
        const flags = this.#fragmentFlags
        return channel.send({ kind: 'get-config-reply', flags, missSendLength }, xid)
      }
      case 'set-config':
        if (channel.role !== 'slave') this.#fragmentFlags = message.flags
        channel.missSendLength = message.missSendLength
        return
      case 'get-async-request':
        return channel.send({ kind: 'get-async-reply', ...channel.async }, xid)
      case 'set-async': {
        const { packetIn, portStatus, flowRemoved } = message
        channel.async = { packetIn, portStatus, flowRemoved }
        return
      }
      case 'set-packet-in-format':
        channel.packetInFormat = message.format
        return
      case 'set-controller-id':
        channel.controllerId = message.controllerId
        return
      case 'table-mod':
        mustNotBeSlave(channel)
        if (message.tableId >= tableCount && message.tableId !== 0xff)
          throw new Refusal('OFPTMFC_BAD_TABLE')
        return
      case 'ct-flush-zone':
        return this.datapath.conntrack.flush(message.zone)
      case 'ct-flush':
        return this.datapath.flushConnections(message.filter)
      case 'tlv-table-request':
        return channel.send(
          { kind: 'tlv-table-reply', maxSpace: 256, maxFields: 64, maps: [] },
          xid,
        )
      default:
        return refuseUnknown(message)
    }
  }

  #features(): Message {
    return {
      kind: 'features-reply',
      datapathId: dpidNumber(this.dpid),
      bufferCount: 0,
      tableCount,
      // Statistics of flows, tables, ports, groups and queues.
      capabilities: 0x4f,
    }
  }

  #bundle(channel: Channel, message: ReceivedOf<'bundle-control'>): void {
    mustNotBeSlave(channel)
    channel.bundles.control(message, {
      apply: part => this.datapath.apply(part),
      refused: (error, bytes, xid) => channel.refuse(error.answer, bytes, xid),
    })
    const control = replies[message.control]
    if (control === undefined) return
    const { bundleId, flags } = message
    channel.send({ kind: 'bundle-control', bundleId, control, flags }, message.xid)
  }

  /** OpenFlow 1.3.5 section 6.3.6. */
  #role(channel: Channel, { role, generationId, xid }: ReceivedOf<'role-request'>): void {
    if (role === 'master' || role === 'slave') {
      // Generations are compared as if on a circle.
      const isOlder = BigInt.asIntN(64, generationId - this.#generation) < 0n
      if (this.#generation !== noGeneration && isOlder) throw new Refusal('OFPRRFC_STALE')
      this.#generation = generationId
    }
    if (role === 'master') this.#displaceMasters(channel, generationId)
    if (role !== 'nochange') channel.role = role
    channel.send({ kind: 'role-reply', role: channel.role, generationId: this.#generation }, xid)
  }

  #displaceMasters(by: Channel, generationId: bigint): void {
    for (const channel of this.#channels) {
      if (channel === by || channel.role !== 'master') continue
      channel.role = 'slave'
      channel.send({ kind: 'role-status', role: 'slave', reason: 'master-request', generationId })
    }
  }

  #packetIn(packet: PacketToController): void {
    const { controllerId = 0, reason } = packet.why
    for (const channel of this.#channels) {
      if (!channel.isOpen || channel.controllerId !== controllerId) continue
      const mask = channel.async.packetIn[channel.role === 'slave' ? 'slave' : 'master']
      if ((mask >>> reason) & 1) channel.send(packetInMessage(channel, packet))
    }
  }

  #tell(message: Message): void {
    for (const channel of this.#channels) {
      if (!channel.isOpen) continue
      const mask = maskOf(channel, message)
      if (mask[channel.role === 'slave' ? 'slave' : 'master'] & bitOf(message))
        channel.send(message)
    }
  }
}

const mustNotBeSlave = (channel: Channel): void => {
  if (channel.role === 'slave') throw new Refusal('OFPBRC_IS_SLAVE')
}

const replies: {
  readonly [control in ReceivedOf<'bundle-control'>['control']]?: ReceivedOf<'bundle-control'>['control']
} = {
  'open-request': 'open-reply',
  'close-request': 'close-reply',
  'commit-request': 'commit-reply',
  'discard-request': 'discard-reply',
}

const reasonName = (number: number): keyof typeof packetInReasons | number => {
  for (const [name, value] of Object.entries(packetInReasons))
    if (value === number) return name as keyof typeof packetInReasons
  return number
}

/** Userdata have a place in Nicira's second form only, so that one is taken for them in any case. */
const packetInMessage = (channel: Channel, { frame, match, why }: PacketToController): Message => {
  const reason = reasonName(why.reason)
  if (why.userdata === undefined && channel.packetInFormat !== 'nxt2')
    return {
      kind: 'packet-in',
      totalLength: frame.length,
      reason,
      tableId: why.table,
      cookie: why.cookie,
      match,
      data: frame,
    }
  return {
    kind: 'packet-in2',
    properties: {
      data: frame,
      tableId: why.table,
      cookie: why.cookie,
      reason,
      match,
      ...(why.userdata && { userdata: why.userdata }),
    },
  }
}

const maskOf = (channel: Channel, message: Message) =>
  message.kind === 'flow-removed' ? channel.async.flowRemoved : channel.async.portStatus

const bitOf = (message: Message): number => {
  if (message.kind === 'flow-removed')
    return 1 << flowRemovedReasons[message.reason as keyof typeof flowRemovedReasons]
  return 1 << 2
}

const refuseUnknown = (message: Received): void => {
  switch (message.kind) {
    // Answers to what we asked, and old settings that change nothing here.
    case 'echo-reply':
    case 'hello':
    case 'error':
    case 'flow-age':
    case 'flow-mod-table-id':
      return
    case 'experimenter':
      throw new Refusal(
        message.experimenter === nicira || message.experimenter === onf
          ? 'OFPBRC_BAD_EXP_TYPE'
          : 'OFPBRC_BAD_EXPERIMENTER',
      )
    case 'unknown-stats-request':
      throw new Refusal('OFPBRC_BAD_MULTIPART')
    case 'experimenter-stats-request':
      throw new Refusal('OFPBRC_BAD_EXPERIMENTER')
    case 'resume':
      throw new Refusal('NXR_NOT_SUPPORTED')
    default:
      throw new Refusal('OFPBRC_BAD_TYPE')
  }
}

/** As many entries as fit into a message of 64 KiB, then the next. */
export const sendList = (channel: Pick<Channel, 'send'>, reply: ListReply, xid: number): void => {
  const { entries } = reply
  let size = 256
  let at = 0
  do {
    const isLast = at + size >= entries.length
    try {
      channel.send(reply.message(entries.slice(at, at + size), !isLast), xid)
      at += size
    } catch (error) {
      // Too many octets for one message: fewer entries then.
      if (!(error instanceof RangeError) || size === 1) throw error
      size >>= 1
    }
  } while (at < entries.length)
}
