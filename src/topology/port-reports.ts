/** What a switch says of its ports, what people say of them, and what they are at first. */
import type { CarrierName } from '../pipeline/carriers.js'
import type { GuardLevel } from './hosts/guard-level.js'
import type { DeclaredLink } from './links/link-book.js'
import type { Port, PortKind, Service, Switch } from './model.js'

/** What a switch says of a port; its kind is ours to find out. */
export type PortReport = Omit<Port, 'kind'>

/** What people say of a port; it goes before what is found out. */
export interface DeclaredPort extends DeclaredLink {
  /** edge: hosts only, no probe makes a link of it · roaming: the same, and hosts come and go there · uplink: the same, and it leads outside. */
  readonly role?: 'edge' | 'roaming' | 'uplink'
  /** What hosts there may offer; once a port is declared for one of them, no other port may. */
  readonly serves?: readonly Service[]
  /** Frames that carry IP unseen, and pass from there under any policy. */
  readonly carries?: readonly CarrierName[]
  /** How much is believed there; absent: as in its network. */
  readonly guard?: GuardLevel
}

export const declaredLink = (port: DeclaredPort | undefined): DeclaredLink => {
  if (port === undefined) return {}
  const { role: _, serves: __, guard: ___, carries: ____, ...link } = port
  return link
}

/** The bridge's own port has no wire behind it: whoever speaks there is a host. */
const isLocal = (report: PortReport): boolean => report.number === 0xfffffffe

export const kindAtStart = (report: PortReport, before: Port | undefined): PortKind => {
  if (!report.isUp) return 'unknown'
  if (isLocal(report)) return 'edge'
  return before?.kind ?? 'unknown'
}

export const upPorts = (known: Switch): Port[] =>
  [...known.ports.values()].filter(port => port.isUp && !isLocal(port))
