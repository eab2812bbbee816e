/**
 * The links as they are used: directions that discovery has seen, in pairs, with what was measured and declared
 * of them. A link is used when both its directions are proven; one that flaps is the last choice for a while.
 */

import type { Dpid } from '../../base/addresses.js'
import type { Env } from '../../base/env/env.js'
import type { EventNamed } from '../../base/events.js'
import { dampedCost, isSamePort, type Link, type PortRef, portKey } from '../model.js'
import { Flaps } from './flaps.js'

/** What people say of the link that leaves a port. */
export interface DeclaredLink {
  readonly cost?: number
  readonly latencyMillis?: number
  readonly bandwidthKbps?: number
  readonly tags?: readonly string[]
  /** Where it must lead. */
  readonly peer?: PortRef
}

export type LinkEvent = EventNamed<
  'link-up' | 'link-down' | 'link-one-way' | 'link-miswired' | 'link-damped' | 'link-released'
>

/** A way back that does not come within this time is missing. */
const oneWayMillis = 3_000
/** Measured values that move less stay as they are: nothing is compiled for noise. */
const latencyStep = 0.25
const latencyFloorMillis = 0.2
const utilisationStep = 0.05

interface Direction {
  /** As it was seen and measured, without what people say of it. */
  found: Link
  link: Link
  /** The link as it is used while it is damped. */
  damped?: Link
  readonly sinceMillis: number
  isOneWayTold: boolean
}

export class LinkBook {
  readonly #env: Env
  readonly #flaps = new Flaps()
  readonly #tell: (event: LinkEvent) => void
  readonly #directions = new Map<string, Direction>()
  #declared: (at: PortRef) => DeclaredLink = () => ({})
  readonly #used = new Map<string, Link>()
  /** A copy of what is used, until that changes. */
  #links: ReadonlyMap<string, Link> | undefined

  constructor(env: Env, tell: (event: LinkEvent) => void) {
    this.#env = env
    this.#tell = tell
  }

  /** By `dpid/port` of where they begin; both directions of each. */
  get links(): ReadonlyMap<string, Link> {
    this.#links ??= new Map(this.#used)
    return this.#links
  }

  /** The link that leaves a port. */
  link(at: PortRef): Link | undefined {
    return this.#used.get(portKey(at))
  }

  /** All that discovery has seen, one-way or held back too. */
  direction(at: PortRef): Link | undefined {
    return this.#directions.get(portKey(at))?.link
  }

  restore(links: readonly Link[]): void {
    for (const link of links) this.#put(undamped(link))
    for (const key of this.#directions.keys()) {
      const link = this.#usable(key)
      if (link) this.#used.set(key, link)
    }
    this.#links = undefined
  }

  /** True when links have changed by it. */
  declare(declared: (at: PortRef) => DeclaredLink): boolean {
    this.#declared = declared
    for (const direction of this.#directions.values()) this.#dress(direction)
    return this.#refresh([...this.#directions.keys()])
  }

  seen(link: Link): boolean {
    const { peer } = this.#declared(link.from)
    if (peer && !isSamePort(peer, link.to))
      this.#tell({
        kind: 'link-miswired',
        from: link.from,
        to: link.to,
        reason: `it should lead to ${portKey(peer)}`,
      })
    const before = this.#directions.get(portKey(link.from))
    this.#put(link)
    return this.#refresh(before ? [...endsOf(link), portKey(before.link.to)] : endsOf(link))
  }

  lost(link: Link, reason: string): boolean {
    const known = this.#directions.get(portKey(link.from))
    if (known === undefined || !isSamePort(known.link.to, link.to)) return false
    this.#directions.delete(portKey(link.from))
    return this.#refresh(endsOf(link), reason)
  }

  /** Both directions of whatever ends at this port. */
  portLost(at: PortRef, reason: string): boolean {
    return this.#allLost(end => isSamePort(end, at), reason)
  }

  /** Both directions of whatever ends at this switch. */
  switchLost(dpid: Dpid, reason: string): boolean {
    return this.#allLost(end => end.dpid === dpid, reason)
  }

  #allLost(isMeant: (end: PortRef) => boolean, reason: string): boolean {
    let isChanged = false
    for (const { link } of [...this.#directions.values()])
      if (isMeant(link.from) || isMeant(link.to)) isChanged = this.lost(link, reason) || isChanged
    return isChanged
  }

  /** Takes over measured values when they differ enough from what is known. */
  measured(
    at: PortRef,
    values: { readonly latencyMillis?: number; readonly utilisation?: number; rttMillis?: number },
  ): boolean {
    const direction = this.#directions.get(portKey(at))
    if (direction === undefined) return false
    const { link } = direction
    const isDeclared = this.#declared(at).latencyMillis !== undefined
    const latency = isDeclared ? undefined : values.latencyMillis
    const isNews =
      (latency !== undefined && isLatencyNews(link.latencyMillis, latency)) ||
      (values.utilisation !== undefined &&
        Math.abs((link.utilisation ?? 0) - values.utilisation) >= utilisationStep)
    if (!isNews) return false
    direction.found = {
      ...direction.found,
      ...(values.rttMillis !== undefined && { rttMillis: rounded(values.rttMillis) }),
      ...(latency !== undefined && { latencyMillis: rounded(latency) }),
      ...(values.utilisation !== undefined && { utilisation: rounded(values.utilisation) }),
    }
    this.#dress(direction)
    return this.#refresh([portKey(at)])
  }

  /** To be called now and then: tells of ways back that are missing, lets go of what flaps no more. */
  tick(): boolean {
    const now = this.#env.clock.nowMillis()
    for (const direction of this.#directions.values()) this.#tellOneWay(direction, now)
    const touched: string[] = []
    for (const key of this.#flaps.released(now)) {
      const link = this.#directions.get(key)?.link
      if (link === undefined) continue
      this.#tell({ kind: 'link-released', from: link.from, to: link.to })
      touched.push(...endsOf(link))
    }
    return this.#refresh(touched)
  }

  #put(link: Link): void {
    const key = portKey(link.from)
    const before = this.#directions.get(key)
    const isSame = before && isSamePort(before.link.to, link.to)
    const found = isSame ? { ...before.found, ...link } : link
    this.#directions.set(key, {
      found,
      link: this.#dressed(found),
      sinceMillis: isSame ? before.sinceMillis : this.#env.clock.nowMillis(),
      isOneWayTold: isSame ? before.isOneWayTold : false,
    })
  }

  #dress(direction: Direction): void {
    direction.link = this.#dressed(direction.found)
    delete direction.damped
  }

  #dressed(link: Link): Link {
    const { peer: _, ...declared } = this.#declared(link.from)
    const foreignCost = link.isForeign ? Math.max(link.cost, foreignCosts) : link.cost
    return { ...link, cost: foreignCost, ...declared }
  }

  #tellOneWay(direction: Direction, now: number): void {
    const { link } = direction
    const back = this.#directions.get(portKey(link.to))?.link
    if (back && isSamePort(back.to, link.from)) return
    if (direction.isOneWayTold || now - direction.sinceMillis < oneWayMillis) return
    direction.isOneWayTold = true
    const { from, to } = link
    if (back === undefined)
      this.#tell({ kind: 'link-one-way', from, to, reason: 'nothing comes back' })
    else
      this.#tell({
        kind: 'link-miswired',
        from,
        to,
        reason: `the way back from ${portKey(to)} leads to ${portKey(back.to)}`,
      })
  }

  /** Looks again at the directions that begin at these ports. */
  #refresh(keys: readonly string[], reason?: string): boolean {
    for (const key of keys) {
      const before = this.#used.get(key)
      if (before && !this.#usable(key)) this.#fell(before, reason)
    }
    let isChanged = false
    // What fell too often is damped by now, in both directions.
    for (const key of keys) {
      const before = this.#used.get(key)
      const link = this.#usable(key)
      if (link === before) continue
      if (link) this.#used.set(key, link)
      else this.#used.delete(key)
      if (link && !before && !link.isDamped)
        this.#tell({ kind: 'link-up', from: link.from, to: link.to })
      isChanged = true
    }
    if (isChanged) this.#links = undefined
    return isChanged
  }

  /** While a link is damped nobody is told of each time. */
  #fell({ from, to, isDamped }: Link, reason?: string): void {
    if (!isDamped) this.#tell({ kind: 'link-down', from, to, ...(reason && { reason }) })
    if (this.#flaps.fell(portKey(from), this.#env.clock.nowMillis()))
      this.#tell({ kind: 'link-damped', from, to, reason: 'it came and went too often' })
  }

  #usable(key: string): Link | undefined {
    const direction = this.#directions.get(key)
    if (direction === undefined) return undefined
    const { link } = direction
    const backKey = portKey(link.to)
    const back = this.#directions.get(backKey)?.link
    if (back === undefined || portKey(back.to) !== key) return undefined
    if (!this.#flaps.isHeld(key) && !this.#flaps.isHeld(backKey)) return link
    direction.damped ??= { ...link, cost: link.cost + dampedCost, isDamped: true }
    return direction.damped
  }
}

/** As it was before it was damped: after a restart nobody knows how often it fell. */
const undamped = (link: Link): Link => {
  if (!link.isDamped) return link
  const { isDamped: _, ...rest } = link
  return { ...rest, cost: rest.cost - dampedCost }
}

/** The way back first: it was there before. */
const endsOf = ({ from, to }: Link): string[] => [portKey(to), portKey(from)]

/** Where another way is, a switch that is not ours is left out. */
const foreignCosts = 8

/** Whether a latency differs enough from what is known to be told. */
export const isLatencyNews = (before: number | undefined, after: number): boolean =>
  before === undefined ||
  Math.abs(after - before) > Math.max(latencyFloorMillis, before * latencyStep)

const rounded = (value: number): number => Math.round(value * 100) / 100
