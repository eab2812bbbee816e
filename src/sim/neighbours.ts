/** Who has which address: ARP (RFC 826) and neighbour discovery (RFC 4861) of a simulated host. */
import type { Cancel, Env } from '../base/env/env.js'
import type { FieldValue } from '../openflow/values.js'
import { etherTypes, type Fields, ipProtocols } from '../pipeline/packet.js'

export interface Self {
  readonly mac: number
  readonly ipv4: number | undefined
  readonly ipv6: bigint | undefined
}

interface Search {
  readonly waiting: ((mac: number | undefined) => void)[]
  attempts: number
  timer: Cancel
}

const maxAttempts = 3
const retryMillis = 1_000
const lifeMillis = 60_000
const broadcast = 0xffff_ffff_ffff

export class Neighbours {
  readonly #env: Env
  readonly #self: Self
  readonly #send: (fields: Fields) => void
  readonly #known = new Map<FieldValue, { mac: number; untilMillis: number }>()
  readonly #searches = new Map<FieldValue, Search>()

  constructor(env: Env, self: Self, send: (fields: Fields) => void) {
    this.#env = env
    this.#self = self
    this.#send = send
  }

  /** Calls back at once when the neighbour is known; with undefined when it does not answer in 3 s. */
  find(ip: FieldValue, found: (mac: number | undefined) => void): void {
    const known = this.#known.get(ip)
    if (known && known.untilMillis > this.#env.clock.nowMillis()) return found(known.mac)
    const search = this.#searches.get(ip)
    if (search) search.waiting.push(found)
    else this.#search(ip, found)
  }

  forget(): void {
    this.#known.clear()
  }

  /** Asks no more; whoever waits hears nothing. */
  stop(): void {
    for (const { timer } of this.#searches.values()) timer()
    this.#searches.clear()
  }

  /** Tells everybody who we are, as hosts do when they come. */
  announce(): void {
    const { mac, ipv4, ipv6 } = this.#self
    if (ipv4 !== undefined) this.#send(this.#arp(1, broadcast, ipv4, 0))
    if (ipv6 !== undefined)
      this.#send({
        ...this.#advertisement(ipv6),
        eth_dst: 0x333300000001,
        ipv6_dst: (0xff02n << 112n) | 1n,
        nd_tll: mac,
      })
  }

  /** ARP or neighbour discovery has come: learns from it, and answers what is asked of us. */
  receive(fields: Fields): void {
    if (fields.arp_op !== undefined) this.#receiveArp(fields)
    else if (fields.icmpv6_type === 135) this.#receiveSolicitation(fields)
    else if (fields.icmpv6_type === 136 && fields.nd_target !== undefined)
      this.#learn(fields.nd_target, Number(fields.nd_tll ?? fields.eth_src))
  }

  #receiveArp(fields: Fields): void {
    const sender = Number(fields.arp_spa)
    const isForUs = fields.arp_tpa === this.#self.ipv4
    if (sender !== 0 && (isForUs || this.#known.has(sender) || this.#searches.has(sender)))
      this.#learn(sender, Number(fields.arp_sha))
    if (fields.arp_op === 1 && isForUs && sender !== this.#self.ipv4)
      this.#send(this.#arp(2, Number(fields.arp_sha), sender, Number(fields.arp_sha)))
  }

  #receiveSolicitation(fields: Fields): void {
    const sender = BigInt(fields.ipv6_src ?? 0n)
    if (fields.nd_target !== this.#self.ipv6) return
    if (fields.nd_sll !== undefined && sender !== 0n) this.#learn(sender, Number(fields.nd_sll))
    this.#send({
      ...this.#advertisement(this.#self.ipv6!),
      eth_dst: fields.eth_src ?? 0,
      ipv6_dst: sender,
    })
  }

  #learn(ip: FieldValue, mac: number): void {
    this.#known.set(ip, { mac, untilMillis: this.#env.clock.nowMillis() + lifeMillis })
    const search = this.#searches.get(ip)
    if (search === undefined) return
    this.#searches.delete(ip)
    search.timer()
    for (const found of search.waiting) found(mac)
  }

  #search(ip: FieldValue, found: (mac: number | undefined) => void): void {
    const again = () => {
      if (search.attempts++ < maxAttempts) {
        search.timer = this.#env.timers.after(retryMillis, again)
        this.#ask(ip)
        return
      }
      this.#searches.delete(ip)
      for (const tell of search.waiting) tell(undefined)
    }
    const search: Search = { waiting: [found], attempts: 0, timer: () => undefined }
    this.#searches.set(ip, search)
    again()
  }

  #ask(ip: FieldValue): void {
    if (typeof ip === 'number') return this.#send(this.#arp(1, broadcast, ip, 0))
    const low = Number(ip & 0xffffffn)
    this.#send({
      eth_src: this.#self.mac,
      eth_dst: 0x3333ff000000 + low,
      eth_type: etherTypes.ipv6,
      ip_proto: ipProtocols.icmpv6,
      ipv6_src: this.#self.ipv6 ?? 0n,
      ipv6_dst: (0xff02n << 112n) | 0x1ff000000n | BigInt(low),
      nw_ttl: 255,
      icmpv6_type: 135,
      icmpv6_code: 0,
      nd_target: ip,
      nd_sll: this.#self.mac,
    })
  }

  #arp(operation: 1 | 2, to: number, ip: number, targetMac: number): Fields {
    return {
      eth_src: this.#self.mac,
      eth_dst: to,
      eth_type: etherTypes.arp,
      arp_op: operation,
      arp_sha: this.#self.mac,
      arp_spa: this.#self.ipv4 ?? 0,
      arp_tha: targetMac,
      arp_tpa: ip,
    }
  }

  #advertisement(ip: bigint): Fields {
    return {
      eth_src: this.#self.mac,
      eth_type: etherTypes.ipv6,
      ip_proto: ipProtocols.icmpv6,
      ipv6_src: ip,
      nw_ttl: 255,
      icmpv6_type: 136,
      icmpv6_code: 0,
      nd_target: ip,
      nd_tll: this.#self.mac,
    }
  }
}
