/**
 * Lets connections in one by one, for rules with `limit` and `max`: a new connection comes up, is counted, and goes
 * back into the pipeline of its switch with the rule's number in a register; or it is dropped. docs/adr/0009.
 *
 *     packet-in (admit) ─> rate, caps ─┬─> flow-mod: its place (rules with `max`) ─> packet-out: from the start, admitted
 *                                      └─> nothing; told at most once a second and rule
 *     packet-in (opened) ─> the place is no more half-open        flow-removed ─> the place is free
 */
import type { Cancel, Env } from '../../../base/env/env.js'
import type { NetworkEvent } from '../../../base/events.js'
import type { FlowStats } from '../../../openflow/index.js'
import type { Match } from '../../../openflow/values.js'
import { ctState } from '../../../openflow/values.js'
import { finishChecksums } from '../../../pipeline/finish.js'
import { fragBits, readPacket } from '../../../pipeline/packet.js'
import { load, readLabel, registers } from '../../../pipeline/registers.js'
import type { PortRef } from '../../../topology/model.js'
import type { ConnectedSwitch, PuntedPacket } from '../../function.js'
import {
  type CountedConnection,
  countedOf,
  finSeconds,
  placeKey,
  placeRows,
  placesRequest,
  plainNumber,
  readPlace,
  removePlace,
} from '../flows/place-rows.js'
import { asksToAdmit, type PlacedRule, type ResolvedRule } from '../meaning/resolved.js'
import { maxCap } from '../text/rule.js'
import { isHalfOpen, Places } from './places.js'
import { Rates } from './rates.js'

export interface AdmissionOutput {
  rule(id: number): PlacedRule | undefined
  switch(dpid: string): ConnectedSwitch | undefined
  /** The frame as it was at the port. */
  asItCame(at: PortRef, match: Match, frame: Uint8Array): Uint8Array
  tell(event: NetworkEvent): void
  /** The packet meets its rule again, which has counted it. */
  countOnce(ruleId: number, size: number): void
}

/** Pings differ in an identifier that is not told: each that asks is another connection, as far as rates go. */
const hidesIdentity = ({ protocol }: CountedConnection): boolean =>
  protocol === 1 || protocol === 58

const isPiece = (frame: Uint8Array): boolean =>
  (Number(readPacket(frame).fields.ip_frag ?? 0) & fragBits.any) !== 0

/** Whether it came by the rows of the rule, not as one of a connection that was let in under the rules of today. */
const hasAskedRules = ({ reg1, ct_label }: Match, ruleId: number): boolean => {
  const known = readLabel(typeof ct_label === 'bigint' ? ct_label : 0n)
  const generation = plainNumber(reg1) >>> registers.generation.offset
  return known.rule !== ruleId || known.generation !== generation || known.isElsewhere
}

const tcp = 6
const tellPauseMillis = 1_000
const sweepMillis = 60_000
const retryMillis = 1_000
/** A second first packet of what was admitted is not counted again. */
const recentMillis = 3_000
const maxRecent = 8_192

export class Admission {
  readonly places = new Places()
  readonly #env: Env
  readonly #output: AdmissionOutput
  readonly #rates: Rates
  readonly #logs: Rates
  /** Switches of which all places are known; others admit nothing. */
  readonly #ready = new Set<string>()
  readonly #recent = new Map<string, number>()
  readonly #told = new Map<number, { millis: number; more: number }>()

  constructor(env: Env, output: AdmissionOutput) {
    this.#env = env
    this.#output = output
    this.#rates = new Rates(env.clock)
    this.#logs = new Rates(env.clock)
  }

  start(): Cancel {
    return this.#env.timers.every(sweepMillis, () => this.sweep())
  }

  /** Asks a switch that has come which places it holds. */
  async connected(self: ConnectedSwitch): Promise<void> {
    const { dpid } = self
    const isHere = () => this.#output.switch(dpid) === self
    this.#ready.delete(dpid)
    try {
      const rows = await placesOf(self)
      if (!isHere()) return
      const found = rows.flatMap(row => readPlace(row) ?? [])
      this.places.replace(
        dpid,
        new Map(
          found.map(({ one, ruleId, isHalfOpen }) => [
            placeKey(one),
            { ruleId, isHalfOpen, source: one.source, one },
          ]),
        ),
      )
      this.#ready.add(dpid)
    } catch (error) {
      if (!isHere()) return
      this.#env.log.warn({ dpid, err: error }, 'places of connections could not be read')
      this.#env.timers.after(retryMillis, () => {
        if (isHere()) void this.connected(self)
      })
    }
  }

  closed(dpid: string): void {
    this.#ready.delete(dpid)
  }

  /** A packet of a rule that counts asks for a place. */
  ask(packet: PuntedPacket): void {
    const { dpid } = packet.at
    const ruleId = packet.value
    const self = this.#output.switch(dpid)
    const placed = this.#output.rule(ruleId)
    const one = countedOf(packet.match)
    // Whatever is wrong, nothing passes: whoever wants in tries again, and meets the rules of then.
    if (self === undefined || one === undefined || !this.#ready.has(dpid)) return
    if (placed === undefined || !asksToAdmit(placed.rule)) return
    const isNew = (plainNumber(packet.match.ct_state) & ctState.new) !== 0
    if (!this.#isKnown(dpid, one, ruleId)) {
      // Where another switch has admitted it a host has moved, and this one decides now: it is the same connection.
      const held = this.places.of(ruleId, one)
      const beyond = held.length > 0 ? undefined : this.#beyond(placed.rule, one, isNew)
      if (beyond !== undefined) return this.#refuse(placed, one, beyond)
      this.#note(dpid, one, ruleId)
      const begins = held.length > 0 ? isHalfOpen(held) : isNew && one.protocol === tcp
      if (placed.rule.caps) this.#place(self, one, placed.rule, begins)
    }
    if (isPiece(packet.frame)) {
      // Alone it would wait for the rest, which is gone: the next datagram finds the place.
      self.tell(placeRows(one, ruleId, false))
      return
    }
    const whole = finishChecksums(packet.frame)
    if (hasAskedRules(packet.match, ruleId)) this.#output.countOnce(ruleId, whole.length)
    const { at, match } = packet
    self.reinject(
      at.port,
      this.#output.asItCame(at, match, whole),
      load(registers.admitted, ruleId),
    )
  }

  /** The handshake of a connection is done. */
  opened({ at: { dpid }, match }: PuntedPacket): void {
    const one = countedOf(match)
    const self = this.#output.switch(dpid)
    const place = one && this.places.get(dpid, placeKey(one))
    if (self === undefined || one === undefined || !place?.isHalfOpen) return
    this.places.set(dpid, placeKey(one), { ...place, isHalfOpen: false })
    self.tell(placeRows(one, place.ruleId, false))
  }

  /** A row of the switch is gone. */
  removed(
    dpid: string,
    row: Parameters<typeof readPlace>[0] & { readonly idleTimeout: number },
  ): void {
    const found = readPlace(row)
    if (found === undefined) return
    const key = placeKey(found.one)
    const place = this.places.get(dpid, key)
    // What was said of an older row of the same connection does not count.
    if (place?.ruleId !== found.ruleId || place.isHalfOpen !== found.isHalfOpen) return
    this.places.delete(dpid, key)
    if (row.idleTimeout !== finSeconds) return
    // The connection is over; the switch that it had come from has not seen its end.
    for (const other of this.places.of(place.ruleId, place.one)) {
      this.places.delete(other.dpid, other.key)
      this.#output.switch(other.dpid)?.tell(removePlace(other.place.one))
    }
  }

  /** Whether a rule that names a rate for its log has said no more than that, over all switches. */
  mayLog(ruleId: number): boolean {
    const rate = this.#output.rule(ruleId)?.rule.log?.rate
    return rate === undefined || this.#logs.take(ruleId, { rate, isPerSource: false }, '')
  }

  /** Frees places among connections that nobody counts any more. */
  sweep(): void {
    const isCounted = (id: number) => this.#output.rule(id)?.rule.caps !== undefined
    for (const { dpid, key, place } of [...this.places.all()]) {
      const self = this.#output.switch(dpid)
      if (self === undefined || isCounted(place.ruleId)) continue
      this.places.delete(dpid, key)
      self.tell(removePlace(place.one))
    }
    this.#rates.keep(id => this.#output.rule(id)?.rule.limit !== undefined)
    this.#logs.keep(id => this.#output.rule(id)?.rule.log?.rate !== undefined)
  }

  /** Whether it was admitted already: it has its place, or came in just now. */
  #isKnown(dpid: string, one: CountedConnection, ruleId: number): boolean {
    const key = placeKey(one)
    if (this.places.get(dpid, key)?.ruleId === ruleId) {
      // The row may be on its way, or was refused: it is said again.
      const place = this.places.get(dpid, key)!
      this.#output.switch(dpid)?.tell(placeRows(one, ruleId, place.isHalfOpen))
      return true
    }
    if (hidesIdentity(one)) return false
    const millis = this.#recent.get(`${dpid} ${ruleId} ${key}`)
    return millis !== undefined && this.#env.clock.nowMillis() - millis < recentMillis
  }

  #note(dpid: string, one: CountedConnection, ruleId: number): void {
    const now = this.#env.clock.nowMillis()
    for (const [key, millis] of this.#recent) {
      if (this.#recent.size < maxRecent && now - millis < recentMillis) break
      this.#recent.delete(key)
    }
    const key = `${dpid} ${ruleId} ${placeKey(one)}`
    this.#recent.delete(key)
    this.#recent.set(key, now)
  }

  #place(
    self: ConnectedSwitch,
    one: CountedConnection,
    rule: ResolvedRule,
    isHalfOpen: boolean,
  ): void {
    const place = { ruleId: rule.id, source: one.source, isHalfOpen, one }
    this.places.set(self.dpid, placeKey(one), place)
    self.tell(placeRows(one, rule.id, isHalfOpen))
  }

  /** What the connection would be too much of; undefined when it may come in, and is counted in the rate then. */
  #beyond(rule: ResolvedRule, one: CountedConnection, isNew: boolean): string | undefined {
    const all = this.places.countOf(rule.id)
    const own = this.places.countOfSource(rule.id, one.source)
    if (rule.caps && all.connections >= maxCap) return `max ${maxCap} connections`
    for (const { count, of, isPerSource } of rule.caps ?? []) {
      if (of === 'half-open' && !isNew) continue
      const { connections, halfOpen } = isPerSource ? own : all
      if ((of === 'half-open' ? halfOpen : connections) >= count)
        return `max ${count} ${of}${isPerSource ? ' per source' : ''}`
    }
    const { limit } = rule
    if (!isNew || limit === undefined || this.#rates.take(rule.id, limit, one.source))
      return undefined
    const { rate, isPerSource } = limit
    return `limit ${rate.count}/${rate.per}${isPerSource ? ' per source' : ''}`
  }

  #refuse({ rule, file, line }: PlacedRule, one: CountedConnection, beyond: string): void {
    const now = this.#env.clock.nowMillis()
    const told = this.#told.get(rule.id)
    if (told && now - told.millis < tellPauseMillis) {
      told.more++
      return
    }
    this.#told.set(rule.id, { millis: now, more: 0 })
    this.#output.tell({
      kind: 'rule-limited',
      rule: rule.name,
      policy: rule.policy,
      file,
      line,
      beyond,
      source: one.source,
      destination: one.destination,
      protocol: one.protocol,
      destinationPort: one.destinationPort,
      more: told?.more ?? 0,
    })
  }
}

const placesOf = async (self: ConnectedSwitch): Promise<readonly FlowStats[]> => {
  const reply = await self.request(placesRequest)
  return reply.kind === 'flow-stats-reply' ? reply.entries : []
}
