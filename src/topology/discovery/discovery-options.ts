/** How quickly and how often discovery looks. */
export interface DiscoveryOptions {
  /** How often a known link is probed. */
  readonly linkPeriodMillis: number
  /** How quickly probes follow while a link is in doubt. */
  readonly doubtPeriodMillis: number
  /** After this many probes in doubt the switches are asked; a link is lost when one more stays away, and they are asked again. */
  readonly doubtProbes: number
  /** How often an edge port is probed: somebody may plug in a switch. */
  readonly edgePeriodMillis: number
  /** A new port is decided after this time without an answer. */
  readonly quietMillis: number
  /** Probes a second over all ports; periods stretch when there are more. */
  readonly probesPerSecond: number
  /** False believes whatever carries a link's form: for tests of what the guard is worth. */
  readonly isGuarded: boolean
}

/** A silent failure is found within linkPeriod + doubtPeriod x (doubtProbes + 2) and two ticks: 0.95 s. */
export const defaultDiscovery: DiscoveryOptions = {
  linkPeriodMillis: 600,
  doubtPeriodMillis: 75,
  doubtProbes: 2,
  edgePeriodMillis: 5_000,
  quietMillis: 400,
  probesPerSecond: 5_000,
  isGuarded: true,
}

/** The same within 0.3 s, for twice the work and more. */
export const fastDiscovery: DiscoveryOptions = {
  ...defaultDiscovery,
  linkPeriodMillis: 130,
  doubtPeriodMillis: 30,
  doubtProbes: 2,
}

/** What a link gets on top when one of its switches has just come back. */
export const graceMillis = 2_000
