/** What a network function keeps: keys of the store under `/function/NAME/`. */
import type { KeyValue, Store } from '../base/store.js'

/** A value that a function keeps, JSON, with the store's revision of it. */
export interface KeptValue {
  readonly key: string
  /** Absent: it was deleted. */
  readonly value?: unknown
  readonly revision: number
}

/** What a function wants kept. */
export interface KeptChange {
  readonly key: string
  /** Absent: it is deleted. */
  readonly value?: unknown
  /** The revision that the function knows; 0: none. */
  readonly seen: number
}

/** Where a function keeps what must outlive this controller, under keys of its own; other controllers may write there, too. */
export interface FunctionStore {
  list(): Promise<readonly KeptValue[]>
  /**
   * All or nothing; resolved when it is durable.
   *
   * @returns the revision of what was written; undefined when one of the keys is another one than was seen
   * @throws {Failure} `store-failed`: nothing was changed
   */
  write(changes: readonly KeptChange[]): Promise<number | undefined>
  /** What changes from now on, by whoever it is. */
  watch(changed: (values: readonly KeptValue[]) => void, lost: () => void): void
}

export const functionStore = (store: Store, name: string): FunctionStore => {
  const prefix = `/function/${name}/`
  return {
    list: async () =>
      (await listWhole(store, prefix)).map(({ key, value, modRev }) => ({
        key: key.slice(prefix.length),
        value,
        revision: modRev,
      })),
    write: async changes => {
      const { ok, rev } = await store.txn({
        if: changes.map(({ key, seen }) => ({ key: prefix + key, modRev: seen })),
        then: changes.map(({ key, value }) =>
          value === undefined
            ? { op: 'delete', key: prefix + key }
            : { op: 'put', key: prefix + key, value },
        ),
      })
      return ok ? rev : undefined
    },
    watch: (changed, lost) => {
      store.watch(prefix, 0, {
        event: events =>
          changed(
            events.map(
              ({ kind, key, value, rev }): KeptValue => ({
                key: key.slice(prefix.length),
                ...(kind === 'put' && { value }),
                revision: rev,
              }),
            ),
          ),
        compacted: lost,
        lost,
      })
    },
  }
}

const listWhole = async (store: Store, under: string): Promise<readonly KeyValue[]> => {
  const found: KeyValue[] = []
  for (;;) {
    const after = found.at(-1)?.key
    const page = await store.list(under, after === undefined ? {} : { after })
    found.push(...page.kvs)
    if (!page.more || page.kvs.length === 0) return found
  }
}
