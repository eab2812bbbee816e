/**
 * A machine as networks have them: several addresses that come and go, a MAC that may change, a neighbour table that is
 * kept as Linux keeps it (in shorter times), and, where it is a router, packets that it passes on. IPv4 only.
 */
import { formatIpv4, type Ipv4, ipNumber } from '../../../src/base/addresses.js'
import type { Cancel, Timers } from '../../../src/base/env/env.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { type Fields, readPacket } from '../../../src/pipeline/packet.js'

const broadcast = 0xffffffffffff
const reachableMillis = 3_000
const askMillis = 500
const markerOffset = 14 + 20 + 8

interface Neighbour {
  mac: number
  confirmedMillis: number
}
interface Question {
  readonly waiting: Uint8Array[]
  tries: number
  cancel: Cancel
}

export class Machine {
  readonly name: string
  mac: number
  /** The first one is what it sends from. */
  readonly ips: number[] = []
  gateway: number | undefined
  isRouter = false
  /** Of a router with a leg in each of two places: the other one. */
  otherLeg: Machine | undefined
  /** All that it sends has this tag, and it hears nothing else. */
  vlan: number | undefined
  /** Markers that came in for it. */
  readonly heard: string[] = []
  send: (frame: Uint8Array) => void = () => undefined
  readonly #timers: Timers
  readonly #now: () => number
  readonly #neighbours = new Map<number, Neighbour>()
  readonly #questions = new Map<number, Question>()

  constructor(
    env: { readonly timers: Timers; readonly clock: { nowMillis(): number } },
    name: string,
    mac: number,
    ...ips: Ipv4[]
  ) {
    this.#timers = env.timers
    this.#now = () => env.clock.nowMillis()
    this.name = name
    this.mac = mac
    this.ips.push(...ips.map(ip => Number(ipNumber(ip))))
  }

  /** It starts anew, with a MAC of its own choice: nothing is remembered. */
  replace(mac: number): void {
    this.mac = mac
    this.#neighbours.clear()
    for (const { cancel } of this.#questions.values()) cancel()
    this.#questions.clear()
  }

  /** A gratuitous ARP for one of its addresses. */
  announce(ip: number): void {
    this.#arp(1, broadcast, ip, ip, 0)
  }

  /** A datagram that carries a marker. */
  say(to: number, marker: string, from = this.ips[0]): void {
    if (from === undefined) return
    const payload = new TextEncoder().encode(marker.padEnd(20))
    const fields: Fields = {
      eth_dst: 0,
      eth_src: this.mac,
      eth_type: 0x0800,
      ip_proto: 17,
      nw_ttl: 64,
      ip_src: from,
      ip_dst: to,
      udp_src: 9,
      udp_dst: 9,
    }
    this.#route(to, buildFrame(fields, payload))
  }

  receive(received: Uint8Array): void {
    const frame = withoutTag(received, this.vlan)
    if (frame === undefined) return
    const { fields } = readPacket(frame)
    if (Number(fields.vlan_vid ?? 0) !== 0) return
    if (fields.eth_dst !== this.mac && (frame[0]! & 1) === 0) return
    if (fields.arp_op !== undefined) return this.#hearArp(fields)
    if (fields.eth_type !== 0x0800 || fields.ip_dst === undefined) return
    const to = Number(fields.ip_dst)
    if (this.ips.includes(to)) {
      this.heard.push(new TextDecoder().decode(frame.subarray(markerOffset)).trim())
      return
    }
    const ttl = Number(fields.nw_ttl ?? 0)
    if (!this.isRouter || ttl <= 1 || fields.eth_dst !== this.mac) return
    const passed = buildFrame({ ...fields, nw_ttl: ttl - 1 }, frame.slice(markerOffset))
    this.#route(to, passed)
  }

  #hearArp({ arp_op, arp_sha, arp_spa, arp_tpa }: Fields): void {
    const [op, mac, from, to] = [arp_op, arp_sha, arp_spa, arp_tpa].map(Number) as [
      number,
      number,
      number,
      number,
    ]
    const isMine = this.ips.includes(to)
    if (from !== 0 && !this.ips.includes(from)) {
      const isAsked = this.#questions.has(from)
      if (this.#neighbours.has(from) || (isMine && op === 1) || isAsked) this.#learn(from, mac)
    }
    if (op === 1 && isMine && from !== to) this.#arp(2, mac, to, from, mac)
  }

  #learn(ip: number, mac: number): void {
    this.#neighbours.set(ip, { mac, confirmedMillis: this.#now() })
    const question = this.#questions.get(ip)
    if (question === undefined) return
    question.cancel()
    this.#questions.delete(ip)
    for (const frame of question.waiting) this.#sendTo(mac, frame)
  }

  #route(to: number, frame: Uint8Array): void {
    const isNear = this.isNear(to)
    if (!isNear && this.otherLeg?.isNear(to)) return this.otherLeg.#route(to, frame)
    const hop = isNear ? to : this.gateway
    if (hop === undefined) return
    const known = this.#neighbours.get(hop)
    if (known === undefined) return this.#ask(hop, undefined, frame)
    this.#sendTo(known.mac, frame)
    if (this.#now() - known.confirmedMillis > reachableMillis) this.#ask(hop, known.mac)
  }

  isNear(ip: number): boolean {
    return this.ips.some(own => own >>> 8 === ip >>> 8)
  }

  #emit(frame: Uint8Array): void {
    this.send(this.vlan === undefined ? frame : withTag(frame, this.vlan))
  }

  /** To the MAC that is known first, then to all. */
  #ask(ip: number, mac: number | undefined, frame?: Uint8Array): void {
    const known = this.#questions.get(ip)
    if (known) {
      if (frame && known.waiting.length < 3) known.waiting.push(frame)
      return
    }
    const question: Question = { waiting: frame ? [frame] : [], tries: 0, cancel: () => undefined }
    this.#questions.set(ip, question)
    const next = () => {
      question.tries++
      const isUnicast = mac !== undefined && question.tries <= 2
      if (mac !== undefined && question.tries === 3) this.#neighbours.delete(ip)
      if (question.tries > (mac === undefined ? 3 : 5)) {
        this.#questions.delete(ip)
        return
      }
      const own = this.ips.find(each => each >>> 8 === ip >>> 8) ?? this.ips[0] ?? 0
      this.#arp(1, isUnicast ? mac : broadcast, own, ip, 0)
      question.cancel = this.#timers.after(askMillis, next)
    }
    next()
  }

  #arp(op: 1 | 2, to: number, from: number, target: number, targetMac: number): void {
    this.#emit(
      buildFrame({
        eth_dst: to,
        eth_src: this.mac,
        eth_type: 0x0806,
        arp_op: op,
        arp_sha: this.mac,
        arp_spa: from,
        arp_tha: targetMac,
        arp_tpa: target,
      }),
    )
  }

  #sendTo(mac: number, frame: Uint8Array): void {
    const out = frame.slice()
    for (let at = 0; at < 6; at++) out[at] = Math.floor(mac / 2 ** (8 * (5 - at))) & 255
    for (let at = 0; at < 6; at++) out[6 + at] = Math.floor(this.mac / 2 ** (8 * (5 - at))) & 255
    this.#emit(out)
  }
}

/**
 * The frame behind its tag, undefined when that is another one. A tag 0 is a priority only, also before another: the kernel of
 * Linux takes it off.
 */
const withoutTag = (frame: Uint8Array, vlan: number | undefined): Uint8Array | undefined => {
  const tag =
    frame[12] === 0x81 && frame[13] === 0 ? ((frame[14]! & 15) << 8) | frame[15]! : undefined
  if (tag === undefined) return vlan === undefined ? frame : undefined
  if (tag !== 0 && tag !== vlan) return undefined
  const rest = Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)])
  return tag === vlan ? rest : withoutTag(rest, vlan)
}

const withTag = (frame: Uint8Array, vlan: number): Uint8Array =>
  Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, vlan >> 8, vlan & 255, ...frame.subarray(12)])

export const textOf = (ip: number): Ipv4 => formatIpv4(ip)
