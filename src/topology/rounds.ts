/**
 * Which probes a port sends. Where nothing was found, both variants are tried; a link across a switch that is not ours
 * likewise. Links that are known in both directions are kept proven by rounds: one frame of a switch goes over all
 * links of which it has the lower end, there and back, from port to port by rows of its own, and only comes to us
 * when it was everywhere:
 *
 *     us ──> port 1 ──> s2 ──> port 1 ──> port 2 ──> s3 ──> port 2 ──> port 5 ──> s4 ──> port 5 ──> us
 *
 * Now and then, in doubt, and while rounds do not work, each end proves its direction by a frame of its own.
 */
import type { Variant } from './lldp.js'
import type { Home, Watched } from './watched.js'

/** Rounds before all ends are proven one by one again. */
const roundsBetweenProofs = 15
/** After links have changed, the rows that rounds follow are on their way. */
const settleMillis = 2_000
const maxMisses = 3
const pauseMillis = 30_000

const both: readonly Variant[] = ['direct', 'broadcast']
const direct: readonly Variant[] = ['direct']
const round: readonly Variant[] = ['round']
const nothing: readonly Variant[] = []

/** The other end of a link that is known in both directions and is a wire. */
export const partnerOf = (watched: Watched): Watched | undefined => {
  const { peer } = watched
  if (peer?.peer !== watched || watched.link?.isForeign || peer.link?.isForeign) return undefined
  return peer
}

export const variantsFor = (watched: Watched): readonly Variant[] => {
  if (watched.link === undefined || watched.link.isForeign) return both
  const partner = watched.doubtCount > 0 ? undefined : partnerOf(watched)
  if (partner === undefined) return direct
  const home = (watched.key < partner.key ? watched : partner).home
  if (home?.isRounding !== true) return direct
  return home.members[0] === watched ? round : nothing
}

/** Looks again at which links a switch's rounds go over, and whether they may. True when its ends are to be proven one by one. */
export const takeRound = (
  home: Home,
  nowMillis: number,
  periodMillis: number,
  version: number,
): boolean => {
  if (home.roundVersion !== version) takeMembers(home, nowMillis)
  home.roundVersion = version
  const { members } = home
  const [first] = members
  const isDue = first !== undefined && first.nextMillis <= nowMillis
  const isProof = isDue && home.isRounding && home.roundCount >= roundsBetweenProofs
  if (isProof) {
    home.roundCount = 0
    home.roundAfterMillis = nowMillis + periodMillis / 2
  }
  home.isRounding =
    first !== undefined &&
    home.roundAfterMillis <= nowMillis &&
    members.every(each => each.doubtCount === 0 && each.peer?.doubtCount === 0)
  return isProof
}

const takeMembers = (home: Home, nowMillis: number): void => {
  const members = [...home.byPort.values()]
    .filter(watched => watched.key < (partnerOf(watched)?.key ?? ''))
    .sort((a, b) => a.at.port - b.at.port)
  const isSame =
    members.length === home.members.length &&
    members.every((each, at) => each === home.members[at] && each.peer === home.peers[at])
  if (isSame) return
  home.members = members
  home.peers = members.map(each => each.peer)
  home.roundAfterMillis = Math.max(home.roundAfterMillis, nowMillis + settleMillis)
  home.roundCount = 0
}

/** Where rounds stay away again and again, and the links are well, none is tried for a while. */
export const missRound = (watched: Watched, nowMillis: number): void => {
  const partner = partnerOf(watched)
  const home = (partner && partner.key < watched.key ? partner : watched).home
  if (home?.isRounding !== true) return
  home.isRounding = false
  home.wakeMillis = Number.NEGATIVE_INFINITY
  if (++home.missCount < maxMisses) return
  home.missCount = 0
  home.roundAfterMillis = nowMillis + pauseMillis
}
