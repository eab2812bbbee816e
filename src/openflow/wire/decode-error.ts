import type { ErrorName } from '../error-codes.js'

/**
 * Bytes that cannot be understood. Reading untrusted bytes ends in a value or in this, in a time
 * bounded by their number.
 */
export class DecodeError extends Error {
  /** Octets from the start of the message to the place where it went wrong. */
  readonly offset: number
  readonly reason: string
  /** What OpenFlow calls it: the error to answer with. */
  readonly answer: ErrorName

  constructor(offset: number, reason: string, answer: ErrorName = 'OFPBRC_BAD_LEN') {
    super(`octet ${offset}: ${reason} (${answer})`)
    this.name = 'DecodeError'
    this.offset = offset
    this.reason = reason
    this.answer = answer
  }
}
