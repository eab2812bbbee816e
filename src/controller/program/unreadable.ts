/**
 * Entries of a switch's answers that cannot be understood: what stands at fixed places of them all the same, so that
 * one of somebody else is left alone and one of ours is put right. OpenFlow 1.3.5, sections 7.3.5.2, 7.3.5.10 and 7.3.5.13.
 */
import { match as matchCodec } from '../../openflow/match.js'
import type { Match } from '../../openflow/values.js'
import { DecodeError } from '../../openflow/wire/decode-error.js'
import { Reader } from '../../openflow/wire/reader.js'

/** A flow of which no more can be told than this. */
export interface UnreadableFlow {
  readonly tableId: number
  readonly priority: number
  readonly cookie: bigint
  /** Its fields; as octets where it is them that cannot be understood: a switch that wrote them does. */
  readonly match: Match
}

const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const matchAt = 48

/** Undefined when not even its head is there. */
export const unreadableFlow = (bytes: Uint8Array): UnreadableFlow | undefined => {
  if (bytes.length < matchAt + 4) return undefined
  const entry = view(bytes)
  return {
    tableId: entry.getUint8(2),
    priority: entry.getUint16(12),
    cookie: entry.getBigUint64(24),
    match: matchOf(bytes, matchAt + entry.getUint16(matchAt + 2)),
  }
}

const matchOf = (bytes: Uint8Array, end: number): Match => {
  try {
    return matchCodec.read(new Reader(bytes, matchAt))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { unknown: [bytes.subarray(matchAt + 4, Math.max(matchAt + 4, end))] }
  }
}

/** The number of a group or meter whose description cannot be understood; both have it at the same place. */
export const unreadableNumber = (bytes: Uint8Array): number | undefined =>
  bytes.length < 8 ? undefined : view(bytes).getUint32(4)
