/** Sends router advertisements: to who asks, to all when something changes, and now and then. RFC 4861 section 6.2. */
import { formatCidr } from '../../base/addresses.js'
import type { Cancel } from '../../base/env/env.js'
import type { PortRef } from '../../topology/model.js'
import type { FunctionHost } from '../function.js'
import { subnetOf } from './addresses.js'
import { advertisementOf, type Told } from './advertisement.js'
import type { Router, RouterInterface } from './model.js'

const shortestMillis = 200_000
const longestMillis = 600_000
/** Hosts that came while nothing was sent yet hear it soon; RFC 4861 section 10: MAX_INITIAL_RTR_ADVERT_INTERVAL is 16 s. */
const initialMillis = [1_000, 16_000, 32_000] as const

interface Place {
  readonly router: Router
  readonly own: RouterInterface
  readonly told: Told | undefined
}

const nowhere = { dpid: '', port: 0 } as unknown as PortRef

export class Advertiser {
  readonly #host: FunctionHost
  #places: readonly Place[] = []
  #cancels: Cancel[] = []
  #isStarted = false

  constructor(host: FunctionHost) {
    this.#host = host
  }

  start(): void {
    this.#isStarted = true
    this.#schedule()
  }

  stop(): void {
    this.#isStarted = false
    for (const cancel of this.#cancels.splice(0)) cancel()
  }

  /** Those that advertise themselves from now on; those that did and do not any more say so. */
  use(routers: readonly Router[], toldIn: (network: string) => Told | undefined): void {
    const places = routers.flatMap(router =>
      router.interfaces
        .filter(own => own.advertises)
        .map(own => ({ router, own, told: toldIn(own.network.name) })),
    )
    const isSame = textOf(places) === textOf(this.#places)
    const before = this.#places
    this.#places = places
    if (isSame || !this.#isStarted) return
    for (const place of before) this.#withdraw(place, places)
    this.#schedule()
  }

  /** @param to the sender of a solicitation; without an address all are told */
  answer(at: PortRef, network: number, to: { readonly mac: number; readonly ip: bigint }): void {
    const place = this.#places.find(({ own }) => own.network.number === network)
    if (place === undefined) return
    const frame = frameOf(place, to.ip === 0n ? undefined : to)
    this.#host.send(at, this.#host.topology.tagged(at, network, frame))
  }

  #schedule(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    for (const place of this.#places) {
      for (const millis of initialMillis)
        this.#cancels.push(this.#host.timers.after(millis, () => this.#toAll(place)))
      this.#again(place)
    }
  }

  #again(place: Place): void {
    const millis = shortestMillis + (this.#host.random.uint32() % (longestMillis - shortestMillis))
    this.#cancels.push(
      this.#host.timers.after(millis, () => {
        if (!this.#places.includes(place)) return
        this.#toAll(place)
        this.#again(place)
      }),
    )
  }

  /** What was said before, and is not so any more: a router that is gone, or is another MAC now; subnets that are gone. */
  #withdraw({ router, own }: Place, now: readonly Place[]): void {
    const { number } = own.network
    const next = now.find(
      each => each.own.network.number === number && each.router.mac === router.mac,
    )
    if (next === undefined) return this.#spread(number, advertisementOf(router, own, undefined, 0))
    const kept = new Set(next.own.addresses.map(address => formatCidr(subnetOf(address))))
    const gone = own.addresses.filter(address => !kept.has(formatCidr(subnetOf(address))))
    if (gone.some(({ version }) => version === 6))
      this.#spread(number, advertisementOf(router, { addresses: gone }, undefined, undefined, true))
  }

  #toAll(place: Place): void {
    this.#spread(place.own.network.number, frameOf(place))
  }

  #spread(network: number, frame: Uint8Array): void {
    this.#host.topology.spread(nowhere, network, frame)
  }
}

const frameOf = ({ router, own, told }: Place, to?: Parameters<typeof advertisementOf>[2]) =>
  advertisementOf(router, own, to, undefined, undefined, told)

const textOf = (places: readonly Place[]): string =>
  JSON.stringify(places, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))
