/** Which ports belong to which network, and with which tag; and frames with and without it. */
import { etherTypes } from '../pipeline/packet.js'
import { type Network, type PortRef, portKey } from './model.js'

export interface Membership {
  /** The network of frames without a tag. */
  readonly untagged: Network | undefined
  /** By VLAN. */
  readonly tagged: ReadonlyMap<number, Network>
}

export interface Memberships {
  of(at: PortRef): Membership
  /** The tag that frames of a network have at a port; undefined: none. */
  tagAt(at: PortRef, network: number): number | undefined
}

const noTags: ReadonlyMap<number, Network> = new Map()

/** Ports that no network names belong to the first network. */
export const membershipsOf = (networks: readonly Network[]): Memberships => {
  const named = new Map<string, { untagged: Network | undefined; tagged: Map<number, Network> }>()
  for (const network of networks)
    for (const { at, vlan } of network.ports ?? []) {
      const key = portKey(at)
      const known = named.get(key) ?? { untagged: undefined, tagged: new Map() }
      if (vlan === undefined) known.untagged ??= network
      else known.tagged.set(vlan, network)
      named.set(key, known)
    }
  const others: Membership = { untagged: networks[0], tagged: noTags }
  const of = (at: PortRef): Membership => named.get(portKey(at)) ?? others
  return {
    of,
    tagAt(at, number) {
      for (const [vlan, network] of of(at).tagged) if (network.number === number) return vlan
      return undefined
    },
  }
}

/** A copy with an 802.1Q tag; the frame itself without one to put. */
export const withTag = (frame: Uint8Array, vlan: number | undefined): Uint8Array => {
  if (vlan === undefined) return frame
  const tagged = new Uint8Array(frame.length + 4)
  tagged.set(frame.subarray(0, 12))
  tagged.set(frame.subarray(12), 16)
  const view = new DataView(tagged.buffer)
  view.setUint16(12, etherTypes.vlan)
  view.setUint16(14, vlan & 0xfff)
  return tagged
}
