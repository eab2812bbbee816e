/**
 * `sluice wire --jsonl`: one JSON object a line in, one out.
 *
 *     {"hex": "0400..."}                              decoded
 *     {"text": "tcp,actions=drop", "as": "flow-mod"}  encoded from ovs-ofctl's syntax
 *
 * The answer is `{"kind", "text", "object", "hex"}`, where hex is the message written again from the
 * object, or `{"error": {"reason", "offset"}}`; the offset counts octets, and characters of a line.
 */
import { decode, encode } from '../codec.js'
import type { Message, Received } from '../messages/index.js'
import { formatReceived } from '../text/format-message.js'
import { parseFlowMod, parseGroupMod, parseMeterMod } from '../text/parse-flow.js'
import { FlowTextError } from '../text/parse-words.js'
import { toHex } from '../wire/codecs.js'
import { DecodeError } from '../wire/decode-error.js'
import { toJson } from './to-json.js'

const parsers: Readonly<Record<string, (text: string) => Message>> = {
  'flow-mod': text => parseFlowMod(text),
  'group-mod': parseGroupMod,
  'meter-mod': parseMeterMod,
}

/** One line's answer, without a newline. Nothing in the line makes it throw. */
export const answerLine = (line: string): string => {
  let given: unknown
  try {
    given = JSON.parse(line)
  } catch (error) {
    return failure(`no JSON: ${(error as Error).message}`, 0)
  }
  if (typeof given !== 'object' || given === null) return failure('a line is a JSON object', 0)
  const { hex, text, as } = given as { hex?: unknown; text?: unknown; as?: unknown }
  if (typeof hex === 'string') return answerHex(hex)
  if (typeof text === 'string') return answerText(text, as)
  return failure('a line has "hex", or "text" and "as"', 0)
}

const failure = (reason: string, offset: number): string =>
  JSON.stringify({ error: { reason, offset } })

/** Octets of hex digits; blanks between them are passed over. */
export const parseHex = (text: string): Uint8Array | { readonly wrongAt: number } => {
  const digits = /\s/.test(text) ? text.replace(/\s+/g, '') : text
  const wrong = /[^0-9a-fA-F]/.exec(digits)
  if (wrong !== null) return { wrongAt: wrong.index >>> 1 }
  if (digits.length % 2 !== 0) return { wrongAt: digits.length >>> 1 }
  return Buffer.from(digits, 'hex')
}

const answerHex = (hex: string): string => {
  const bytes = parseHex(hex)
  if ('wrongAt' in bytes) return failure('no pairs of hex digits', bytes.wrongAt)
  return answerBytes(bytes)
}

/** A message as it came: its kind, text and object, and what we would write for it. */
export const answerBytes = (bytes: Uint8Array): string => {
  try {
    return success(decode(bytes))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return failure(`${error.reason} (${error.answer})`, error.offset)
  }
}

const success = (message: Received): string =>
  JSON.stringify({
    kind: message.kind,
    text: formatReceived(message),
    object: toJson(message),
    hex: toHex(encode(message)),
  })

const answerText = (text: string, as: unknown): string => {
  const parse = typeof as === 'string' && Object.hasOwn(parsers, as) ? parsers[as] : undefined
  if (parse === undefined) return failure('"as" is one of "flow-mod", "group-mod", "meter-mod"', 0)
  try {
    return success(decode(encode(parse(text), 0)))
  } catch (error) {
    if (
      error instanceof FlowTextError ||
      error instanceof DecodeError ||
      error instanceof RangeError
    )
      return failure(error.message, 0)
    throw error
  }
}
