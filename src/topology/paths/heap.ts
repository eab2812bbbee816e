/**
 * An indexed 4-ary heap of node numbers by distance; pushing a node again lowers its key. Nodes of equal
 * distance leave in the order of their numbers, so that equal input gives equal output.
 */
export class Heap {
  readonly #nodes: Uint32Array
  readonly #keys: Float64Array
  readonly #positions: Int32Array
  #size = 0

  constructor(capacity: number) {
    this.#nodes = new Uint32Array(capacity)
    this.#keys = new Float64Array(capacity)
    this.#positions = new Int32Array(capacity).fill(-1)
  }

  push(node: number, key: number): void {
    const nodes = this.#nodes
    const keys = this.#keys
    const positions = this.#positions
    let at = positions[node]!
    if (at < 0) at = this.#size++
    keys[node] = key
    while (at > 0) {
      const parent = (at - 1) >> 2
      const above = nodes[parent]!
      const aboveKey = keys[above]!
      if (aboveKey < key || (aboveKey === key && above < node)) break
      nodes[at] = above
      positions[above] = at
      at = parent
    }
    nodes[at] = node
    positions[node] = at
  }

  /** The node with the lowest key, -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1
    const top = this.#nodes[0]!
    this.#positions[top] = -1
    const last = this.#nodes[--this.#size]!
    if (this.#size > 0) this.#sink(last)
    return top
  }

  clear(): void {
    for (let at = 0; at < this.#size; at++) this.#positions[this.#nodes[at]!] = -1
    this.#size = 0
  }

  #sink(node: number): void {
    const nodes = this.#nodes
    const keys = this.#keys
    const positions = this.#positions
    const size = this.#size
    const key = keys[node]!
    let at = 0
    for (let first = 1; first < size; first = at * 4 + 1) {
      const end = Math.min(first + 4, size)
      let best = first
      let lowest = nodes[first]!
      let lowestKey = keys[lowest]!
      for (let child = first + 1; child < end; child++) {
        const other = nodes[child]!
        const otherKey = keys[other]!
        if (otherKey < lowestKey || (otherKey === lowestKey && other < lowest)) {
          best = child
          lowest = other
          lowestKey = otherKey
        }
      }
      if (lowestKey > key || (lowestKey === key && lowest > node)) break
      nodes[at] = lowest
      positions[lowest] = at
      at = best
    }
    nodes[at] = node
    positions[node] = at
  }
}
