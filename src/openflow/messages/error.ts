import { experimenterErrorType } from '../error-codes.js'
import { type Codec, rest, u16, u32, withDefault } from '../wire/codecs.js'
import type { Reader } from '../wire/reader.js'
import { message } from './message.js'

/** Errors of an experimenter have its number behind their code. */
const experimenterOfError: Codec<number | undefined> & { readonly isOmittable: true } = {
  isOmittable: true,
  read: reader => (typeBefore(reader) === experimenterErrorType ? reader.u32() : undefined),
  write: (writer, value) => {
    if (value !== undefined) u32.write(writer, value)
  },
}

/** The error's type stands four octets back. */
const typeBefore = ({ bytes, offset }: Reader): number =>
  (bytes[offset - 4]! << 8) | bytes[offset - 3]!

export const error = message({
  kind: 'error',
  type: 1,
  spec: 'OpenFlow 1.3.5, 7.4.4 Error Message',
  fields: [
    ['type', u16, 'what went wrong at large; 0xffff: an experimenter says it'],
    ['code', u16, 'what went wrong, for that type'],
    ['experimenter', experimenterOfError, 'whose error it is, for type 0xffff'],
    ['data', withDefault(rest, new Uint8Array()), 'at least 64 octets of the request that failed'],
  ],
})
