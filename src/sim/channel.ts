/**
 * A switch's side of one OpenFlow connection: it calls the controller, greets, keeps the connection
 * alive, and calls again when it ends.
 *
 *     waiting ──after a pause──> calling ──> open ──closed, silent──> waiting (the pause doubles)
 */
import type { Address, Cancel, Connection, Env } from '../base/env/env.js'
import {
  type AsyncMasks,
  type ErrorName,
  encode,
  errorByName,
  type Message,
  type Received,
  type Role,
  version,
} from '../openflow/index.js'
import { Inbox } from '../openflow/session/inbox.js'
import { Bundles } from './bundles.js'
import { Refusal } from './refusal.js'

export interface ChannelLimits {
  readonly firstBackoffMillis: number
  readonly maxBackoffMillis: number
  /** Silence after which the controller is asked for an echo, and again until it is given up. */
  readonly probeMillis: number
}

export const channelLimits: ChannelLimits = {
  firstBackoffMillis: 100,
  maxBackoffMillis: 1_000,
  probeMillis: 5_000,
}

export interface ChannelOwner {
  /** @throws {Refusal} becomes an error message */
  received(channel: Channel, message: Received): void
}

type AsyncConfig = Record<'packetIn' | 'portStatus' | 'flowRemoved', AsyncMasks>

/** Open vSwitch's: slaves hear of ports only; packets whose TTL ran out come when asked for. */
const usualAsync: AsyncConfig = {
  packetIn: { master: 0x3b, slave: 0 },
  portStatus: { master: 7, slave: 7 },
  flowRemoved: { master: 0x3f, slave: 0 },
}

/** As much of a refused request as its error holds. */
const erredSize = 64

export class Channel {
  readonly address: Address
  readonly bundles = new Bundles()
  role: Exclude<Role, 'nochange'> = 'equal'
  async: AsyncConfig = usualAsync
  packetInFormat: 'standard' | 'nxt' | 'nxt2' = 'standard'
  controllerId = 0
  missSendLength = 128
  readonly #env: Env
  readonly #owner: ChannelOwner
  readonly #limits: ChannelLimits
  #connection: Connection | undefined
  #inbox: Inbox | undefined
  #timer: Cancel | undefined
  #backoffMillis: number
  #heardMillis = 0
  #isProbing = false
  #isGreeted = false
  #isStopped = false
  #lastXid = 0

  constructor(env: Env, address: Address, owner: ChannelOwner, limits: ChannelLimits) {
    this.#env = env
    this.address = address
    this.#owner = owner
    this.#limits = limits
    this.#backoffMillis = limits.firstBackoffMillis
    this.#call()
  }

  /** True when both have said hello. */
  get isOpen(): boolean {
    return this.#isGreeted
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.()
    this.#connection?.destroy()
    this.#ended()
  }

  /** Breaks the connection; it is made anew after a pause. */
  drop(): void {
    this.#connection?.destroy()
  }

  /** @param xid of the request that this answers; absent: a number of our own */
  send(message: Message, xid?: number): void {
    if (this.#connection === undefined) return
    this.#lastXid = (this.#lastXid + 1) >>> 0
    this.#connection.send(encode(message, xid ?? this.#lastXid))
  }

  refuse(answer: ErrorName, request: Uint8Array, xid: number): void {
    const { type, code, experimenter } = errorByName(answer)
    this.send(
      {
        kind: 'error',
        type,
        code,
        ...(experimenter !== undefined && { experimenter }),
        data: request.slice(0, erredSize),
      },
      xid,
    )
  }

  #call(): void {
    this.#env.net.connect(this.address).then(
      connection => this.#opened(connection),
      (error: unknown) => {
        this.#env.log.debug({ err: error }, 'the controller does not answer')
        this.#wait()
      },
    )
  }

  #wait(): void {
    if (this.#isStopped) return
    this.#timer = this.#env.timers.after(this.#backoffMillis, () => this.#call())
    this.#backoffMillis = Math.min(this.#backoffMillis * 2, this.#limits.maxBackoffMillis)
  }

  #opened(connection: Connection): void {
    if (this.#isStopped) return connection.destroy()
    this.#connection = connection
    const inbox = new Inbox(connection, this.#env, {
      message: message => this.#received(message),
      malformed: (error, xid, bytes) => this.refuse(error.answer, bytes, xid),
      broken: () => connection.destroy(),
    })
    this.#inbox = inbox
    connection.onBytes(chunk => {
      this.#heardMillis = this.#env.clock.nowMillis()
      inbox.push(chunk)
    })
    connection.onClose(() => {
      this.#ended()
      this.#wait()
    })
    this.#heardMillis = this.#env.clock.nowMillis()
    this.send({ kind: 'hello' })
    this.#probe()
  }

  /** What a connection was told ends with it. */
  #ended(): void {
    this.#timer?.()
    this.#inbox?.close()
    this.#inbox = undefined
    this.#connection = undefined
    this.#isGreeted = false
    this.#isProbing = false
    this.bundles.clear()
    this.role = 'equal'
    this.async = usualAsync
    this.packetInFormat = 'standard'
    this.controllerId = 0
    this.missSendLength = 128
  }

  #probe(): void {
    const { probeMillis } = this.#limits
    this.#timer = this.#env.timers.after(probeMillis, () => {
      const isSilent = this.#env.clock.nowMillis() - this.#heardMillis >= probeMillis
      if (isSilent && this.#isProbing) return this.#connection?.destroy()
      this.#isProbing = isSilent
      if (isSilent) this.send({ kind: 'echo-request' })
      this.#probe()
    })
  }

  #received(message: Received): void {
    try {
      if (!this.#isGreeted) return this.#greet(message)
      if (message.kind === 'echo-request')
        return this.send({ kind: 'echo-reply', data: message.data }, message.xid)
      this.#owner.received(this, message)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.refuse(error.answer, encode(message), message.xid)
    }
  }

  #greet(message: Received): void {
    if (message.kind !== 'hello') throw new Refusal('OFPBRC_BAD_TYPE')
    const { bitmap } = message.versions
    if (bitmap && !bitmap.includes(version)) {
      this.refuse('OFPHFC_INCOMPATIBLE', new Uint8Array(), message.xid)
      return this.#connection?.end()
    }
    this.#isGreeted = true
    this.#backoffMillis = this.#limits.firstBackoffMillis
  }
}
