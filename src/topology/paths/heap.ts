/** An indexed 4-ary heap of node numbers by distance; pushing a node again lowers its key. */
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
    let at = this.#positions[node]!
    if (at < 0) at = this.#size++
    this.#keys[node] = key
    while (at > 0) {
      const parent = (at - 1) >> 2
      const above = this.#nodes[parent]!
      if (this.#keys[above]! <= key) break
      this.#place(above, at)
      at = parent
    }
    this.#place(node, at)
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

  #sink(node: number): void {
    const key = this.#keys[node]!
    let at = 0
    for (;;) {
      const child = this.#lowestChild(at)
      if (child < 0 || this.#keys[this.#nodes[child]!]! >= key) break
      this.#place(this.#nodes[child]!, at)
      at = child
    }
    this.#place(node, at)
  }

  #lowestChild(at: number): number {
    const first = at * 4 + 1
    if (first >= this.#size) return -1
    const end = Math.min(first + 4, this.#size)
    let lowest = first
    for (let child = first + 1; child < end; child++)
      if (this.#keys[this.#nodes[child]!]! < this.#keys[this.#nodes[lowest]!]!) lowest = child
    return lowest
  }

  #place(node: number, at: number): void {
    this.#nodes[at] = node
    this.#positions[node] = at
  }
}
