/**
 * Next hops that nobody is known to have: they are asked for, and what is for them waits, as in Linux: three questions a
 * second apart, and so many packets; then the senders are told.
 */
import { finishChecksums } from '../../pipeline/finish.js'
import type { PortRef } from '../../topology/model.js'
import type { FunctionHost } from '../function.js'
import { type Address, formatAddress } from './addresses.js'

export interface WaitingPacket {
  readonly at: PortRef
  /** The network in which it came in. */
  readonly network: number
  /** Empty when it is not to wait. */
  readonly frame: Uint8Array
}

interface Search {
  readonly network: number
  readonly hop: Pick<Address, 'version' | 'value'>
  readonly packets: WaitingPacket[]
  asked: number
}

const questions = 3
const pauseMillis = 1_000
/** Packets that wait for one next hop, and next hops that are asked for at once. */
const mostPackets = 16
const mostSearches = 256

export class NeighbourSearch {
  readonly #host: FunctionHost
  readonly #searches = new Map<string, Search>()
  /** What became of packets whose next hop does not answer. */
  readonly #unreachable: (packet: WaitingPacket) => void

  constructor(host: FunctionHost, unreachable: (packet: WaitingPacket) => void) {
    this.#host = host
    this.#unreachable = unreachable
  }

  /** Next hops that are asked for now. */
  list(): readonly { readonly network: number; readonly ip: string; readonly waiting: number }[] {
    return [...this.#searches.values()].map(({ network, hop, packets }) => ({
      network,
      ip: formatAddress(hop),
      waiting: packets.length,
    }))
  }

  /** @param network of the next hop */
  wait(network: number, hop: Search['hop'], packet: WaitingPacket): void {
    const key = `${network} ${hop.value}`
    // It may have become known since the switch sent the packet.
    if (this.#isKnown(network, hop)) return this.#giveBack([packet])
    const known = this.#searches.get(key)
    if (known) {
      // The last ones count: the first may not be wanted any more.
      if (known.packets.length >= mostPackets) known.packets.shift()
      known.packets.push(packet)
      return
    }
    if (this.#searches.size >= mostSearches) return
    const search: Search = { network, hop, packets: [packet], asked: 0 }
    this.#searches.set(key, search)
    this.#ask(key, search)
  }

  /** Looks whether some are known now. */
  look(): void {
    for (const [key, { network, hop, packets }] of this.#searches) {
      if (!this.#isKnown(network, hop)) continue
      this.#searches.delete(key)
      this.#giveBack(packets)
    }
  }

  stop(): void {
    this.#searches.clear()
  }

  #isKnown(network: number, hop: Search['hop']): boolean {
    return this.#host.topology.holdersOf(network, formatAddress(hop)).length > 0
  }

  #ask(key: string, search: Search): void {
    if (this.#searches.get(key) !== search) return
    if (search.asked >= questions) {
      this.#searches.delete(key)
      for (const packet of search.packets) if (isWaiting(packet)) this.#unreachable(packet)
      return
    }
    search.asked++
    this.#host.topology.seek(search.packets[0]!.at, search.network, search.hop.value)
    this.#host.timers.after(pauseMillis, () => this.#ask(key, search))
  }

  #giveBack(packets: readonly WaitingPacket[]): void {
    const frames = packets.filter(isWaiting).map(({ at, network, frame }) => ({
      at,
      frame: this.#host.topology.tagged(at, network, finishChecksums(frame)),
    }))
    void this.#host.programmed().then(() => {
      for (const { at, frame } of frames) this.#host.reinject(at, frame)
    })
  }
}

const isWaiting = ({ frame }: WaitingPacket): boolean => frame.length > 0
