/** How frames of a network look outside of the pipeline. */
import type { Action } from '../../openflow/values.js'
import { etherTypes } from '../../pipeline/packet.js'
import { carriedJudgement, registers } from '../../pipeline/registers.js'
import type { Network } from '../model.js'

/** The tag of a network's frames to all between switches; the first network's have none. */
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

/** The tags that a network's frames may have when they come from another switch; the first network's are only a priority. */
export const fabricTags = ({ number }: Pick<Network, 'number'>): readonly (number | undefined)[] =>
  number === 1 ? [undefined, 0] : [number]

/** On its way to the switch that has its destination a frame says who has judged it. */
export const toSwitch = ({ number }: Pick<Network, 'number'>, rest: Action): Action[] => [
  ...tagged(number === 1 ? 0 : number, {
    kind: 'move',
    from: registers.judgement,
    to: carriedJudgement,
  }),
  rest,
]

/** What a tag of another switch says is kept before it is taken off. */
export const keepJudgement: Action = {
  kind: 'move',
  from: carriedJudgement,
  to: registers.judgement,
}
