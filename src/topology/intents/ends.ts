/** What the ends of an intent mean now: hosts, and the switches where they are. */
import type { Dpid } from '../../base/addresses.js'
import type { Host, PortRef, Topology } from '../model.js'

/** Hosts at one switch: one host, or all at a port. */
export interface End {
  readonly dpid: Dpid
  readonly hosts: readonly Host[]
}

/** A reason when something named is not known. */
export const endsOf = (topology: Topology, names: readonly string[]): readonly End[] | string => {
  const found: End[] = []
  for (const name of names) {
    const end = endOf(topology, name)
    if (typeof end === 'string') return end
    found.push(end)
  }
  return found
}

const endOf = (topology: Topology, name: string): End | string => {
  const host = hostNamed(topology, name)
  if (host) return { dpid: host.at.dpid, hosts: [host] }
  const at = placeNamed(topology, name)
  if (at === undefined) return `no host ${name} is known`
  const hosts = [...topology.hosts.values()].filter(
    each => each.at.dpid === at.dpid && each.at.port === at.port,
  )
  return { dpid: at.dpid, hosts }
}

/** All hosts, by the switch where they are, in the order of switches. */
export const everybody = (topology: Topology): readonly End[] => {
  const byDpid = new Map<Dpid, Host[]>()
  for (const host of topology.hosts.values()) {
    const list = byDpid.get(host.at.dpid)
    if (list) list.push(host)
    else byDpid.set(host.at.dpid, [host])
  }
  return [...byDpid].sort(([a], [b]) => (a < b ? -1 : 1)).map(([dpid, hosts]) => ({ dpid, hosts }))
}

const hostNamed = (topology: Topology, text: string): Host | undefined => {
  const lower = text.toLowerCase()
  for (const host of topology.hosts.values())
    if (host.name === text || host.mac === lower || host.ips.some(ip => ip === lower)) return host
  return undefined
}

/** SWITCH:PORT; an address of IPv6 names no switch that we know. */
const placeNamed = (topology: Topology, text: string): PortRef | undefined => {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return undefined
  const [name, word] = [text.slice(0, colon), text.slice(colon + 1)]
  for (const known of topology.switches.values()) {
    if (known.name !== name && known.dpid !== name) continue
    for (const port of known.ports.values())
      if (port.name === word || String(port.number) === word)
        return { dpid: known.dpid, port: port.number }
  }
  return undefined
}
