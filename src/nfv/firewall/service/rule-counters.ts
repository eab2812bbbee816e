/**
 * What each rule has decided, kept over edits, restarts and recompiles. Switches count per row and begin at nothing
 * when a row is put anew, so what is added is the difference to what was read before, row by row.
 *
 *     hits    packets that asked the rules and were decided by this one: each opens a connection, or is the first
 *             of one after a change of the rules; the packets of running sessions do not ask
 *     bytes   of those packets
 *     last    wall time of the reading that found more hits, in milliseconds: late by a period at most
 */
import type { Cancel, Env } from '../../../base/env/env.js'
import { listAll, type Op, type Store } from '../../../base/store.js'
import type { FlowStats } from '../../../openflow/index.js'
import { flowKey } from '../../../pipeline/canonical.js'
import { cookieOf } from '../../../pipeline/program.js'

export interface RuleCount {
  readonly hits: number
  readonly bytes: number
  readonly lastHitMillis: number
}

/** A switch that can be asked for its rows of rules; undefined when it was lost meanwhile. */
export interface CountingSwitch {
  readonly dpid: string
  /** All, or those with one of these cookies. */
  ruleFlows(cookies?: readonly bigint[]): Promise<readonly FlowStats[] | undefined>
}

interface Raw {
  readonly packets: number
  readonly bytes: number
}

const idOf = (row: FlowStats): number => Number(row.cookie & 0xffff_ffffn)
const isOfRule = (cookie: bigint): boolean => (cookie & ~0xffff_ffffn) === cookieOf('policy', 0)
/** So many rules are asked for one by one; more at once with all others. */
const fewRules = 64

const periodMillis = 10_000
/** Counts are worth less than a wish: what a crash may lose is what came within this time. */
const savePeriodMillis = 30_000
const opsPerWrite = 100
const prefix = '/count/'
const ruleKey = (id: number) => `${prefix}rule/${id.toString(16).padStart(8, '0')}`
const seenKey = (dpid: string) => `${prefix}seen/${dpid}`

export class RuleCounters {
  readonly #env: Env
  readonly #store: Store
  readonly #switches: () => readonly CountingSwitch[]
  readonly #counts = new Map<number, RuleCount>()
  /** As read last, by switch and row. */
  readonly #rows = new Map<string, Map<string, Raw>>()
  /** As read last, by switch and rule: from before a restart, when the rows are not known any more. */
  readonly #sums = new Map<string, Map<number, Raw>>()
  /** Packets that go through the rows of their rule a second time, and are not read yet. */
  readonly #twice = new Map<number, Raw>()
  readonly #unsaved = new Set<number>()
  readonly #unsavedSwitches = new Set<string>()
  readonly #cancels: Cancel[] = []
  #reading: Promise<void> | undefined
  #saving: Promise<void> = Promise.resolve()

  private constructor(env: Env, store: Store, switches: () => readonly CountingSwitch[]) {
    this.#env = env
    this.#store = store
    this.#switches = switches
  }

  static async load(
    env: Env,
    store: Store,
    switches: () => readonly CountingSwitch[],
  ): Promise<RuleCounters> {
    const counters = new RuleCounters(env, store, switches)
    for (const [key, value] of await listAll(store, prefix)) {
      const name = key.slice(key.lastIndexOf('/') + 1)
      if (key.startsWith(`${prefix}rule/`))
        counters.#counts.set(Number.parseInt(name, 16), value as RuleCount)
      else counters.#sums.set(name, new Map(value as [number, Raw][]))
    }
    return counters
  }

  start(): void {
    this.#cancels.push(
      this.#env.timers.every(periodMillis, () => void this.read()),
      this.#env.timers.every(savePeriodMillis, () => void this.save()),
    )
  }

  /** Resolves when what was counted is kept. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel()
    await this.#reading
    await this.save()
  }

  get(id: number): RuleCount | undefined {
    return this.#counts.get(id)
  }

  /** What a switch that is forgotten had counted stays with the rules; its rows are not known any more. */
  forget(dpid: string): void {
    this.#rows.delete(dpid)
    if (this.#sums.delete(dpid)) this.#unsavedSwitches.add(dpid)
  }

  /** Asks all switches now; those who ask meanwhile share the answer. Never rejects: what fails is read the next time. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    await Promise.all(this.#switches().map(one => this.#readOne(one)))
  }

  /** Reads what rows have counted that are about to go. Never rejects. */
  async readBefore(dpid: string, cookies: ReadonlySet<bigint>): Promise<void> {
    const ours = [...cookies].filter(isOfRule)
    const one = this.#switches().find(each => each.dpid === dpid)
    if (ours.length === 0 || one === undefined) return
    const isFew = ours.length <= fewRules && this.#rows.has(dpid)
    await this.#readOne(one, isFew ? ours : undefined)
  }

  async #readOne(one: CountingSwitch, cookies?: readonly bigint[]): Promise<void> {
    try {
      const rows = await one.ruleFlows(cookies)
      if (rows && cookies) this.#takeSome(one.dpid, rows)
      else if (rows) this.#take(one.dpid, rows)
    } catch (error) {
      this.#env.log.warn({ dpid: one.dpid, err: error }, 'the counters of rules could not be read')
    }
  }

  /** Rows of some rules, beside the others as they were read last. */
  #takeSome(dpid: string, rows: readonly FlowStats[]): void {
    const known = this.#rows.get(dpid)!
    const more = new Map<number, Raw>()
    for (const row of rows) {
      const key = flowKey(row.tableId, row.priority, row.match)
      const raw = { packets: Number(row.packetCount), bytes: Number(row.byteCount) }
      if (raw.packets > 0) add(more, idOf(row), since(raw, known.get(key)))
      known.set(key, raw)
    }
    const sums = this.#sums.get(dpid)!
    for (const [id, raw] of more) {
      add(sums, id, raw)
      if (raw.packets > 0) this.#hit(dpid, id, raw.packets, raw.bytes)
    }
  }

  #take(dpid: string, rows: readonly FlowStats[]): void {
    const before = this.#rows.get(dpid)
    const now = new Map<string, Raw>()
    const sums = new Map<number, Raw>()
    const more = new Map<number, Raw>()
    for (const row of rows) {
      const id = idOf(row)
      const raw = { packets: Number(row.packetCount), bytes: Number(row.byteCount) }
      if (raw.packets === 0) continue
      const key = flowKey(row.tableId, row.priority, row.match)
      now.set(key, raw)
      add(sums, id, raw)
      if (before) add(more, id, since(raw, before.get(key)))
    }
    if (before === undefined)
      for (const [id, sum] of sums) add(more, id, since(sum, this.#sums.get(dpid)?.get(id)))
    this.#rows.set(dpid, now)
    this.#sums.set(dpid, sums)
    for (const [id, { packets, bytes }] of more)
      if (packets > 0) this.#hit(dpid, id, packets, bytes)
  }

  /** A packet goes through the rows of a rule again that has counted it: of two only one counts. */
  countOnce(id: number, bytes: number): void {
    add(this.#twice, id, { packets: 1, bytes })
  }

  #hit(dpid: string, id: number, rawPackets: number, rawBytes: number): void {
    const twice = this.#twice.get(id)
    const packets = Math.max(0, rawPackets - (twice?.packets ?? 0))
    const bytes = Math.max(0, rawBytes - (twice?.bytes ?? 0))
    if (twice !== undefined) {
      this.#twice.delete(id)
      const rest = {
        packets: twice.packets - (rawPackets - packets),
        bytes: twice.bytes - (rawBytes - bytes),
      }
      if (rest.packets > 0) this.#twice.set(id, rest)
      if (packets === 0) return
    }
    const old = this.#counts.get(id)
    this.#counts.set(id, {
      hits: (old?.hits ?? 0) + packets,
      bytes: (old?.bytes ?? 0) + bytes,
      lastHitMillis: this.#env.clock.wallMillis(),
    })
    this.#unsaved.add(id)
    this.#unsavedSwitches.add(dpid)
  }

  /** Writes what changed since the last time; resolves when it is kept. One write at a time. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save())
    return this.#saving
  }

  async #save(): Promise<void> {
    const ids = [...this.#unsaved]
    const dpids = [...this.#unsavedSwitches]
    const ops: Op[] = [
      ...ids.map((id): Op => ({ op: 'put', key: ruleKey(id), value: this.#counts.get(id) })),
      ...dpids.map((dpid): Op => {
        const sums = this.#sums.get(dpid)
        const key = seenKey(dpid)
        return sums === undefined ? { op: 'delete', key } : { op: 'put', key, value: [...sums] }
      }),
    ]
    this.#unsaved.clear()
    this.#unsavedSwitches.clear()
    try {
      for (let at = 0; at < ops.length; at += opsPerWrite)
        await this.#store.txn({ if: [], then: ops.slice(at, at + opsPerWrite) })
    } catch (error) {
      for (const id of ids) this.#unsaved.add(id)
      for (const dpid of dpids) this.#unsavedSwitches.add(dpid)
      this.#env.log.warn({ err: error }, 'the counters of rules could not be kept')
    }
  }
}

const add = (sums: Map<number, Raw>, id: number, { packets, bytes }: Raw): void => {
  const old = sums.get(id)
  sums.set(id, {
    packets: (old?.packets ?? 0) + packets,
    bytes: (old?.bytes ?? 0) + bytes,
  })
}

/** A row that counts less than before was put anew. */
const since = (now: Raw, before: Raw | undefined): Raw =>
  before === undefined || now.packets < before.packets
    ? now
    : { packets: now.packets - before.packets, bytes: now.bytes - before.bytes }
