/**
 * A log for what peers can cause at will: of each sentence about each peer a few lines a second, as many events are told,
 * and with the next line how many were left out.
 */
import type { Clock } from '../env/env.js'
import type { Log } from './log.js'

const linesPerSecond = 5
/** Sentences of peers that are remembered at once; the one that was said longest ago goes. */
const maxKeys = 1_024

interface Said {
  tokens: number
  lastMillis: number
  leftOut: number
}

/** Shared by the children of one log. */
class Limits {
  readonly #clock: Clock
  readonly #said = new Map<string, Said>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many were left out before this one; undefined when this one is. */
  take(key: string): number | undefined {
    const now = this.#clock.nowMillis()
    const known = this.#said.get(key)
    const said = known ?? { tokens: linesPerSecond, lastMillis: now, leftOut: 0 }
    this.#said.delete(key)
    this.#said.set(key, said)
    if (known === undefined && this.#said.size > maxKeys)
      this.#said.delete(this.#said.keys().next().value!)
    const gained = ((now - said.lastMillis) * linesPerSecond) / 1_000
    said.tokens = Math.min(linesPerSecond, said.tokens + gained)
    said.lastMillis = now
    if (said.tokens < 1) {
      said.leftOut++
      return undefined
    }
    said.tokens--
    const { leftOut } = said
    said.leftOut = 0
    return leftOut
  }
}

type Level = 'error' | 'warn' | 'info'

class LimitedLog implements Log {
  readonly #log: Log
  readonly #limits: Limits
  readonly #peer: string

  constructor(log: Log, limits: Limits, peer = '') {
    this.#log = log
    this.#limits = limits
    this.#peer = peer
  }
  child(fields: Record<string, unknown>): Log {
    return new LimitedLog(this.#log.child(fields), this.#limits, peerOf(fields) || this.#peer)
  }
  error(fields: Record<string, unknown>, sentence: string): void {
    this.#say('error', fields, sentence)
  }
  warn(fields: Record<string, unknown>, sentence: string): void {
    this.#say('warn', fields, sentence)
  }
  info(fields: Record<string, unknown>, sentence: string): void {
    this.#say('info', fields, sentence)
  }
  debug(fields: Record<string, unknown>, sentence: string): void {
    this.#log.debug(fields, sentence)
  }
  trace(fields: Record<string, unknown>, sentence: string): void {
    this.#log.trace(fields, sentence)
  }
  isLevelEnabled(level: string): boolean {
    return this.#log.isLevelEnabled(level)
  }
  #say(level: Level, fields: Record<string, unknown>, sentence: string): void {
    const leftOut = this.#limits.take(`${peerOf(fields) || this.#peer} ${sentence}`)
    if (leftOut === undefined) return
    this.#log[level](leftOut === 0 ? fields : { ...fields, leftOut }, sentence)
  }
}

/** The address without the port, which is another for each connection; what it says of itself is anybody's choice. */
const peerOf = ({ remote }: Record<string, unknown>): string =>
  typeof remote === 'string' ? remote.replace(/:\d+$/, '') : ''

/** Lines of level info and above are limited; those below are for who asks for them. */
export const limitedLog = (log: Log, clock: Clock): Log => new LimitedLog(log, new Limits(clock))
