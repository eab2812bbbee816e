/** Packet-ins: each is handed to the owner of its reason. */
import { type PuntedPacket, type PuntHandlers, puntKinds } from '../../nfv/function.js'
import type { Match } from '../../openflow/values.js'
import { type Fields, readPacket } from '../../pipeline/packet.js'
import { readUserdata } from '../../pipeline/userdata.js'
import type { PortRef } from '../../topology/model.js'
import type { PuntLimit } from './punt-limit.js'

/** As the switch sends it. */
export interface PacketIn {
  readonly inPort: number
  readonly data: Uint8Array
  readonly userdata?: Uint8Array | undefined
  readonly match: Match
}

export class Punts {
  readonly #handlers: PuntHandlers
  /** Packets that came up since the start, by kind: looked at, and beyond the limit. */
  readonly counts = new Map(puntKinds.map(kind => [kind, { taken: 0, dropped: 0 }]))

  /** @param owners each with its reasons */
  constructor(owners: readonly PuntHandlers[]) {
    this.#handlers = Object.assign({}, ...owners)
  }

  receive(dpid: PortRef['dpid'], packet: PacketIn, limit: PuntLimit): void {
    const punt = readUserdata(packet.userdata)
    const handler = punt && this.#handlers[punt.reason]
    if (punt === undefined || handler === undefined) return
    const isTaken = limit.take(handler.kind)
    this.counts.get(handler.kind)![isTaken ? 'taken' : 'dropped']++
    if (!isTaken) return
    handler.receive(new Punted({ dpid, port: packet.inPort }, punt.value, packet))
  }
}

class Punted implements PuntedPacket {
  readonly at: PortRef
  readonly value: number
  readonly frame: Uint8Array
  readonly match: Match
  #fields: Fields | undefined

  constructor(at: PortRef, value: number, { data, match }: PacketIn) {
    this.at = at
    this.value = value
    this.frame = data
    this.match = match
  }

  get fields(): Fields {
    this.#fields ??= readPacket(this.frame).fields
    return this.#fields
  }
}
