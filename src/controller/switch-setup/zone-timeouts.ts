/** Timeouts that services have, as zones of the switches that a database holds. Pure. */
import type { Dpid } from '../../base/addresses.js'
import type { ZoneTimeouts } from '../../nfv/function.js'
import type { Replica } from '../../ovsdb/replica.js'
import type { SwitchSpec, ZoneSpec } from './spec.js'

type Zones = Readonly<Record<string, ZoneSpec>>

/** Zones, by number, of a switch with this datapath id. */
export type ZonesOf = (dpid: Dpid) => Zones

/** How long a connection may be silent, whatever has been said so far (ovs-vswitchd.conf.db(5), CT_Timeout_Policy). */
const timeoutsOf = (seconds: number) => ({
  tcp_established: seconds,
  udp_first: seconds,
  udp_single: seconds,
  udp_multiple: seconds,
})

/** @param switchIndex undefined while the switch is not known, and has no connections of ours */
export const zonesOfSwitch = (
  all: readonly ZoneTimeouts[],
  switchIndex: number | undefined,
): Zones =>
  Object.fromEntries(
    switchIndex === undefined
      ? []
      : all.flatMap(each =>
          each
            .of(switchIndex)
            .map(({ zone, seconds }) => [zone, { timeouts: timeoutsOf(seconds) }]),
        ),
  )

/** What is declared, with the zones of the bridges that are there; what is declared for a zone comes first. */
export const withTimeouts = (spec: SwitchSpec, replica: Replica, zonesOf: ZonesOf): SwitchSpec => {
  const conntrack: Record<string, Zones> = { ...spec.conntrack }
  for (const { dpid, type } of bridgesOf(replica)) {
    const zones = zonesOf(dpid)
    if (Object.keys(zones).length > 0) conntrack[type] = { ...zones, ...conntrack[type] }
  }
  return { ...spec, conntrack }
}

/** The bridges of a database, with the datapath type that keeps their connections. */
export const bridgesOf = (replica: Replica): { readonly dpid: Dpid; readonly type: string }[] =>
  [...replica.table('Bridge').values()].flatMap(({ datapath_id, datapath_type }) =>
    typeof datapath_id === 'string'
      ? [{ dpid: datapath_id as Dpid, type: String(datapath_type || 'system') }]
      : [],
  )
