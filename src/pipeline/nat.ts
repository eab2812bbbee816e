/**
 * Translation of addresses by connection tracking, as the userspace datapath of Open vSwitch does it: which address and port
 * a connection gets, and what becomes of its packets. In answers the flag is the mirror: what undoes `src` says `dnat`.
 */
import { type Ip, ipNumber } from '../base/addresses.js'
import { ctState, type FieldValue, type NatAction } from '../openflow/values.js'
import { etherTypes, ipProtocols, type Packet } from './packet.js'

export interface NatTuple {
  readonly source: FieldValue
  readonly destination: FieldValue
  readonly protocol: number
  /** For ICMP the type; the reply tuple follows from it. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Of ICMP echo and timestamps: it is never translated. */
  readonly identifier?: number
}

export interface NatChoice {
  readonly type: 'src' | 'dst'
  /** The connection as it leaves. */
  readonly tuple: NatTuple
}

/** Those that are looked through when no range is given. */
const freePorts = { min: 1_024, max: 65_535 }

/** What a connection may become, in the order of trying: its own port first, where that is one of them. */
export function* translations(tuple: NatTuple, nat: NatAction): Generator<NatChoice> {
  const { type, addressMin, addressMax = addressMin } = nat
  if (type === undefined || addressMin === undefined || addressMax === undefined) return
  const [first, last] = [numberOf(addressMin), numberOf(addressMax)]
  const hasPorts = tuple.protocol === ipProtocols.tcp || tuple.protocol === ipProtocols.udp
  const own = type === 'src' ? tuple.sourcePort : tuple.destinationPort
  const isFixed = nat.portMin !== undefined
  const low = nat.portMin ?? (type === 'src' ? freePorts.min : own)
  const high = nat.portMax ?? nat.portMin ?? (type === 'src' ? freePorts.max : own)
  for (let address = first; address <= last; address++) {
    const value = typeof tuple.source === 'number' ? Number(address) : address
    const at = (port: number): NatChoice => ({
      type,
      tuple:
        type === 'src'
          ? { ...tuple, source: value, sourcePort: port }
          : { ...tuple, destination: value, destinationPort: port },
    })
    if (!hasPorts) yield at(own)
    else {
      if (!isFixed || (own >= low && own <= high)) yield at(own)
      for (let port = low; port <= high; port++) if (port !== own) yield at(port)
    }
  }
}

const numberOf = (ip: string): bigint => BigInt(ipNumber(ip as Ip))

/** Gives a packet the addresses that it has on the other side of the translation, and says so in its state. */
export const applyNat = (
  packet: Packet,
  original: NatTuple,
  choice: NatChoice | undefined,
  isReply: boolean,
): void => {
  if (choice === undefined) return
  const { fields, quoted } = packet
  const isSource = (choice.type === 'src') !== isReply
  fields.ct_state = Number(fields.ct_state) | (isSource ? ctState.snat : ctState.dnat)
  const { tuple } = choice
  const [address, port] = isReply
    ? choice.type === 'src'
      ? [original.source, original.sourcePort]
      : [original.destination, original.destinationPort]
    : choice.type === 'src'
      ? [tuple.source, tuple.sourcePort]
      : [tuple.destination, tuple.destinationPort]
  const side = isSource ? 'src' : 'dst'
  if (fields.eth_type === etherTypes.ipv6) fields[`ipv6_${side}`] = address
  else fields[`ip_${side}`] = address
  // An error has no ports of its own.
  if (quoted !== undefined || tuple.protocol !== Number(fields.ip_proto)) return
  if (tuple.protocol === ipProtocols.tcp) fields[`tcp_${side}`] = port
  if (tuple.protocol === ipProtocols.udp) fields[`udp_${side}`] = port
}
