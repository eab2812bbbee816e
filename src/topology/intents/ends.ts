/** What the ends of an intent mean now: hosts, and the switches where they are. */
import type { Dpid } from '../../base/addresses.js'
import type { Host, Topology } from '../model.js'
import { hostLabel, hostsNamed, portsNamed } from '../names.js'

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
  const [host, ...others] = hostsNamed(topology, name)
  if (host && others.length > 0)
    return `${name} means ${[host, ...others].map(each => hostLabel(topology, each)).join(', ')}: name one of these`
  if (host) return { dpid: host.at.dpid, hosts: [host] }
  const [at] = name.endsWith(':*') ? [] : portsNamed(topology, name)
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
