/** Hosts sorted by the switch where they are; a list is the same array as long as its hosts are the same. */
import type { Dpid } from '../../base/addresses.js'
import type { Host, Topology } from '../model.js'

export class HostsBySwitch {
  #hosts: Topology['hosts'] = new Map()
  #lists: ReadonlyMap<Dpid, readonly Host[]> = new Map()

  of(hosts: Topology['hosts']): ReadonlyMap<Dpid, readonly Host[]> {
    if (this.#hosts === hosts) return this.#lists
    const lists = new Map<Dpid, Host[]>()
    for (const host of hosts.values()) {
      const list = lists.get(host.at.dpid)
      if (list) list.push(host)
      else lists.set(host.at.dpid, [host])
    }
    const kept = new Map<Dpid, readonly Host[]>()
    for (const [dpid, list] of lists) {
      const known = this.#lists.get(dpid)
      const isSame =
        known?.length === list.length && list.every((host, index) => known[index] === host)
      kept.set(dpid, isSame ? known : list)
    }
    this.#hosts = hosts
    this.#lists = kept
    return kept
  }
}
