/**
 * Reads networks in GML (Himsolt, "GML: A portable Graph File Format", 1996), as topology collections publish
 * them: keys with numbers, strings or lists in brackets. What a reader does not know it keeps or passes over.
 */
export type GmlValue = number | string | GmlList
/** A key may come more than once. */
export type GmlList = ReadonlyMap<string, readonly GmlValue[]>

export interface GmlNode {
  readonly id: number
  readonly label: string
}

export interface GmlEdge {
  /** Ids of nodes. */
  readonly source: number
  readonly target: number
  /** The numbers and strings of an edge, such as its length. */
  readonly attributes: Readonly<Record<string, number | string>>
}

export interface GmlGraph {
  readonly isDirected: boolean
  readonly nodes: readonly GmlNode[]
  readonly edges: readonly GmlEdge[]
  /** All of it, also what this reader gives no meaning. */
  readonly list: GmlList
}

/** Text that is no GML, or a graph that does not fit together. */
export class GmlError extends Error {
  readonly line: number

  constructor(line: number, reason: string) {
    super(`line ${line}: ${reason}`)
    this.name = 'GmlError'
    this.line = line
  }
}

/** Lists in lists, at most: files of people have three. */
const maxDepth = 32

/** @throws {GmlError} */
export const parseGml = (text: string): GmlGraph => {
  const list = new Parser(text).parse()
  const graph = list.get('graph')?.[0]
  if (!(graph instanceof Map)) throw new GmlError(1, 'there is no graph [ ... ] in it')
  const nodes = listsOf(graph, 'node').map(nodeOf)
  const known = new Set(nodes.map(node => node.id))
  if (known.size !== nodes.length) throw new GmlError(1, 'two nodes have the same id')
  const edges = listsOf(graph, 'edge').map(edgeOf)
  for (const edge of edges)
    for (const end of [edge.source, edge.target])
      if (!known.has(end)) throw new GmlError(1, `an edge ends at node ${end}, which is not there`)
  return { isDirected: graph.get('directed')?.[0] === 1, nodes, edges, list: graph }
}

const listsOf = (list: GmlList, key: string): GmlList[] =>
  (list.get(key) ?? []).filter((value): value is GmlList => value instanceof Map)

const nodeOf = (list: GmlList): GmlNode => {
  const id = numberOf(list, 'id', 'a node')
  const label = list.get('label')?.[0]
  return { id, label: label === undefined || label instanceof Map ? String(id) : String(label) }
}

const edgeOf = (list: GmlList): GmlEdge => {
  const attributes: Record<string, number | string> = {}
  for (const [key, [value]] of list)
    if (typeof value === 'number' || typeof value === 'string') attributes[key] = value
  return {
    source: numberOf(list, 'source', 'an edge'),
    target: numberOf(list, 'target', 'an edge'),
    attributes,
  }
}

const numberOf = (list: GmlList, key: string, what: string): number => {
  const value = list.get(key)?.[0]
  if (typeof value !== 'number') throw new GmlError(1, `${what} has no number ${key}`)
  return value
}

const token =
  /[ \t\r]+|#[^\n]*|(\n)|([A-Za-z_][A-Za-z0-9_]*)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|"([^"]*)"|(\[)|(\])/y

type Token =
  | { readonly kind: 'key'; readonly text: string }
  | { readonly kind: 'value'; readonly value: number | string }
  | { readonly kind: 'open' | 'close' | 'end' }

class Parser {
  readonly #text: string
  #at = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  parse(): GmlList {
    return this.#list('end', 0)
  }

  #list(until: 'close' | 'end', depth: number): GmlList {
    if (depth > maxDepth) throw new GmlError(this.#line, `more than ${maxDepth} lists in lists`)
    const entries = new Map<string, GmlValue[]>()
    for (;;) {
      const key = this.#next()
      if (key.kind === until) return entries
      if (key.kind !== 'key') throw new GmlError(this.#line, 'a key is expected here')
      const values = entries.get(key.text) ?? []
      values.push(this.#value(key.text, depth))
      entries.set(key.text, values)
    }
  }

  #value(key: string, depth: number): GmlValue {
    const next = this.#next()
    if (next.kind === 'value') return next.value
    if (next.kind === 'open') return this.#list('close', depth + 1)
    throw new GmlError(this.#line, `${key} has no value`)
  }

  #next(): Token {
    while (this.#at < this.#text.length) {
      token.lastIndex = this.#at
      const found = token.exec(this.#text)
      if (found === null)
        throw new GmlError(this.#line, `"${this.#text[this.#at]}" is not expected here`)
      this.#at = token.lastIndex
      const [whole, lineEnd, key, number, string, open, close] = found
      this.#line += lineEnd ? 1 : string === undefined ? 0 : whole.split('\n').length - 1
      if (key !== undefined) return { kind: 'key', text: key }
      if (number !== undefined) return { kind: 'value', value: Number(number) }
      if (string !== undefined) return { kind: 'value', value: withoutEntities(string) }
      if (open !== undefined) return { kind: 'open' }
      if (close !== undefined) return { kind: 'close' }
    }
    return { kind: 'end' }
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', quot: '"', lt: '<', gt: '>' }

const withoutEntities = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|(\w+));/g, (whole, number?: string, name?: string) => {
    const code = Number(number)
    if (number !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    return entities[name!] ?? whole
  })
