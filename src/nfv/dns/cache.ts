/** What other servers have said, as long as they said that it holds: RFC 1035 section 7.4, negative answers RFC 2308. */
import type { Clock } from '../../base/env/env.js'
import { type Response, rcodes, rrTypes } from './message.js'

interface Kept {
  readonly bytes: Uint8Array
  readonly response: Response
  readonly sinceMillis: number
  readonly untilMillis: number
}

const mostEntries = 10_000
const mostOctets = 16 * 1_024 * 1_024
/** Seconds. */
const longest = { positive: 86_400, negative: 3_600 } as const

export class DnsCache {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  #octets = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#kept.size
  }

  find(key: string): (Kept & { readonly passedSeconds: number }) | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const now = this.#clock.nowMillis()
    if (kept.untilMillis <= now) {
      this.#forget(key, kept)
      return undefined
    }
    return { ...kept, passedSeconds: Math.floor((now - kept.sinceMillis) / 1_000) }
  }

  put(key: string, bytes: Uint8Array, response: Response): void {
    const seconds = lifetimeOf(bytes, response)
    if (seconds <= 0) return
    const before = this.#kept.get(key)
    if (before) this.#forget(key, before)
    const now = this.#clock.nowMillis()
    const copy = new Uint8Array(bytes)
    this.#kept.set(key, {
      bytes: copy,
      response,
      sinceMillis: now,
      untilMillis: now + seconds * 1_000,
    })
    this.#octets += copy.length
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= mostEntries && this.#octets <= mostOctets) break
      this.#forget(oldest, kept)
    }
  }

  #forget(key: string, { bytes }: Kept): void {
    this.#kept.delete(key)
    this.#octets -= bytes.length
  }
}

/** Seconds; 0: it is not kept. */
const lifetimeOf = (bytes: Uint8Array, { rcode, records, isTruncated }: Response): number => {
  if (isTruncated || (rcode !== rcodes.ok && rcode !== rcodes.nxDomain)) return 0
  const answers = records.filter(({ section }) => section === 'answer')
  if (rcode === rcodes.ok && answers.length > 0)
    return Math.min(longest.positive, ...answers.map(({ ttl }) => ttl))
  const soa = records.find(({ section, type }) => section === 'authority' && type === rrTypes.SOA)
  if (soa === undefined || soa.dataSize < 20) return 0
  const minimum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
    soa.dataAt + soa.dataSize - 4,
  )
  return Math.min(longest.negative, soa.ttl, minimum)
}
