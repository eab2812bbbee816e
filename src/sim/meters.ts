/** The meters of a simulated switch: token buckets as the userspace datapath has them, drop bands only. */
import { meterFlags, meters as meterNumbers, type ReceivedOf } from '../openflow/index.js'
import type { MeterBand } from '../openflow/values.js'
import { Refusal, type Undo } from './refusal.js'

/** Bounds of the userspace datapath of Open vSwitch 3.1. */
export const maxMeters = 262_144
export const maxBands = 8

interface BandState {
  /** Packets, or kilobits. */
  tokens: number
  packetCount: number
  byteCount: number
}

export interface MeterEntry {
  readonly id: number
  readonly flags: number
  readonly bands: readonly MeterBand[]
  readonly createdMillis: number
  readonly states: readonly BandState[]
  filledMillis: number
  packetCount: number
  byteCount: number
}

type MeterMod = ReceivedOf<'meter-mod'>

export class Meters {
  readonly #byId = new Map<number, MeterEntry>()

  has(id: number): boolean {
    return this.#byId.has(id)
  }

  select(id: number): MeterEntry[] {
    if (id === meterNumbers.all) return [...this.#byId.values()].sort((a, b) => a.id - b.id)
    const meter = this.#byId.get(id)
    return meter ? [meter] : []
  }

  /** @throws {Refusal} as Open vSwitch would */
  add(mod: MeterMod, nowMillis: number): Undo {
    check(mod)
    if (this.#byId.has(mod.meterId)) throw new Refusal('OFPMMFC_METER_EXISTS')
    this.#byId.set(mod.meterId, entryOf(mod, nowMillis))
    return () => this.#byId.delete(mod.meterId)
  }

  /** @throws {Refusal} as Open vSwitch would */
  modify(mod: MeterMod, nowMillis: number): Undo {
    check(mod)
    const old = this.#byId.get(mod.meterId)
    if (old === undefined) throw new Refusal('OFPMMFC_UNKNOWN_METER')
    this.#byId.set(mod.meterId, entryOf(mod, nowMillis))
    return () => this.#byId.set(old.id, old)
  }

  remove(meter: MeterEntry): Undo {
    this.#byId.delete(meter.id)
    return () => this.#byId.set(meter.id, meter)
  }

  /** Takes a packet's tokens; false when a band drops it. A meter that is not there passes everything. */
  passes(id: number, frameSize: number, nowMillis: number): boolean {
    const meter = this.#byId.get(id)
    if (meter === undefined) return true
    meter.packetCount++
    meter.byteCount += frameSize
    fill(meter, nowMillis)
    const cost = meter.flags & meterFlags.kbps ? (frameSize * 8) / 1000 : 1
    let passes = true
    for (const state of meter.states) {
      if (state.tokens >= cost) {
        state.tokens -= cost
        continue
      }
      state.packetCount++
      state.byteCount += frameSize
      passes = false
    }
    return passes
  }
}

const burstOf = (flags: number, band: MeterBand): number =>
  flags & meterFlags.burst && band.burstSize > 0 ? band.burstSize : band.rate

const fill = (meter: MeterEntry, nowMillis: number): void => {
  const seconds = (nowMillis - meter.filledMillis) / 1000
  meter.filledMillis = nowMillis
  meter.bands.forEach((band, index) => {
    const state = meter.states[index]!
    state.tokens = Math.min(burstOf(meter.flags, band), state.tokens + seconds * band.rate)
  })
}

const entryOf = (mod: MeterMod, nowMillis: number): MeterEntry => ({
  id: mod.meterId,
  flags: mod.flags,
  bands: mod.bands,
  createdMillis: nowMillis,
  filledMillis: nowMillis,
  states: mod.bands.map(band => ({
    tokens: burstOf(mod.flags, band),
    packetCount: 0,
    byteCount: 0,
  })),
  packetCount: 0,
  byteCount: 0,
})

const check = (mod: MeterMod): void => {
  const { meterId, flags, bands } = mod
  const isVirtual = meterId === meterNumbers.controller
  if (meterId === 0 || (meterId > maxMeters && !isVirtual))
    throw new Refusal('OFPMMFC_INVALID_METER')
  const isKbps = (flags & meterFlags.kbps) !== 0
  const isPackets = (flags & meterFlags.pktps) !== 0
  if (isKbps === isPackets) throw new Refusal('OFPMMFC_BAD_FLAGS')
  if (bands.length > maxBands) throw new Refusal('OFPMMFC_OUT_OF_BANDS')
  for (const band of bands) {
    if (band.type !== 'drop') throw new Refusal('OFPMMFC_BAD_BAND')
    if (band.rate === 0) throw new Refusal('OFPMMFC_BAD_RATE')
  }
}
