/**
 * Who holds a place among the connections of rules with `max`, on which switch; counted by rule and source. A connection
 * that another switch has taken over, since a host has moved, is held by two switches for a while, and counts once.
 */

import { type CountedConnection, connectionKey } from '../flows/place-rows.js'

/** One connection that holds a place. */
export interface Place {
  readonly ruleId: number
  /** The address that opened the connection. */
  readonly source: string
  readonly isHalfOpen: boolean
  readonly one: CountedConnection
}

export interface Held {
  readonly dpid: string
  readonly key: string
  readonly place: Place
}

export interface Count {
  readonly connections: number
  readonly halfOpen: number
}

interface Tally {
  connections: number
  halfOpen: number
  readonly bySource: Map<string, { connections: number; halfOpen: number }>
}

const none: Count = { connections: 0, halfOpen: 0 }

export class Places {
  readonly #bySwitch = new Map<string, Map<string, Place>>()
  /** The places of one connection among those of one rule. */
  readonly #byConnection = new Map<string, readonly Held[]>()
  readonly #tallies = new Map<number, Tally>()

  /** @param key names the connection on its switch */
  get(dpid: string, key: string): Place | undefined {
    return this.#bySwitch.get(dpid)?.get(key)
  }

  /** Where the connection has a place among those of the rule, on all switches. */
  of(ruleId: number, one: CountedConnection): readonly Held[] {
    return this.#byConnection.get(nameOf(ruleId, one)) ?? []
  }

  /** Takes the place of the connection, or changes the one that it has. */
  set(dpid: string, key: string, place: Place): void {
    this.delete(dpid, key)
    let places = this.#bySwitch.get(dpid)
    if (places === undefined) {
      places = new Map()
      this.#bySwitch.set(dpid, places)
    }
    places.set(key, place)
    this.#change(place, held => [...held, { dpid, key, place }])
  }

  delete(dpid: string, key: string): void {
    const places = this.#bySwitch.get(dpid)
    const place = places?.get(key)
    if (places === undefined || place === undefined) return
    places.delete(key)
    this.#change(place, held => held.filter(each => each.place !== place))
  }

  /** What a switch says that it holds takes the place of what was known of it. */
  replace(dpid: string, places: ReadonlyMap<string, Place>): void {
    for (const key of [...(this.#bySwitch.get(dpid)?.keys() ?? [])]) this.delete(dpid, key)
    for (const [key, place] of places) this.set(dpid, key, place)
  }

  /** Over all switches. */
  countOf(ruleId: number): Count {
    return this.#tallies.get(ruleId) ?? none
  }

  countOfSource(ruleId: number, source: string): Count {
    return this.#tallies.get(ruleId)?.bySource.get(source) ?? none
  }

  *all(): Generator<Held> {
    for (const [dpid, places] of this.#bySwitch)
      for (const [key, place] of places) yield { dpid, key, place }
  }

  #change(place: Place, change: (held: readonly Held[]) => readonly Held[]): void {
    const name = nameOf(place.ruleId, place.one)
    const before = this.#byConnection.get(name) ?? []
    const after = change(before)
    if (after.length > 0) this.#byConnection.set(name, after)
    else this.#byConnection.delete(name)
    this.#count(place, Math.sign(after.length) - Math.sign(before.length), 'connections')
    this.#count(place, Number(isHalfOpen(after)) - Number(isHalfOpen(before)), 'halfOpen')
    this.#forgetEmpty(place)
  }

  #count({ ruleId, source }: Place, by: number, what: 'connections' | 'halfOpen'): void {
    if (by === 0) return
    const tally = this.#tallies.get(ruleId) ?? {
      connections: 0,
      halfOpen: 0,
      bySource: new Map(),
    }
    const one = tally.bySource.get(source) ?? { connections: 0, halfOpen: 0 }
    for (const each of [tally, one]) each[what] += by
    tally.bySource.set(source, one)
    this.#tallies.set(ruleId, tally)
  }

  #forgetEmpty({ ruleId, source }: Place): void {
    const tally = this.#tallies.get(ruleId)
    if (tally?.bySource.get(source)?.connections === 0) tally.bySource.delete(source)
    if (tally?.connections === 0) this.#tallies.delete(ruleId)
  }
}

/** It is open as soon as one switch has seen so. */
export const isHalfOpen = (held: readonly Held[]): boolean =>
  held.length > 0 && held.every(({ place }) => place.isHalfOpen)

const nameOf = (ruleId: number, one: CountedConnection): string => `${ruleId} ${connectionKey(one)}`
