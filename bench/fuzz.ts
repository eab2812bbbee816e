/**
 * `npm run bench -- fuzz [--seconds N | --count N] [--seed N]`: mutated messages into every decoder, in
 * process. Each input must end in a value, which then is written and printed, or in a DecodeError,
 * in a time bounded by its size. The corpus is a recorded session with Open vSwitch 3.1 and os-ken's vectors.
 */
import { readFileSync } from 'node:fs'
import { DecodeError, decode, encode, Framer, formatReceived } from '../src/openflow/index.js'
import { answerLine } from '../src/openflow/tool/jsonl.js'
import { seeded } from './rules.js'

type Dice = (below: number) => number

export interface FuzzReport {
  readonly inputs: number
  readonly decoded: number
  readonly refused: number
  /** What was thrown that is no DecodeError, with the input. */
  readonly crashes: readonly { readonly hex: string; readonly error: string }[]
  /** Inputs that took more than `slowMillis`. */
  readonly hangs: number
  /** The longest time to read, write and print an input, by its size; smaller ones count as 1 KiB. */
  readonly worstMicrosPerKib: number
  readonly worstKind: string
}

const slowMillis = 100
const folder = 'test/fixtures/openflow13'

export const loadCorpus = (): Buffer[] => [
  ...readFileSync(`${folder}/session.hex`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(hex => Buffer.from(hex, 'hex')),
  ...readFileSync(`${folder}/vectors.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => Buffer.from((JSON.parse(line) as { hex: string }).hex, 'hex')),
]

/** Numbers at which lengths and types turn. */
const edges = [0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 254, 255] as const

/** One to four changes of a message of the corpus: bits, lengths, cuts, splices. */
export const mutate = (corpus: readonly Buffer[], dice: Dice): Buffer => {
  const from = corpus[dice(corpus.length)]!
  const other = corpus[dice(corpus.length)]!
  let bytes: Buffer = Buffer.from(from)
  for (let turn = 1 + dice(4); turn > 0; turn--) {
    const at = bytes.length === 0 ? 0 : dice(bytes.length)
    switch (dice(8)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << dice(8))
        break
      case 1:
        bytes[at] = dice(256)
        break
      case 2:
        bytes[at] = edges[dice(edges.length)]!
        break
      case 3:
        if (at + 2 <= bytes.length) bytes.writeUInt16BE(dice(2) === 0 ? dice(64) : dice(65536), at)
        break
      case 4:
        bytes = bytes.subarray(0, at)
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(dice(other.length))])
        break
      case 6: {
        const size = dice(Math.min(64, bytes.length - at + 1))
        bytes = Buffer.concat([bytes.subarray(0, at + size), bytes.subarray(at)])
        break
      }
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(Math.min(bytes.length, at + 1 + dice(32))),
        ])
    }
    if (bytes.length > 0xffff) bytes = bytes.subarray(0, 0xffff)
  }
  // Mostly with the right length in the header, so that the decoders behind it are reached.
  if (bytes.length >= 8 && dice(16) !== 0) {
    if (dice(16) !== 0) bytes[0] = 4
    bytes.writeUInt16BE(bytes.length, 2)
  }
  return bytes
}

/** Everything that reads these octets; true when they were a message. */
const readAll = (bytes: Buffer, isPrinted: boolean): boolean => {
  try {
    const message = decode(bytes)
    if (isPrinted) {
      encode(message)
      formatReceived(message)
    }
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

const leastMillis = (bytes: Buffer): number => {
  let least = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < 5; turn++) {
    const before = performance.now()
    readAll(bytes, true)
    least = Math.min(least, performance.now() - before)
  }
  return least
}

/** Pieces of a stream of several messages, cut anywhere. */
const readFramed = (bytes: Buffer, dice: Dice): void => {
  const framer = new Framer()
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + dice(200)
      framer.push(bytes.subarray(at, at + size))
      at += size
      while (framer.next() !== undefined);
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
}

/** @param goesOn asked now and then, with the number of inputs so far */
export const fuzz = (seed: number, goesOn: (inputs: number) => boolean): FuzzReport => {
  const dice = seeded(seed)
  const corpus = loadCorpus()
  const crashes: { hex: string; error: string }[] = []
  let inputs = 0
  let decoded = 0
  let hangs = 0
  let worst = 0
  let worstKind = ''
  while ((inputs & 1023) !== 0 || goesOn(inputs)) {
    inputs++
    const bytes = mutate(corpus, dice)
    const before = performance.now()
    try {
      // Printing costs ten times what reading does: each eighth input is printed and written too.
      if (readAll(bytes, (inputs & 7) === 0)) decoded++
      if ((inputs & 63) === 0) readFramed(bytes, dice)
      if ((inputs & 255) === 0) answerLine(`{"hex":"${bytes.toString('hex')}"}`)
    } catch (error) {
      crashes.push({ hex: bytes.toString('hex'), error: (error as Error).stack ?? String(error) })
    }
    const millis = performance.now() - before
    if (millis > slowMillis && leastMillis(bytes) > slowMillis) hangs++
    const kib = Math.max(1, bytes.length / 1024)
    // What looks slow is measured again: mostly somebody else had the core.
    const isSuspect = (millis * 1000) / kib > worst && inputs > 50_000
    const perKib = isSuspect ? (1000 * leastMillis(bytes)) / kib : 0
    if (perKib > worst) {
      worst = perKib
      worstKind = `type ${bytes[1]}, ${bytes.length} octets`
    }
  }
  return {
    inputs,
    decoded,
    refused: inputs - decoded - crashes.length,
    crashes,
    hangs,
    worstMicrosPerKib: worst,
    worstKind,
  }
}

const option = (words: readonly string[], name: string): number | undefined => {
  const at = words.indexOf(`--${name}`)
  return at < 0 ? undefined : Number(words[at + 1])
}

export const run = async (words: string[]): Promise<void> => {
  const count = option(words, 'count') ?? Number.POSITIVE_INFINITY
  const seconds = option(words, 'seconds') ?? (Number.isFinite(count) ? 3600 : 10)
  const seed = option(words, 'seed') ?? 1
  const start = performance.now()
  const report = fuzz(seed, inputs => inputs < count && performance.now() - start < 1000 * seconds)
  const took = (performance.now() - start) / 1000
  process.stdout.write(
    `${report.inputs} inputs in ${took.toFixed(1)} s (seed ${seed}): ${report.decoded} read, ${report.refused} refused, ${report.crashes.length} crashes, ${report.hangs} took more than ${slowMillis} ms; worst ${report.worstMicrosPerKib.toFixed(0)} µs/KiB (${report.worstKind})\n`,
  )
  for (const { hex, error } of report.crashes.slice(0, 5))
    process.stdout.write(`${hex}\n${error}\n`)
  if (report.crashes.length > 0) process.exitCode = 1
}
