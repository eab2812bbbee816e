/**
 * Segments that are not ours: unmanaged switches, with hosts or without, that several of our ports lead to. A probe
 * that comes in at another of our ports, and not over a wire, shows that both ports lead to one.
 *
 *     the ports reach each other otherwise ──> one of them carries the segment as an edge port, the others are shut
 *     nothing else joins their switches ─────> a pair of them is a link, also for the hosts between; the others are shut
 *
 * So there is never a loop through a segment. Who carries it stays as long as it can; when it goes, another takes its place at once.
 */
import { type PortRef, portKey } from '../model.js'

/** What is known of one port that leads to a segment. */
interface Sightings {
  readonly at: PortRef
  /** By port where its probes came in: when, or infinite while a switch is away, which goes on forwarding. */
  readonly to: Map<string, number>
  readonly from: Set<string>
}

export class Segments {
  readonly #byKey = new Map<string, Sightings>()
  readonly #lifeMillis: () => number

  /** @param lifeMillis how long a sighting is believed */
  constructor(lifeMillis: () => number) {
    this.#lifeMillis = lifeMillis
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  ports(): readonly PortRef[] {
    return [...this.#byKey.values()].map(({ at }) => at)
  }

  /** A probe of one port came in at the other. True when that is new. */
  seen(from: PortRef, to: PortRef, nowMillis: number): boolean {
    const sender = this.#of(from)
    const isNew = !this.#isFresh(sender.to.get(portKey(to)), nowMillis)
    sender.to.set(portKey(to), nowMillis)
    this.#of(to).from.add(portKey(from))
    return isNew
  }

  /** Probes of each came in at the other. */
  isMutual(a: PortRef, b: PortRef, nowMillis: number): boolean {
    const between = (from: PortRef, to: PortRef) =>
      this.#isFresh(this.#byKey.get(portKey(from))?.to.get(portKey(to)), nowMillis)
    return between(a, b) && between(b, a)
  }

  /** The port is gone, or leads elsewhere. @returns ports that were on a segment with it */
  forget(at: PortRef): readonly PortRef[] {
    const key = portKey(at)
    const known = this.#byKey.get(key)
    if (known === undefined) return []
    this.#byKey.delete(key)
    const others = new Set([...known.to.keys(), ...known.from])
    for (const other of others) {
      this.#byKey.get(other)?.to.delete(key)
      this.#byKey.get(other)?.from.delete(key)
    }
    return [...others].flatMap(other => this.#byKey.get(other)?.at ?? [])
  }

  /** Nothing comes through this way any more. */
  lost(from: PortRef, to: PortRef): void {
    this.#byKey.get(portKey(from))?.to.delete(portKey(to))
    this.#byKey.get(portKey(to))?.from.delete(portKey(from))
  }

  /** Its switch is away: what was so stays so until it is back. */
  hold(at: PortRef): void {
    this.#setAll(at, Number.POSITIVE_INFINITY)
  }

  /** Its switch is back: what was so is looked at again. */
  resume(at: PortRef, nowMillis: number): void {
    this.#setAll(at, nowMillis)
  }

  /** All ports that lead where this one leads, itself included. */
  of(at: PortRef, nowMillis: number): readonly PortRef[] {
    const found = new Map<string, PortRef>([[portKey(at), at]])
    // What is found is looked at as well.
    for (const [key] of found)
      for (const other of this.#neighbours(key, nowMillis)) found.set(portKey(other), other)
    return [...found.values()]
  }

  *#neighbours(key: string, nowMillis: number): Iterable<PortRef> {
    const known = this.#byKey.get(key)
    for (const [other, millis] of known?.to ?? [])
      if (this.#isFresh(millis, nowMillis)) yield this.#byKey.get(other)!.at
    for (const other of known?.from ?? []) {
      const far = this.#byKey.get(other)!
      if (this.#isFresh(far.to.get(key), nowMillis)) yield far.at
    }
  }

  #of(at: PortRef): Sightings {
    const key = portKey(at)
    const known = this.#byKey.get(key) ?? { at, to: new Map(), from: new Set() }
    this.#byKey.set(key, known)
    return known
  }

  #setAll(at: PortRef, millis: number): void {
    const key = portKey(at)
    const known = this.#byKey.get(key)
    for (const other of known?.to.keys() ?? []) known!.to.set(other, millis)
    for (const other of known?.from ?? []) this.#byKey.get(other)!.to.set(key, millis)
  }

  #isFresh(millis: number | undefined, nowMillis: number): boolean {
    return millis !== undefined && nowMillis - millis <= this.#lifeMillis()
  }
}
