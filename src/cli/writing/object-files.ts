/** Files of objects: YAML or JSON documents `{kind, name, spec}`, with the place of every value for complaints. */
import { join } from 'node:path'
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseAllDocuments,
} from 'yaml'
import type { Disk } from '../../base/env/env.js'
import { FileMistakes, isObjectFile } from './file-mistakes.js'

export interface ObjectDocument {
  readonly kind: string
  readonly name: string
  readonly spec: unknown
  /** `file:line:column` of the value that a path leads to, or of what is nearest above it. */
  place(path: readonly string[]): string
}

/** What the API takes at once. */
const mostOctets = 8 * 2 ** 20

/** One file, or every such file of a folder in the order of names. @throws {FileMistakes} */
export const readObjectFiles = async (disk: Disk, path: string): Promise<ObjectDocument[]> => {
  const found = await disk.stat(path)
  if (found === undefined) throw new Error(`${path}: there is no such file or folder`)
  const files = found.isFolder
    ? (await disk.list(path))
        .filter(name => isObjectFile(name) && !/^[.#]/.test(name))
        .map(name => join(path, name))
    : [path]
  let size = 0
  for (const file of files) size += (await disk.stat(file))?.size ?? 0
  if (size > mostOctets)
    throw new FileMistakes([
      `${path}: ${size} octets of objects are more than ${mostOctets}, which the API takes at once; apply them in several parts`,
    ])
  const read = await Promise.all(
    files.map(async file => readObjects(file, await disk.readText(file))),
  )
  return read.flat()
}

/** @throws {FileMistakes} */
export const readObjects = (file: string, text: string): ObjectDocument[] => {
  const lines = new LineCounter()
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const parsed = parseAllDocuments(text, { lineCounter: lines })
  const documents = (Array.isArray(parsed) ? parsed : []) as Document[]
  const mistakes = documents.flatMap(document => mistakesOf(document, at))
  if (mistakes.length > 0) throw new FileMistakes(mistakes)
  return documents
    .filter(document => document.contents !== null)
    .map(document => {
      const { kind, name, spec } = document.toJS({ maxAliasCount: 100 }) as Parts
      return { kind, name, spec, place: path => at(offsetOf(document, path)) }
    })
}

interface Parts {
  readonly kind: string
  readonly name: string
  readonly spec: unknown
}

const members = ['kind', 'name', 'spec']

/** What is wrong with the frame of a document; an empty one between two `---` is nothing. */
const mistakesOf = (document: Document, at: (offset: number) => string): string[] => {
  const broken = document.errors.map(
    ({ pos, message }) => `${at(pos[0])}: ${message.split('\n')[0]}`,
  )
  if (broken.length > 0 || document.contents === null) return broken
  const start = at(offsetOf(document, []))
  if (!isMap(document.contents)) return [`${start}: a document is kind, name and spec`]
  const value = document.toJS({ maxAliasCount: 100 }) as Record<string, unknown>
  const placeOf = (member: string) => at(offsetOf(document, [member]))
  const missing = members
    .filter(member => value[member] === undefined)
    .map(member => `${start}: ${member} is missing`)
  const odd = Object.keys(value)
    .filter(member => !members.includes(member))
    .map(
      member =>
        `${placeOf(member)}: ${member} does not belong here; a document is kind, name and spec`,
    )
  const wrong = ['kind', 'name']
    .filter(member => value[member] !== undefined && typeof value[member] !== 'string')
    .map(member => `${placeOf(member)}: ${member} is no text`)
  return [...missing, ...odd, ...wrong]
}

/** Of the key where there is one: that is what people look for. */
const offsetOf = (document: Document, path: readonly string[]): number => {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(each => keyText(each.key) === step) : undefined
    if (isPair(pair)) {
      if (isNode(pair.key) && pair.key.range) offset = pair.key.range[0]
      node = pair.value
      continue
    }
    const item = document.getIn(path.slice(0, path.indexOf(step) + 1), true)
    if (!isNode(item) || !item.range) break
    offset = item.range[0]
    node = item
  }
  return offset
}

const keyText = (key: unknown): string => (isScalar(key) ? String(key.value) : String(key))
