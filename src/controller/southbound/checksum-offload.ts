/**
 * Hosts that leave checksums to a network card that is none. The veth end of a namespace or container does so, the
 * userspace datapath of Open vSwitch does not finish them, and its conntrack drops what they are in: ping works, TCP
 * does not. Told once an hour and port.
 */
import type { Mac } from '../../base/addresses.js'
import { formatMac } from '../../base/addresses.js'
import type { Clock } from '../../base/env/env.js'
import { isUnfinished } from '../../pipeline/finish.js'
import { readPacket } from '../../pipeline/packet.js'
import { type PortRef, portKey } from '../../topology/model.js'

const tellPauseMillis = 3_600_000
/** So long after the last such frame it is shown beside the switch and the host. */
const shownMillis = 600_000
/** Ports of which it is remembered. */
const mostPorts = 4_096

interface Seen {
  readonly mac: Mac
  readonly toldMillis: number
  readonly lastMillis: number
}

export class ChecksumOffload {
  readonly #clock: Clock
  readonly #tell: (at: PortRef, mac: Mac) => void
  readonly #seen = new Map<string, Seen>()

  constructor(clock: Clock, tell: (at: PortRef, mac: Mac) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** A packet that conntrack took for invalid. */
  look(at: PortRef, frame: Uint8Array): void {
    if (!isUnfinished(frame)) return
    const key = portKey(at)
    const nowMillis = this.#clock.nowMillis()
    const mac = formatMac(Number(readPacket(frame).fields.eth_src))
    const before = this.#seen.get(key)
    const isDue = before === undefined || nowMillis - before.toldMillis >= tellPauseMillis
    const toldMillis = isDue ? nowMillis : before.toldMillis
    // Last in the map, so that the first is who was silent longest.
    this.#seen.delete(key)
    this.#seen.set(key, { mac, toldMillis, lastMillis: nowMillis })
    const [oldest] = this.#seen.keys()
    if (this.#seen.size > mostPorts && oldest !== undefined) this.#seen.delete(oldest)
    if (isDue) this.#tell(at, mac)
  }

  /** The host that did so at a port within the last ten minutes. */
  hostAt(at: PortRef): Mac | undefined {
    const seen = this.#seen.get(portKey(at))
    if (seen === undefined || this.#clock.nowMillis() - seen.lastMillis > shownMillis)
      return undefined
    return seen.mac
  }
}

/** What is wrong, and what mends it. @param place `s1:2` */
export const offloadText = (mac: Mac, place: string): string =>
  `host ${mac} at ${place} sends TCP with unfinished checksums, and Open vSwitch drops it: run "ethtool -K IFACE tx off" inside the host (IFACE: its end of the cable), or set other_config:userspace-tso-enable=true in the table Open_vSwitch and start ovs-vswitchd again`
