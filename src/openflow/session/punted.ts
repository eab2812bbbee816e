/** Packets that a switch sent up, in one form for both messages that bring them. */
import type { ReceivedOf } from '../messages/index.js'
import type { packetInReasons } from '../messages/packet.js'
import type { Match } from '../values.js'

/** A packet that the switch sent up, whichever message brought it. */
export interface PacketIn {
  readonly reason: keyof typeof packetInReasons | number
  readonly tableId: number
  readonly cookie: bigint
  readonly match: Match
  readonly inPort: number
  /** A view into what was received: copy it to keep it long. */
  readonly data: Uint8Array
  /** What the flow's `controller(userdata=...)` holds. */
  readonly userdata?: Uint8Array
  /** The switch keeps a copy under this number. */
  readonly bufferId?: number
  /** Goes back in a `resume` to let the packet go on through the pipeline. */
  readonly continuation?: Uint8Array
}

const noCookie = 0xffff_ffff_ffff_ffffn
const noBuffer = 0xffffffff

export const packetOf = (message: ReceivedOf<'packet-in'> | ReceivedOf<'packet-in2'>): PacketIn =>
  message.kind === 'packet-in' ? plainPacket(message) : richPacket(message)

const portOf = (match: Match): number => (typeof match.in_port === 'number' ? match.in_port : 0)

const plainPacket = (message: ReceivedOf<'packet-in'>): PacketIn => {
  const { reason, tableId, cookie, match, data, bufferId } = message
  const packet = { reason, tableId, cookie, match, inPort: portOf(match), data }
  return bufferId === noBuffer ? packet : { ...packet, bufferId }
}

const richPacket = ({ properties }: ReceivedOf<'packet-in2'>): PacketIn => {
  const { match = {}, userdata, bufferId, continuation } = properties
  return {
    reason: properties.reason ?? 'action',
    tableId: properties.tableId ?? 0,
    cookie: properties.cookie ?? noCookie,
    match,
    inPort: portOf(match),
    data: properties.data ?? new Uint8Array(),
    ...(userdata && { userdata }),
    ...(bufferId !== undefined && { bufferId }),
    ...(continuation && { continuation }),
  }
}
