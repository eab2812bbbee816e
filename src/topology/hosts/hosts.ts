/**
 * Learns hosts from what they send on edge ports. Where a MAC is (its location) and which addresses are at it are two
 * things: any frame tells the first, only ARP, neighbour discovery, leases and people tell the second.
 *
 *     MAC unknown ─────────────────> learnt
 *     MAC known at another port ───> ask at the old port: silence or a port that is down ──> moved
 *                                                         an answer ──> refused
 *     address free ────────────────> its MAC has it
 *     address at another port ─────> ask its holder for that address: silence ──> it has moved
 *                                                                     an answer for it ──> refused
 *     MAC idle for long ───────────> ask; silence ──> gone
 *     address not said for long ───> ask for it; silence ──> forgotten, its MAC stays
 *     port down ───────────────────> its hosts are forgotten at once
 *
 * Silence counts only when the switch has confirmed the questions, and has answered since. What people have
 * declared (pinned places, addresses) is asked of nobody. Guard levels: `guard.ts`.
 */
import { EventEmitter } from 'node:events'
import type { Ip, Mac } from '../../base/addresses.js'
import type { Cancel, Env } from '../../base/env/env.js'
import { type Host, hostKey, isSamePort, type PortRef, portKey } from '../model.js'
import { AddressesSaid, addressKey } from './addresses-said.js'
import type { GuardLevel } from './guard-level.js'
import { type Claim, questions } from './host-frames.js'
import { HostTable } from './host-table.js'
import { LeaseBook } from './leases.js'

export interface HostOptions {
  /** How long the old place has to answer before a move is believed; it is asked twice in this time. */
  readonly moveProbeMillis: number
  readonly hostsPerPort: number
  /** Under guard level strict: one more is refused. */
  readonly ipsPerHost: number
  /** Of one port under other levels: one more takes the place of the oldest. */
  readonly addressesPerPort: number
  readonly maxHosts: number
  /** After this time without a packet a host is asked whether it is still there, and so is an address of which nothing was said. */
  readonly idleMillis: number
  /** What somebody asked for is asked for again by us, unless it was said within this time. */
  readonly freshMillis: number
  /** The guard level where neither port nor network says another. */
  readonly guard: GuardLevel
}

export const defaultHosts: HostOptions = {
  moveProbeMillis: 300,
  hostsPerPort: 1_024,
  ipsPerHost: 64,
  addressesPerPort: 4_096,
  maxHosts: 100_000,
  idleMillis: 300_000,
  freshMillis: 3_000,
  guard: 'default',
}

export interface HostEvents {
  'host-learnt': [host: Host]
  'host-changed': [host: Host, before: Host]
  'host-gone': [host: Host, reason: string]
  /** Somebody claimed an address that is in use elsewhere, or too many. */
  'host-refused': [claim: Claim, reason: string]
  /** Somebody speaks at one port who lives at another. */
  'host-contested': [claim: Claim, holder: Host]
  /** Others were told another MAC for the address before. */
  'address-moved': [host: Host, ip: Ip]
  /** Somebody asked for the address, and its holder does not answer for it. */
  'address-lost': [holder: Host, ip: Ip]
}

/** What the tracker may ask of the network. */
export interface HostNetwork {
  /** Sends frames out of one port, for a network; resolves when the switch has confirmed it. */
  ask(at: PortRef, network: number, frames: readonly Uint8Array[]): Promise<void>
  /** The same, and nobody waits for it. */
  send(at: PortRef, network: number, frames: readonly Uint8Array[]): void
  /** True while the port can carry an answer. */
  isUp(at: PortRef): boolean
  /** True where hosts come and go, such as at a wireless bridge. */
  isRoaming(at: PortRef): boolean
  guardAt(at: PortRef, network: number): GuardLevel
  /** Why no host can have the MAC; undefined when one can. */
  notItsMac(mac: Mac): string | undefined
  /** Why no host of the network can have the address there: it is a router's, of another network that the router joins, or outside. */
  notItsAddress(network: number, ip: Ip, at: PortRef): string | undefined
}

interface Contest {
  readonly claim: Claim
  readonly holder: Host
  readonly ip: Ip | undefined
  cancel: Cancel
}

/** After an answer the same claim is not looked into again for this time: an address that is handed over may be answered for once more. */
const contestPauseMillis = 500
/** A MAC without an address moves once in this time at most. */
const silentMovePauseMillis = 1_000

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
  /** By key: MACs that moved without a question, since they have no address to ask for. */
  readonly #movedMillis = new Map<string, number>()
  readonly #said = new AddressesSaid()
  /** Addresses that are being asked for, by `addressKey`. */
  readonly #verifying = new Map<string, Cancel>()
  /** By network and address: the MAC that others were told before the address was free. */
  readonly #former = new Map<string, Mac>()
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
    const now = this.#env.clock.nowMillis()
    for (const host of hosts) {
      this.#table.put(host)
      for (const ip of host.ips) this.#said.put(host, ip, now)
    }
  }

  /** Takes what people say of a host: it stays until they say otherwise, and nobody can move it. */
  declare(host: Host): void {
    for (const ip of host.ips)
      for (const holder of this.#table.holdersOf(host.network, ip))
        if (holder.mac !== host.mac) this.#release(holder, ip)
    const before = this.#table.get(host.network, host.mac)
    this.#table.put(host)
    if (before) this.emit('host-changed', host, before)
    else this.emit('host-learnt', host)
    for (const ip of host.ips) this.#given(host, ip)
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
  learn(claimed: Claim): boolean {
    const notItsMac = this.#network.notItsMac(claimed.mac)
    if (notItsMac !== undefined) return this.#refuse(claimed, notItsMac)
    const said = this.#saidBy(claimed)
    const foreign = said
      .map(ip => this.#network.notItsAddress(claimed.network, ip, claimed.at))
      .find(Boolean)
    if (foreign === undefined) return this.#learn(claimed)
    this.#refuse(claimed, foreign)
    // Under guard level strict nothing else is believed of it either; else it is where it is, without the address.
    if (this.#network.guardAt(claimed.at, claimed.network) !== 'strict') {
      const { carried: _, other: __, ...rest } = claimed
      const isOwn = (ip: Ip) =>
        this.#network.notItsAddress(claimed.network, ip, claimed.at) === undefined
      this.#learn({ ...rest, ips: claimed.ips.filter(isOwn) })
    }
    return false
  }

  /** The address is a router's now; or a server has taken it back from a host, unless people have declared it there. */
  takeAway(network: number, ip: Ip, from?: Mac): void {
    for (const holder of [...this.#table.holdersOf(network, ip)])
      if (from === undefined || (holder.mac === from && !holder.isPinned)) this.#release(holder, ip)
  }

  #learn(claim: Claim): boolean {
    this.#answered(claim)
    const known = this.#table.get(claim.network, claim.mac)
    if (known === undefined) return this.#meet(claim)
    if (!isSamePort(known.at, claim.at)) {
      this.emit('host-contested', claim, known)
      return this.#contest(claim, known, undefined)
    }
    this.#heardMillis.set(hostKey(known.network, known.mac), this.#env.clock.nowMillis())
    if (claim.reportedName !== undefined && known.reportedName !== claim.reportedName)
      this.#change(known, { reportedName: claim.reportedName })
    const isSettled = this.#addIps(claim, this.#table.get(claim.network, claim.mac)!)
    return this.#mayVouch(claim) && isSettled
  }

  /**
   * Who speaks for another MAC moves nobody. What it says passes on when it is so already, or when the MAC does not live
   * elsewhere and no living host elsewhere has the address.
   */
  #mayVouch({ other, ...claim }: Claim): boolean {
    if (other === undefined) return true
    const { at, network } = claim
    const known = this.#table.get(network, other.mac)
    const isElsewhere = known !== undefined && !isSamePort(known.at, at)
    if (this.#network.guardAt(at, network) === 'strict')
      return this.#refuse(claim, `it speaks for ${other.mac}`)
    let isSettled = true
    for (const ip of other.ips) {
      if (known?.ips.includes(ip)) continue
      if (isElsewhere) return this.#refuse(claim, `it speaks for ${other.mac}`)
      const rival = this.#rivalOf(ip, { ...claim, mac: other.mac })
      if (rival && !this.#contest(claim, rival, ip)) isSettled = false
    }
    return isSettled
  }

  /** What its sender says of addresses; under guard level strict, the source of a packet too. */
  #saidBy({ at, network, ips, carried }: Claim): readonly Ip[] {
    const isBinding = carried !== undefined && this.#network.guardAt(at, network) === 'strict'
    return isBinding ? [...ips, carried] : ips
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

  /** Somebody was told where the address is: is it still there? */
  doubt(network: number, ip: Ip): void {
    const now = this.#env.clock.nowMillis()
    for (const holder of this.#table.holdersOf(network, ip))
      if (now - this.#said.atMillis(holder, ip) >= this.#options.freshMillis)
        this.#verify(holder, ip, () => this.emit('address-lost', holder, ip))
  }

  /** Asks for addresses of which nothing was said for long, a few of each port at a time. */
  ageAddresses(perPort: number, canAsk: (at: PortRef) => boolean): void {
    const now = this.#env.clock.nowMillis()
    const due = [...this.#said.before(now - this.#options.idleMillis)]
    const counts = new Map<string, number>()
    for (const { network, mac, ip } of due) {
      const host = this.#table.get(network, mac)
      if (host === undefined || !host.ips.includes(ip)) this.#said.delete({ network, mac }, ip)
      else if (canAsk(host.at)) {
        const key = portKey(host.at)
        const count = (counts.get(key) ?? 0) + 1
        counts.set(key, count)
        if (count <= perPort) this.#verify(host, ip, noMatter)
      }
    }
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

  /** Hosts of a port that is down, or turned out to lead to another switch, are there no more. */
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
    for (const cancel of this.#verifying.values()) cancel()
    this.#verifying.clear()
  }

  #meet(claim: Claim): boolean {
    const { hostsPerPort, maxHosts } = this.#options
    if (this.#table.countAt(claim.at) >= hostsPerPort)
      return this.#refuse(claim, `more than ${hostsPerPort} hosts on one port`)
    if (this.#table.size >= maxHosts) return this.#refuse(claim, `more than ${maxHosts} hosts`)
    const said = this.#saidBy(claim)
    const free = said.filter(ip => !this.#isTaken(ip, claim))
    const { mac, at, network, reportedName } = claim
    const name = this.#names.get(hostKey(network, mac))
    const named = { ...(name && { name }), ...(reportedName && { reportedName }) }
    const host: Host = { mac, ips: free, at, network, isPinned: false, ...named }
    this.#table.put(host)
    this.heard(host)
    this.emit('host-learnt', host)
    for (const ip of free) this.#given(host, ip)
    this.#askCarried(claim, said)
    const isSettled = this.#contestTaken(claim, said, free)
    return this.#mayVouch(claim) && isSettled
  }

  /** A router passes on packets of others: whether it answers for their source tells whose that is. */
  #askCarried({ at, network, mac, carried }: Claim, said: readonly Ip[]): void {
    if (carried === undefined || said.includes(carried)) return
    if (this.#network.notItsAddress(network, carried, at) !== undefined) return
    if (this.#table.holderOf(network, carried) === undefined)
      this.#network.send(at, network, questions(mac, [carried]))
  }

  #addIps(claim: Claim, known: Host): boolean {
    const said = this.#saidBy(claim)
    const fresh = said.filter(ip => !known.ips.includes(ip))
    if (fresh.length === 0) return true
    const isStrict = this.#network.guardAt(known.at, known.network) === 'strict'
    if (isStrict && known.ips.length + fresh.length > this.#options.ipsPerHost)
      return this.#refuse(claim, `more than ${this.#options.ipsPerHost} addresses on one host`)
    const free = fresh.filter(ip => !this.#isTaken(ip, claim))
    if (free.length > 0) {
      this.#makeRoom(known.at, free.length)
      const now = this.#table.get(known.network, known.mac)!
      this.#change(now, { ips: [...now.ips, ...free] })
      for (const ip of free) this.#given(known, ip)
    }
    return this.#contestTaken(claim, said, [...known.ips, ...free])
  }

  /** The port's host with the most addresses gives up its oldest. */
  #makeRoom(at: PortRef, count: number): void {
    const { addressesPerPort } = this.#options
    while (this.#table.addressCountAt(at) + count > addressesPerPort) {
      const [most] = this.#table.at(at).sort((a, b) => b.ips.length - a.ips.length)
      if (most?.ips[0] === undefined || most.isPinned) return
      this.#release(most, most.ips[0])
    }
  }

  /** The address is at the host now; those who were told another MAC hear of it. */
  #given(host: Host, ip: Ip): void {
    if (!host.isPinned) this.#said.put(host, ip, this.#env.clock.nowMillis())
    const place = `${host.network} ${ip}`
    const former = this.#former.get(place)
    this.#former.delete(place)
    if (former !== undefined && former !== host.mac) this.emit('address-moved', host, ip)
  }

  /** The host has the address no more; where others at its port have it too, it is theirs. */
  #release(holder: Host, ip: Ip): void {
    this.#change(holder, { ips: holder.ips.filter(other => other !== ip) })
    this.#forgetAddress(holder, ip)
    const left = this.#table.holderOf(holder.network, ip)
    if (left) this.#given(left, ip)
  }

  #forgetAddress(holder: Host, ip: Ip): void {
    this.#said.delete(holder, ip)
    this.#stopVerifying(holder, ip)
    if (this.#former.size >= maxFormer) this.#former.delete(this.#former.keys().next().value!)
    this.#former.set(`${holder.network} ${ip}`, holder.mac)
  }

  /** Asks a host for one of its addresses, twice; silence takes the address from it, and nothing else. */
  #verify(host: Host, ip: Ip, silent: () => void): void {
    const key = addressKey(host, ip)
    if (host.isPinned || this.#verifying.has(key)) return
    const { at, network, mac } = host
    const ask = () => {
      this.#network.ask(at, network, questions(mac, [ip])).catch(noMatter)
    }
    const half = this.#options.moveProbeMillis / 2
    const again = () => {
      ask()
      this.#verifying.set(key, this.#env.timers.after(half, end))
    }
    const end = () => {
      const isOpen = () => this.#verifying.get(key) === cancel
      const cancel = () => undefined
      this.#verifying.set(key, cancel)
      this.#afterAnswer(
        at,
        () => {
          if (!isOpen()) return
          this.#verifying.delete(key)
          const holder = this.#table.get(network, mac)
          if (!holder?.ips.includes(ip) || !isSamePort(holder.at, at)) return
          this.#release(holder, ip)
          silent()
        },
        () => this.#verifying.delete(key),
      )
    }
    this.#verifying.set(key, this.#env.timers.after(half, again))
    ask()
  }

  #stopVerifying(host: Host, ip: Ip): void {
    const key = addressKey(host, ip)
    this.#verifying.get(key)?.()
    this.#verifying.delete(key)
  }

  #isTaken(ip: Ip, claim: Claim): boolean {
    return this.#rivalOf(ip, claim) !== undefined || this.#isLeased(ip, claim)
  }

  /** Another host with the address. At one port hosts may share it: what they tell each other passes by us anyway. */
  #rivalOf(ip: Ip, { network, mac, at }: Claim): Host | undefined {
    const others = this.#table.holdersOf(network, ip).filter(holder => holder.mac !== mac)
    if (others.length === 0 || this.#network.guardAt(at, network) === 'strict') return others[0]
    return others.find(holder => holder.isPinned || !isSamePort(holder.at, at))
  }

  /** To somebody else, where that binds. */
  #isLeased(ip: Ip, { network, mac, at }: Claim): boolean {
    const leased = this.leases.holderOf(network, ip)
    if (leased === undefined || leased === mac) return false
    return this.#network.guardAt(at, network) === 'strict'
  }

  #contestTaken(claim: Claim, said: readonly Ip[], granted: readonly Ip[]): boolean {
    const taken = said.filter(ip => !granted.includes(ip))
    let isSettled = true
    for (const ip of taken) {
      if (this.#isLeased(ip, claim)) {
        isSettled = this.#refuse(
          claim,
          `${ip} is leased to ${this.leases.holderOf(claim.network, ip)}`,
        )
        continue
      }
      const holder = this.#rivalOf(ip, claim)
      if (holder && !this.#contest(claim, holder, ip)) isSettled = false
    }
    return isSettled
  }

  /** Asks the holder's place; a timer decides for the claim when nobody answers there. */
  #contest(claim: Claim, holder: Host, ip: Ip | undefined): boolean {
    if (holder.isPinned) return this.#refuse(claim, `${ip ?? claim.mac} is declared elsewhere`)
    const isRoaming =
      ip === undefined && [holder.at, claim.at].every(at => this.#network.isRoaming(at))
    const level = this.#network.guardAt(holder.at, holder.network)
    if (level === 'off' || isRoaming || !this.#network.isUp(holder.at))
      return this.#settle(claim, holder, ip)
    if (holder.ips.length === 0 && ip === undefined)
      return level === 'strict'
        ? this.#refuse(claim, `${claim.mac} has no address to ask at ${portKey(holder.at)}`)
        : this.#moveSilently(claim, holder)
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

  /** There is no question that it would answer; it moves once a second at most, as what comes back by a loop would do. */
  #moveSilently(claim: Claim, holder: Host): boolean {
    const key = hostKey(holder.network, holder.mac)
    const now = this.#env.clock.nowMillis()
    const movedMillis = this.#movedMillis.get(key) ?? Number.NEGATIVE_INFINITY
    if (now - movedMillis < silentMovePauseMillis) return false
    if (this.#movedMillis.size >= maxRefused) this.#movedMillis.clear()
    this.#movedMillis.set(key, now)
    return this.#settle(claim, holder, undefined)
  }

  #open(key: string, contest: Contest): void {
    const { holder, ip } = contest
    this.#contests.set(key, contest)
    const asked = ip === undefined ? holder.ips : [ip]
    const ask = () => this.#network.ask(holder.at, holder.network, questions(holder.mac, asked))
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
    } else this.#release(holder, ip)
    return this.learn(claim)
  }

  /** Somebody spoke from its place: who claims its MAC is refused; who claims an address, when it spoke for that address. */
  #answered(claim: Claim): void {
    this.#challenges.get(portKey(claim.at))?.asked.delete(hostKey(claim.network, claim.mac))
    const known = this.#table.get(claim.network, claim.mac)
    if (known === undefined || !isSamePort(known.at, claim.at)) return
    for (const ip of claim.ips) {
      if (!known.ips.includes(ip)) continue
      this.#said.put(known, ip, this.#env.clock.nowMillis())
      this.#stopVerifying(known, ip)
    }
    if (this.#contests.size === 0) return
    for (const ip of [undefined, ...claim.ips]) {
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
    for (const ip of host.ips) this.#forgetAddress(host, ip)
    this.emit('host-gone', host, reason)
  }
}

const maxRefused = 10_000
const maxFormer = 20_000

const contestKey = (holder: Host, ip: Ip | undefined): string =>
  `${hostKey(holder.network, holder.mac)} ${ip ?? ''}`

/** The switch has gone: nothing can be asked of it, and nothing is concluded. */
const noMatter = (): void => undefined
