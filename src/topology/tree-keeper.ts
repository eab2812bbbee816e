/**
 * Changes the broadcast tree without a loop at any time: links that leave it are closed everywhere first,
 * those that join it are opened when all switches have confirmed that.
 *
 *     old ──> old without what leaves ── confirmed ──> new
 *
 * Each mixture of two neighbouring steps is a forest, so no frame arrives twice. A link whose port is down
 * carries nothing: its successor is opened at once.
 */
import type { Dpid } from '../base/addresses.js'
import { buildGraph } from './graph.js'
import { portKey, type Topology } from './model.js'
import { broadcastTree } from './paths/tree.js'

export interface TreeNetwork {
  /** Resolves when the switches have what is known now. */
  programmed(): Promise<void>
  /** Asks that `next` be called again. */
  again(): void
}

export class TreeKeeper {
  readonly #network: TreeNetwork
  #isClosing = false
  /** The other end of links that were on the tree. */
  readonly #peers = new Map<string, string>()

  constructor(network: TreeNetwork) {
    this.#network = network
  }

  /** The tree that follows `topology.tree` now that links or switches have changed; the same when it need not change. */
  next(topology: Topology): ReadonlySet<string> {
    const before = topology.tree
    for (const [key, link] of topology.links) this.#peers.set(key, portKey(link.to))
    if (this.#peers.size > topology.links.size + before.size)
      for (const key of this.#peers.keys())
        if (!topology.links.has(key) && !before.has(key)) this.#peers.delete(key)
    const wanted = broadcastTree(buildGraph(topology), before)
    const leaving = [...before].filter(link => !wanted.has(link))
    const joins = [...wanted].some(link => !before.has(link))
    if (leaving.length === 0 && (!joins || this.#isClosing)) return before
    const rest = new Set([...before].filter(link => wanted.has(link)))
    if (this.#isClosing) return rest
    if (!joins || leaving.every(link => this.#isDead(link, topology))) return wanted
    this.#isClosing = true
    this.#network.programmed().finally(() => {
      this.#isClosing = false
      this.#network.again()
    })
    return rest
  }

  /** Nothing goes over a link one of whose ports is down or not there. */
  #isDead(link: string, topology: Topology): boolean {
    const peer = this.#peers.get(link)
    return isDown(link, topology) || (peer !== undefined && isDown(peer, topology))
  }
}

const isDown = (port: string, topology: Topology): boolean => {
  const [dpid = '', number = ''] = port.split('/')
  return !topology.switches.get(dpid as Dpid)?.ports.get(Number(number))?.isUp
}
