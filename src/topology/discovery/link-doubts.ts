/**
 * What becomes of a link whose probes stay away. It is in doubt: more probes follow quickly, and echoes with them. It is
 * lost when they stay away too and the switch that sends them has confirmed them:
 *
 *     no probe, no echo ──> the wire is cut or the far switch is dead: lost in both directions
 *     no probe, but echoes ──> the far switch forwards: lost only when it has answered a barrier since
 *
 * So a control connection that hangs or is gone takes no link away, and a switch that is dead keeps none.
 */

import { isSamePort, type Link } from '../model.js'
import type { AwakeClock } from './awake-clock.js'
import type { DiscoveryNetwork } from './discovery-network.js'
import { type DiscoveryOptions, graceMillis } from './discovery-options.js'
import { missRound } from './probe-rounds.js'
import type { Watched } from './watched-port.js'

/** What it decides. */
export interface DoubtedLinks {
  lose(watched: Watched): void
  /** Of a port that is not watched. */
  lost(link: Link): void
}

export class Doubts {
  readonly #network: DiscoveryNetwork
  readonly #options: DiscoveryOptions
  readonly #clock: AwakeClock
  readonly #links: DoubtedLinks

  constructor(
    network: DiscoveryNetwork,
    options: DiscoveryOptions,
    clock: AwakeClock,
    links: DoubtedLinks,
  ) {
    this.#network = network
    this.#options = options
    this.#clock = clock
    this.#links = links
  }

  /** @param stretch of periods, since there are more probes than the budget */
  judge(watched: Watched, link: Link, now: number, stretch: number): void {
    // Nothing comes back through somebody else's switch, and the far one cannot tell us.
    if (watched.peer === undefined && link.isForeign) {
      watched.seenMillis = now + graceMillis
      watched.doubtCount = 0
      return
    }
    const { linkPeriodMillis, doubtPeriodMillis, doubtProbes } = this.#options
    const silentMillis = now - watched.seenMillis
    if (watched.doubtCount === 0 && silentMillis > linkPeriodMillis * stretch + doubtPeriodMillis) {
      missRound(watched, now)
      watched.doubtCount = 1
      watched.wasAsked = false
      watched.nextMillis = now
    } else if (
      watched.doubtCount > doubtProbes &&
      watched.nextMillis <= now &&
      !watched.isBeingAsked
    )
      this.#ask(watched, link)
  }

  /**
   * The switch that sends must have spoken since the last probe. When no echo has come either, the silence is the
   * link's or the far switch is dead; else that one must have spoken, too.
   */
  #ask(watched: Watched, link: Link): void {
    const { seenMillis } = watched
    const isSilent = () =>
      watched.seenMillis === seenMillis && watched.link === link && watched.home !== undefined
    watched.isBeingAsked = true
    this.#network
      .sendConfirmed(watched.dpid, [])
      .then(() => {
        if (!isSilent()) return
        if (link.isForeign || this.#isEchoing(watched)) this.#askPeer(watched, link, isSilent)
        else if (watched.wasAsked) this.#loseBoth(watched, link)
        // Where everything is slow, an answer may be on its way: once more, behind another probe.
        else watched.wasAsked = true
      }, noMatter)
      .finally(() => {
        watched.isBeingAsked = false
      })
  }

  /** Nothing comes there and back; what still comes by itself shows that only one way is gone. */
  #loseBoth(watched: Watched, link: Link): void {
    const { peer } = watched
    this.#links.lose(watched)
    if (peer === undefined) {
      watched.former = link
      this.#links.lost(backOf(link))
    } else if (peer.doubtCount > 0 && peer.link && isSamePort(peer.link.to, watched.at))
      this.#links.lose(peer)
  }

  #isEchoing(watched: Watched): boolean {
    const { doubtPeriodMillis, doubtProbes } = this.#options
    return this.#clock.nowMillis() - watched.echoedMillis <= doubtPeriodMillis * doubtProbes
  }

  #askPeer(watched: Watched, link: Link, isSilent: () => boolean): void {
    if (watched.isPeerBeingAsked) return
    watched.isPeerBeingAsked = true
    this.#network
      .sendConfirmed(link.to.dpid, [])
      .then(() => {
        if (isSilent()) this.#links.lose(watched)
      }, noMatter)
      .finally(() => {
        watched.isPeerBeingAsked = false
      })
  }
}

export const backOf = ({ from, to }: Link): Link => ({ from: to, to: from, cost: 1 })

/** The switch has gone: its ports are forgotten by whoever told us of them. */
const noMatter = (): void => undefined
