/**
 * A host that is not there: it answers ARP, neighbour discovery and ping, and speaks UDP and TCP with
 * frames whose every octet is right. It drops frames with wrong checksums, as network cards do.
 */
import {
  formatIpv4,
  formatIpv6,
  type Ip,
  type Ipv4,
  type Ipv6,
  ipNumber,
  ipv4Mask,
  ipv6Mask,
  isGroupMac,
  type Mac,
  macNumber,
} from '../base/addresses.js'
import type { Env } from '../base/env/env.js'
import type { FieldValue } from '../openflow/values.js'
import { buildFrame } from '../pipeline/build.js'
import {
  etherTypes,
  type Fields,
  ipProtocols,
  type Packet,
  readPacket,
} from '../pipeline/packet.js'
import { isUnreachable, portUnreachable } from './icmp-errors.js'
import { endOfIp, isIntact } from './intact.js'
import { Neighbours } from './neighbours.js'
import { type Segment, type TcpEnd, TcpSession, tcpFlags } from './tcp.js'

export interface HostOptions {
  readonly name: string
  readonly mac: Mac
  readonly ip?: Ipv4
  readonly ipv6?: Ipv6
  /** Of the addresses that are asked for by ARP or ND; the others go to the gateway. Usually 0: all. */
  readonly prefixLength?: number
  readonly prefixLengthIpv6?: number
  readonly gateway?: Ipv4
  readonly gatewayIpv6?: Ipv6
  /** It tags its frames with this VLAN, and hears no others. */
  readonly vlan?: number
}

/** `open`: an answer came · `refused`: somebody said no · `silent`: nobody said anything. */
export type AttemptResult = 'open' | 'refused' | 'silent'
export type PingResult =
  | { readonly result: 'open'; readonly rttMillis: number }
  | { readonly result: 'refused' | 'silent' }

export interface Patience {
  /** How long to wait for an answer; usually 1,500. */
  readonly timeoutMillis?: number
}

/** A TCP session that did not come about. */
export class ConnectError extends Error {
  readonly end: Exclude<TcpEnd, 'finished'>

  constructor(end: Exclude<TcpEnd, 'finished'>) {
    super(`no session: ${end}`)
    this.name = 'ConnectError'
    this.end = end
  }
}

export interface UdpPort {
  readonly port: number
  send(ip: Ip, port: number, bytes: Uint8Array): void
  onMessage(handler: (bytes: Uint8Array, from: { ip: Ip; port: number }) => void): void
  /** An ICMP error came back for something that was sent to there. */
  onUnreachable(handler: (to: { ip: Ip; port: number }) => void): void
  close(): void
}

export interface HostCounters {
  received: number
  sent: number
  /** Frames with a wrong checksum. */
  damaged: number
}

const usualPatienceMillis = 1_500
const firstEphemeralPort = 32_768

interface UdpEntry {
  message: (bytes: Uint8Array, from: { ip: Ip; port: number }) => void
  unreachable: (to: { ip: Ip; port: number }) => void
}

interface Ping {
  readonly target: FieldValue
  readonly sentMillis: number
  readonly done: (result: PingResult) => void
}

export class SimulatedHost {
  readonly name: string
  readonly mac: Mac
  readonly ip: Ipv4 | undefined
  readonly ipv6: Ipv6 | undefined
  readonly counters: HostCounters = { received: 0, sent: 0, damaged: 0 }
  readonly #env: Env
  readonly #options: HostOptions
  readonly #macNumber: number
  readonly #ipv4: number | undefined
  readonly #ipv6: bigint | undefined
  readonly #neighbours: Neighbours
  readonly #udp = new Map<number, UdpEntry>()
  readonly #listeners = new Map<number, (session: TcpSession) => void>()
  readonly #sessions = new Map<string, TcpSession>()
  readonly #pings = new Map<number, Ping>()
  readonly #pingId: number
  #pingSequence = 0
  #nextPort: number
  #out: (frame: Uint8Array) => void = () => undefined

  constructor(env: Env, options: HostOptions) {
    this.#env = env
    this.#options = options
    this.name = options.name
    this.mac = options.mac
    this.ip = options.ip
    this.ipv6 = options.ipv6
    this.#macNumber = macNumber(options.mac)
    this.#ipv4 = options.ip === undefined ? undefined : Number(ipNumber(options.ip))
    this.#ipv6 = options.ipv6 === undefined ? undefined : BigInt(ipNumber(options.ipv6))
    this.#pingId = env.random.uint32() & 0xffff
    this.#nextPort = firstEphemeralPort + (env.random.uint32() % 20_000)
    const self = { mac: this.#macNumber, ipv4: this.#ipv4, ipv6: this.#ipv6 }
    this.#neighbours = new Neighbours(env, self, fields => this.#send(buildFrame(fields)))
  }

  /** Where its frames go: once, before anything is sent. */
  attach(out: (frame: Uint8Array) => void): void {
    this.#out = out
  }

  /** Tells the network who it is, by a gratuitous ARP and an advertisement that nobody asked for. */
  announce(): void {
    this.#neighbours.announce()
  }

  /** Forgets who has which address. */
  forgetNeighbours(): void {
    this.#neighbours.forget()
  }

  /** Ends all sessions and attempts without a word. */
  stop(): void {
    this.#neighbours.stop()
    for (const session of [...this.#sessions.values()]) session.abandon()
    for (const ping of [...this.#pings.values()]) ping.done({ result: 'silent' })
  }

  /** The round trip time in milliseconds; undefined when there was none. */
  async ping(ip: Ip, patience: Patience = {}): Promise<number | undefined> {
    const answer = await this.probe(ip, patience)
    return answer.result === 'open' ? answer.rttMillis : undefined
  }

  /** A ping that tells an error from silence. */
  probe(ip: Ip, { timeoutMillis = usualPatienceMillis }: Patience = {}): Promise<PingResult> {
    this.#pingSequence = (this.#pingSequence + 1) & 0xffff
    const sequence = this.#pingSequence
    return new Promise(resolve => {
      const done = (result: PingResult) => {
        cancel()
        this.#pings.delete(sequence)
        resolve(result)
      }
      const cancel = this.#env.timers.after(timeoutMillis, () => done({ result: 'silent' }))
      const sentMillis = this.#env.clock.nowMillis()
      this.#pings.set(sequence, { target: ipNumber(ip), sentMillis, done })
      this.#sendIp(ip, echoRequest(ip), echoPayload(this.#pingId, sequence))
    })
  }

  /** @throws {RangeError} when the port is taken */
  openUdp(port: number = this.#ephemeralPort()): UdpPort {
    if (this.#udp.has(port)) throw new RangeError(`UDP port ${port} is taken`)
    const entry: UdpEntry = { message: () => undefined, unreachable: () => undefined }
    this.#udp.set(port, entry)
    return {
      port,
      send: (ip, to, bytes) =>
        this.#sendIp(ip, { ip_proto: ipProtocols.udp, udp_src: port, udp_dst: to }, bytes),
      onMessage: handler => {
        entry.message = handler
      },
      onUnreachable: handler => {
        entry.unreachable = handler
      },
      close: () => this.#udp.delete(port),
    }
  }

  /** Sends back what comes to a UDP port. */
  echoUdp(port: number): UdpPort {
    const opened = this.openUdp(port)
    opened.onMessage((bytes, from) => opened.send(from.ip, from.port, bytes))
    return opened
  }

  /** Accepts TCP sessions on a port; usually everything they say is sent back. */
  listen(port: number, onSession: (session: TcpSession) => void = echo): void {
    this.#listeners.set(port, onSession)
  }

  unlisten(port: number): void {
    this.#listeners.delete(port)
  }

  /** @throws {ConnectError} refused (a reset), unreachable (an ICMP error) or silent */
  connect(ip: Ip, port: number, { timeoutMillis = 3_000 }: Patience = {}): Promise<TcpSession> {
    const endpoint = { remote: ip, remotePort: port, localPort: this.#ephemeralPort() }
    const session = this.#session(endpoint)
    return new Promise((resolve, reject) => {
      const cancel = this.#env.timers.after(timeoutMillis, () => session.abandon())
      session.onOpen(() => {
        cancel()
        resolve(session)
      })
      session.onEnd(end => {
        cancel()
        if (end !== 'finished') reject(new ConnectError(end))
      })
    })
  }

  /** Opens a connection, or sends a packet that asks for an answer, and says what came of it. */
  async attempt(
    ip: Ip,
    protocol: 'tcp' | 'udp' | 'icmp',
    port: number,
    { timeoutMillis = usualPatienceMillis }: Patience = {},
  ): Promise<AttemptResult> {
    if (protocol === 'icmp') return (await this.probe(ip, { timeoutMillis })).result
    if (protocol === 'udp') return this.#attemptUdp(ip, port, timeoutMillis)
    try {
      const session = await this.connect(ip, port, { timeoutMillis })
      session.close()
      return 'open'
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error
      return error.end === 'silent' ? 'silent' : 'refused'
    }
  }

  /** Sends a frame as it is. */
  sendFrame(frame: Uint8Array): void {
    this.#send(frame)
  }

  /** A frame comes in. */
  receive(tagged: Uint8Array): void {
    const { vlan = 0 } = this.#options
    const frame = vlan === 0 ? tagged : untagged(tagged, vlan)
    if (frame === undefined) return
    const packet = readPacket(frame)
    const { fields } = packet
    const to = Number(fields.eth_dst)
    if (Number(fields.vlan_vid) !== 0 || (to !== this.#macNumber && !isGroupMac(to))) return
    this.counters.received++
    if (fields.eth_type === etherTypes.arp) return this.#neighbours.receive(fields)
    if (fields.ip_proto === undefined) return
    if (!isIntact(frame, packet)) {
      this.counters.damaged++
      return
    }
    if (fields.nd_target !== undefined) return this.#neighbours.receive(fields)
    const target = fields.ip_dst ?? fields.ipv6_dst
    if (target === this.#ipv4 || target === this.#ipv6) this.#receiveIp(frame, packet)
  }

  #receiveIp(frame: Uint8Array, packet: Packet): void {
    const { fields } = packet
    if (packet.quoted) return this.#receiveError(packet.quoted, fields)
    if (fields.tcp_src !== undefined) return this.#receiveTcp(frame, packet)
    if (fields.udp_src !== undefined) return this.#receiveUdp(frame, packet)
    if (fields.icmp_type === 8 || fields.icmpv6_type === 128) return this.#pong(frame, packet)
    if (fields.icmp_type === 0 || fields.icmpv6_type === 129) this.#ponged(frame, packet)
  }

  #pong(frame: Uint8Array, packet: Packet): void {
    const { fields, l4 = 0 } = packet
    const rest = frame.slice(l4 + 4, endOfIp(frame, packet))
    const kind: Fields =
      fields.icmp_type === undefined
        ? { ip_proto: ipProtocols.icmpv6, icmpv6_type: 129, icmpv6_code: 0 }
        : { ip_proto: ipProtocols.icmp, icmp_type: 0, icmp_code: 0 }
    this.#sendIp(sourceOf(fields), kind, rest)
  }

  #ponged(frame: Uint8Array, { fields, l4 = 0 }: Packet): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    if (frame.length < l4 + 8 || view.getUint16(l4 + 4) !== this.#pingId) return
    const ping = this.#pings.get(view.getUint16(l4 + 6))
    if (ping === undefined || ping.target !== (fields.ip_src ?? fields.ipv6_src)) return
    ping.done({ result: 'open', rttMillis: this.#env.clock.nowMillis() - ping.sentMillis })
  }

  #receiveUdp(frame: Uint8Array, packet: Packet): void {
    const { fields } = packet
    const entry = this.#udp.get(Number(fields.udp_dst))
    if (entry === undefined) {
      if (!isGroupMac(Number(fields.eth_dst))) this.#send(portUnreachable(frame, packet))
      return
    }
    const bytes = frame.slice(packet.payload, endOfIp(frame, packet))
    entry.message(bytes, { ip: sourceOf(fields), port: Number(fields.udp_src) })
  }

  #receiveTcp(frame: Uint8Array, packet: Packet): void {
    const { fields } = packet
    const segment = segmentOf(frame, packet)
    const remotePort = Number(fields.tcp_src)
    const localPort = Number(fields.tcp_dst)
    const remote = sourceOf(fields)
    const session = this.#sessions.get(sessionKey(remote, remotePort, localPort))
    if (session) return session.receive(segment)
    const onSession = this.#listeners.get(localPort)
    const isOpening = (segment.flags & (tcpFlags.syn | tcpFlags.ack)) === tcpFlags.syn
    if (onSession && isOpening) {
      const opened = this.#session({ remote, remotePort, localPort }, segment)
      opened.onOpen(() => onSession(opened))
    } else if ((segment.flags & tcpFlags.rst) === 0)
      this.#sendTcp({ remote, remotePort, localPort }, resetFor(segment))
  }

  /** Somebody could not or would not deliver what we sent. */
  #receiveError({ fields }: Packet, error: Fields): void {
    if (!isUnreachable(error)) return
    const to = fields.ip_dst ?? fields.ipv6_dst
    if (to === undefined) return
    const ip = textOf(to)
    if (fields.tcp_dst !== undefined)
      this.#sessions
        .get(sessionKey(ip, Number(fields.tcp_dst), Number(fields.tcp_src)))
        ?.unreachable()
    else if (fields.udp_dst !== undefined)
      this.#udp.get(Number(fields.udp_src))?.unreachable({ ip, port: Number(fields.udp_dst) })
    else
      for (const ping of [...this.#pings.values()])
        if (ping.target === to) ping.done({ result: 'refused' })
  }

  #attemptUdp(ip: Ip, port: number, timeoutMillis: number): Promise<AttemptResult> {
    return new Promise(resolve => {
      const socket = this.openUdp()
      const done = (result: AttemptResult) => {
        cancel()
        socket.close()
        resolve(result)
      }
      const cancel = this.#env.timers.after(timeoutMillis, () => done('silent'))
      socket.onMessage(() => done('open'))
      socket.onUnreachable(() => done('refused'))
      socket.send(ip, port, new TextEncoder().encode('hello'))
    })
  }

  #session(
    endpoint: { readonly remote: Ip; readonly remotePort: number; readonly localPort: number },
    opening?: Segment,
  ): TcpSession {
    const key = sessionKey(endpoint.remote, endpoint.remotePort, endpoint.localPort)
    const session = new TcpSession(
      this.#env,
      endpoint,
      segment => this.#sendTcp(endpoint, segment),
      opening,
    )
    this.#sessions.set(key, session)
    session.onEnd(() => this.#sessions.delete(key))
    return session
  }

  #sendTcp(
    to: { readonly remote: Ip; readonly remotePort: number; readonly localPort: number },
    { flags, sequence, acknowledgement, payload }: Segment,
  ): void {
    const fields = {
      ip_proto: ipProtocols.tcp,
      tcp_src: to.localPort,
      tcp_dst: to.remotePort,
      tcp_flags: flags,
    }
    this.#sendIp(to.remote, fields, payload, { sequence, acknowledgement })
  }

  #sendIp(
    to: Ip,
    transport: Fields,
    payload: Uint8Array,
    tcp?: { readonly sequence: number; readonly acknowledgement: number },
  ): void {
    const target = ipNumber(to)
    const own = typeof target === 'number' ? this.#ipv4 : this.#ipv6
    if (own === undefined) return
    this.#neighbours.find(this.#nextHop(target), mac => {
      if (mac === undefined) return
      const network: Fields =
        typeof target === 'number'
          ? { eth_type: etherTypes.ipv4, ip_src: own, ip_dst: target }
          : { eth_type: etherTypes.ipv6, ipv6_src: own, ipv6_dst: target }
      const fields = { eth_src: this.#macNumber, eth_dst: mac, ...network, ...transport }
      this.#send(buildFrame(fields, payload, tcp))
    })
  }

  #nextHop(target: FieldValue): FieldValue {
    const { gateway, gatewayIpv6, prefixLength = 0, prefixLengthIpv6 = 0 } = this.#options
    if (typeof target === 'number') {
      const isNear = ((target ^ this.#ipv4!) & ipv4Mask(prefixLength)) >>> 0 === 0
      return isNear || gateway === undefined ? target : ipNumber(gateway)
    }
    const isNear = ((target ^ this.#ipv6!) & ipv6Mask(prefixLengthIpv6)) === 0n
    return isNear || gatewayIpv6 === undefined ? target : ipNumber(gatewayIpv6)
  }

  #send(frame: Uint8Array): void {
    const { vlan } = this.#options
    this.counters.sent++
    this.#out(vlan === undefined ? frame : withTag(frame, vlan))
  }

  #ephemeralPort(): number {
    this.#nextPort = this.#nextPort >= 60_999 ? firstEphemeralPort : this.#nextPort + 1
    return this.#nextPort
  }
}

/** IEEE 802.1Q: type 0x8100 and the VLAN behind the addresses. */
const withTag = (frame: Uint8Array, vlan: number): Uint8Array => {
  const bytes = new Uint8Array(frame.length + 4)
  bytes.set(frame.subarray(0, 12))
  bytes.set([0x81, 0x00, vlan >> 8, vlan & 0xff], 12)
  bytes.set(frame.subarray(12), 16)
  return bytes
}

/** Undefined for frames of other VLANs, and for those without. */
const untagged = (frame: Uint8Array, vlan: number): Uint8Array | undefined => {
  if (frame.length < 18 || frame[12] !== 0x81 || frame[13] !== 0) return undefined
  if ((((frame[14]! & 0x0f) << 8) | frame[15]!) !== vlan) return undefined
  const bytes = new Uint8Array(frame.length - 4)
  bytes.set(frame.subarray(0, 12))
  bytes.set(frame.subarray(16), 12)
  return bytes
}

const echo = (session: TcpSession): void => {
  session.onBytes(bytes => session.send(bytes))
}

const echoRequest = (ip: Ip): Fields =>
  ip.includes(':')
    ? { ip_proto: ipProtocols.icmpv6, icmpv6_type: 128, icmpv6_code: 0 }
    : { ip_proto: ipProtocols.icmp, icmp_type: 8, icmp_code: 0 }

/** Identifier, sequence number and 56 octets, as ping sends. */
const echoPayload = (id: number, sequence: number): Uint8Array => {
  const bytes = new Uint8Array(60)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, id)
  view.setUint16(2, sequence)
  return bytes
}

const textOf = (ip: FieldValue): Ip => (typeof ip === 'number' ? formatIpv4(ip) : formatIpv6(ip))

const sourceOf = (fields: Fields): Ip => textOf(fields.ip_src ?? fields.ipv6_src ?? 0)

const sessionKey = (remote: Ip, remotePort: number, localPort: number): string =>
  `${ipNumber(remote)} ${remotePort} ${localPort}`

const segmentOf = (frame: Uint8Array, packet: Packet): Segment => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const l4 = packet.l4 ?? 0
  return {
    flags: Number(packet.fields.tcp_flags),
    sequence: view.getUint32(l4 + 4),
    acknowledgement: view.getUint32(l4 + 8),
    payload: frame.slice(packet.payload, endOfIp(frame, packet)),
  }
}

/** The reset for a segment that belongs to no session, RFC 9293 section 3.10.7.1. */
const resetFor = ({ flags, sequence, acknowledgement, payload }: Segment): Segment => {
  const none = new Uint8Array()
  if (flags & tcpFlags.ack)
    return { flags: tcpFlags.rst, sequence: acknowledgement, acknowledgement: 0, payload: none }
  const size = payload.length + (flags & tcpFlags.syn ? 1 : 0) + (flags & tcpFlags.fin ? 1 : 0)
  return {
    flags: tcpFlags.rst | tcpFlags.ack,
    sequence: 0,
    acknowledgement: (sequence + size) >>> 0,
    payload: none,
  }
}
