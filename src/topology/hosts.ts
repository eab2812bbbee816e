/**
 * Learns hosts from what they send on edge ports: addresses from ARP, neighbour discovery, DHCP and IP.
 *
 *     sender unknown ──────────────> learnt
 *     known, same place, new IP ───> added (within a quota)
 *     known, another place ────────> ask at the old place: silence or a port that is down ──> moved
 *                                                          an answer ──> refused
 *     an IP that another host has ─> ask that host likewise
 *     idle for long ───────────────> ask; silence ──> gone
 *
 * Silence counts only when the switch has confirmed the questions, and has answered since. What people have
 * declared (pinned places, addresses) is asked of nobody.
 */
import { EventEmitter } from 'node:events'
import type { Ip, Mac } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env.js'
import { type Claim, questions } from './host-frames.js'
import { HostTable } from './host-table.js'
import { LeaseBook } from './leases.js'
import { type Host, hostKey, isSamePort, type PortRef, portKey } from './model.js'

export interface HostOptions {
  /** How long the old place has to answer before a move is believed; it is asked twice in this time. */
  readonly moveProbeMillis: number
  readonly hostsPerPort: number
  readonly ipsPerHost: number
  readonly maxHosts: number
  /** After this time without a packet a host is asked whether it is still there. */
  readonly idleMillis: number
  /** False believes whoever speaks last: for tests of what the guard is worth. */
  readonly isGuarded: boolean
}

export const defaultHosts: HostOptions = {
  moveProbeMillis: 300,
  hostsPerPort: 1_024,
  ipsPerHost: 64,
  maxHosts: 100_000,
  idleMillis: 300_000,
  isGuarded: true,
}

export interface HostEvents {
  'host-learnt': [host: Host]
  'host-changed': [host: Host, before: Host]
  'host-gone': [host: Host, reason: string]
  /** Somebody claimed an address that is in use elsewhere, or too many. */
  'host-refused': [claim: Claim, reason: string]
}

/** What the tracker may ask of the network. */
export interface HostNetwork {
  /** Sends frames out of one port, for a network; resolves when the switch has confirmed it. */
  ask(at: PortRef, network: number, frames: readonly Uint8Array[]): Promise<void>
  /** True while the port can carry an answer. */
  isUp(at: PortRef): boolean
  /** True where hosts come and go, such as at a wireless bridge. */
  isRoaming(at: PortRef): boolean
}

interface Contest {
  readonly claim: Claim
  readonly holder: Host
  readonly ip: Ip | undefined
  cancel: Cancel
}

/** After an answer the same claim is not looked into again for this time. */
const contestPauseMillis = 1_000

export class HostTracker extends EventEmitter<HostEvents> {
  readonly #env: Env
  readonly #network: HostNetwork
  readonly #options: HostOptions
  readonly #table = new HostTable()
  readonly leases: LeaseBook
  /** By key: when it was last heard of. */
  readonly #heardMillis = new Map<string, number>()
  #names: ReadonlyMap<string, string> = new Map()
  readonly #contests = new Map<string, Contest>()
  readonly #refusedMillis = new Map<string, number>()
  /** By port: hosts that were asked and have not answered. */
  readonly #challenges = new Map<string, { readonly asked: Set<string>; readonly cancel: Cancel }>()

  constructor(env: Env, network: HostNetwork, options = defaultHosts) {
    super()
    this.#env = env
    this.#network = network
    this.#options = options
    this.leases = new LeaseBook(env.clock)
  }

  get table(): HostTable {
    return this.#table
  }

  /** Takes hosts from before a restart as they were. */
  restore(hosts: Iterable<Host>): void {
    for (const host of hosts) this.#table.put(host)
  }

  /** Takes what people say of a host: it stays until they say otherwise, and nobody can move it. */
  declare(host: Host): void {
    for (const ip of host.ips) {
      const holder = this.#table.holderOf(host.network, ip)
      if (holder && holder.mac !== host.mac)
        this.#change(holder, { ips: holder.ips.filter(other => other !== ip) })
    }
    const before = this.#table.get(host.network, host.mac)
    this.#table.put(host)
    if (before) this.emit('host-changed', host, before)
    else this.emit('host-learnt', host)
  }

  /** Takes over declared names, by key, for hosts that are known and those to come. */
  nameAll(names: ReadonlyMap<string, string>): void {
    this.#names = names
    for (const host of [...this.#table.all()]) {
      const name = names.get(hostKey(host.network, host.mac))
      if (name === host.name) continue
      const { name: _, ...nameless } = host
      this.#replace(host, name === undefined ? nameless : { ...host, name })
    }
  }

  /** A declared host is like any other from now on. */
  release(network: number, mac: Host['mac']): void {
    const host = this.#table.get(network, mac)
    if (host) this.#change(host, { isPinned: false })
  }

  /**
   * A packet told who sits at an edge port.
   *
   * @returns true when the network now knows the sender there as it claims to be
   */
  learn(claim: Claim): boolean {
    this.#answered(claim)
    const known = this.#table.get(claim.network, claim.mac)
    if (known === undefined) return this.#meet(claim)
    if (!isSamePort(known.at, claim.at)) return this.#contest(claim, known, undefined)
    this.#heardMillis.set(hostKey(known.network, known.mac), this.#env.clock.nowMillis())
    if (claim.reportedName !== undefined && known.reportedName !== claim.reportedName)
      this.#change(known, { reportedName: claim.reportedName })
    return this.#addIps(claim, this.#table.get(claim.network, claim.mac)!)
  }

  /**
   * A DHCP server that people vouch for gave an address to a host. While the lease runs nobody else gets the address, unless
   * the server gives it to them; a host that has it now is asked as ever.
   */
  lease(network: number, mac: Mac, ip: Ip, seconds: number): void {
    if (!this.#isOrdinary(network, ip)) return
    this.leases.put(network, ip, mac, seconds)
    const host = this.#table.get(network, mac)
    if (host && seconds > 0) this.#addIps({ network, mac, ips: [ip], at: host.at }, host)
  }

  /** What people have declared is not a server's to give. */
  #isOrdinary(network: number, ip: Ip): boolean {
    return this.#table.holderOf(network, ip)?.isPinned !== true
  }

  /** Its packets were counted: it is there. */
  heard(host: Host): void {
    this.#heardMillis.set(hostKey(host.network, host.mac), this.#env.clock.nowMillis())
  }

  /** How long nothing was heard of it. */
  idleMillisOf(host: Host): number {
    const now = this.#env.clock.nowMillis()
    const key = hostKey(host.network, host.mac)
    const heard = this.#heardMillis.get(key)
    if (heard !== undefined) return now - heard
    this.#heardMillis.set(key, now)
    return 0
  }

  hostsAt(at: PortRef): readonly Mac[] {
    return this.#table.at(at).map(({ mac }) => mac)
  }

  /** Another switch seems to be there: hosts that do not answer were never there, or have gone. */
  challenge(at: PortRef): void {
    this.askAll(at, this.#table.at(at), 'it does not answer where a switch was heard')
  }

  /** Asks hosts of a port; those that stay silent go. One round for a port at a time. */
  askAll(at: PortRef, hosts: readonly Host[], reason: string): void {
    const key = portKey(at)
    if (this.#challenges.has(key)) return
    const asked = new Map(
      hosts.filter(host => !host.isPinned).map(host => [hostKey(host.network, host.mac), host]),
    )
    const ask = () => {
      for (const host of asked.values())
        if (waiting.has(hostKey(host.network, host.mac)))
          this.#network.ask(at, host.network, questions(host.mac, host.ips)).catch(noMatter)
    }
    const waiting = new Set(asked.keys())
    const cancelAgain = this.#env.timers.after(this.#options.moveProbeMillis / 2, ask)
    const cancelEnd = this.#env.timers.after(this.#options.moveProbeMillis, () => {
      this.#afterAnswer(
        at,
        () => {
          this.#challenges.delete(key)
          for (const each of waiting) this.#removeIfAt(asked.get(each)!, at, reason)
        },
        () => this.#challenges.delete(key),
      )
    })
    const cancel = () => {
      cancelAgain()
      cancelEnd()
    }
    this.#challenges.set(key, { asked: waiting, cancel })
    ask()
  }

  /** Hosts behind a port that turned out to lead to another switch were never there. */
  forgetPort(at: PortRef, reason: string): void {
    for (const host of this.#table.at(at)) if (!host.isPinned) this.#remove(host, reason)
  }

  /** Forgets one host, pinned or not. */
  forget(host: Host, reason: string): void {
    this.#remove(host, reason)
  }

  stop(): void {
    for (const contest of this.#contests.values()) contest.cancel()
    this.#contests.clear()
    for (const { cancel } of this.#challenges.values()) cancel()
    this.#challenges.clear()
  }

  #meet(claim: Claim): boolean {
    const { hostsPerPort, maxHosts } = this.#options
    if (this.#table.countAt(claim.at) >= hostsPerPort)
      return this.#refuse(claim, `more than ${hostsPerPort} hosts on one port`)
    if (this.#table.size >= maxHosts) return this.#refuse(claim, `more than ${maxHosts} hosts`)
    const free = claim.ips.filter(ip => !this.#isTaken(ip, claim))
    const { mac, at, network, reportedName } = claim
    const name = this.#names.get(hostKey(network, mac))
    const named = { ...(name && { name }), ...(reportedName && { reportedName }) }
    const host: Host = { mac, ips: free, at, network, isPinned: false, ...named }
    this.#table.put(host)
    this.heard(host)
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
    const holder = this.#table.holderOf(claim.network, ip)
    return (holder !== undefined && holder.mac !== claim.mac) || this.#isLeased(ip, claim)
  }

  /** To somebody else. */
  #isLeased(ip: Ip, { network, mac }: Claim): boolean {
    const leased = this.#options.isGuarded ? this.leases.holderOf(network, ip) : undefined
    return leased !== undefined && leased !== mac
  }

  #contestTaken(claim: Claim, granted: readonly Ip[]): boolean {
    const taken = claim.ips.filter(ip => !granted.includes(ip))
    let isSettled = true
    for (const ip of taken) {
      if (this.#isLeased(ip, claim)) {
        isSettled = this.#refuse(
          claim,
          `${ip} is leased to ${this.leases.holderOf(claim.network, ip)}`,
        )
        continue
      }
      const holder = this.#table.holderOf(claim.network, ip)
      if (holder && !this.#contest(claim, holder, ip)) isSettled = false
    }
    return isSettled
  }

  /** Asks the holder's place; a timer decides for the claim when nobody answers there. */
  #contest(claim: Claim, holder: Host, ip: Ip | undefined): boolean {
    if (holder.isPinned) return this.#refuse(claim, `${ip ?? claim.mac} is declared elsewhere`)
    const isRoaming =
      ip === undefined && [holder.at, claim.at].every(at => this.#network.isRoaming(at))
    if (!this.#options.isGuarded || isRoaming || !this.#network.isUp(holder.at))
      return this.#settle(claim, holder, ip)
    if (holder.ips.length === 0 && ip === undefined)
      return this.#refuse(claim, `${claim.mac} has no address to ask at ${portKey(holder.at)}`)
    const key = contestKey(holder, ip)
    const refusedMillis = this.#refusedMillis.get(key)
    const isTooSoon =
      refusedMillis !== undefined &&
      this.#env.clock.nowMillis() - refusedMillis < contestPauseMillis
    if (this.#contests.has(key)) return false
    if (isTooSoon) return this.#refuse(claim, `${ip ?? claim.mac} answered a moment ago`)
    this.#open(key, { claim, holder, ip, cancel: () => undefined })
    return false
  }

  #open(key: string, contest: Contest): void {
    const { holder } = contest
    this.#contests.set(key, contest)
    const ask = () =>
      this.#network.ask(holder.at, holder.network, questions(holder.mac, holder.ips))
    const half = this.#options.moveProbeMillis / 2
    const end = () =>
      this.#afterAnswer(
        holder.at,
        () => this.#decide(key, contest),
        () => this.#abandon(key, contest),
      )
    const wait = (then: () => void) => {
      if (this.#contests.get(key) === contest) contest.cancel = this.#env.timers.after(half, then)
    }
    // The time begins when the switch has confirmed the question.
    ask().then(
      () =>
        wait(() => {
          ask().catch(noMatter)
          wait(end)
        }),
      () => this.#abandon(key, contest),
    )
  }

  /** Runs what comes of silence once the switch has spoken, so that the silence is not its own. */
  #afterAnswer(at: PortRef, silent: () => void, gone: () => void): void {
    if (!this.#network.isUp(at)) return silent()
    this.#network.ask(at, 1, []).then(silent, gone)
  }

  #decide(key: string, contest: Contest): void {
    if (this.#contests.get(key) !== contest) return
    this.#contests.delete(key)
    const holder = this.#table.get(contest.holder.network, contest.holder.mac)
    if (holder && isSamePort(holder.at, contest.holder.at))
      this.#settle(contest.claim, holder, contest.ip)
  }

  #abandon(key: string, contest: Contest): void {
    if (this.#contests.get(key) !== contest) return
    this.#contests.delete(key)
    this.#refuse(contest.claim, `${portKey(contest.holder.at)} cannot be asked now`)
  }

  /** The claim is right: the host has moved, or the address has a new owner. */
  #settle(claim: Claim, holder: Host, ip: Ip | undefined): boolean {
    if (ip === undefined) {
      if (this.#table.countAt(claim.at) >= this.#options.hostsPerPort)
        return this.#refuse(claim, `more than ${this.#options.hostsPerPort} hosts on one port`)
      this.#change(holder, { at: claim.at })
    } else this.#change(holder, { ips: holder.ips.filter(other => other !== ip) })
    return this.learn(claim)
  }

  /** Somebody spoke from its place: claims against it are refused, questions to it are answered. */
  #answered(claim: Claim): void {
    this.#challenges.get(portKey(claim.at))?.asked.delete(hostKey(claim.network, claim.mac))
    if (this.#contests.size === 0) return
    const known = this.#table.get(claim.network, claim.mac)
    if (known === undefined || !isSamePort(known.at, claim.at)) return
    for (const ip of [undefined, ...known.ips]) {
      const key = contestKey(known, ip)
      const contest = this.#contests.get(key)
      if (contest === undefined) continue
      contest.cancel()
      this.#contests.delete(key)
      this.#refusedMillis.set(key, this.#env.clock.nowMillis())
      if (this.#refusedMillis.size > maxRefused) this.#refusedMillis.clear()
      this.#refuse(contest.claim, `${ip ?? known.mac} answers at ${portKey(known.at)}`)
    }
  }

  #refuse(claim: Claim, reason: string): false {
    this.emit('host-refused', claim, reason)
    return false
  }

  #change(before: Host, change: Partial<Host>): void {
    this.#replace(before, { ...before, ...change })
  }

  #replace(before: Host, host: Host): void {
    this.#table.put(host)
    this.emit('host-changed', host, before)
  }

  #removeIfAt({ network, mac }: Host, at: PortRef, reason: string): void {
    const host = this.#table.get(network, mac)
    if (host && isSamePort(host.at, at) && !host.isPinned) this.#remove(host, reason)
  }

  #remove(host: Host, reason: string): void {
    this.#table.delete(host)
    this.#heardMillis.delete(hostKey(host.network, host.mac))
    this.emit('host-gone', host, reason)
  }
}

const maxRefused = 10_000

const contestKey = (holder: Host, ip: Ip | undefined): string =>
  `${hostKey(holder.network, holder.mac)} ${ip ?? ''}`

/** The switch has gone: nothing can be asked of it, and nothing is concluded. */
const noMatter = (): void => undefined
