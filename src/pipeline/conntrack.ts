/**
 * Connection tracking as the userspace datapath of Open vSwitch 3.1 does it, as far as flows can
 * tell: which state a packet is in, which original tuple and label it carries.
 *
 * States (tried on Open vSwitch): a SYN, or any first packet of UDP, ICMP echo and other protocols is
 * new until a reply has come; a lone ACK or RST is new as well; SYN+ACK, FIN first and unsolicited
 * echo replies are invalid; an ICMP error about a known connection is related. SYN and SYN+ACK with another number than
 * their connection began with are invalid, but carry its label and mark; of other segments the numbers are not looked at.
 * Addresses are translated as `nat` says (nat.ts); what is quoted by an ICMP error is not.
 */
import { ctState, type FieldValue, type NatAction } from '../openflow/values.js'
import { applyNat, type NatChoice, type NatTuple, translations } from './nat.js'
import { etherTypes, type Fields, ipProtocols, type Packet } from './packet.js'

export interface Connection {
  readonly zone: number
  readonly source: FieldValue
  readonly destination: FieldValue
  readonly protocol: number
  /** For ICMP the type; the reply tuple follows from it. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Of ICMP echo and timestamps. */
  readonly identifier?: number
  mark: number
  label: bigint
  hasReply: boolean
  /** TCP: a reset or both FINs were seen, so the next SYN begins anew. */
  isClosing: boolean
  /** TCP: the numbers that both directions began with, as far as they were seen. */
  readonly began: { request?: number; reply?: number }
  /** How a packet of who opened it leaves; absent: as it came. */
  readonly nat?: NatChoice
}

type Tuple = NatTuple

const tcpFlags = { fin: 1, syn: 2, rst: 4, ack: 16 } as const

export class Conntrack {
  readonly #byKey = new Map<string, { connection: Connection; isReply: boolean }>()

  /** Looks the packet up in a zone and writes ct_state, ct_zone, ct_mark, ct_label and the original tuple. */
  track(zone: number, packet: Packet, translates = false): void {
    const { fields } = packet
    clearCt(fields)
    fields.ct_zone = zone
    const found = this.#find(zone, packet)
    fields.ct_state = ctState.trk | found.state
    const { connection, isReply = false } = found
    if (connection) packet.tracked = { zone, connection, isReply }
    else delete packet.tracked
    if (found.connection) {
      fields.ct_mark = found.connection.mark
      fields.ct_label = found.connection.label
    }
    const original = found.connection ?? (found.state & ctState.new ? tupleOf(packet) : undefined)
    // Of what is invalid the tuple cannot be matched.
    if (original && !(found.state & ctState.inv)) writeOriginal(fields, original)
    if (translates && connection && !(found.state & ctState.inv))
      applyNat(packet, connection, connection.nat, isReply)
  }

  /**
   * Keeps the packet's connection, or changes mark and label of the one it belongs to. When forced, an answer becomes
   * the first packet of a connection that it opens itself.
   */
  commit(
    zone: number,
    packet: Packet,
    change: { mark?: number; label?: bigint; isForced?: boolean; nat?: NatAction },
  ): void {
    const { fields } = packet
    let { state, connection, isReply } = this.#known(zone, packet) ?? this.#find(zone, packet)
    if (change.isForced && connection && isReply && !(state & ctState.rel)) {
      this.#forget(connection)
      connection = undefined
      state = opens(fields) ? ctState.new : ctState.inv
      fields.ct_state = ctState.trk | state
    }
    if (connection === undefined) {
      const tuple = tupleOf(packet)
      if (tuple === undefined || state & ctState.inv) return
      const nat = change.nat?.type === undefined ? undefined : this.#choose(zone, tuple, change.nat)
      // No address or port is free: nothing is kept, and the packet goes on as it is.
      if (nat === 'exhausted') return
      const [began, ends] = [beganOf(packet), { hasReply: false, isClosing: false }]
      connection = { ...tuple, zone, mark: 0, label: 0n, ...ends, began, ...(nat && { nat }) }
      this.#byKey.set(keyOf(zone, tuple), { connection, isReply: false })
      this.#byKey.set(keyOf(zone, reverse(nat?.tuple ?? tuple)), { connection, isReply: true })
      packet.tracked = { zone, connection, isReply: false }
    }
    if (change.nat && !(Number(fields.ct_state) & (ctState.snat | ctState.dnat)))
      applyNat(packet, connection, connection.nat, isReply === true)
    if (change.mark !== undefined) connection.mark = change.mark
    if (change.label !== undefined) connection.label = change.label
  }

  /** The connection that a packet was found to be of in this zone, whatever was done to its addresses since. */
  #known(zone: number, { tracked, fields }: Packet) {
    if (tracked?.zone !== zone || fields.ct_zone !== zone) return undefined
    const connection = tracked.connection as Connection
    if (this.#byKey.get(keyOf(zone, connection))?.connection !== connection) return undefined
    return { state: Number(fields.ct_state), connection, isReply: tracked.isReply }
  }

  /** The first translation whose answers nobody else waits for. */
  #choose(zone: number, tuple: Tuple, nat: NatAction): NatChoice | 'exhausted' {
    for (const choice of translations(tuple, nat))
      if (!this.#byKey.has(keyOf(zone, reverse(choice.tuple)))) return choice
    return 'exhausted'
  }

  list(): Connection[] {
    return [...this.#byKey.values()].filter(entry => !entry.isReply).map(entry => entry.connection)
  }

  flush(zone?: number): void {
    this.forget(connection => zone === undefined || connection.zone === zone)
  }

  /** Forgets the connections that are meant, both directions of them. */
  forget(isMeant: (connection: Connection) => boolean): void {
    for (const [key, { connection }] of this.#byKey)
      if (isMeant(connection)) this.#byKey.delete(key)
  }

  #find(
    zone: number,
    packet: Packet,
  ): { state: number; connection?: Connection; isReply?: boolean } {
    if (packet.quoted) return this.#related(zone, packet.quoted)
    const { fields } = packet
    const tuple = tupleOf(packet)
    if (tuple === undefined) return { state: ctState.inv }
    const known = this.#byKey.get(keyOf(zone, tuple))
    if (known === undefined || restarts(known, fields)) {
      if (known) this.#forget(known.connection)
      return { state: opens(fields) ? ctState.new : ctState.inv }
    }
    const { connection, isReply } = known
    if (isOther(connection, isReply, packet)) return { state: ctState.inv, ...known }
    noteProgress(connection, isReply, packet)
    if (isReply) return { state: ctState.est | ctState.rpl, ...known }
    return { state: connection.hasReply ? ctState.est : ctState.new, ...known }
  }

  #related(
    zone: number,
    quoted: Packet,
  ): { state: number; connection?: Connection; isReply?: boolean } {
    const tuple = tupleOf(quoted)
    // The error travels against the packet it quotes, which is seen as it left: the answer to it is known.
    const known = tuple && this.#byKey.get(keyOf(zone, reverse(tuple)))
    if (!known) return { state: ctState.inv }
    const state = known.isReply ? ctState.rel | ctState.rpl : ctState.rel
    return { state, ...known }
  }

  #forget(connection: Connection): void {
    this.#byKey.delete(keyOf(connection.zone, connection))
    this.#byKey.delete(keyOf(connection.zone, reverse(connection.nat?.tuple ?? connection)))
  }
}

const clearCt = (fields: Fields): void => {
  delete fields.ct_mark
  delete fields.ct_label
  delete fields.ct_nw_proto
  delete fields.ct_nw_src
  delete fields.ct_nw_dst
  delete fields.ct_ipv6_src
  delete fields.ct_ipv6_dst
  delete fields.ct_tp_src
  delete fields.ct_tp_dst
}

const writeOriginal = (fields: Fields, tuple: Tuple): void => {
  fields.ct_nw_proto = tuple.protocol
  fields.ct_tp_src = tuple.sourcePort
  fields.ct_tp_dst = tuple.destinationPort
  if (fields.eth_type === etherTypes.ipv4) {
    fields.ct_nw_src = tuple.source
    fields.ct_nw_dst = tuple.destination
  } else {
    fields.ct_ipv6_src = tuple.source
    fields.ct_ipv6_dst = tuple.destination
  }
}

/** ICMP requests and the replies they get; the type stands for the port. */
const icmpReply: Readonly<Record<number, number>> = { 8: 0, 13: 14, 15: 16, 17: 18 }
const icmpRequest: Readonly<Record<number, number>> = { 0: 8, 14: 13, 16: 15, 18: 17 }

const tupleOf = ({ fields, identifier }: Packet): Tuple | undefined => {
  const source = fields.ip_src ?? fields.ipv6_src
  const destination = fields.ip_dst ?? fields.ipv6_dst
  const protocol = fields.ip_proto
  if (source === undefined || destination === undefined || protocol === undefined) return undefined
  const [sourcePort, destinationPort] = portsOf(fields)
  const ends = { source, destination, protocol: Number(protocol), sourcePort, destinationPort }
  return identifier === undefined ? ends : { ...ends, identifier }
}

const portsOf = (fields: Fields): [number, number] => {
  if (fields.ip_proto === ipProtocols.icmp)
    return [Number(fields.icmp_type ?? 0), Number(fields.icmp_code ?? 0)]
  if (fields.ip_proto === ipProtocols.icmpv6)
    return [Number(fields.icmpv6_type ?? 0), Number(fields.icmpv6_code ?? 0)]
  return [
    Number(fields.tcp_src ?? fields.udp_src ?? 0),
    Number(fields.tcp_dst ?? fields.udp_dst ?? 0),
  ]
}

const reverse = (tuple: Tuple): Tuple => {
  const turned = { ...tuple, source: tuple.destination, destination: tuple.source }
  if (tuple.protocol === ipProtocols.icmp)
    return {
      ...turned,
      sourcePort: icmpReply[tuple.sourcePort] ?? icmpRequest[tuple.sourcePort] ?? -1,
    }
  if (tuple.protocol === ipProtocols.icmpv6)
    return { ...turned, sourcePort: tuple.sourcePort === 128 ? 129 : 128 }
  return { ...turned, sourcePort: tuple.destinationPort, destinationPort: tuple.sourcePort }
}

const keyOf = (zone: number, tuple: Tuple): string =>
  `${zone},${tuple.source},${tuple.destination},${tuple.protocol},${tuple.sourcePort},${tuple.destinationPort},${tuple.identifier ?? ''}`

/** True when a packet without a connection may begin one, in the eyes of the datapath. */
const opens = (fields: Fields): boolean => {
  if (fields.ip_proto === ipProtocols.icmp)
    return icmpReply[Number(fields.icmp_type)] !== undefined && fields.icmp_code === 0
  if (fields.ip_proto === ipProtocols.icmpv6)
    return fields.icmpv6_type === 128 && fields.icmpv6_code === 0
  if (fields.ip_proto !== ipProtocols.tcp || fields.tcp_flags === undefined) return true
  const flags = Number(fields.tcp_flags)
  if (flags & tcpFlags.syn) return (flags & (tcpFlags.ack | tcpFlags.fin | tcpFlags.rst)) === 0
  return (flags & tcpFlags.fin) === 0 && (flags & (tcpFlags.ack | tcpFlags.rst)) !== 0
}

const restarts = (known: { connection: Connection; isReply: boolean }, fields: Fields): boolean =>
  known.connection.isClosing &&
  !known.isReply &&
  (Number(fields.tcp_flags ?? 0) & (tcpFlags.syn | tcpFlags.ack)) === tcpFlags.syn

const hasSyn = ({ fields }: Packet): boolean => (Number(fields.tcp_flags ?? 0) & tcpFlags.syn) !== 0

/** What a packet says of how its direction began. */
const beganOf = (packet: Packet): Connection['began'] =>
  hasSyn(packet) && packet.sequence !== undefined ? { request: packet.sequence } : {}

/** A SYN that is not the one that its direction began with, nor the first. */
const isOther = ({ began, hasReply }: Connection, isReply: boolean, packet: Packet): boolean => {
  if (!hasSyn(packet) || packet.sequence === undefined || !hasReply) return false
  return packet.sequence !== (isReply ? began.reply : began.request)
}

const noteProgress = (connection: Connection, isReply: boolean, packet: Packet): void => {
  if (isReply) connection.hasReply = true
  if (isReply && hasSyn(packet) && packet.sequence !== undefined)
    connection.began.reply = packet.sequence
  if (Number(packet.fields.tcp_flags ?? 0) & (tcpFlags.fin | tcpFlags.rst))
    connection.isClosing = true
}
