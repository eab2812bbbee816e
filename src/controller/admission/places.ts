/** Who holds a place among the connections of rules with `max`, on which switch; counted by rule and source. */

import type { CountedConnection } from '../../nfv/firewall/place-rows.js'

/** One connection that holds a place. */
export interface Place {
  readonly ruleId: number
  /** The address that opened the connection. */
  readonly source: string
  readonly isHalfOpen: boolean
  readonly one: CountedConnection
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
  readonly #tallies = new Map<number, Tally>()

  /** @param key names the connection on its switch */
  get(dpid: string, key: string): Place | undefined {
    return this.#bySwitch.get(dpid)?.get(key)
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
    this.#count(place, 1)
  }

  delete(dpid: string, key: string): void {
    const places = this.#bySwitch.get(dpid)
    const place = places?.get(key)
    if (places === undefined || place === undefined) return
    places.delete(key)
    this.#count(place, -1)
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

  *all(): Generator<{ readonly dpid: string; readonly key: string; readonly place: Place }> {
    for (const [dpid, places] of this.#bySwitch)
      for (const [key, place] of places) yield { dpid, key, place }
  }

  #count({ ruleId, source, isHalfOpen }: Place, by: 1 | -1): void {
    const tally = this.#tallies.get(ruleId) ?? {
      connections: 0,
      halfOpen: 0,
      bySource: new Map(),
    }
    const one = tally.bySource.get(source) ?? { connections: 0, halfOpen: 0 }
    for (const each of [tally, one]) {
      each.connections += by
      if (isHalfOpen) each.halfOpen += by
    }
    if (one.connections === 0) tally.bySource.delete(source)
    else tally.bySource.set(source, one)
    if (tally.connections === 0) this.#tallies.delete(ruleId)
    else this.#tallies.set(ruleId, tally)
  }
}
