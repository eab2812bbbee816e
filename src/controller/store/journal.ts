/**
 * What the store's files say: lines of text, each with a checksum that goes over everything before it as well, so
 * that an octet that is changed, a line that is missing and an order that is another are all found.
 *
 *     SUM {"rev":7,"count":2,"set":[["/a",{...},7,7],["/b"]]}      a transaction: a key alone is deleted
 *     SUM {"rev":7,"count":2,"part":[["/a",{...},7,7],...]}        a part of everything as it was at revision 7
 *     SUM {"rev":7,"count":2,"whole":true}                         its end: a file begins with all of it
 */
import { createHash } from 'node:crypto'
import type { KeyValue, Rev } from '../../base/store.js'
import type { Change } from './history.js'
import { type Contents, deepFreeze } from './memory-store.js'

/** `[key]` is deleted; else key, value, createRev, modRev and, where there is one, its lease. */
type Row = readonly [string] | readonly [string, unknown, Rev, Rev, number?]

interface Line {
  readonly rev: Rev
  /** Keys there are then. */
  readonly count: number
  readonly set?: readonly Row[]
  readonly part?: readonly Row[]
  readonly whole?: true
}

/** The sum of the line before; of the first line it is the name of the format. */
export type Sum = string

export const firstSum: Sum = 'sluice store 1'

const sumSize = 16

const sumOf = (before: Sum, json: Uint8Array): Sum =>
  createHash('sha256').update(before).update(json).digest('base64url').slice(0, sumSize)

export interface Written {
  readonly bytes: Uint8Array
  readonly sum: Sum
}

const writeLine = (before: Sum, line: Line): Written =>
  writeJson(before, Buffer.from(JSON.stringify(line)))

const writeJson = (before: Sum, json: Buffer): Written => {
  const sum = sumOf(before, json)
  return { bytes: Buffer.concat([Buffer.from(`${sum} `), json, Buffer.from('\n')]), sum }
}

const rowOf = ({ key, value, createRev, modRev, lease }: KeyValue): Row =>
  lease === undefined ? [key, value, createRev, modRev] : [key, value, createRev, modRev, lease]

/** A transaction as it is appended. */
export const writeChanges = (
  before: Sum,
  changes: readonly Change[],
  rev: Rev,
  count: number,
): Written =>
  writeLine(before, {
    rev,
    count,
    set: changes.map(({ key, after }) => (after ? rowOf(after) : [key])),
  })

/** Octets in one line of a whole image, or one value that is larger. */
const partSize = 256 * 1024

/** Everything, as a file begins: in pieces, so that nobody waits for all of it at once. */
export function* writeWhole({ byKey, rev }: Contents): Generator<Written> {
  const count = byKey.size
  let sum = firstSum
  let [rows, size] = [[] as string[], 0]
  const part = (): Written => {
    const text = `{"rev":${rev},"count":${count},"part":[${rows.join(',')}]}`
    const written = writeJson(sum, Buffer.from(text))
    ;[sum, rows, size] = [written.sum, [], 0]
    return written
  }
  for (const kv of byKey.values()) {
    const row = JSON.stringify(rowOf(kv))
    rows.push(row)
    size += row.length
    if (size >= partSize) yield part()
  }
  if (rows.length > 0) yield part()
  yield writeLine(sum, { rev, count, whole: true })
}

export interface Read {
  readonly contents: Contents
  /** Octets up to the end of the last line that is right, and its sum: what is appended goes on from there. */
  readonly size: number
  readonly sum: Sum
  /** The last line is not whole, as it is when a process was stopped while it wrote. */
  readonly isTorn: boolean
}

/** What a file holds, or why it cannot be believed. */
export const readJournal = (bytes: Uint8Array): Read | { readonly damage: string } => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const byKey = new Map<string, KeyValue>()
  let [at, sum, rev, isWhole] = [0, firstSum, 0, false]
  const done = (isTorn: boolean): Read | { damage: string } =>
    isWhole
      ? { contents: { byKey, rev }, size: at, sum, isTorn }
      : {
          damage:
            at === 0 && buffer.length === 0
              ? 'it is empty'
              : 'it does not begin with a whole image',
        }
  while (at < buffer.length) {
    const end = buffer.indexOf('\n', at)
    const isLast = end < 0 || end === buffer.length - 1
    const json = buffer.subarray(at + sumSize + 1, end < 0 ? buffer.length : end)
    const said = buffer.toString('latin1', at, at + sumSize)
    const own = sumOf(sum, json)
    if (end < 0 || said !== own || buffer[at + sumSize] !== 0x20) {
      if (isLast && isWhole) return done(true)
      return { damage: `what is written from octet ${at} on was changed` }
    }
    const line = JSON.parse(json.toString()) as Line
    for (const row of line.set ?? line.part ?? []) take(byKey, row)
    isWhole ||= line.whole === true
    if (isWhole && byKey.size !== line.count)
      return { damage: `there are ${byKey.size} keys where ${line.count} were written` }
    rev = line.rev
    sum = own
    at = end + 1
  }
  return done(false)
}

const take = (byKey: Map<string, KeyValue>, row: Row): void => {
  const [key, value, createRev, modRev, lease] = row
  if (row.length === 1) {
    byKey.delete(key)
    return
  }
  byKey.set(
    key,
    deepFreeze({ key, value, createRev, modRev, ...(lease != null && { lease }) }) as KeyValue,
  )
}
