/** What discovery remembers of one port. */
import { timingSafeEqual } from 'node:crypto'
import { type Dpid, macNumber } from '../../base/addresses.js'
import { type Link, type Port, type PortKind, type PortRef, portKey } from '../model.js'
import { type BuiltProbe, ProbeBuilder, returnerOf, type Variant } from './lldp.js'

interface Outstanding {
  readonly variant: Variant
  readonly sentMillis: number
  /** The same by the clock, which never stands still. */
  readonly clockMillis: number
  readonly proof: Uint8Array
  readonly signed: Uint8Array
  /** Ports where it has come in; of the broadcast variant only, the others come in once. */
  heardAt: Set<string> | undefined
}

/** The watched ports of one switch, and when one of them needs us next. */
export interface Home {
  readonly dpid: Dpid
  readonly byPort: Map<number, Watched>
  /** Which of all switches it was when it came: whose turn it is goes by that. */
  readonly number: number
  wakeMillis: number
  /** Probes a second that they ask for. */
  load: number
  /** Ports that its rounds leave by, in that order, and their other ends. */
  members: readonly Watched[]
  peers: readonly (Watched | undefined)[]
  isRounding: boolean
  /** Of the roster, when the members were looked at. */
  roundVersion: number
  roundAfterMillis: number
  /** Its ends are to be proven one by one in this turn. */
  isProving: boolean
  /** Rounds in a row that did not come back although the links are well. */
  missCount: number
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
  /** When the link from here was last proven. */
  seenMillis: number
  /** When the link from here was last proven by a frame of its own. */
  provenMillis: number
  /** The link from here when it fell silent while nobody reached its far switch, which may come back as it was. */
  former: Link | undefined
  /** When an echo last came back by the link from here. */
  echoedMillis = Number.NEGATIVE_INFINITY
  /** When a probe last came in here, or came from here to somewhere. */
  heardMillis: number
  /** Probes that went out after the last one came back, while the link is in doubt. */
  doubtCount = 0
  isBeingAsked = false
  /** Since the link is in doubt the switch that sends has answered once. */
  wasAsked = false
  /** The other end of its link is asked whether it is there. */
  isPeerBeingAsked = false
  /** Ports of the same switch. */
  home: Home | undefined
  /** Another port carries the segment that this one leads to: it stays shut as long as that is so. */
  isSpare = false
  /** When it was last probed because of somebody who spoke there and lives elsewhere. */
  suspectedMillis = Number.NEGATIVE_INFINITY
  /** Until when the port stays shut, since it leads to itself. */
  shutUntilMillis = Number.NEGATIVE_INFINITY
  #link: Link | undefined
  readonly #builder: ProbeBuilder
  readonly #outstanding = new Map<bigint, Outstanding>()

  readonly mac: number
  readonly #find: (at: PortRef) => Watched | undefined
  #peer: Watched | undefined
  #lastRound:
    | { readonly nonce: bigint; readonly sentMillis: number; readonly frame: Uint8Array }
    | undefined

  /** @param find the watched port at a place */
  constructor(
    at: PortRef,
    port: Port,
    secret: Uint8Array,
    nowMillis: number,
    heardMillis: number,
    find: (at: PortRef) => Watched | undefined,
  ) {
    this.at = at
    this.key = portKey(at)
    this.mac = macNumber(port.mac)
    this.#find = find
    this.port = port
    this.kind = port.kind
    this.nextMillis = nowMillis
    this.seenMillis = heardMillis
    this.provenMillis = heardMillis
    this.heardMillis = heardMillis
    this.#builder = new ProbeBuilder(at, port, secret)
  }

  get link(): Link | undefined {
    return this.#link
  }

  set link(link: Link | undefined) {
    this.#link = link
    this.#peer = undefined
  }

  /** The port where the link from here ends, while it is watched. */
  get peer(): Watched | undefined {
    if (this.#link && this.#peer?.home === undefined) this.#peer = this.#find(this.#link.to)
    return this.#peer
  }

  /** The link that was here, as long as its far switch cannot speak for itself. */
  get awaited(): Link | undefined {
    if (this.former && this.#find(this.former.to)) this.former = undefined
    return this.former
  }

  get dpid(): Dpid {
    return this.at.dpid
  }

  /** @param clockMillis to take the time by; the other one stands still while we do */
  probe(variant: Variant, nonce: bigint, nowMillis: number, clockMillis: number): BuiltProbe {
    const built = this.#builder.build(variant, nonce, nowMillis)
    this.#outstanding.set(nonce, {
      variant,
      sentMillis: nowMillis,
      clockMillis,
      proof: built.proof,
      signed: built.signed,
      heardAt: undefined,
    })
    if (variant === 'round') this.#lastRound = { nonce, sentMillis: nowMillis, frame: built.frame }
    if (this.#outstanding.size > remembered)
      this.#outstanding.delete(this.#outstanding.keys().next().value!)
    return built
  }

  /**
   * Uses up the last round when this frame is it; all but its Ethernet addresses is compared.
   *
   * @param notBeforeMillis a round that was begun before is too old
   */
  takeRound(frame: Uint8Array, notBeforeMillis: number): number | undefined {
    const last = this.#lastRound
    if (
      last === undefined ||
      last.frame.length !== frame.length ||
      last.sentMillis < notBeforeMillis
    )
      return undefined
    if (!timingSafeEqual(frame.subarray(12), last.frame.subarray(12))) return undefined
    const returnedBy = returnerOf(frame)
    if (returnedBy === undefined) return undefined
    this.#lastRound = undefined
    this.#outstanding.delete(last.nonce)
    return returnedBy
  }

  outstanding(nonce: bigint): Outstanding | undefined {
    return this.#outstanding.get(nonce)
  }

  /** A direct probe comes in once; it is used up. */
  spend(nonce: bigint): void {
    this.#outstanding.delete(nonce)
  }
}
