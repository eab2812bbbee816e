/**
 * Why a packet comes to the controller: five octets that the flow puts beside it.
 *
 *     0        1            5
 *     +--------+------------+
 *     | reason | value (32) |     value: the rule's id for log, reject, admit, opened; the network for teach, seek, hear, asked
 *                                 hear, learn, opened, asked: a copy, the packet itself has gone on
 *                                 invalid: conntrack took it for invalid, and it is dropped
 *                                 those of network functions: as they say where they declare them
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
} as const

/** Reasons that network functions bring: each adds its own, by declaration merging, where it calls `declarePunts`. */
// biome-ignore lint/suspicious/noEmptyInterface: functions fill it
export interface FunctionPunts {}

export type PuntReason = keyof typeof puntReasons | keyof FunctionPunts

const numbers = new Map<PuntReason, number>()
const nameByNumber = new Map<number, PuntReason>()
const returned = new Set<PuntReason>(['teach', 'admit'])

const outcomes = new Map<PuntReason, string>()

/** What becomes of a packet that comes up for a reason of a network function, for `trace`: it goes no further. */
export const puntOutcome = (reason: PuntReason): string | undefined => outcomes.get(reason)

/**
 * Makes reasons known, once, when the module of a network function is loaded.
 *
 * @param given those for which the controller gives a packet back
 * @throws {RangeError} when a number is taken
 */
export const declarePunts = (
  reasons: readonly (readonly [reason: PuntReason, number: number, outcome?: string])[],
  given: readonly PuntReason[] = [],
): void => {
  for (const [reason, number, outcome] of reasons) {
    const other = nameByNumber.get(number)
    if (other !== undefined || numbers.has(reason))
      throw new RangeError(`punt ${reason} (${number}) is taken: ${other ?? reason} is there`)
    numbers.set(reason, number)
    nameByNumber.set(number, reason)
    if (outcome !== undefined) outcomes.set(reason, outcome)
  }
  for (const reason of given) returned.add(reason)
}

declarePunts(Object.entries(puntReasons) as [PuntReason, number][])

/** Reasons for which the controller gives a packet back to the pipeline. */
export const returnedReasons: ReadonlySet<PuntReason> = returned

export const writeUserdata = (reason: PuntReason, value = 0): Uint8Array => {
  const bytes = new Uint8Array(5)
  bytes[0] = numbers.get(reason)!
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
