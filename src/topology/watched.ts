/** What discovery remembers of one port. */
import type { Dpid } from '../base/addresses.js'
import { type BuiltProbe, ProbeBuilder, type Variant } from './lldp.js'
import { type Link, type Port, type PortKind, type PortRef, portKey } from './model.js'

interface Outstanding {
  readonly variant: Variant
  readonly sentMillis: number
  readonly proof: Uint8Array
  readonly signed: Uint8Array
  /** Ports where it has come in. */
  readonly heardAt: Set<string>
}

/** Probes of a port that may still come in, at most. */
const remembered = 16

export class Watched {
  readonly at: PortRef
  readonly key: string
  readonly port: Port
  kind: PortKind
  /** When the quiet time began: the switch has confirmed the first probe. */
  confirmedMillis: number | undefined
  nextMillis: number
  /** The port where the link from here ends, as a key; absent without a link. */
  peerKey: string | undefined
  /** When the link from here was last proven. */
  seenMillis: number
  /** When a probe last came in here, or came from here to somewhere. */
  heardMillis: number
  /** Probes that went out after the last one came back, while the link is in doubt. */
  doubtCount = 0
  isBeingAsked = false
  /** A probe of the broadcast variant from here came in there, lately. */
  foreign: { readonly to: PortRef; readonly atMillis: number } | undefined
  /** Until when the port stays shut: it leads to itself, or to a place another port leads to already. */
  shutUntilMillis = Number.NEGATIVE_INFINITY
  #link: Link | undefined
  readonly #builder: ProbeBuilder
  readonly #outstanding = new Map<bigint, Outstanding>()

  constructor(at: PortRef, port: Port, secret: Uint8Array, nowMillis: number, heardMillis: number) {
    this.at = at
    this.key = portKey(at)
    this.port = port
    this.kind = port.kind
    this.nextMillis = nowMillis
    this.seenMillis = heardMillis
    this.heardMillis = heardMillis
    this.#builder = new ProbeBuilder(at, port, secret)
  }

  get link(): Link | undefined {
    return this.#link
  }

  set link(link: Link | undefined) {
    this.#link = link
    this.peerKey = link && portKey(link.to)
  }

  get dpid(): Dpid {
    return this.at.dpid
  }

  probe(variant: Variant, nonce: bigint, nowMillis: number): BuiltProbe {
    const built = this.#builder.build(variant, nonce, nowMillis)
    this.#outstanding.set(nonce, {
      variant,
      sentMillis: nowMillis,
      proof: built.proof,
      signed: built.signed,
      heardAt: new Set(),
    })
    if (this.#outstanding.size > remembered)
      this.#outstanding.delete(this.#outstanding.keys().next().value!)
    return built
  }

  outstanding(nonce: bigint): Outstanding | undefined {
    return this.#outstanding.get(nonce)
  }

  /** A direct probe comes in once; it is used up. */
  spend(nonce: bigint): void {
    this.#outstanding.delete(nonce)
  }
}
