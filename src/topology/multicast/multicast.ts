/**
 * Who listens to which multicast group: IGMP (RFC 1112, 2236, 3376) and MLD (RFC 2710, 3810) as heard from edge
 * ports. A group that somebody listens to goes to its listeners and to routers only; others follow the tree.
 * Listeners are asked every two minutes, and soon after a switch is here, and forgotten when they stop to answer.
 * What was known before a restart is so for one more life, so that nobody misses anything meanwhile.
 */
import { type Dpid, isGroupMac } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { ipProtocols, readPacket } from '../../pipeline/packet.js'
import {
  isSamePort,
  type MulticastGroup,
  type MulticastRouter,
  type PortRef,
  portKey,
} from '../model.js'

/** RFC 3376 section 8.4, with its defaults. */
const lifeMillis = 260_000
const maxGroups = 10_000
const maxListeners = 1_024

interface Group {
  readonly network: number
  readonly mac: number
  readonly index: number
  /** By port: until when. */
  readonly listeners: Map<string, { readonly at: PortRef; readonly untilMillis: number }>
  /** What it was listed as, as long as that is so. */
  listed: MulticastGroup | undefined
}

type Report = { readonly mac: number; readonly isJoining: boolean }

export class MulticastTable {
  readonly #clock: Clock
  readonly #groups = new Map<string, Group>()
  /** Ports where somebody else asks: a router. */
  readonly #routers = new Map<string, { at: PortRef; network: number; untilMillis: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes over what was known before a restart. */
  restore(groups: readonly MulticastGroup[], routers: readonly MulticastRouter[]): void {
    const untilMillis = this.#clock.nowMillis() + lifeMillis
    for (const { network, at } of routers)
      this.#routers.set(portKey(at), { network, at, untilMillis })
    for (const { network, mac, index, ports } of groups) {
      const listeners = new Map(ports.map(at => [portKey(at), { at, untilMillis }]))
      this.#groups.set(`${network} ${mac}`, { network, mac, index, listeners, listed: undefined })
    }
  }

  /** A membership message came in at an edge port. True when groups have changed. */
  hear(at: PortRef, network: number, frame: Uint8Array): boolean {
    const heard = readMembership(frame)
    if (heard === 'query') return this.#router(at, network)
    let isChanged = false
    for (const report of heard) isChanged = this.#take(at, network, report) || isChanged
    return isChanged
  }

  /** True when somebody was forgotten. */
  tick(): boolean {
    const now = this.#clock.nowMillis()
    return this.#forget(
      untilMillis => untilMillis < now,
      () => true,
    )
  }

  forgetPort(port: PortRef): boolean {
    return this.#forget(
      () => true,
      at => isSamePort(at, port),
    )
  }

  forgetSwitch(dpid: Dpid): boolean {
    return this.#forget(
      () => true,
      at => at.dpid === dpid,
    )
  }

  /** Those at ports that are in their network no more. */
  forgetStrangers(isMember: (at: PortRef, network: number) => boolean): boolean {
    return this.#forget(
      () => true,
      (at, network) => !isMember(at, network),
    )
  }

  /** By network and address; the same objects as before where nothing has changed. */
  list(): MulticastGroup[] {
    const groups = [...this.#groups.values()]
    for (const group of groups) group.listed ??= this.#listed(group)
    return groups.map(group => group.listed!).sort((a, b) => a.network - b.network || a.mac - b.mac)
  }

  listRouters(): MulticastRouter[] {
    return [...this.#routers]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { network, at }]) => ({ network, at }))
  }

  #listed({ network, mac, index, listeners }: Group): MulticastGroup {
    const ports = new Map([...listeners].map(([key, { at }]) => [key, at]))
    for (const [key, router] of this.#routers)
      if (router.network === network) ports.set(key, router.at)
    const sorted = [...ports].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, at]) => at)
    return { network, mac, index, ports: sorted }
  }

  #routersChanged(): void {
    for (const group of this.#groups.values()) group.listed = undefined
  }

  #router(at: PortRef, network: number): boolean {
    const key = portKey(at)
    const isNew = this.#routers.get(key)?.network !== network
    if (isNew) this.#routersChanged()
    this.#routers.set(key, { at, network, untilMillis: this.#clock.nowMillis() + lifeMillis })
    return isNew
  }

  #take(at: PortRef, network: number, { mac, isJoining }: Report): boolean {
    const key = `${network} ${mac}`
    const known = this.#groups.get(key)
    if (!isJoining) {
      if (!known?.listeners.delete(portKey(at))) return false
      known.listed = undefined
      if (known.listeners.size === 0) this.#groups.delete(key)
      return true
    }
    if (known === undefined && this.#groups.size >= maxGroups) return false
    const group = known ?? {
      ...{ network, mac, index: this.#freeIndex() },
      listeners: new Map(),
      listed: undefined,
    }
    if (group.listeners.size >= maxListeners) return false
    const isNew = !group.listeners.has(portKey(at))
    if (isNew) group.listed = undefined
    group.listeners.set(portKey(at), { at, untilMillis: this.#clock.nowMillis() + lifeMillis })
    this.#groups.set(key, group)
    return isNew
  }

  #freeIndex(): number {
    const taken = new Set([...this.#groups.values()].map(group => group.index))
    let index = 1
    while (taken.has(index)) index++
    return index
  }

  #forget(
    isOver: (untilMillis: number) => boolean,
    isThere: (at: PortRef, network: number) => boolean,
  ): boolean {
    let isChanged = false
    for (const [key, group] of this.#groups) {
      const { listeners } = group
      for (const [port, { at, untilMillis }] of listeners)
        if (isThere(at, group.network) && isOver(untilMillis)) {
          isChanged = listeners.delete(port) || isChanged
          group.listed = undefined
        }
      if (listeners.size === 0) this.#groups.delete(key)
    }
    for (const [port, { at, network, untilMillis }] of this.#routers)
      if (isThere(at, network) && isOver(untilMillis)) {
        isChanged = this.#routers.delete(port) || isChanged
        this.#routersChanged()
      }
    return isChanged
  }
}

const readMembership = (frame: Uint8Array): 'query' | readonly Report[] => {
  const { fields, l3, l4, payload } = readPacket(frame)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (fields.ip_proto === ipProtocols.igmp) return readIgmp(view, payload)
  // A router has passed it on: RFC 2710 section 3, RFC 3810 section 5.
  if (fields.nw_ttl !== 1) return []
  if (fields.icmpv6_type === 130) return 'query'
  if (l4 === undefined || l4 < l3 + 40) return []
  return readMld(view, l4, Number(fields.icmpv6_type))
}

const readIgmp = (view: DataView, at: number): 'query' | readonly Report[] => {
  if (view.byteLength < at + 8) return []
  const type = view.getUint8(at)
  if (type === 0x11) return 'query'
  const one = (isJoining: boolean) => reportsOf(mac4(view.getUint32(at + 4)), isJoining)
  if (type === 0x12 || type === 0x16) return one(true)
  if (type === 0x17) return one(false)
  if (type !== 0x22) return []
  const macAt = (place: number) => mac4(view.getUint32(place))
  return records(view, at + 8, view.getUint16(at + 6), 4, macAt)
}

const readMld = (view: DataView, at: number, type: number): readonly Report[] => {
  const macAt = (place: number) => mac6(view.getUint32(place + 12))
  if ((type === 131 || type === 132) && view.byteLength >= at + 24)
    return reportsOf(macAt(at + 8), type === 131)
  if (type !== 143 || view.byteLength < at + 8) return []
  return records(view, at + 8, view.getUint16(at + 6), 16, macAt)
}

/** Group records of IGMPv3 and MLDv2: type (1) auxiliary size (1) sources (2) group; include nothing is to leave. */
const records = (
  view: DataView,
  from: number,
  count: number,
  size: number,
  macAt: (at: number) => number | undefined,
): readonly Report[] => {
  const found: Report[] = []
  let at = from
  for (let index = 0; index < count && at + 4 + size <= view.byteLength; index++) {
    const type = view.getUint8(at)
    const sources = view.getUint16(at + 2)
    // IS_IN and TO_IN without sources leave; BLOCK_OLD says nothing of the others.
    const isLeaving = (type === 1 || type === 3) && sources === 0
    if (type !== 6) found.push(...reportsOf(macAt(at + 4), !isLeaving))
    at += 4 + size + sources * size + view.getUint8(at + 1) * 4
  }
  return found
}

const reportsOf = (mac: number | undefined, isJoining: boolean): Report[] =>
  mac === undefined || !isGroupMac(mac) ? [] : [{ mac, isJoining }]

/** RFC 1112 section 6.4; undefined for groups of the local network (224.0.0.x), which all hear. */
const mac4 = (group: number): number | undefined => {
  if (group >>> 28 !== 14 || group >>> 8 === 0xe00000) return undefined
  const low = group & 0x7fffff
  // 224.0.0.x and those that share its addresses go to all.
  return low >>> 8 === 0 ? undefined : 0x01005e000000 + low
}

/** RFC 2464 section 7, by the last 32 bits; undefined for what neighbour discovery needs. */
const mac6 = (low: number): number | undefined =>
  low >>> 24 === 0xff || low >>> 8 === 0 ? undefined : 0x333300000000 + low
