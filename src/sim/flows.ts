/**
 * The flow tables of a simulated switch, OpenFlow 1.3.5 section 6.4: adding, modifying and deleting
 * flows, their counters and their timeouts. Each change gives back how to undo it.
 */
import { allTables, anyGroup, flowFlags, type ReceivedOf } from '../openflow/index.js'
import { type Action, type Instruction, type Match, ports } from '../openflow/values.js'
import { type RunRow, rowOfInstructions } from '../pipeline/evaluate.js'
import { FlowTable } from '../pipeline/flow-table.js'
import { tableCount } from './action-checks.js'
import { isWithin, normalMatch, overlaps } from './match-sets.js'
import { Refusal, type Undo } from './refusal.js'

/** A row with what a switch knows about it. */
export interface FlowEntry extends RunRow {
  readonly instructions: readonly Instruction[]
  readonly flags: number
  /** Shorter behind the end of a TCP connection, where an action says so. */
  idleTimeout: number
  hardTimeout: number
  readonly createdMillis: number
  /** Of the last change, which starts the hard timeout anew. */
  modifiedMillis: number
  usedMillis: number
  packetCount: number
  byteCount: number
}

export interface FlowFilter {
  readonly tableId: number
  readonly outPort: number
  readonly outGroup: number
  readonly cookie: bigint
  readonly cookieMask: bigint
  readonly match: Match
}

type FlowMod = ReceivedOf<'flow-mod'>

export class Flows {
  readonly #tables = new Map<number, FlowTable<FlowEntry>>()
  readonly #mortal = new Set<FlowEntry>()
  #count = 0

  get count(): number {
    return this.#count
  }

  table(id: number): FlowTable<FlowEntry> | undefined {
    return this.#tables.get(id)
  }

  *tables(): IterableIterator<[number, FlowTable<FlowEntry>]> {
    yield* this.#tables
  }

  /** Flows that end by themselves. */
  get mortal(): ReadonlySet<FlowEntry> {
    return this.#mortal
  }

  /** @throws {Refusal} OFPFMFC_OVERLAP, when asked to look for it */
  add(mod: FlowMod, nowMillis: number): Undo {
    const entry = entryOf(mod, nowMillis)
    const old = this.#tables.get(entry.table)?.find(entry.match, entry.priority)
    if (mod.flags & flowFlags.checkOverlap && this.#hasOverlap(entry))
      throw new Refusal('OFPFMFC_OVERLAP')
    if (old && !(mod.flags & flowFlags.resetCounts)) copyCounts(old, entry)
    return this.#replace(old, entry)
  }

  modify(mod: FlowMod, isStrict: boolean, nowMillis: number): Undo[] {
    const { instructions } = mod
    return this.#found(mod, isStrict).map(old => {
      const row = rowOfInstructions(
        old.table,
        old.priority,
        old.match,
        old.cookie,
        kept(instructions),
      )
      const { idleTimeout, hardTimeout, createdMillis, usedMillis } = old
      const entry: FlowEntry = {
        ...row,
        instructions: kept(instructions),
        flags: old.flags,
        idleTimeout,
        hardTimeout,
        createdMillis,
        modifiedMillis: nowMillis,
        usedMillis,
        packetCount: 0,
        byteCount: 0,
      }
      if (!(mod.flags & flowFlags.resetCounts)) copyCounts(old, entry)
      return this.#replace(old, entry)
    })
  }

  /** The flows that a delete is about. */
  doomed(mod: FlowMod, isStrict: boolean): FlowEntry[] {
    return this.#found(mod, isStrict).filter(entry => goesTo(entry, mod.outPort, mod.outGroup))
  }

  remove(entry: FlowEntry): Undo {
    this.#take(entry)
    return () => this.#put(entry)
  }

  /** True while the entry is in its table. */
  holds(entry: FlowEntry): boolean {
    return this.#tables.get(entry.table)?.find(entry.match, entry.priority) === entry
  }

  select(filter: FlowFilter): FlowEntry[] {
    const match = normalMatch(filter.match)
    return this.#rows(filter.tableId).filter(
      entry =>
        hasCookie(entry, filter.cookie, filter.cookieMask) &&
        goesTo(entry, filter.outPort, filter.outGroup) &&
        isWithin(entry.match, match),
    )
  }

  /** Flows that send to a group or ask a meter. */
  usingGroup(id: number): FlowEntry[] {
    return this.#rows(allTables).filter(entry => usesGroup(actionsOf(entry), id))
  }

  usingMeter(id: number): FlowEntry[] {
    const asks = (action: Action) => action.kind === 'controller' && action.meter === id
    return this.#rows(allTables).filter(entry => entry.meter === id || actionsOf(entry).some(asks))
  }

  #found(mod: FlowMod, isStrict: boolean): FlowEntry[] {
    const match = normalMatch(mod.match)
    const inTables = isStrict
      ? this.#strict(mod.tableId, match, mod.priority)
      : this.#rows(mod.tableId).filter(entry => isWithin(entry.match, match))
    return inTables.filter(entry => hasCookie(entry, mod.cookie, mod.cookieMask))
  }

  #strict(tableId: number, match: Match, priority: number): FlowEntry[] {
    const tables = tableId === allTables ? [...this.#tables.keys()] : [tableId]
    return tables
      .map(id => this.#tables.get(id)?.find(match, priority))
      .filter(entry => entry !== undefined)
  }

  #rows(tableId: number): FlowEntry[] {
    const tables = tableId === allTables ? [...this.#tables.values()] : [this.#tables.get(tableId)]
    return tables.flatMap(table => (table ? [...table.rows()] : []))
  }

  #hasOverlap(entry: FlowEntry): boolean {
    return this.#rows(entry.table).some(
      other => other.priority === entry.priority && overlaps(other.match, entry.match),
    )
  }

  #replace(old: FlowEntry | undefined, entry: FlowEntry): Undo {
    if (old) this.#take(old)
    this.#put(entry)
    return () => {
      this.#take(entry)
      if (old) this.#put(old)
    }
  }

  #put(entry: FlowEntry): void {
    let table = this.#tables.get(entry.table)
    if (table === undefined) {
      table = new FlowTable()
      this.#tables.set(entry.table, table)
    }
    table.add(entry)
    this.#count++
    if (entry.idleTimeout > 0 || entry.hardTimeout > 0) this.#mortal.add(entry)
  }

  #take(entry: FlowEntry): void {
    if (this.#tables.get(entry.table)?.remove(entry)) this.#count--
    this.#mortal.delete(entry)
  }
}

const entryOf = (mod: FlowMod, nowMillis: number): FlowEntry => {
  const instructions = kept(mod.instructions)
  const match = normalMatch(mod.match)
  return {
    ...rowOfInstructions(mod.tableId, mod.priority, match, mod.cookie, instructions),
    instructions,
    flags: mod.flags & ~(flowFlags.checkOverlap | flowFlags.resetCounts),
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    createdMillis: nowMillis,
    modifiedMillis: nowMillis,
    usedMillis: nowMillis,
    packetCount: 0,
    byteCount: 0,
  }
}

/** Open vSwitch keeps no instruction that does nothing. */
const kept = (instructions: readonly Instruction[]): Instruction[] =>
  instructions.filter(
    instruction => instruction.kind !== 'apply-actions' || instruction.actions.length > 0,
  )

const copyCounts = (from: FlowEntry, to: FlowEntry): void => {
  to.packetCount = from.packetCount
  to.byteCount = from.byteCount
}

const hasCookie = (entry: FlowEntry, cookie: bigint, mask: bigint): boolean =>
  mask === 0n || ((entry.cookie ^ cookie) & mask) === 0n

const goesTo = (entry: FlowEntry, outPort: number, outGroup: number): boolean => {
  if (outPort === ports.any && outGroup === anyGroup) return true
  const actions = actionsOf(entry)
  const isPortRight =
    outPort === ports.any ||
    actions.some(action => action.kind === 'output' && action.port === outPort)
  return isPortRight && (outGroup === anyGroup || usesGroup(actions, outGroup))
}

const actionsOf = (entry: FlowEntry): readonly Action[] =>
  entry.writeActions ? [...entry.actions, ...entry.writeActions] : entry.actions

export const usesGroup = (actions: readonly Action[], id: number): boolean =>
  actions.some(action => action.kind === 'group' && action.group === id)

/** @throws {Refusal} OFPBRC_BAD_TABLE_ID when the switch has no such table */
export const checkTable = (tableId: number, isAllMeant: boolean): void => {
  if (tableId < tableCount || (isAllMeant && tableId === allTables)) return
  throw new Refusal('OFPBRC_BAD_TABLE_ID')
}
