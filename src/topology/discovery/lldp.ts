/**
 * Discovery frames: LLDP (IEEE 802.1AB) with an organisation-specific TLV that proves the frame is ours.
 *
 *     TLV 1 chassis   subtype 7, dpid as text         TLV 2 port   subtype 7, port number as text
 *     TLV 3 life 120 s
 *     TLV 127         OUI 02:53:4c, subtype 1:
 *                     variant (1) dpid (8) port (4) nonce (8) time (8, ms) HMAC-SHA-256 over those 29 octets (32)
 *     TLV 0 end
 *
 * The direct variant goes to the nearest-bridge address, which no bridge forwards: whoever hears it is the
 * other end of the wire. The broadcast variant passes switches that are not ours. The round variant goes over all links
 * of a switch by itself (`rounds.ts`), between two other addresses that no bridge forwards: there, and, from the MAC
 * of the far port, back. Wherever it is told of, it makes no link: it keeps alive what the others have found.
 * The echo variant is a round over one link only: by its VLAN tag the switch that sent it knows that it goes no further.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { dpidNumber, formatDpid, macNumber } from '../../base/addresses.js'
import { etherTypes } from '../../pipeline/packet.js'
import type { Port, PortRef } from '../model.js'

/** The nearest-bridge group address. */
export const lldpDestination = 0x0180c200000e
const broadcast = 0xffffffffffff
/** The nearest non-TPMR bridge group address: frames to it are to be sent back. */
export const roundDestination = 0x0180c2000003
/** Likewise never forwarded: frames that were sent back. */
export const returnDestination = 0x0180c200000d

export const variants = { direct: 1, broadcast: 2, round: 3, echo: 4 } as const
export type Variant = keyof typeof variants

const oui = [0x02, 0x53, 0x4c, 0x01] as const
const signedSize = 29
const hmacSize = 32

/** What a frame says of itself; believe it only when its proof is right. */
export interface Probe extends PortRef {
  readonly variant: Variant
  readonly nonce: bigint
  /** Monotonic milliseconds of whoever sent it. */
  readonly sentMillis: number
}

export interface BuiltProbe {
  readonly frame: Uint8Array
  /** The octets that are signed, and the HMAC over them: a frame with both is this one, without computing anything. */
  readonly signed: Uint8Array
  readonly proof: Uint8Array
}

/** Makes the frames of one port: all but nonce, time and proof is laid out once. */
export class ProbeBuilder {
  readonly #secret: Uint8Array
  readonly #templates: { readonly [variant in Variant]: Uint8Array }

  constructor(at: PortRef, port: Port, secret: Uint8Array) {
    this.#secret = secret
    this.#templates = {
      direct: template(at, port, 'direct'),
      broadcast: template(at, port, 'broadcast'),
      round: template(at, port, 'round'),
      echo: template(at, port, 'echo'),
    }
  }

  build(variant: Variant, nonce: bigint, sentMillis: number): BuiltProbe {
    const frame = this.#templates[variant].slice()
    const view = new DataView(frame.buffer)
    const at = frame.length - 2 - hmacSize - signedSize
    view.setBigUint64(at + 13, nonce)
    view.setBigUint64(at + 21, BigInt(Math.floor(sentMillis)))
    const signed = frame.subarray(at, at + signedSize)
    const proof = signature(signed, this.#secret)
    frame.set(proof, at + signedSize)
    return { frame, signed, proof }
  }
}

export interface ReadProbe extends Probe {
  /** As `proven` of a probe that was built. */
  readonly proven: Uint8Array
  readonly proof: Uint8Array
  readonly signed: Uint8Array
}

/**
 * What the frame claims: undefined when it is LLDP of somebody else, 'malformed' when it would be ours but
 * for its size or variant.
 */
export const readProbe = (frame: Uint8Array): ReadProbe | 'malformed' | undefined => {
  const value = organisationTlv(frame)
  if (value === undefined) return undefined
  const signed = value.subarray(4, 4 + signedSize)
  const variant = variantByNumber[signed[0] ?? 0]
  if (value.length !== 4 + signedSize + hmacSize || variant === undefined) return 'malformed'
  const view = new DataView(signed.buffer, signed.byteOffset, signed.length)
  return {
    variant,
    dpid: formatDpid(view.getBigUint64(1)),
    port: view.getUint32(9),
    nonce: view.getBigUint64(13),
    sentMillis: Number(view.getBigUint64(21)),
    proven: value.subarray(4),
    proof: value.subarray(4 + signedSize),
    signed,
  }
}

const variantByNumber: readonly (Variant | undefined)[] = [
  undefined,
  'direct',
  'broadcast',
  'round',
  'echo',
]

/** The MAC of the port that sent a frame of a round back; undefined when it was not sent back. */
export const returnerOf = (frame: Uint8Array): number | undefined => {
  const macAt = (at: number) => {
    let mac = 0
    for (let index = 0; index < 6; index++) mac = mac * 256 + frame[at + index]!
    return mac
  }
  return macAt(0) === returnDestination ? macAt(6) : undefined
}

export const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)

/** True when whoever made the frame knows the secret. */
export const isGenuine = (probe: ReadProbe, secret: Uint8Array): boolean =>
  isSame(signature(probe.signed, secret), probe.proof)

const keys = new WeakMap<Uint8Array, KeyObject>()

const keyOf = (secret: Uint8Array): KeyObject => {
  let key = keys.get(secret)
  if (key === undefined) {
    key = createSecretKey(secret)
    keys.set(secret, key)
  }
  return key
}

const signature = (bytes: Uint8Array, secret: Uint8Array): Uint8Array =>
  createHmac('sha256', keyOf(secret)).update(bytes).digest()

const destinations = {
  direct: lldpDestination,
  broadcast,
  round: roundDestination,
  echo: roundDestination,
} as const

/** What tells an echo from a round; between the MACs and the type, IEEE 802.1Q. */
const echoTag = [0x81, 0x00, 0x0f, 0xfe] as const

const template = (at: PortRef, port: Port, variant: Variant): Uint8Array => {
  const proof = new Uint8Array(4 + signedSize + hmacSize)
  const view = new DataView(proof.buffer)
  proof.set(oui)
  view.setUint8(4, variants[variant])
  view.setBigUint64(5, dpidNumber(at.dpid))
  view.setUint32(13, at.port)
  const text = new TextEncoder()
  const parts = [
    ethernetHeader(port, variant),
    tlv(1, [7, ...text.encode(at.dpid)]),
    tlv(2, [7, ...text.encode(String(at.port))]),
    tlv(3, [0, 120]),
    tlv(127, proof),
    tlv(0, []),
  ]
  return Uint8Array.from(Buffer.concat(parts))
}

const ethernetHeader = (port: Port, variant: Variant): Uint8Array => {
  const destination = destinations[variant]
  const bytes = new Uint8Array(variant === 'echo' ? 18 : 14)
  const view = new DataView(bytes.buffer)
  if (variant === 'echo') bytes.set(echoTag, 12)
  const source = macNumber(port.mac)
  view.setUint16(0, Math.floor(destination / 0x100000000))
  view.setUint32(2, destination % 0x100000000)
  view.setUint16(6, Math.floor(source / 0x100000000))
  view.setUint32(8, source % 0x100000000)
  view.setUint16(bytes.length - 2, etherTypes.lldp)
  return bytes
}

const tlv = (type: number, value: ArrayLike<number>): Uint8Array => {
  const bytes = new Uint8Array(2 + value.length)
  new DataView(bytes.buffer).setUint16(0, (type << 9) | value.length)
  bytes.set(value, 2)
  return bytes
}

const organisationTlv = (frame: Uint8Array): Uint8Array | undefined => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const start = echoTag.every((octet, index) => frame[12 + index] === octet) ? 18 : 14
  for (let at = start; at + 2 <= frame.length; ) {
    const head = view.getUint16(at)
    const value = frame.subarray(at + 2, at + 2 + (head & 0x1ff))
    if (head >> 9 === 0) return undefined
    if (head >> 9 === 127 && oui.every((octet, index) => value[index] === octet)) return value
    at += 2 + (head & 0x1ff)
  }
  return undefined
}
