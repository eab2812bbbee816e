/** How frames of a network look outside of the pipeline. */
import type { Action } from '../../openflow/values.js'
import { etherTypes } from '../../pipeline/packet.js'
import type { Network } from '../model.js'

/** The tag of a network's frames between switches; the first network's have none. */
export const fabricVlan = (network: Pick<Network, 'number'>): number | undefined =>
  network.number === 1 ? undefined : network.number

/** The value of `vlan_vid` of frames with this tag. */
export const vlanVid = (vlan: number | undefined): number =>
  vlan === undefined ? 0 : 0x1000 | vlan

/** Puts a tag on, and then does the rest. */
export const tagged = (vlan: number | undefined, rest: Action): Action[] =>
  vlan === undefined
    ? [rest]
    : [
        { kind: 'push_vlan', ethertype: etherTypes.vlan },
        { kind: 'set_field', field: 'vlan_vid', value: vlanVid(vlan) },
        rest,
      ]
