/**
 * A backup as one file of JSON lines, which any tool can read:
 *
 *     {"format":"sluice-backup","version":1,"program":"0.1.0","made":"2026-12-01T10:00:00.000Z","revision":17}
 *     {"key":"/objects/network/lan","value":{...},"createRev":3,"modRev":9}     a line a key of the store
 *     {"file":"rules/office.rules","text":"..."}                               a line a rule file of the data folder
 *     {"end":true,"lines":3,"sha256":"..."}                                    of every octet before this line
 *
 * In it are what people declared, policies with their history, what was learnt, and tokens as hashes. The first admin's
 * token and the key of discovery are not: a folder that is restored makes new ones.
 */
import { createHash } from 'node:crypto'
import { Failure } from '../../base/failures.js'
import type { KeyValue } from '../../base/store.js'
import type { Contents } from '../store/memory-store.js'

const format = 'sluice-backup'
/** A later one is refused. */
const version = 1

export interface RuleText {
  /** Below the data folder, such as `rules/office.rules`. */
  readonly file: string
  readonly text: string
}

export interface Archive {
  readonly contents: Contents
  readonly files: readonly RuleText[]
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What a lease holds ends with the process that has it: it is left out. */
export const writeArchive = (
  { contents, files }: Archive,
  about: { readonly program: string; readonly made: string },
): string => {
  const kept = [...contents.byKey.values()].filter(({ lease }) => lease === undefined)
  const lines = [
    { format, version, ...about, revision: contents.rev },
    ...kept.map(({ key, value, createRev, modRev }) => ({ key, value, createRev, modRev })),
    ...files,
  ]
  const body = lines.map(line => `${JSON.stringify(line)}\n`).join('')
  return `${body}${JSON.stringify({ end: true, lines: lines.length, sha256: digest(body) })}\n`
}

type Head = { readonly format?: string; readonly version?: number; readonly revision?: number }
type Line = Partial<KeyValue & RuleText>

/** @throws {Failure} `backup-damaged`, `backup-too-new` */
export const readArchive = (path: string, text: string): Archive => {
  const damaged = (why: string) => new Failure('backup-damaged', { path, why })
  const read = <T>(line: string | undefined): T => {
    try {
      return JSON.parse(line ?? '') as T
    } catch (cause) {
      throw new Failure('backup-damaged', { path, why: 'a line of it is no JSON' }, { cause })
    }
  }
  const lines = text.split('\n')
  const head = read<Head>(lines[0])
  if (head.format !== format) throw damaged(`it does not begin as a ${format}`)
  if (head.version !== version) throw new Failure('backup-too-new', { path, version: head.version })
  const end = lines.findLastIndex(line => line !== '')
  const last = read<{ end?: boolean; sha256?: string }>(lines[end])
  if (last.end !== true) throw damaged('its end is missing')
  const body = `${lines.slice(0, end).join('\n')}\n`
  if (digest(body) !== last.sha256) throw damaged('it was changed after it was made')
  const all = lines.slice(1, end).map(line => read<Line>(line))
  const byKey = new Map(
    all.flatMap(({ key, value, createRev, modRev }): [string, KeyValue][] =>
      key === undefined ? [] : [[key, { key, value, createRev, modRev } as KeyValue]],
    ),
  )
  const files = all.flatMap(({ file, text: own }) =>
    file === undefined || own === undefined ? [] : [{ file, text: own }],
  )
  const outside = files.find(({ file }) => !/^rules\/[^/\0]+$/.test(file) || file.includes('..'))
  if (outside) throw damaged(`it has a file that is no rule file of a data folder: ${outside.file}`)
  return { contents: { byKey, rev: head.revision ?? 0 }, files }
}
