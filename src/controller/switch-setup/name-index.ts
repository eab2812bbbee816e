/** Rows of a replica by their names, and bridges by their ports; each made when it is first asked for. */
import type { TypedRow } from '../../ovsdb/datum.js'
import type { Replica } from '../../ovsdb/replica.js'
import { listOf } from './tables.js'

export type Found = readonly [uuid: string, row: TypedRow]

export class NameIndex {
  readonly #replica: Replica
  readonly #byTable = new Map<string, ReadonlyMap<unknown, Found>>()
  #bridgeByPort: ReadonlyMap<unknown, Found> | undefined

  constructor(replica: Replica) {
    this.#replica = replica
  }

  find(table: string, name: string): Found | undefined {
    let rows = this.#byTable.get(table)
    if (rows === undefined) {
      rows = new Map([...this.#replica.table(table)].map(found => [found[1].name, found]))
      this.#byTable.set(table, rows)
    }
    return rows.get(name)
  }

  bridgeOf(port: string): Found | undefined {
    this.#bridgeByPort ??= new Map(
      [...this.#replica.table('Bridge')].flatMap(found =>
        listOf(found[1].ports).map(ref => [ref, found] as const),
      ),
    )
    return this.#bridgeByPort.get(port)
  }
}
