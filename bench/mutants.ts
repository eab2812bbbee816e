/** Switches that say what nobody understands, over sockets. Each connection ends as the rules say, or answers an echo. */

import { DecodeError, decode, Framer } from '../src/openflow/index.js'
import { connectionLimits } from '../src/openflow/session/connection.js'
import { isFromSwitch } from '../src/openflow/session/session.js'
import { WireSwitch } from '../test/openflow/wire-switch.js'
import { loadCorpus, mutate } from './fuzz.js'
import { sleep } from './program.js'
import { seeded } from './rules.js'

export interface MutantReport {
  /** Messages that the other side has read: it closed at them, or answered an echo behind them. */
  readonly judged: number
  readonly connections: number
  /** Neither an answer nor an end in time. */
  readonly hangs: number
  /** Connections that ended although nothing in them asks for it. */
  readonly unexpected: number
  /** Connections that could not be made. */
  readonly unreachable: number
}

export interface MutantOptions {
  readonly port: number
  readonly count: number
  readonly seed: number
  /** Side by side. */
  readonly connections?: number
  readonly patienceMillis?: number
}

const longestStream = 40

export const sendMutants = async (options: MutantOptions): Promise<MutantReport> => {
  const { port, count, seed, connections = 16, patienceMillis = 5_000 } = options
  const dice = seeded(seed)
  const corpus = loadCorpus()
  const report = { judged: 0, connections: 0, hangs: 0, unexpected: 0, unreachable: 0 }
  const one = async (slot: number): Promise<void> => {
    while (report.judged < count && report.hangs < 100 && report.unreachable < 100) {
      const wire = await WireSwitch.dial(port).catch(() => undefined)
      if (wire === undefined) {
        report.unreachable++
        await sleep(100)
        continue
      }
      report.connections++
      await talk(wire, slot)
      wire.socket.destroy()
    }
  }
  const talk = async (wire: WireSwitch, slot: number): Promise<void> => {
    // One in eight begins with nonsense; the others are let in first.
    if (dice(8) === 0) {
      wire.socket.write(mutate(corpus, dice))
      await Promise.race([wire.news(), sleep(50)])
      report.judged++
      return
    }
    wire.behave(BigInt(0xbad000 + slot))
    if (!(await heard(wire, 'flow-monitor-request', patienceMillis))) {
      if (wire.isClosed) report.unexpected++
      else report.hangs++
      return
    }
    const stream = streamOf(() => mutate(corpus, dice))
    for (let at = 0; at < stream.bytes.length; ) {
      const size = dice(4) === 0 ? 1 + dice(100) : stream.bytes.length
      wire.socket.write(stream.bytes.subarray(at, at + size))
      at += size
    }
    const xid = 0xf000_0000 + report.connections
    if (!stream.isFatal) wire.send({ kind: 'echo-request' }, xid)
    const began = performance.now()
    while (!wire.isClosed && !wire.heard.some(each => each.xid === xid)) {
      if (performance.now() - began > patienceMillis) {
        report.hangs++
        return
      }
      await Promise.race([wire.news(), sleep(200)])
    }
    if (wire.isClosed && !stream.isFatal) report.unexpected++
    report.judged += stream.messages
  }
  await Promise.all(Array.from({ length: connections }, (_, slot) => one(slot)))
  return report
}

const heard = async (wire: WireSwitch, kind: string, patienceMillis: number): Promise<boolean> => {
  const began = performance.now()
  while (!wire.heard.some(each => each.kind === kind)) {
    if (wire.isClosed || performance.now() - began > patienceMillis) return false
    await Promise.race([wire.news(), sleep(200)])
  }
  return true
}

/**
 * Messages up to the one at which a connection has to end, or forty. A length that lies is taken at its
 * word: what it asks for more is made up of zeros.
 */
const streamOf = (next: () => Buffer): { bytes: Buffer; messages: number; isFatal: boolean } => {
  const pieces: Uint8Array[] = []
  const framer = new Framer()
  let messages = 0
  let malformed = 0
  let isFatal = false
  const add = (bytes: Uint8Array): void => {
    pieces.push(bytes)
    framer.push(bytes)
    try {
      for (let one = framer.next(); one && !isFatal; one = framer.next()) {
        messages++
        const verdict = judge(one)
        if (verdict === 'malformed') malformed++
        isFatal = verdict === 'fatal' || malformed > connectionLimits.maxMalformed
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      messages++
      isFatal = true
    }
  }
  while (!isFatal && messages < longestStream) {
    const bytes = next()
    // Numbers that no request of the other side has, mostly: an answer to one would end what it is for.
    if (bytes.length >= 8 && (bytes[7]! & 7) !== 0) bytes[4] = 0xfe
    add(bytes)
    if (framer.size >= 4096) add(new Uint8Array(1))
  }
  while (!isFatal && framer.size > 0) add(new Uint8Array(1))
  return { bytes: Buffer.concat(pieces), messages, isFatal }
}

const judge = (bytes: Uint8Array): 'fatal' | 'malformed' | 'fine' => {
  try {
    return isFromSwitch(decode(bytes).kind) ? 'fine' : 'fatal'
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return error.answer === 'OFPBRC_BAD_VERSION' ? 'fatal' : 'malformed'
  }
}
