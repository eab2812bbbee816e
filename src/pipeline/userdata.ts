/**
 * Why a packet comes to the controller: five octets that the flow puts beside it.
 *
 *     0        1            5
 *     +--------+------------+
 *     | reason | value (32) |     value: the rule's id for log, reject, admit, opened; the network for teach, seek, hear, asked
 *                                 hear, learn, opened, asked: a copy, the packet itself has gone on
 *                                 invalid: conntrack took it for invalid, and it is dropped
 *                                 of a router: expired, unreachable, addressed (to itself), solicited: the network where it
 *                                 came in; neighbour: the network of the next hop that is not known
 *     +--------+------------+
 */

// biome-ignore format: a table
export const puntReasons = {
  log:      1,
  reject:   2,
  discover: 3,
  teach:    4,
  seek:     5,
  hear:     6,
  learn:    7,
  admit:    8,
  opened:   9,
  asked:    10,
  invalid:  11,
  expired:     12,
  unreachable: 13,
  neighbour:   14,
  addressed:   15,
  solicited:   16,
} as const

/** Reasons for which the controller gives a packet back to the pipeline. */
export const returnedReasons: ReadonlySet<PuntReason> = new Set(['teach', 'admit', 'neighbour'])

export type PuntReason = keyof typeof puntReasons

const nameByNumber = new Map(
  Object.entries(puntReasons).map(([name, number]) => [number as number, name as PuntReason]),
)

export const writeUserdata = (reason: PuntReason, value = 0): Uint8Array => {
  const bytes = new Uint8Array(5)
  bytes[0] = puntReasons[reason]
  new DataView(bytes.buffer).setUint32(1, value >>> 0)
  return bytes
}

/** Undefined when the octets are not ours. */
export const readUserdata = (
  bytes: Uint8Array | undefined,
): { reason: PuntReason; value: number } | undefined => {
  const reason = bytes?.length === 5 ? nameByNumber.get(bytes[0]!) : undefined
  if (bytes === undefined || reason === undefined) return undefined
  return { reason, value: new DataView(bytes.buffer, bytes.byteOffset).getUint32(1) }
}
