/**
 * The connections of the API, so that no number of them keeps others out: where there are too many, the one that has
 * been silent longest makes room; streams of events have a share of them; answers that nobody reads are cut off.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/failures.js'
import type { Log } from '../../base/log/log.js'

type Socket = FastifyRequest['raw']['socket']

export interface CallerLimits {
  readonly connections: number
  /** Of one address that is not this machine's own. */
  readonly ofOneAddress: number
  readonly streams: number
  /** Octets of answers that wait to be read, of all together. */
  readonly unread: number
}

export const callerLimits: CallerLimits = {
  connections: 1_000,
  ofOneAddress: 200,
  streams: 256,
  unread: 64 * 2 ** 20,
}

interface Caller {
  /** Requests that are not answered whole. */
  open: number
  isStream: boolean
  /** Counts up with all that comes and goes: who has the lowest has been silent longest. */
  last: number
}

export class Callers {
  readonly #log: Log
  readonly #limits: CallerLimits
  readonly #callers = new Map<Socket, Caller>()
  #turn = 0

  constructor(log: Log, limits: CallerLimits = callerLimits) {
    this.#log = log
    this.#limits = limits
  }

  /** @param connected the event with which connections come that carry requests */
  watch(
    server: FastifyInstance['server'],
    connected: 'connection' | 'secureConnection' = 'connection',
  ): void {
    server.on(connected, (socket: Socket) => this.#come(socket))
    server.on('request', (request: FastifyRequest['raw'], response: FastifyReply['raw']) => {
      const caller = this.#callers.get(request.socket)
      if (caller === undefined) return
      caller.open++
      caller.last = ++this.#turn
      response.once('close', () => {
        caller.open--
        caller.last = ++this.#turn
      })
    })
  }

  /**
   * The request becomes a stream: until its answer ends, or without one until the connection does.
   *
   * @throws {Failure} `busy` when there are as many as may be
   */
  stream(socket: Socket, answer?: FastifyReply['raw']): void {
    let streams = 0
    for (const { isStream } of this.#callers.values()) if (isStream) streams++
    if (streams >= this.#limits.streams) throw new Failure('busy', { waiting: streams })
    const caller = this.#callers.get(socket)
    if (caller === undefined) return
    caller.isStream = true
    answer?.once('close', () => {
      caller.isStream = false
    })
  }

  /** Makes room for an answer: who has most to read and does not read it is cut off, at last the one who asks again. */
  answer(size: number, to: Socket): void {
    const unread = () => {
      let sum = size
      for (const socket of this.#callers.keys()) sum += socket.writableLength
      return sum
    }
    for (let sum = unread(); sum > this.#limits.unread; sum = unread()) {
      const slowest = this.#find(
        socket => socket !== to && socket.writableLength > 0,
        socket => socket.writableLength,
      )
      if (slowest === undefined) {
        if (to.writableLength > 0) this.#cut(to, unreadAnswers)
        return
      }
      this.#cut(slowest, unreadAnswers)
    }
  }

  #come(socket: Socket): void {
    const { connections, ofOneAddress } = this.#limits
    const address = socket.remoteAddress
    if (!isOwn(address)) {
      const isTheirs = (each: Socket) => each.remoteAddress === address
      let count = 0
      for (const each of this.#callers.keys()) if (isTheirs(each)) count++
      if (count >= ofOneAddress && !this.#makeRoom(isTheirs)) return this.#cut(socket, tooMany)
    }
    if (this.#callers.size >= connections && !this.#makeRoom(() => true))
      return this.#cut(socket, tooMany)
    this.#callers.set(socket, { open: 0, isStream: false, last: ++this.#turn })
    socket.once('close', () => this.#callers.delete(socket))
  }

  /** False when all of them are being answered. */
  #makeRoom(isMeant: (socket: Socket) => boolean): boolean {
    const idle = this.#find(
      socket => {
        const { open, isStream } = this.#callers.get(socket)!
        return isMeant(socket) && open === 0 && !isStream
      },
      socket => -this.#callers.get(socket)!.last,
    )
    if (idle !== undefined) this.#cut(idle, 'it was silent, and others came')
    return idle !== undefined
  }

  #find(isMeant: (socket: Socket) => boolean, worth: (socket: Socket) => number) {
    let found: Socket | undefined
    for (const socket of this.#callers.keys())
      if (isMeant(socket) && (found === undefined || worth(socket) > worth(found))) found = socket
    return found
  }

  #cut(socket: Socket, reason: string): void {
    this.#log.debug({ remote: socket.remoteAddress, reason }, 'a connection of the api was cut off')
    this.#callers.delete(socket)
    socket.destroy()
  }
}

const unreadAnswers = 'it does not read its answers'
const tooMany = 'there are too many connections, and all are in use'

const isOwn = (address: string | undefined): boolean =>
  address === undefined || /^(127\.|::1$|::ffff:127\.)/.test(address)
