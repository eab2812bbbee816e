/**
 * A small TCP (RFC 9293) for simulated hosts: opening, data in order, one retransmission timer, closing and
 * resets. No congestion control, no window scaling: at most 64 KiB are under way.
 *
 *     connect ─SYN─> syn-sent ─SYN+ACK─> open ─FIN─> closing ─> closed
 *     listen  ─SYN─> syn-received ─ACK─> open           any ─RST, silence─> closed
 */

import type { Ip } from '../base/addresses.js'
import type { Cancel, Env } from '../base/env/env.js'

export const tcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const

export interface Segment {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly payload: Uint8Array
}

/** Why a session is over. `refused`: a reset; `unreachable`: an ICMP error; `silent`: nobody answered. */
export type TcpEnd = 'finished' | 'refused' | 'unreachable' | 'silent'

export interface TcpEndpoint {
  readonly remote: Ip
  readonly remotePort: number
  readonly localPort: number
}

const retransmitMillis = 200
const maxRetransmits = 6
const segmentSize = 1_400
const windowSize = 0xffff

type State = 'syn-sent' | 'syn-received' | 'open' | 'closed'

export class TcpSession {
  readonly remote: Ip
  readonly remotePort: number
  readonly localPort: number
  /** Segments that were sent again. */
  retransmitCount = 0
  readonly #env: Env
  readonly #transmit: (segment: Segment) => void
  #state: State
  #end: TcpEnd | undefined
  /** The first octet that is not acknowledged, and the next to be sent. */
  #unacknowledged: number
  #next: number
  #expected = 0
  /** Octets from `#unacknowledged` on, sent or not. */
  #outgoing = new Uint8Array()
  #wantsFin = false
  #isFinSent = false
  #isFinReceived = false
  #attempts = 0
  #timer: Cancel | undefined
  #onBytes: ((bytes: Uint8Array) => void) | undefined
  #early: Uint8Array[] = []
  readonly #onEnd: ((end: TcpEnd) => void)[] = []
  readonly #onOpen: (() => void)[] = []

  constructor(
    env: Env,
    endpoint: TcpEndpoint,
    transmit: (segment: Segment) => void,
    opening?: Segment,
  ) {
    this.#env = env
    this.remote = endpoint.remote
    this.remotePort = endpoint.remotePort
    this.localPort = endpoint.localPort
    this.#transmit = transmit
    this.#unacknowledged = env.random.uint32()
    this.#next = add(this.#unacknowledged, 1)
    this.#state = opening ? 'syn-received' : 'syn-sent'
    if (opening) this.#expected = add(opening.sequence, 1)
    this.#sendOpening()
    this.#arm()
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Undefined while the session goes on. */
  get end(): TcpEnd | undefined {
    return this.#end
  }

  /** Octets that the other side has not acknowledged. */
  get unsentSize(): number {
    return this.#outgoing.length
  }

  /** Copies the octets; they are sent when the session is open. Nothing happens after its end. */
  send(bytes: Uint8Array): void {
    if (this.#end !== undefined || this.#wantsFin) return
    const joined = new Uint8Array(this.#outgoing.length + bytes.length)
    joined.set(this.#outgoing)
    joined.set(bytes, this.#outgoing.length)
    this.#outgoing = joined
    this.#flow()
  }

  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.#onBytes = handler
    for (const bytes of this.#early.splice(0)) handler(bytes)
  }

  /** At once when it is over already. */
  onEnd(handler: (end: TcpEnd) => void): void {
    if (this.#end !== undefined) handler(this.#end)
    else this.#onEnd.push(handler)
  }

  onOpen(handler: () => void): void {
    this.#onOpen.push(handler)
  }

  /** Sends what is left, then FIN. */
  close(): void {
    if (this.#end !== undefined) return
    if (this.#state !== 'open') return this.abort()
    this.#wantsFin = true
    this.#flow()
  }

  /** Resets the session. */
  abort(): void {
    if (this.#end !== undefined) return
    this.#put(tcpFlags.rst | tcpFlags.ack, this.#next)
    this.#finish('finished')
  }

  /** Waits no longer, without a word to the other side. */
  abandon(): void {
    if (this.#end === undefined) this.#finish('silent')
  }

  /** Somebody on the way said no. Only an opening takes that for an answer (RFC 1122, 4.2.3.9). */
  unreachable(): void {
    if (this.#state === 'syn-sent') this.#finish('unreachable')
  }

  receive(segment: Segment): void {
    if (this.#end !== undefined) return
    if (segment.flags & tcpFlags.rst) {
      const isOurs = this.#state !== 'syn-sent' || segment.acknowledgement === this.#next
      // Whoever has said goodbye already does not mind.
      if (isOurs) this.#finish(this.#isFinSent ? 'finished' : 'refused')
      return
    }
    if (this.#state === 'syn-sent') return this.#answered(segment)
    if (segment.flags & tcpFlags.syn) {
      // Ours was lost, or theirs came late: they learn again where we are.
      if (this.#state === 'syn-received') this.#sendOpening()
      else this.#acknowledge()
      return
    }
    if (segment.flags & tcpFlags.ack) this.#acknowledged(segment.acknowledgement)
    if (this.#end === undefined) this.#take(segment)
  }

  #answered({ flags, sequence, acknowledgement }: Segment): void {
    const both = tcpFlags.syn | tcpFlags.ack
    if ((flags & both) !== both || acknowledgement !== this.#next) return
    this.#expected = add(sequence, 1)
    this.#unacknowledged = acknowledgement
    this.#acknowledge()
    this.#opened()
  }

  #opened(): void {
    this.#state = 'open'
    this.#attempts = 0
    this.#timer?.()
    this.#timer = undefined
    for (const handler of this.#onOpen.splice(0)) handler()
    this.#flow()
  }

  #acknowledged(number: number): void {
    const count = distance(this.#unacknowledged, number)
    if (count <= 0 || distance(number, this.#next) < 0) return
    this.#unacknowledged = number
    if (this.#state === 'syn-received') return this.#opened()
    const isFinAcknowledged = this.#isFinSent && number === this.#next
    this.#outgoing = this.#outgoing.slice(isFinAcknowledged ? count - 1 : count)
    this.#attempts = 0
    this.#timer?.()
    this.#timer = undefined
    if (isFinAcknowledged && this.#isFinReceived) return this.#finish('finished')
    this.#flow()
  }

  #take({ sequence, payload, flags }: Segment): void {
    const hasFin = (flags & tcpFlags.fin) !== 0
    if (payload.length === 0 && !hasFin) return
    const skipped = distance(sequence, this.#expected)
    // What comes out of order is sent again, in order.
    if (skipped < 0 || skipped > payload.length) return this.#acknowledge()
    const fresh = payload.subarray(skipped)
    this.#expected = add(this.#expected, fresh.length)
    const isNewFin = hasFin && !this.#isFinReceived
    if (isNewFin) {
      this.#expected = add(this.#expected, 1)
      this.#isFinReceived = true
    }
    this.#acknowledge()
    if (fresh.length > 0) this.#deliver(fresh)
    if (isNewFin) this.#closedByPeer()
  }

  #deliver(bytes: Uint8Array): void {
    if (this.#onBytes) this.#onBytes(bytes)
    else this.#early.push(bytes)
  }

  /** Both directions end together: nobody here uses half of a session. */
  #closedByPeer(): void {
    if (this.#isFinSent && this.#unacknowledged === this.#next) return this.#finish('finished')
    this.#wantsFin = true
    this.#flow()
  }

  /** Sends what may be sent now. */
  #flow(): void {
    if (this.#state !== 'open' || this.#end !== undefined) return
    for (;;) {
      const at = distance(this.#unacknowledged, this.#next)
      const size = Math.min(segmentSize, this.#outgoing.length - at, windowSize - at)
      if (this.#isFinSent || size <= 0) break
      this.#put(tcpFlags.ack | tcpFlags.psh, this.#next, this.#outgoing.subarray(at, at + size))
      this.#next = add(this.#next, size)
    }
    const isAllSent = distance(this.#unacknowledged, this.#next) === this.#outgoing.length
    if (this.#wantsFin && !this.#isFinSent && isAllSent) {
      this.#put(tcpFlags.ack | tcpFlags.fin, this.#next)
      this.#next = add(this.#next, 1)
      this.#isFinSent = true
    }
    if (this.#unacknowledged !== this.#next) this.#arm()
  }

  #arm(): void {
    if (this.#timer) return
    this.#timer = this.#env.timers.after(retransmitMillis * 2 ** this.#attempts, () => {
      this.#timer = undefined
      if (++this.#attempts > maxRetransmits) return this.#finish('silent')
      this.retransmitCount++
      this.#again()
      this.#arm()
    })
  }

  /** The oldest thing that nobody acknowledged. */
  #again(): void {
    if (this.#state !== 'open') return this.#sendOpening()
    const sent = distance(this.#unacknowledged, this.#next) - (this.#isFinSent ? 1 : 0)
    const bytes = this.#outgoing.subarray(0, Math.min(segmentSize, sent))
    const isLast = this.#isFinSent && bytes.length === sent
    this.#put(tcpFlags.ack | (isLast ? tcpFlags.fin : tcpFlags.psh), this.#unacknowledged, bytes)
  }

  #sendOpening(): void {
    const flags = this.#state === 'syn-sent' ? tcpFlags.syn : tcpFlags.syn | tcpFlags.ack
    this.#put(flags, this.#unacknowledged)
  }

  #acknowledge(): void {
    this.#put(tcpFlags.ack, this.#next)
  }

  #put(flags: number, sequence: number, payload: Uint8Array = new Uint8Array()): void {
    const acknowledgement = flags & tcpFlags.ack ? this.#expected : 0
    this.#transmit({ flags, sequence, acknowledgement, payload })
  }

  #finish(end: TcpEnd): void {
    this.#state = 'closed'
    this.#end = end
    this.#timer?.()
    for (const handler of this.#onEnd.splice(0)) handler(end)
  }
}

/** Sequence numbers are on a circle of 2^32. */
const add = (number: number, count: number): number => (number + count) >>> 0

/** How far `to` is ahead of `from`; negative when it is behind. */
const distance = (from: number, to: number): number => (to - from) | 0
