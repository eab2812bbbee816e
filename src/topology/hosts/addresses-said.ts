/**
 * When each address was last said to be at its MAC: by ARP, neighbour discovery, or an answer to a question for it. In
 * the order of that time, so that those that are due come first.
 */
import type { Ip, Mac } from '../../base/addresses.js'
import { type Host, hostKey } from '../model.js'

export interface Said {
  readonly network: number
  readonly mac: Mac
  readonly ip: Ip
  readonly atMillis: number
}

export class AddressesSaid {
  readonly #byKey = new Map<string, Said>()

  get size(): number {
    return this.#byKey.size
  }

  put({ network, mac }: Pick<Host, 'network' | 'mac'>, ip: Ip, atMillis: number): void {
    const key = addressKey({ network, mac }, ip)
    this.#byKey.delete(key)
    this.#byKey.set(key, { network, mac, ip, atMillis })
  }

  atMillis(host: Pick<Host, 'network' | 'mac'>, ip: Ip): number {
    return this.#byKey.get(addressKey(host, ip))?.atMillis ?? Number.NEGATIVE_INFINITY
  }

  delete(host: Pick<Host, 'network' | 'mac'>, ip: Ip): void {
    this.#byKey.delete(addressKey(host, ip))
  }

  /** Those of which nothing was said since, the oldest first. */
  *before(millis: number): Iterable<Said> {
    for (const said of this.#byKey.values()) {
      if (said.atMillis > millis) return
      yield said
    }
  }
}

/** An address at a MAC. */
export const addressKey = ({ network, mac }: Pick<Host, 'network' | 'mac'>, ip: Ip): string =>
  `${hostKey(network, mac)} ${ip}`
