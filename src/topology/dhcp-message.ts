/**
 * Messages of DHCP for IPv4 as octets: RFC 2131 section 2, options RFC 2132, long options RFC 3396.
 *
 *     op hardware size hops | xid | secs flags | ciaddr | yiaddr | siaddr | giaddr | chaddr (16) | sname (64) | file (128)
 *     magic cookie | options, of which `overload` may put more into file and sname
 *
 * Reading untrusted octets ends in a message or undefined, in time proportional to their number.
 */

// biome-ignore format: a table
export const dhcpTypes = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const
export type DhcpType = keyof typeof dhcpTypes

const typeByNumber = new Map(
  Object.entries(dhcpTypes).map(([name, number]) => [number as number, name as DhcpType]),
)

// biome-ignore format: a table
export const dhcpOption = {
  subnetMask: 1, router: 3, dns: 6, hostName: 12, domain: 15, mtu: 26, broadcast: 28, ntp: 42, requestedAddress: 50,
  leaseTime: 51, overload: 52, type: 53, serverId: 54, wanted: 55, message: 56, maxSize: 57, renewal: 58, rebinding: 59,
  clientId: 61, fqdn: 81, relay: 82, search: 119, classlessRoutes: 121,
} as const

/** Options by code; several of one code are one, RFC 3396. */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>

export interface DhcpMessage {
  /** Undefined for BOOTP. */
  readonly type: DhcpType | undefined
  readonly xid: number
  readonly secs: number
  /** The client can only hear what is sent to everybody. */
  readonly isBroadcast: boolean
  /** Addresses as numbers; 0: none. */
  readonly client: number
  readonly yours: number
  readonly server: number
  readonly relay: number
  /** The hardware address, up to 16 octets. */
  readonly hardwareType: number
  readonly hardware: Uint8Array
  readonly options: DhcpOptions
}

const magicCookie = 0x63825363
const headSize = 240
const flagBroadcast = 0x8000
const [fileAt, fileSize, nameAt, nameSize] = [108, 128, 44, 64]

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * What a client or a relay says (`op` 1) or a server (`op` 2).
 *
 * @returns undefined for what is cut short, contradicts itself or is not of `op`
 */
export const readDhcp = (body: Uint8Array, op: 1 | 2): DhcpMessage | undefined => {
  if (body.length < headSize || body[0] !== op) return undefined
  const view = viewOf(body)
  const size = body[2]!
  const options = readDhcpOptions(body)
  if (options === undefined || size > 16) return undefined
  const type = options.get(dhcpOption.type)
  if (type !== undefined && (type.length !== 1 || !typeByNumber.has(type[0]!))) return undefined
  return {
    type: type && typeByNumber.get(type[0]!),
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    isBroadcast: (view.getUint16(10) & flagBroadcast) !== 0,
    client: view.getUint32(12),
    yours: view.getUint32(16),
    server: view.getUint32(20),
    relay: view.getUint32(24),
    hardwareType: body[1]!,
    hardware: body.subarray(28, 28 + size),
    options,
  }
}

/** @returns undefined when the magic cookie is not there, or an option runs over the end */
export const readDhcpOptions = (body: Uint8Array): DhcpOptions | undefined => {
  if (body.length < headSize || viewOf(body).getUint32(236) !== magicCookie) return undefined
  const pieces = new Map<number, Uint8Array[]>()
  if (!collect(body.subarray(headSize), pieces)) return undefined
  const overload = pieces.get(dhcpOption.overload)?.[0]?.[0] ?? 0
  if (overload > 3) return undefined
  if (overload & 1 && !collect(body.subarray(fileAt, fileAt + fileSize), pieces)) return undefined
  if (overload & 2 && !collect(body.subarray(nameAt, nameAt + nameSize), pieces)) return undefined
  return new Map(
    [...pieces].map(([code, found]) => [
      code,
      found.length === 1 ? found[0]! : new Uint8Array(Buffer.concat(found)),
    ]),
  )
}

const [pad, end] = [0, 255]

const collect = (bytes: Uint8Array, into: Map<number, Uint8Array[]>): boolean => {
  for (let at = 0; at < bytes.length && bytes[at] !== end; ) {
    const code = bytes[at]!
    if (code === pad) {
      at++
      continue
    }
    const size = bytes[at + 1]
    if (size === undefined || at + 2 + size > bytes.length) return false
    const piece = bytes.subarray(at + 2, at + 2 + size)
    const known = into.get(code)
    if (known) known.push(piece)
    else into.set(code, [piece])
    at += 2 + size
  }
  return true
}

/** The shortest message that all clients of BOOTP take, RFC 1542 section 2.1. */
const smallest = 300

/**
 * @param op 1: of a client, 2: of a server
 * @param options in the order in which they are written; those that do not fit into `most` octets are left out
 */
export const writeDhcp = (
  op: 1 | 2,
  message: Omit<DhcpMessage, 'options' | 'type'>,
  options: readonly (readonly [code: number, value: Uint8Array])[],
  most = 1_472,
): Uint8Array => {
  const bytes = new Uint8Array(Math.max(smallest, most))
  const view = viewOf(bytes)
  bytes.set([op, message.hardwareType, message.hardware.length, 0])
  view.setUint32(4, message.xid)
  view.setUint16(8, message.secs)
  view.setUint16(10, message.isBroadcast ? flagBroadcast : 0)
  view.setUint32(12, message.client)
  view.setUint32(16, message.yours)
  view.setUint32(20, message.server)
  view.setUint32(24, message.relay)
  bytes.set(message.hardware, 28)
  view.setUint32(236, magicCookie)
  let at = headSize
  for (const [code, value] of options) {
    const pieces = Math.max(1, Math.ceil(value.length / 255))
    if (at + value.length + 2 * pieces + 1 > bytes.length) continue
    for (let piece = 0; piece < pieces; piece++) {
      const part = value.subarray(piece * 255, (piece + 1) * 255)
      bytes.set([code, part.length], at)
      bytes.set(part, at + 2)
      at += 2 + part.length
    }
  }
  bytes[at++] = end
  return bytes.slice(0, Math.max(at, smallest))
}
