/**
 * Distances and equal-cost next hops to many switches, kept right while links change.
 *
 * One row for each destination that was asked for: the distance of every node, and one bit for each link
 * that lies on a shortest way. When a link changes, a row costs one comparison, unless the link decided
 * something in it; then only the nodes behind it are searched again (after Ramalingam and Reps).
 */
import type { Graph } from '../graph.js'
import { Heap } from './heap.js'
import { distancesTo } from './shortest.js'

export interface LinkChange {
  readonly link: number
  /** A multiple of 1/1024; Infinity takes the link away. */
  readonly cost: number
}

interface Row {
  readonly distance: Float64Array
  /** Bit `link & 31` of word `link >> 5`: the link is on a shortest way to the row's node. */
  readonly isOnWay: Uint32Array
}

export class AllPaths {
  /** The costs of this graph change with `update`; nothing else of it does. */
  readonly graph: Graph
  readonly #rows: (Row | undefined)[]
  readonly #heap: Heap
  readonly #isTouched: Uint8Array

  constructor(graph: Graph) {
    this.graph = { ...graph, cost: graph.cost.slice() }
    this.#rows = new Array(graph.nodes.length)
    this.#heap = new Heap(graph.nodes.length)
    this.#isTouched = new Uint8Array(graph.nodes.length)
  }

  /** Distances of all nodes to `to`; do not write into it. */
  distancesTo(to: number): Float64Array {
    return this.#rowOf(to).distance
  }

  /** Links of `node` on a shortest way to `to`, in the order of their ports. */
  nextHops(node: number, to: number): number[] {
    const { isOnWay } = this.#rowOf(to)
    const found: number[] = []
    const end = this.graph.first[node + 1]!
    for (let link = this.graph.first[node]!; link < end; link++)
      if (isOnWay[link >> 5]! & (1 << (link & 31))) found.push(link)
    return found
  }

  /** Computes what was not asked for yet: all pairs. */
  complete(): void {
    for (let node = 0; node < this.graph.nodes.length; node++) this.#rowOf(node)
  }

  /**
   * Takes over changed costs.
   *
   * @returns the destinations to which some way is another now, ascending
   */
  update(changes: readonly LinkChange[]): number[] {
    const changed = new Set<number>()
    for (const { link, cost } of changes) {
      const before = this.graph.cost[link]!
      if (cost === before) continue
      this.graph.cost[link] = cost
      for (let to = 0; to < this.#rows.length; to++) {
        const row = this.#rows[to]
        if (row === undefined) continue
        const isChanged = cost < before ? this.#lower(row, link) : this.#raise(row, link)
        if (isChanged) changed.add(to)
      }
    }
    return [...changed].sort((a, b) => a - b)
  }

  #rowOf(to: number): Row {
    const known = this.#rows[to]
    if (known) return known
    const { graph } = this
    const row: Row = {
      distance: distancesTo(graph, to, { heap: this.#heap }),
      isOnWay: new Uint32Array((graph.links.length + 31) >> 5),
    }
    const { distance, isOnWay } = row
    const { source, target, cost } = graph
    for (let link = 0; link < cost.length; link++) {
      const here = distance[source[link]!]!
      if (here === distance[target[link]!]! + cost[link]! && here < Number.POSITIVE_INFINITY)
        isOnWay[link >> 5]! |= 1 << (link & 31)
    }
    this.#rows[to] = row
    return row
  }

  /** The link became cheaper, or came. */
  #lower(row: Row, link: number): boolean {
    const { distance } = row
    const { source, target, cost } = this.graph
    const from = source[link]!
    const through = distance[target[link]!]! + cost[link]!
    if (through >= distance[from]!) return this.#mark(row, link)
    const touched = [from]
    distance[from] = through
    this.#heap.push(from, through)
    this.#spread(distance, touched)
    this.#remark(row, touched)
    return true
  }

  /** The link became dearer, or went. */
  #raise(row: Row, link: number): boolean {
    if (!(row.isOnWay[link >> 5]! & (1 << (link & 31)))) return false
    this.#mark(row, link)
    const cut = this.#cutOff(row, this.graph.source[link]!)
    if (cut.length === 0) return true
    const { distance } = row
    for (const node of cut) distance[node] = Number.POSITIVE_INFINITY
    for (const node of cut) {
      const nearest = this.#nearestBy(distance, node)
      if (nearest === Number.POSITIVE_INFINITY) continue
      distance[node] = nearest
      this.#heap.push(node, nearest)
    }
    this.#spread(distance, [])
    this.#remark(row, cut)
    return true
  }

  /** The nodes that have no shortest way left, beginning with `start`. */
  #cutOff(row: Row, start: number): number[] {
    const { firstArriving, arriving, source } = this.graph
    const isCut = this.#isTouched
    if (this.#hasWay(row, start, isCut)) return []
    const cut = [start]
    isCut[start] = 1
    for (let head = 0; head < cut.length; head++) {
      const node = cut[head]!
      for (let at = firstArriving[node]!; at < firstArriving[node + 1]!; at++) {
        const link = arriving[at]!
        const before = source[link]!
        if (isCut[before] || !(row.isOnWay[link >> 5]! & (1 << (link & 31)))) continue
        if (this.#hasWay(row, before, isCut)) continue
        isCut[before] = 1
        cut.push(before)
      }
    }
    for (const node of cut) isCut[node] = 0
    return cut
  }

  #hasWay(row: Row, node: number, isCut: Uint8Array): boolean {
    const { first, target } = this.graph
    for (let link = first[node]!; link < first[node + 1]!; link++)
      if (row.isOnWay[link >> 5]! & (1 << (link & 31)) && !isCut[target[link]!]) return true
    return false
  }

  #nearestBy(distance: Float64Array, node: number): number {
    const { first, target, cost } = this.graph
    let nearest = Number.POSITIVE_INFINITY
    for (let link = first[node]!; link < first[node + 1]!; link++) {
      const through = distance[target[link]!]! + cost[link]!
      if (through < nearest) nearest = through
    }
    return nearest
  }

  /** Lowers what can be lowered from the nodes in the heap on; adds each to `touched` once or more. */
  #spread(distance: Float64Array, touched: number[]): void {
    const { firstArriving, arriving, source, cost } = this.graph
    for (let node = this.#heap.pop(); node >= 0; node = this.#heap.pop()) {
      const here = distance[node]!
      for (let at = firstArriving[node]!; at < firstArriving[node + 1]!; at++) {
        const link = arriving[at]!
        const through = here + cost[link]!
        const before = source[link]!
        if (through >= distance[before]!) continue
        distance[before] = through
        this.#heap.push(before, through)
        touched.push(before)
      }
    }
  }

  /** Sets anew the bits of all links at these nodes. */
  #remark(row: Row, nodes: readonly number[]): void {
    const { first, firstArriving, arriving } = this.graph
    for (const node of nodes) {
      for (let link = first[node]!; link < first[node + 1]!; link++) this.#mark(row, link)
      for (let at = firstArriving[node]!; at < firstArriving[node + 1]!; at++)
        this.#mark(row, arriving[at]!)
    }
  }

  /** Sets the bit of one link as its distances say; true when it changed. */
  #mark(row: Row, link: number): boolean {
    const { source, target, cost } = this.graph
    const here = row.distance[source[link]!]!
    const isOn =
      here < Number.POSITIVE_INFINITY && here === row.distance[target[link]!]! + cost[link]!
    const word = row.isOnWay[link >> 5]!
    const bit = 1 << (link & 31)
    const next = isOn ? word | bit : word & ~bit
    row.isOnWay[link >> 5] = next
    return row.isOnWay[link >> 5] !== word
  }
}
