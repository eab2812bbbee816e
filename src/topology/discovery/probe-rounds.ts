/**
 * Which probes a port sends. Where nothing was found, both variants are tried; a link across a switch that is not ours
 * likewise. Links that are known in both directions are kept proven by rounds: one frame of a switch goes over all
 * links of which it has the lower end, there and back, from port to port by rows of its own, and only comes to us
 * when it was everywhere:
 *
 *     us ──> port 1 ──> s2 ──> port 1 ──> port 2 ──> s3 ──> port 2 ──> port 5 ──> s4 ──> port 5 ──> us
 *
 * A switch that nobody reaches, because its control connection is gone or hangs, still sends back what comes by a link:
 * an echo, a round over one link, comes back as long as wire and switch are alive. So a switch that is dead is told from one
 * that only lost its controller, by each of its neighbours, and also while the light on its cables stays on.
 *
 * In doubt, and while rounds do not work, each end proves its direction by a frame of its own; and in every sixteenth
 * turn, beside the round. Where those stay away the round is no proof.
 *
 * Switches take their turns in groups, at the same moments again and again: what comes back together costs less.
 */
import type { Variant } from './lldp.js'
import type { Home, Watched } from './watched-port.js'

/** In one of so many turns each end is proven. */
const turnsPerProof = 16
/** Switches that send at the same moment, and how many such moments a period has. */
const groupSize = 16
const groups = 8
/** After links have changed, the rows that rounds follow are on their way. */
const settleMillis = 2_000
const maxMisses = 3
const pauseMillis = 30_000

const both: readonly Variant[] = ['direct', 'broadcast']
const direct: readonly Variant[] = ['direct']
const round: readonly Variant[] = ['round']
const roundAndDirect: readonly Variant[] = ['round', 'direct']
const echo: readonly Variant[] = ['echo']
const all: readonly Variant[] = ['direct', 'broadcast', 'echo']
const directAndEcho: readonly Variant[] = ['direct', 'echo']
const nothing: readonly Variant[] = []

/** The other end of a link that is known in both directions and is a wire. */
export const partnerOf = (watched: Watched): Watched | undefined => {
  const { peer } = watched
  if (peer?.peer !== watched || watched.link?.isForeign || peer.link?.isForeign) return undefined
  return peer
}

export const variantsFor = (watched: Watched): readonly Variant[] => {
  if (watched.awaited) return all
  if (watched.link === undefined || watched.link.isForeign) return both
  if (watched.peer === undefined) return echo
  if (watched.doubtCount > 0) return directAndEcho
  const partner = partnerOf(watched)
  if (partner === undefined) return direct
  const home = (watched.key < partner.key ? watched : partner).home
  if (home?.isRounding !== true) return direct
  const isFirst = home.members[0] === watched
  if (watched.home?.isProving) return isFirst ? roundAndDirect : direct
  return isFirst ? round : nothing
}

/** When the switch has its next turn. */
export const nextTurn = (home: Home, nowMillis: number, periodMillis: number): number =>
  nowMillis + periodMillis - turnOf(home, nowMillis, periodMillis).sinceMillis

const turnOf = (home: Home, nowMillis: number, periodMillis: number) => {
  const group = Math.floor(home.number / groupSize) % groups
  const inTurnsMillis = nowMillis - (group * periodMillis) / groups
  const number = Math.floor(inTurnsMillis / periodMillis)
  return { number: number + group, sinceMillis: inTurnsMillis - number * periodMillis }
}

/** False when a round is no proof for this port, since a frame of its own has not come for so long. */
export const isProvenBy = (watched: Watched, nowMillis: number, periodMillis: number): boolean =>
  nowMillis - watched.provenMillis <= (2 * turnsPerProof + 1) * periodMillis

/** Looks again at which links a switch's rounds go over, and whether they may; and whether its ends are to be proven in this turn. */
export const takeRound = (
  home: Home,
  nowMillis: number,
  periodMillis: number,
  version: number,
): void => {
  if (home.roundVersion !== version) takeMembers(home, nowMillis)
  home.roundVersion = version
  const { members } = home
  const [first] = members
  home.isRounding =
    first !== undefined &&
    home.roundAfterMillis <= nowMillis &&
    members.every(each => each.doubtCount === 0 && each.peer?.doubtCount === 0)
  const { number } = turnOf(home, nowMillis, periodMillis)
  home.isProving = number % turnsPerProof === 0
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
}

/** Where rounds stay away again and again, and the links are well, none is tried for a while. */
export const missRound = (watched: Watched, nowMillis: number): void => {
  if (watched.peer === undefined) return
  const partner = partnerOf(watched)
  const home = (partner && partner.key < watched.key ? partner : watched).home
  if (home?.isRounding !== true) return
  home.isRounding = false
  home.wakeMillis = Number.NEGATIVE_INFINITY
  if (++home.missCount < maxMisses) return
  home.missCount = 0
  home.roundAfterMillis = nowMillis + pauseMillis
}
