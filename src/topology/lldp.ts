/**
 * Discovery frames: LLDP (IEEE 802.1AB) with an organisation-specific TLV that proves the frame is ours.
 *
 *     TLV 1 chassis   subtype 7, dpid as text         TLV 2 port   subtype 7, port number as text
 *     TLV 3 life 120 s
 *     TLV 127         OUI 02:53:4c, subtype 1:
 *                     dpid (8) port (4) nonce (8) time (8, ms) HMAC-SHA-256 over those 28 octets (32)
 *     TLV 0 end
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { dpidNumber, formatDpid, macNumber } from '../base/addresses.js'
import { etherTypes } from '../pipeline/packet.js'
import type { Port, PortRef } from './model.js'

/** The nearest-bridge group address. */
export const lldpDestination = 0x0180c200000e

const oui = [0x02, 0x53, 0x4c, 0x01] as const
const signedSize = 28
const hmacSize = 32

export interface Probe extends PortRef {
  readonly nonce: bigint
  /** Monotonic milliseconds of whoever sent it. */
  readonly sentMillis: number
}

export const buildProbe = (probe: Probe, port: Port, secret: Uint8Array): Uint8Array => {
  const proof = new Uint8Array(4 + signedSize + hmacSize)
  const view = new DataView(proof.buffer)
  proof.set(oui)
  view.setBigUint64(4, dpidNumber(probe.dpid))
  view.setUint32(12, probe.port)
  view.setBigUint64(16, probe.nonce)
  view.setBigUint64(24, BigInt(Math.floor(probe.sentMillis)))
  proof.set(signature(proof.subarray(4, 4 + signedSize), secret), 4 + signedSize)
  const text = new TextEncoder()
  const parts = [
    ethernetHeader(port),
    tlv(1, [7, ...text.encode(probe.dpid)]),
    tlv(2, [7, ...text.encode(String(probe.port))]),
    tlv(3, [0, 120]),
    tlv(127, proof),
    tlv(0, []),
  ]
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

/** What the frame claims and proves; undefined when it is not ours, 'forged' when its proof is wrong. */
export const readProbe = (frame: Uint8Array, secret: Uint8Array): Probe | 'forged' | undefined => {
  const proof = organisationTlv(frame)
  if (proof === undefined) return undefined
  if (proof.length !== 4 + signedSize + hmacSize) return 'forged'
  const signed = proof.subarray(4, 4 + signedSize)
  if (!timingSafeEqual(signature(signed, secret), proof.subarray(4 + signedSize))) return 'forged'
  const view = new DataView(signed.buffer, signed.byteOffset, signed.length)
  return {
    dpid: formatDpid(view.getBigUint64(0)),
    port: view.getUint32(8),
    nonce: view.getBigUint64(12),
    sentMillis: Number(view.getBigUint64(20)),
  }
}

const signature = (bytes: Uint8Array, secret: Uint8Array): Uint8Array =>
  createHmac('sha256', secret).update(bytes).digest()

const ethernetHeader = (port: Port): Uint8Array => {
  const bytes = new Uint8Array(14)
  const view = new DataView(bytes.buffer)
  const source = macNumber(port.mac)
  view.setUint16(0, Math.floor(lldpDestination / 0x100000000))
  view.setUint32(2, lldpDestination % 0x100000000)
  view.setUint16(6, Math.floor(source / 0x100000000))
  view.setUint32(8, source % 0x100000000)
  view.setUint16(12, etherTypes.lldp)
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
  for (let at = 14; at + 2 <= frame.length; ) {
    const head = view.getUint16(at)
    const value = frame.subarray(at + 2, at + 2 + (head & 0x1ff))
    if (head >> 9 === 0) return undefined
    if (head >> 9 === 127 && oui.every((octet, index) => value[index] === octet)) return value
    at += 2 + (head & 0x1ff)
  }
  return undefined
}
