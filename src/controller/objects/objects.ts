/**
 * Objects that people declare, of every kind: checked against the kind's schema, kept in the store under
 * `/objects/KIND/NAME`, with the store's revision of the key as their own.
 */
import { EventEmitter } from 'node:events'
import type { Timers } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import { type Complaint, complaintsOf, type Kind } from '../../base/kind.js'
import type { Op, Rev, Store } from '../../base/store.js'

/** A document as it comes in. */
export interface ObjectWish {
  readonly kind: string
  readonly name: string
  readonly spec: unknown
}

export interface StoredObject<Spec = unknown> {
  readonly kind: string
  readonly name: string
  readonly spec: Spec
  readonly revision: Rev
  /** That of its first revision, since it was last made. */
  readonly created: Rev
  /** It was deleted, and what was made for it is being taken down. */
  readonly isLeaving: boolean
}

export type Change = 'added' | 'changed' | 'unchanged'

/** What a writer has seen: a revision, or that nothing is there. */
export interface Expectation {
  readonly ifMatch?: Rev | 'any'
  readonly ifNoneMatch?: boolean
}

export interface ObjectEvents {
  /** An object of this kind came, changed, or is leaving. */
  changed: [kind: string, name: string]
  /** It is gone. */
  forgotten: [kind: string, name: string]
  /** All that changed together has been told; of these kinds. */
  settled: [kinds: ReadonlySet<string>]
}

const prefix = '/objects/'
const keyOf = (kind: Kind, name: string): string => `${prefix}${kind.path}/${name}`
export const namePattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
const nameRule = new RegExp(namePattern)

/** What is told of one request. */
const mostComplaints = 100

interface Value {
  readonly spec: unknown
  readonly leaving?: boolean
}

export class ObjectKeeper extends EventEmitter<ObjectEvents> {
  readonly kinds: readonly Kind[]
  readonly #store: Store
  readonly #timers: Timers
  /** By key. */
  readonly #known = new Map<string, StoredObject>()

  private constructor(timers: Timers, store: Store, kinds: readonly Kind[]) {
    super()
    this.setMaxListeners(0)
    this.#timers = timers
    this.#store = store
    this.kinds = kinds
  }

  static async load(timers: Timers, store: Store, kinds: readonly Kind[]): Promise<ObjectKeeper> {
    const keeper = new ObjectKeeper(timers, store, kinds)
    for (const kind of kinds) {
      let after: string | undefined
      for (;;) {
        const page = await store.list(
          `${prefix}${kind.path}/`,
          after === undefined ? {} : { after },
        )
        for (const { key, value, modRev, createRev } of page.kvs)
          keeper.#keep(
            kind,
            key.slice(prefix.length + kind.path.length + 1),
            value as Value,
            modRev,
            createRev,
          )
        after = page.kvs.at(-1)?.key
        if (!page.more || after === undefined) break
      }
    }
    return keeper
  }

  /** By `Switch`, `switch` or `switches`. @throws {Failure} `not-found` */
  kind(name: string): Kind {
    const known = this.kinds.find(each => [each.kind, each.path, each.plural].includes(name))
    if (known === undefined) {
      throw new Failure('not-found', {
        what: 'kind of object',
        name,
        list: '/api/v1/openapi.json',
      })
    }
    return known
  }

  list(kind: Kind): readonly StoredObject[] {
    return [...this.#known]
      .filter(([key]) => key.startsWith(`${prefix}${kind.path}/`))
      .map(([, object]) => object)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(kind: Kind, name: string): StoredObject | undefined {
    return this.#known.get(keyOf(kind, name))
  }

  /** @throws {Failure} `not-found` */
  get(kind: Kind, name: string): StoredObject {
    const known = this.find(kind, name)
    if (known === undefined)
      throw new Failure('not-found', {
        what: kind.path,
        name,
        list: `"sluice get ${kind.plural}"`,
      })
    return known
  }

  /**
   * Puts objects in force, all or none.
   *
   * @returns what became of each, in their order
   * @throws {Failure} `bad-objects` with every complaint; `revision-conflict`
   */
  async apply(
    wishes: readonly ObjectWish[],
    expectation: Expectation = {},
    isDryRun = false,
  ): Promise<readonly Change[]> {
    const earlier = new Set<string>()
    const complaints: (Complaint & { readonly index: number })[] = []
    for (const [index, wish] of wishes.entries()) {
      for (const each of this.#complaints(wish, earlier)) {
        if (complaints.length < mostComplaints) complaints.push({ index, ...each })
      }
      earlier.add(`${wish.kind}/${wish.name}`)
    }
    if (complaints.length === 0) complaints.push(...this.#together(wishes))
    if (complaints.length > 0) throw new Failure('bad-objects', { complaints })
    const planned = wishes.map(wish => this.#plan(wish, expectation))
    const changed = planned.filter(({ change }) => change !== 'unchanged')
    if (isDryRun || changed.length === 0) return planned.map(({ change }) => change)
    const ops: Op[] = changed.map(({ kind, wish }) => ({
      op: 'put',
      key: keyOf(kind, wish.name),
      value: { spec: wish.spec },
    }))
    const { ok, rev } = await this.#store.txn({
      if: changed.map(({ kind, wish, before }) => ({
        key: keyOf(kind, wish.name),
        modRev: before?.revision ?? 0,
      })),
      then: ops,
    })
    if (!ok) throw new Failure('revision-conflict', { name: changed[0]!.wish.name })
    for (const { kind, wish } of changed) this.#keep(kind, wish.name, { spec: wish.spec }, rev)
    for (const { kind, wish } of changed) this.emit('changed', kind.kind, wish.name)
    this.emit('settled', new Set(changed.map(({ kind }) => kind.kind)))
    return planned.map(({ change }) => change)
  }

  /**
   * @param isLeft what was made for it stays as it is
   * @throws {Failure} `not-found`, `revision-conflict`
   */
  async remove(
    kind: Kind,
    name: string,
    expectation: Expectation = {},
    isLeft = false,
  ): Promise<void> {
    const before = this.get(kind, name)
    expect(before, name, expectation)
    if (!kind.hasTeardown || isLeft) return this.#forget(kind, before)
    if (before.isLeaving) return
    const value: Value = { spec: before.spec, leaving: true }
    const key = keyOf(kind, name)
    const { ok, rev } = await this.#store.txn({
      if: [{ key, modRev: before.revision }],
      then: [{ op: 'put', key, value }],
    })
    if (!ok) throw new Failure('revision-conflict', { name })
    this.#keep(kind, name, value, rev)
    this.emit('changed', kind.kind, name)
    this.emit('settled', new Set([kind.kind]))
  }

  /** What was made for a leaving object is gone. */
  async forget(kind: Kind, name: string): Promise<void> {
    const before = this.find(kind, name)
    if (before?.isLeaving) await this.#forget(kind, before)
  }

  /** Looks again and again until it holds; false when it does not in time. */
  async until(isDone: () => boolean, limitMillis: number, pollMillis: number): Promise<boolean> {
    for (let waited = 0; !isDone(); waited += pollMillis) {
      if (waited >= limitMillis) return false
      await new Promise<void>(resolve => {
        this.#timers.after(pollMillis, resolve)
      })
    }
    return true
  }

  async #forget(kind: Kind, before: StoredObject): Promise<void> {
    const key = keyOf(kind, before.name)
    const { ok } = await this.#store.txn({
      if: [{ key, modRev: before.revision }],
      then: [{ op: 'delete', key }],
    })
    if (!ok) throw new Failure('revision-conflict', { name: before.name })
    this.#known.delete(key)
    this.emit('forgotten', kind.kind, before.name)
    this.emit('settled', new Set([kind.kind]))
  }

  #keep(kind: Kind, name: string, value: Value, revision: Rev, created?: Rev): void {
    const before = this.#known.get(keyOf(kind, name))
    this.#known.set(keyOf(kind, name), {
      kind: kind.kind,
      name,
      spec: value.spec,
      revision,
      created: created ?? before?.created ?? revision,
      isLeaving: value.leaving === true,
    })
  }

  /** Mistakes of all objects of a kind together, as they would be. */
  #together(wishes: readonly ObjectWish[]): (Complaint & { readonly index: number })[] {
    return this.kinds.flatMap(kind => {
      const own = wishes.filter(wish => wish.kind === kind.kind)
      if (kind.checkAll === undefined || own.length === 0) return []
      const names = new Set(own.map(({ name }) => name))
      const others = this.list(kind).filter(each => !each.isLeaving && !names.has(each.name))
      const all = [...others, ...own].map(({ name, spec }) => ({ name, spec: spec as never }))
      return kind.checkAll(all, names).map(({ name, ...complaint }) => ({
        ...complaint,
        path: ['spec', ...complaint.path],
        index: wishes.findIndex(wish => wish.kind === kind.kind && wish.name === name),
      }))
    })
  }

  #plan(wish: ObjectWish, expectation: Expectation) {
    const kind = this.kind(wish.kind)
    const before = this.find(kind, wish.name)
    expect(before, wish.name, expectation)
    const isSame = before && !before.isLeaving && isSameJson(before.spec, wish.spec)
    const change: Change = before === undefined ? 'added' : isSame ? 'unchanged' : 'changed'
    return { kind, wish, before, change }
  }

  /** @param earlier kinds and names of those before it */
  #complaints(wish: ObjectWish, earlier: ReadonlySet<string>): readonly Complaint[] {
    const kind = this.kinds.find(each => each.kind === wish.kind)
    if (kind === undefined) {
      const known = this.kinds.map(each => each.kind).join(', ')
      return [{ path: ['kind'], message: `there is no kind ${wish.kind}; there is ${known}` }]
    }
    if (!nameRule.test(wish.name))
      return [
        {
          path: ['name'],
          message: 'a name has up to 63 letters, digits, dots, dashes and underscores',
        },
      ]
    if (earlier.has(`${wish.kind}/${wish.name}`))
      return [{ path: ['name'], message: `${wish.kind} ${wish.name} is declared twice` }]
    return complaintsOf(kind, wish.spec).map(each => ({ ...each, path: ['spec', ...each.path] }))
  }
}

const expect = (before: StoredObject | undefined, name: string, want: Expectation): void => {
  const isThere = before !== undefined
  const isWrong =
    (want.ifNoneMatch === true && isThere) ||
    (want.ifMatch === 'any' && !isThere) ||
    (typeof want.ifMatch === 'number' && want.ifMatch !== before?.revision)
  if (isWrong) throw new Failure('revision-conflict', { name })
}

/** Members in any order. */
const isSameJson = (a: unknown, b: unknown): boolean => {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every(
      name =>
        Object.hasOwn(b, name) &&
        isSameJson((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]),
    )
  )
}
