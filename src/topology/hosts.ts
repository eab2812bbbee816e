/**
 * Learns hosts from what they send on edge ports: addresses from ARP, neighbour discovery and IP.
 *
 *     sender unknown ──────────────> learnt
 *     known, same place, new IP ───> added (within a quota)
 *     known, another place ────────> ask at the old place: silence or a port that is down ──> moved
 *                                                          an answer ──> refused
 *     an IP that another host has ─> ask that host likewise
 */
import { EventEmitter } from 'node:events'
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ip,
  isGroupMac,
  type Mac,
  macNumber,
  parseIpv4,
  parseIpv6,
} from '../base/addresses.js'
import type { Cancel, Env } from '../base/env.js'
import { buildFrame } from '../pipeline/build.js'
import { etherTypes, type Fields, ipProtocols } from '../pipeline/packet.js'
import { type Host, isSamePort, type PortRef, portKey } from './model.js'

export interface HostOptions {
  /** How long the old place has to answer before a move is believed. */
  readonly moveProbeMillis: number
  readonly hostsPerPort: number
  readonly ipsPerHost: number
}

export const defaultHosts: HostOptions = {
  moveProbeMillis: 300,
  hostsPerPort: 1_024,
  ipsPerHost: 64,
}

export interface HostEvents {
  'host-learnt': [host: Host]
  'host-changed': [host: Host, before: Host]
  'host-gone': [host: Host, reason: string]
  /** Somebody claimed an address that is in use elsewhere, or too many. */
  'host-refused': [mac: Mac, at: PortRef, reason: string]
}

export interface Claim {
  readonly mac: Mac
  readonly ips: readonly Ip[]
  readonly at: PortRef
  readonly network: number
}

/** What the tracker may ask of the network. */
export interface HostEnvironment {
  /** Sends a frame out of one port. */
  send(at: PortRef, frame: Uint8Array): void
  /** True while the port can carry an answer. */
  isUp(at: PortRef): boolean
}

interface Contest {
  readonly claim: Claim
  /** The host that has the address now. */
  readonly holder: Mac
  readonly ip: Ip | undefined
  readonly cancel: Cancel
}

export class HostTracker extends EventEmitter<HostEvents> {
  readonly #env: Env
  readonly #network: HostEnvironment
  readonly #options: HostOptions
  readonly #byMac = new Map<Mac, Host>()
  readonly #macByIp = new Map<string, Mac>()
  readonly #countByPort = new Map<string, number>()
  readonly #contests = new Map<string, Contest>()
  /** By port: hosts that were asked and have not answered. */
  readonly #challenges = new Map<string, { readonly asked: Set<Mac>; readonly cancel: Cancel }>()

  constructor(env: Env, network: HostEnvironment, options = defaultHosts) {
    super()
    this.#env = env
    this.#network = network
    this.#options = options
  }

  get hosts(): ReadonlyMap<Mac, Host> {
    return this.#byMac
  }

  /** Takes hosts from before a restart as they were. */
  restore(hosts: Iterable<Host>): void {
    for (const host of hosts) this.#keep(host)
  }

  /**
   * A packet told who sits at an edge port.
   *
   * @returns true when the network now knows the sender there as it claims to be
   */
  learn(claim: Claim): boolean {
    this.#answerContests(claim)
    this.#challenges.get(portKey(claim.at))?.asked.delete(claim.mac)
    const known = this.#byMac.get(claim.mac)
    if (known === undefined) return this.#meet(claim)
    if (!isSamePort(known.at, claim.at)) return this.#contest(claim, known, undefined)
    return this.#addIps(claim, known)
  }

  /** True while hosts are known there. */
  isInhabited(at: PortRef): boolean {
    return (this.#countByPort.get(portKey(at)) ?? 0) > 0
  }

  /** Another switch seems to be there: hosts that do not answer were never there, or have gone. */
  challenge(at: PortRef): void {
    const key = portKey(at)
    if (this.#challenges.has(key)) return
    const asked = new Set<Mac>()
    for (const host of this.#byMac.values()) {
      if (!isSamePort(host.at, at)) continue
      asked.add(host.mac)
      for (const frame of questions(host)) this.#network.send(at, frame)
    }
    const cancel = this.#env.timers.after(this.#options.moveProbeMillis, () => {
      this.#challenges.delete(key)
      for (const mac of asked) {
        const host = this.#byMac.get(mac)
        if (host && isSamePort(host.at, at) && !host.isPinned)
          this.#remove(host, 'it does not answer where a switch was heard')
      }
    })
    this.#challenges.set(key, { asked, cancel })
  }

  /** Hosts behind a port that turned out to lead to another switch were never there. */
  forgetPort(at: PortRef, reason: string): void {
    for (const host of [...this.#byMac.values()])
      if (isSamePort(host.at, at) && !host.isPinned) this.#remove(host, reason)
  }

  stop(): void {
    for (const contest of this.#contests.values()) contest.cancel()
    this.#contests.clear()
    for (const { cancel } of this.#challenges.values()) cancel()
    this.#challenges.clear()
  }

  #meet(claim: Claim): boolean {
    const count = this.#countByPort.get(portKey(claim.at)) ?? 0
    if (count >= this.#options.hostsPerPort)
      return this.#refuse(claim, `more than ${this.#options.hostsPerPort} hosts on one port`)
    const free = claim.ips.filter(ip => !this.#isTaken(ip, claim))
    const host: Host = {
      mac: claim.mac,
      ips: free,
      at: claim.at,
      network: claim.network,
      isPinned: false,
    }
    this.#keep(host)
    this.emit('host-learnt', host)
    return this.#contestTaken(claim, free)
  }

  #addIps(claim: Claim, known: Host): boolean {
    const fresh = claim.ips.filter(ip => !known.ips.includes(ip))
    if (fresh.length === 0) return true
    if (known.ips.length + fresh.length > this.#options.ipsPerHost)
      return this.#refuse(claim, `more than ${this.#options.ipsPerHost} addresses on one host`)
    const free = fresh.filter(ip => !this.#isTaken(ip, claim))
    if (free.length > 0) this.#change(known, { ips: [...known.ips, ...free] })
    return this.#contestTaken(claim, [...known.ips, ...free])
  }

  #isTaken(ip: Ip, claim: Claim): boolean {
    const holder = this.#macByIp.get(ipKey(claim.network, ip))
    return holder !== undefined && holder !== claim.mac
  }

  #contestTaken(claim: Claim, granted: readonly Ip[]): boolean {
    const taken = claim.ips.filter(ip => !granted.includes(ip))
    for (const ip of taken) {
      const holder = this.#byMac.get(this.#macByIp.get(ipKey(claim.network, ip))!)
      if (holder) this.#contest(claim, holder, ip)
    }
    return taken.length === 0
  }

  /** Asks the holder's place; a timer decides for the claim when nobody answers there. */
  #contest(claim: Claim, holder: Host, ip: Ip | undefined): boolean {
    if (holder.isPinned) return this.#refuse(claim, `${ip ?? claim.mac} is pinned elsewhere`)
    if (!this.#network.isUp(holder.at)) {
      this.#settle(claim, holder.mac, ip)
      return true
    }
    const key = `${holder.mac} ${ip ?? ''}`
    if (this.#contests.has(key)) return false
    const cancel = this.#env.timers.after(this.#options.moveProbeMillis, () => {
      this.#contests.delete(key)
      this.#settle(claim, holder.mac, ip)
    })
    this.#contests.set(key, { claim, holder: holder.mac, ip, cancel })
    for (const frame of questions(holder)) this.#network.send(holder.at, frame)
    return false
  }

  #settle(claim: Claim, holderMac: Mac, ip: Ip | undefined): void {
    const holder = this.#byMac.get(holderMac)
    if (holder === undefined) return
    if (ip === undefined) {
      this.#change(holder, { at: claim.at, network: claim.network })
      this.learn(claim)
      return
    }
    this.#change(holder, { ips: holder.ips.filter(other => other !== ip) })
    this.learn(claim)
  }

  /** The holder spoke from its old place: the claim against it is refused. */
  #answerContests(claim: Claim): void {
    for (const [key, contest] of this.#contests) {
      const holder = this.#byMac.get(contest.holder)
      if (contest.holder !== claim.mac || !holder || !isSamePort(holder.at, claim.at)) continue
      contest.cancel()
      this.#contests.delete(key)
      this.#refuse(
        contest.claim,
        `${contest.ip ?? contest.holder} answers at ${portKey(holder.at)}`,
      )
    }
  }

  #refuse(claim: Claim, reason: string): false {
    this.emit('host-refused', claim.mac, claim.at, reason)
    return false
  }

  #change(before: Host, change: Partial<Host>): void {
    this.#drop(before)
    const host = { ...before, ...change }
    this.#keep(host)
    this.emit('host-changed', host, before)
  }

  #remove(host: Host, reason: string): void {
    this.#drop(host)
    this.emit('host-gone', host, reason)
  }

  #keep(host: Host): void {
    this.#byMac.set(host.mac, host)
    for (const ip of host.ips) this.#macByIp.set(ipKey(host.network, ip), host.mac)
    const key = portKey(host.at)
    this.#countByPort.set(key, (this.#countByPort.get(key) ?? 0) + 1)
  }

  #drop(host: Host): void {
    this.#byMac.delete(host.mac)
    for (const ip of host.ips) this.#macByIp.delete(ipKey(host.network, ip))
    const key = portKey(host.at)
    this.#countByPort.set(key, (this.#countByPort.get(key) ?? 1) - 1)
  }
}

const ipKey = (network: number, ip: Ip): string => `${network} ${ip}`

/** Who sent this, as far as its own headers say; undefined when nobody can be learnt from it. */
export const claimOf = (fields: Fields, at: PortRef, network: number): Claim | undefined => {
  const source = Number(fields.eth_src ?? 0)
  if (source === 0 || isGroupMac(source)) return undefined
  if (fields.arp_sha !== undefined && fields.arp_sha !== source) return undefined
  const ip = sourceIp(fields)
  return { mac: formatMac(source), ips: ip === undefined ? [] : [ip], at, network }
}

const sourceIp = (fields: Fields): Ip | undefined => {
  const v4 = Number(fields.arp_spa ?? fields.ip_src ?? 0)
  // Not an address of a host: 0.0.0.0, loopback, multicast and above.
  if (v4 !== 0 && v4 >>> 24 !== 127 && v4 >>> 28 < 14) return formatIpv4(v4)
  const v6 = BigInt(fields.ipv6_src ?? 0)
  if (v6 > 1n && v6 >> 120n !== 0xffn) return formatIpv6(v6)
  return undefined
}

/** Unicast questions that the host answers if it is still there: ARP, or neighbour solicitation. */
const questions = (host: Host): Uint8Array[] =>
  host.ips.slice(0, 4).flatMap(ip => {
    const v4 = parseIpv4(ip)
    if (v4 !== undefined) return [arpQuestion(host.mac, v4)]
    const v6 = parseIpv6(ip)
    return v6 === undefined ? [] : [neighbourQuestion(host.mac, v6)]
  })

/** Ours to ask with: locally administered, never a host's. */
export const controllerMac = 0x02534c000001

const arpQuestion = (mac: Mac, ip: number): Uint8Array =>
  buildFrame({
    eth_dst: macNumber(mac),
    eth_src: controllerMac,
    eth_type: etherTypes.arp,
    arp_op: 1,
    arp_sha: controllerMac,
    arp_spa: 0,
    arp_tha: 0,
    arp_tpa: ip,
  })

/** RFC 4861 section 7.2.2, from the link-local address of our own MAC. */
const neighbourQuestion = (mac: Mac, ip: bigint): Uint8Array =>
  buildFrame({
    eth_dst: macNumber(mac),
    eth_src: controllerMac,
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    nw_ttl: 255,
    ipv6_src: 0xfe80_0000_0000_0000_0053_4cff_fe00_0001n,
    ipv6_dst: ip,
    icmpv6_type: 135,
    nd_target: ip,
    nd_sll: controllerMac,
  })
