/** `sluice wire`: OpenFlow messages as text, from hex digits, from a capture, or as JSON lines. */
import { decode } from '../codec.js'
import { formatHexDump } from '../text/format-hex.js'
import { formatReceived } from '../text/format-message.js'
import { DecodeError } from '../wire/decode-error.js'
import { Framer } from '../wire/framing.js'
import { isCapture, packets } from './capture.js'
import { answerBytes, answerLine } from './jsonl.js'
import { lines } from './lines.js'
import { reassemble } from './reassemble.js'

export interface WireOptions {
  readonly isJsonl: boolean
}

/** Text that goes out as it is, newlines included, and whether some message could not be read. */
export interface WireOutput {
  readonly text: string
  readonly hasFailed: boolean
}

const shown = (text: string, hasFailed = false): WireOutput => ({ text: `${text}\n`, hasFailed })

/** What is wrong, where, and all octets as a dump. */
const formatFailure = (error: DecodeError, bytes: Uint8Array): string =>
  `***decode error: ${error.answer}*** octet ${error.offset}: ${error.reason}\n${formatHexDump(bytes)}`

const show = (bytes: Uint8Array, { isJsonl }: WireOptions): WireOutput => {
  if (isJsonl) return shown(answerBytes(bytes))
  try {
    return shown(formatReceived(decode(bytes)))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return shown(formatFailure(error, bytes), true)
  }
}

/** A line of a hex dump is its offset, the octets, and the octets as text between bars. */
const digitsOf = (line: string): string =>
  line
    .replace(/^\s*[0-9a-fA-F]{8}\s{2}/, '')
    .replace(/\|.*$/, '')
    .replace(/#.*$/, '')
    .replace(/[\s.:-]|0x/g, '')

/** Messages in lines of hex digits; one may go over several lines, several may stand in one. */
export class HexMessages {
  readonly #framer = new Framer()
  readonly #options: WireOptions

  constructor(options: WireOptions) {
    this.#options = options
  }

  push(line: string): WireOutput[] {
    const digits = digitsOf(line)
    if (/[^0-9a-fA-F]/.test(digits) || digits.length % 2 !== 0)
      return [shown(`no pairs of hex digits: ${line.slice(0, 80)}`, true)]
    this.#framer.push(Buffer.from(digits, 'hex'))
    const found: WireOutput[] = []
    try {
      for (let message = this.#framer.next(); message; message = this.#framer.next())
        found.push(show(message, this.#options))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      found.push(
        shown(`***decode error: ${error.answer}*** octet ${error.offset}: ${error.reason}`, true),
      )
    }
    return found
  }

  end(): WireOutput[] {
    const { size } = this.#framer
    return size === 0
      ? []
      : [shown(`***decode error: OFPBRC_BAD_LEN*** ${size} octets are no whole message`, true)]
  }
}

/** Everything of one input: a capture, hex digits, or JSON lines. */
export async function* showStream(
  chunks: AsyncIterable<Uint8Array>,
  options: WireOptions,
): AsyncGenerator<WireOutput> {
  const iterator = chunks[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done === true) return
  const all = resumed(first.value, iterator)
  if (isCapture(first.value)) yield* showCapture(all, options)
  else if (options.isJsonl) yield* showJsonLines(all)
  else yield* showHex(all, options)
}

async function* resumed(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}

async function* showJsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<WireOutput> {
  for await (const some of lines(chunks)) {
    const given = some.filter(line => line.trim() !== '')
    if (given.length > 0) yield shown(given.map(answerLine).join('\n'))
  }
}

async function* showHex(
  chunks: AsyncIterable<Uint8Array>,
  options: WireOptions,
): AsyncGenerator<WireOutput> {
  const messages = new HexMessages(options)
  for await (const some of lines(chunks)) for (const line of some) yield* messages.push(line)
  yield* messages.end()
}

async function* showCapture(
  chunks: AsyncIterable<Uint8Array>,
  options: WireOptions,
): AsyncGenerator<WireOutput> {
  for await (const found of reassemble(packets(chunks))) {
    if (!options.isJsonl) yield shown(`${found.from} > ${found.to}:`)
    if ('bytes' in found) {
      yield show(found.bytes, options)
      continue
    }
    const reason = `${found.leftOut} octets are left out: not captured, or no whole message`
    yield options.isJsonl
      ? shown(JSON.stringify({ error: { reason, offset: 0 } }), true)
      : shown(`***${reason}***`, true)
  }
}
