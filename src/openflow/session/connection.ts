/** The connection to one switch: what the session decides, done over a stream of bytes. */
import { EventEmitter } from 'node:events'
import { type Dpid, formatDpid } from '../../base/addresses.js'
import type { Cancel, Connection, Env } from '../../base/env/env.js'
import type { Log } from '../../base/log/log.js'
import { encode } from '../codec.js'
import { errorByName } from '../error-codes.js'
import type { Message, Received, ReceivedOf, Reply } from '../messages/index.js'
import type { PortDescription } from '../messages/port.js'
import type { Role } from '../messages/role.js'
import type { DecodeError } from '../wire/decode-error.js'
import { type Refusal, Together } from './confirmed-messages.js'
import { Inbox, type InboxLimits, inboxLimits } from './inbox.js'
import { Outbox, type OutboxLimits, outboxLimits } from './outbox.js'
import { type PacketIn, packetOf } from './punted.js'
import {
  ConnectionLost,
  RequestBook,
  type RequestLimits,
  requestLimits,
  SwitchError,
} from './requests.js'
import {
  isFromSwitch,
  newSession,
  nextDeadlineMillis,
  type Question,
  type SessionEffect,
  type SessionEvent,
  type SessionLimits,
  type SessionState,
  sessionLimits,
  step,
} from './session.js'

export interface SwitchConnectionEvents {
  'packet-in': [packet: PacketIn]
  /** `ports` holds the change already. */
  'port-changed': [reason: 'add' | 'delete' | 'modify', port: PortDescription]
  'flow-removed': [flow: ReceivedOf<'flow-removed'>]
  /** Another controller took our place, or we took it back. */
  'role-status': [status: ReceivedOf<'role-status'>]
  /** An error for something that nobody waits for. */
  'switch-error': [error: SwitchError, xid: number]
  /** Anything else: replies nobody asked for, experimenters. */
  'other-message': [message: Received]
  closed: [reason: string]
}

export interface ConnectionLimits {
  readonly session: SessionLimits
  readonly requests: RequestLimits
  readonly inbox: InboxLimits
  readonly outbox: OutboxLimits
  /** Messages that cannot be understood before the connection ends. */
  readonly maxMalformed: number
}

export const connectionLimits: ConnectionLimits = {
  session: sessionLimits,
  requests: requestLimits,
  inbox: inboxLimits,
  outbox: outboxLimits,
  maxMalformed: 16,
}

/** What the owner of a connection decides. */
export interface ConnectionOwner {
  /** The switch has said who it is. Resolves to why it may not come in, or to undefined. */
  admit(connection: SwitchConnection): Promise<string | undefined>
  ready(connection: SwitchConnection): void
}

const erredSize = 64
/** Unsent octets beyond which bundles wait for the switch to read. */
const paceSize = 512 * 1024

export class SwitchConnection extends EventEmitter<SwitchConnectionEvents> {
  /** The other end, as people write it. */
  readonly remote: string
  /** The name in the switch's certificate, on TLS. */
  readonly peerName: string | undefined
  readonly #env: Env
  readonly #connection: Connection
  readonly #owner: ConnectionOwner
  readonly #limits: ConnectionLimits
  readonly #book: RequestBook
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #ports = new Map<number, PortDescription>()
  readonly #together: Together
  #log: Log
  #state: SessionState
  #timer: Cancel | undefined
  #timerMillis = Number.POSITIVE_INFINITY
  #drained: (() => void)[] = []
  #lastXid = 0
  #malformedCount = 0
  #droppedCount = 0
  #role: Role = 'equal'
  #closedBecause: string | undefined
  #isEndless = false

  constructor(
    env: Env,
    connection: Connection,
    owner: ConnectionOwner,
    limits: ConnectionLimits = connectionLimits,
  ) {
    super()
    this.#env = env
    this.#connection = connection
    this.#owner = owner
    this.#limits = limits
    this.remote = connection.remote
    this.peerName = connection.peerName
    this.#log = env.log.child({ remote: connection.remote })
    this.#book = new RequestBook(limits.requests, reason => this.#endless(reason))
    this.#outbox = new Outbox(connection, limits.outbox)
    this.#inbox = new Inbox(connection, env, this.#inboxHandlers(), limits.inbox)
    this.#together = new Together({
      newXid: () => this.#newXid(),
      transmit: (message, xid) => this.#transmit(message, xid),
      request: message => this.request(message),
      isBehind: () => this.#isBehind(),
      caughtUp: () => this.#pace(),
    })
    this.#state = newSession(env.clock.nowMillis(), limits.session)
    connection.onBytes(chunk => this.#guard(() => this.#receive(chunk)))
    connection.onClose(error => this.#closed(error ? error.message : 'the switch closed it'))
    connection.onDrain(() => this.#wake())
    this.#apply({ type: 'opened' })
  }

  /** Known from the moment the owner is asked to admit the switch. */
  get dpid(): Dpid {
    return formatDpid(this.features.datapathId)
  }

  get features(): ReceivedOf<'features-reply'> {
    return this.#known(this.#state.features)
  }

  get description(): ReceivedOf<'desc-reply'> {
    return this.#known(this.#state.description)
  }

  /** By port number, kept current; port 0xfffffffe is the switch's own. */
  get ports(): ReadonlyMap<number, PortDescription> {
    return this.#ports
  }

  get role(): Role {
    return this.#role
  }

  get isReady(): boolean {
    return this.#state.phase === 'ready'
  }

  /** It sent replies without an end. */
  get isEndless(): boolean {
    return this.#isEndless
  }

  get isClosed(): boolean {
    return this.#closedBecause !== undefined
  }

  /** Octets that the switch has not taken yet. */
  get unsentSize(): number {
    return this.#outbox.unsentSize
  }

  /** Packet-outs that were dropped because the switch did not read. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  #known<T>(value: T | undefined): T {
    if (value === undefined) throw new Error('the switch has not said this yet')
    return value
  }

  /**
   * Sends a message for which nothing comes back; errors come as `switch-error`. After the
   * connection has closed nothing happens.
   *
   * @returns the xid it was sent with
   */
  send(message: Message): number {
    const xid = this.#newXid()
    this.#transmit(message, xid)
    return xid
  }

  /**
   * Sends a request and waits for its reply; the parts of a multipart reply come as one.
   *
   * @throws {SwitchError} when the switch refuses; an Error when the connection closes or 10 s pass
   */
  request(message: Message): Promise<Reply> {
    if (this.#closedBecause !== undefined)
      return Promise.reject(new ConnectionLost(this.#closedBecause))
    const xid = this.#newXid()
    const answer = new Promise<Reply>((resolve, reject) =>
      this.#book.open(xid, message, this.#env.clock.nowMillis(), resolve, reject),
    )
    this.#transmit(message, xid)
    this.#arm()
    return answer
  }

  /** Resolves when the switch has done everything that was sent before. */
  async barrier(): Promise<void> {
    await this.request({ kind: 'barrier-request' })
  }

  /** Sends in order with a barrier behind; resolves to what was refused. */
  sendAll(messages: readonly Message[]): Promise<readonly Refusal[]> {
    return this.#together.sendAll(messages)
  }

  /**
   * All of them or none, in order (ONF EXT-230).
   *
   * @throws {BundleError} when the switch refuses any; an Error when the connection closes meanwhile
   */
  bundle(messages: readonly Message[]): Promise<void> {
    return this.#together.bundle(messages)
  }

  /**
   * Takes the switch over and asks for whole packets, with the userdata of their flows. A switch that has
   * seen a greater generation, of a controller that nobody knows any more, is taken over with the next one.
   *
   * @returns the generation it was taken over with, OpenFlow 1.3.5 section 6.3.6
   */
  async becomeMaster(generationId: bigint): Promise<bigint> {
    const before = this.#role
    // Whoever takes it from us may be told in the octets of the answer, and that holds.
    this.#role = 'master'
    const used = await this.#claim(generationId).catch((error: unknown) => {
      this.#role = before
      throw error
    })
    const refusals = await this.sendAll([
      // The flags say how fragments are treated, for the whole switch: they stay.
      { kind: 'set-config', flags: this.#state.config?.flags ?? 0, missSendLength: 0xffff },
      // Only in this form do packets bring the userdata of their flow.
      { kind: 'set-packet-in-format', format: 'nxt2' },
    ])
    if (refusals.length > 0)
      this.#log.warn({ refusals }, 'the switch cannot send packets the way we ask for')
    return used
  }

  /** Gives a switch back to whoever else programs it; nothing waits for the answer. */
  becomeSlave(): void {
    this.#role = 'slave'
    // The generation only has to be one that the switch takes, which is known after it was asked.
    this.request({ kind: 'role-request', role: 'nochange', generationId: 0n }).then(
      reply => {
        if (reply.kind === 'role-reply')
          this.send({ kind: 'role-request', role: 'slave', generationId: reply.generationId })
      },
      (error: unknown) => this.#log.debug({ err: error }, 'the switch could not be given back'),
    )
  }

  async #claim(generationId: bigint): Promise<bigint> {
    const ask = (role: 'master' | 'nochange', id: bigint) =>
      this.request({ kind: 'role-request', role, generationId: id })
    try {
      await ask('master', generationId)
      return generationId
    } catch (error) {
      if (!(error instanceof SwitchError) || error.name !== 'OFPRRFC_STALE') throw error
      const reply = await ask('nochange', 0n)
      const seen = reply.kind === 'role-reply' ? reply.generationId : generationId
      const next = BigInt.asUintN(64, seen + 1n)
      await ask('master', next)
      return next
    }
  }

  /** True when the switch answers an echo in time. */
  async isAlive(withinMillis: number): Promise<boolean> {
    let cancel: Cancel = () => undefined
    const late = new Promise<boolean>(resolve => {
      cancel = this.#env.timers.after(withinMillis, () => resolve(false))
    })
    const answer = this.request({ kind: 'echo-request' }).then(
      () => true,
      () => false,
    )
    const isAlive = await Promise.race([answer, late])
    cancel()
    return isAlive
  }

  /** Ends the connection; `closed` is emitted once, requests fail. */
  close(reason: string): void {
    if (this.#closedBecause !== undefined) return
    this.#outbox.flush()
    this.#closed(reason)
    this.#connection.end()
    // A peer that does not close its side has a moment, then the socket goes.
    this.#env.timers.after(1_000, () => this.#connection.destroy())
  }

  #endless(reason: string): void {
    if (this.isClosed) return
    this.#log.warn({ reason }, 'the connection ends: a reply has no end')
    this.#isEndless = true
    this.#destroy(reason)
  }

  #closed(reason: string): void {
    if (this.#closedBecause !== undefined) return
    this.#closedBecause = reason
    this.#state = { ...this.#state, phase: 'closed' }
    this.#timer?.()
    this.#inbox.close()
    this.#outbox.close()
    this.#wake()
    this.#book.failAll(reason)
    this.#log.debug({ reason }, 'connection closed')
    this.emit('closed', reason)
  }

  #newXid(): number {
    do this.#lastXid = this.#lastXid >= 0xffffffff ? 1 : this.#lastXid + 1
    while (this.#book.has(this.#lastXid) || this.#together.has(this.#lastXid))
    return this.#lastXid
  }

  #transmit(message: Message, xid: number): void {
    if (this.#closedBecause !== undefined) return
    const result = this.#outbox.add(encode(message, xid), message.kind === 'packet-out')
    if (result === 'dropped') this.#droppedCount++
    if (result === 'overflow') this.#destroy('the switch does not read what it is sent')
  }

  #destroy(reason: string): void {
    this.#closed(reason)
    this.#connection.destroy()
  }

  /** Asked before anything is awaited, so that what is sent together leaves in one piece. */
  #isBehind(): boolean {
    return this.#closedBecause === undefined && this.unsentSize > paceSize
  }

  /** Waits while the switch is behind with reading. */
  async #pace(): Promise<void> {
    while (this.#isBehind()) {
      this.#outbox.flush()
      if (this.#connection.unsentSize === 0) return
      await new Promise<void>(resolve => this.#drained.push(resolve))
    }
  }

  #wake(): void {
    const waiting = this.#drained
    this.#drained = []
    for (const resolve of waiting) resolve()
  }

  /** The rim: our own mistakes end this connection and no other. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#log.error({ err: error }, 'a message could not be handled')
      this.#destroy('internal error')
    }
  }

  #receive(chunk: Uint8Array): void {
    this.#state = step(this.#state, { type: 'heard' }, this.#env.clock.nowMillis()).state
    this.#inbox.push(chunk)
  }

  #inboxHandlers() {
    return {
      message: (message: Received, size: number) => this.#guard(() => this.#message(message, size)),
      malformed: (error: DecodeError, xid: number, bytes: Uint8Array) =>
        this.#malformed(error, xid, bytes),
      broken: (error: DecodeError) => {
        this.#answerError(error, 0, new Uint8Array())
        this.close(error.message)
      },
    }
  }

  #malformed(error: DecodeError, xid: number, bytes: Uint8Array): void {
    this.#log.warn({ xid, reason: error.message }, 'a message cannot be understood')
    this.#answerError(error, xid, bytes)
    this.#book.fail(xid, error)
    this.#malformedCount++
    const isFatal = error.answer === 'OFPBRC_BAD_VERSION' || this.#state.phase !== 'ready'
    if (isFatal || this.#malformedCount > this.#limits.maxMalformed) this.close(error.message)
  }

  #answerError(error: Pick<DecodeError, 'answer'>, xid: number, bytes: Uint8Array): void {
    const { type, code, experimenter } = errorByName(error.answer)
    const data = bytes.slice(0, erredSize)
    this.#transmit(
      { kind: 'error', type, code, data, ...(experimenter === undefined ? {} : { experimenter }) },
      xid,
    )
  }

  #message(message: Received, size: number): void {
    if (this.#log.isLevelEnabled('trace'))
      this.#log.trace({ xid: message.xid, kind: message.kind }, 'received')
    if (!isFromSwitch(message.kind)) {
      this.#answerError({ answer: 'OFPBRC_BAD_TYPE' }, message.xid, new Uint8Array())
      return this.close(`a switch may not send ${message.kind}`)
    }
    switch (message.kind) {
      case 'packet-in':
      case 'packet-in2':
        return this.#packetIn(message)
      case 'port-status':
        return this.#portStatus(message)
      case 'flow-removed':
        if (this.isReady) this.emit('flow-removed', message)
        return
      case 'role-status':
        this.#role = message.role
        if (this.isReady) this.emit('role-status', message)
        return
      case 'unknown':
        return this.#answerError({ answer: 'OFPBRC_BAD_TYPE' }, message.xid, new Uint8Array())
      case 'error':
        return this.#error(message, size)
      default:
        return this.#other(message, size)
    }
  }

  #packetIn(message: ReceivedOf<'packet-in'> | ReceivedOf<'packet-in2'>): void {
    if (!this.isReady) return
    this.emit('packet-in', packetOf(message))
  }

  #portStatus({ reason, description }: ReceivedOf<'port-status'>): void {
    if (typeof reason === 'number') return
    if (reason === 'delete') this.#ports.delete(description.port)
    else this.#ports.set(description.port, description)
    if (this.isReady) this.emit('port-changed', reason, description)
  }

  #error(message: ReceivedOf<'error'>, size: number): void {
    if (this.#book.take(message, size)) return
    const error = new SwitchError(message)
    if (this.#together.take(error, message.xid)) return
    if (this.isReady) {
      this.#log.debug({ xid: message.xid, error: error.name }, 'the switch reports an error')
      this.emit('switch-error', error, message.xid)
    } else this.#apply({ type: 'message', message })
  }

  #other(message: Received, size: number): void {
    if (this.#book.take(message, size)) return
    if (!this.isReady || message.kind === 'echo-request')
      return this.#apply({ type: 'message', message })
    if (message.kind !== 'echo-reply' && message.kind !== 'hello')
      this.emit('other-message', message)
  }

  #apply(event: SessionEvent): void {
    const { state, effects } = step(this.#state, event, this.#env.clock.nowMillis())
    this.#state = state
    for (const effect of effects) this.#run(effect)
    this.#arm()
  }

  #run(effect: SessionEffect): void {
    switch (effect.do) {
      case 'send':
        return this.#transmit(effect.message, effect.message.xid ?? this.#newXid())
      case 'ask':
        return this.#ask(effect.message)
      case 'admit':
        return this.#admit()
      case 'ready':
        return this.#ready()
      case 'close':
        if (effect.answer) this.#answerError({ answer: effect.answer }, 0, new Uint8Array())
        return this.close(effect.reason)
    }
  }

  #ask(message: Message & { readonly kind: Question }): void {
    this.request(message).then(
      reply => this.#guard(() => this.#apply({ type: 'answered', reply })),
      (error: Error) =>
        this.#guard(() =>
          this.#apply({ type: 'refused', question: message.kind, error: error.name }),
        ),
    )
  }

  #admit(): void {
    this.#log = this.#log.child({ dpid: this.dpid })
    this.#owner.admit(this).then(
      refusal => {
        if (refusal === undefined) this.#guard(() => this.#apply({ type: 'admitted' }))
        else this.close(refusal)
      },
      (error: unknown) => {
        this.#log.error({ err: error }, 'the switch could not be admitted')
        this.close('internal error')
      },
    )
  }

  #ready(): void {
    this.#role = 'slave'
    for (const port of this.#state.ports?.entries ?? [])
      if (!this.#ports.has(port.port)) this.#ports.set(port.port, port)
    this.#owner.ready(this)
  }

  /** Sees to it that the timer goes off in time for the next deadline. */
  #arm(): void {
    if (this.#closedBecause !== undefined) return
    const next = Math.min(nextDeadlineMillis(this.#state), this.#book.nextDeadlineMillis())
    if (next >= this.#timerMillis) return
    this.#timer?.()
    this.#timerMillis = next
    const wait = Math.max(0, next - this.#env.clock.nowMillis())
    this.#timer = this.#env.timers.after(wait, () => this.#guard(() => this.#atDeadline()))
  }

  #atDeadline(): void {
    this.#timerMillis = Number.POSITIVE_INFINITY
    this.#timer = undefined
    this.#book.expire(this.#env.clock.nowMillis())
    this.#apply({ type: 'time' })
  }
}
