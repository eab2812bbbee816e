/** Random numbers of 64 bits, asked for many at a time: asking costs more than the octets. */
import type { Random } from '../../base/env/env.js'

const count = 512

export class Nonces {
  readonly #random: Random
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): bigint {
    if (this.#at >= this.#view.byteLength) {
      const bytes = this.#random.bytes(8 * count)
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      this.#at = 0
    }
    const nonce = this.#view.getBigUint64(this.#at)
    this.#at += 8
    return nonce
  }
}
