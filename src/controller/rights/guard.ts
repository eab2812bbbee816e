/**
 * Who asks, and whether they may: every request passes here before it is looked into.
 *
 *     token, certificate, or nobody ── known? ── not too often? ── role in the table? ── policy in scope?
 */

import { timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { readIp } from '../../base/addresses.js'
import type { Clock, Timers } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import { RateLimit } from '../../base/rate-limit.js'
import type { Identity, Right, Rights, Role } from '../../nfv/requests.js'
import { rightOf } from './rights.js'
import { firstName, hashOf, type Tokens } from './tokens.js'

/** Never with the token: what is wrong by a letter is still a secret. */
export interface TokenAttempt {
  readonly remote: string
  readonly method: string
  /** Without its query. */
  readonly path: string
}

export interface GuardOptions {
  readonly rights: Rights
  /** The token of the data folder. */
  readonly firstToken: string
  readonly tokens?: Tokens
  /** Roles of clients by the common name of their certificate. */
  readonly clients?: Readonly<Record<string, Role>>
  /** Requests come by way of a proxy: where the connection is from says nothing. */
  readonly isProxied?: boolean
  /** Requests a second of one who asks from elsewhere; at once, `burst` times as many. */
  readonly requestsPerSecond?: number
  readonly clock: Clock
  readonly timers: Pick<Timers, 'every'>
  /** Somebody gave a token that is wrong. */
  readonly refused?: (attempt: TokenAttempt) => void
}

const usualPerSecond = 100
const burst = 5
const failuresPerSecond = 20
/** Addresses that are remembered; beyond it the one that has been silent longest is forgotten. */
const maxBuckets = 10_000

type Socket = FastifyRequest['raw']['socket']

/** What Node's socket says of a certificate. */
interface SecureSocket {
  readonly authorized?: boolean
  getPeerCertificate?(): { readonly subject?: { readonly CN?: string | string[] } } | undefined
}

export class Guard {
  readonly #options: GuardOptions
  readonly #first: Buffer
  readonly #buckets = new Map<string, RateLimit>()
  readonly #streams = new Map<Socket, Identity>()
  readonly #routes = new Set<string>()

  constructor(options: GuardOptions) {
    this.#options = options
    this.#first = Buffer.from(hashOf(options.firstToken), 'hex')
  }

  /** @throws {TypeError} a route that is in no table: nobody has decided who may use it */
  check(method: string, path: string): void {
    this.#routes.add(`${method} ${path}`)
    if (rightOf(this.#options.rights, method, path) === undefined)
      throw new TypeError(
        `no role is named for ${method} ${path}: add it to src/controller/rights/rights.ts`,
      )
  }

  /** All that were checked: what the router has. */
  get routes(): readonly string[] {
    return [...this.#routes]
  }

  /**
   * Lets a request in, and writes down whose it is.
   *
   * @throws {Failure} `no-token`, `wrong-token`, `wrong-certificate`, `forbidden`, `too-many-requests`
   */
  admit(request: FastifyRequest): void {
    const right = this.#rightOf(request)
    const identity = this.#identify(request)
    request.identity = identity
    if (right === 'public') {
      if (identity === undefined) this.#limit(`public ${callerAddress(request)}`)
      return
    }
    if (identity === undefined) {
      this.#limit(`public ${callerAddress(request)}`)
      throw new Failure('no-token', { needs: right.join(' or ') })
    }
    this.#limitCaller(request, identity)
    if (right.includes(identity.role)) return
    const { name, role } = identity
    const needs = right.join(' or ')
    if (identity.how === 'nothing') throw new Failure('no-token', { needs })
    throw new Failure('forbidden', { name, role, needs })
  }

  /** Ends the connection within a second when who has it may ask no more. */
  watch(request: FastifyRequest): void {
    const { identity } = request
    if (identity === undefined) return
    const { socket } = request.raw
    this.#streams.set(socket, identity)
    socket.once('close', () => this.#streams.delete(socket))
  }

  /** @returns ends it */
  start(): () => void {
    return this.#options.timers.every(1_000, () => {
      for (const [socket, identity] of this.#streams) if (!identity.isGood()) socket.destroy()
    })
  }

  #rightOf(request: FastifyRequest): Right {
    // What there is not is told to those who may read.
    if (request.is404) return ['viewer', 'author', 'operator', 'admin']
    return rightOf(this.#options.rights, request.method, request.routeOptions.url ?? '') ?? []
  }

  #identify(request: FastifyRequest): Identity | undefined {
    const { authorization } = request.headers
    if (authorization !== undefined) return this.#byToken(request, authorization)
    const socket: object = request.raw.socket
    const isSecure = 'encrypted' in socket
    const known = isSecure ? this.#byCertificate(socket as SecureSocket) : undefined
    if (known || isSecure || this.#options.isProxied || isHandedOn(request)) return known
    return { name: 'anybody', role: 'viewer', how: 'nothing', isGood: () => true }
  }

  #byToken(request: FastifyRequest, authorization: string): Identity {
    const text = /^bearer ([^\s]+)$/i.exec(authorization)?.[1]
    if (text !== undefined && timingSafeEqual(Buffer.from(hashOf(text), 'hex'), this.#first))
      return { name: firstName, role: 'admin', how: 'first-token', isGood: () => true }
    const { tokens } = this.#options
    const token = text === undefined ? undefined : tokens?.find(text)
    if (tokens && token && tokens.isGood(token)) {
      const { name, role, policies } = token
      return {
        ...{ name, role, how: 'token' as const },
        ...(policies && { policies }),
        isGood: () => tokens.isGood(token),
      }
    }
    this.#options.refused?.({
      remote: callerAddress(request),
      method: request.method,
      path: request.url.split('?')[0]!.slice(0, 200),
    })
    this.#limit(`refused ${callerAddress(request)}`, failuresPerSecond, 200)
    throw token
      ? new Failure('token-ended', { name: token.name, expires: token.expires })
      : new Failure('wrong-token')
  }

  #byCertificate(socket: SecureSocket): Identity | undefined {
    const subject = socket.getPeerCertificate?.()?.subject
    if (subject === undefined) return undefined
    const name = [subject.CN ?? ''].flat()[0] ?? ''
    const { clients = {} } = this.#options
    const role = Object.hasOwn(clients, name) ? clients[name] : undefined
    if (socket.authorized !== true)
      throw new Failure('wrong-certificate', {
        name,
        why: 'it is not signed by rest.tls.clientAuthority',
      })
    if (role === undefined)
      throw new Failure('wrong-certificate', { name, why: 'rest.clients names no role for it' })
    return { name, role, how: 'certificate', isGood: () => true }
  }

  /** Who is on this machine could do worse than to ask often. */
  #limitCaller(request: FastifyRequest, { name, how }: Identity): void {
    const isHere = !('encrypted' in request.raw.socket) && !this.#options.isProxied
    if (isHere && (how === 'nothing' || how === 'first-token')) return
    this.#limit(`${how} ${name}`)
  }

  /** @throws {Failure} `too-many-requests` */
  #limit(
    key: string,
    perSecond = this.#options.requestsPerSecond ?? usualPerSecond,
    atOnce = perSecond * burst,
  ): void {
    let bucket = this.#buckets.get(key)
    bucket ??= new RateLimit(this.#options.clock, perSecond, atOnce)
    // Behind all others: who is forgotten is who has not asked for longest.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > maxBuckets)
      this.#buckets.delete(this.#buckets.keys().next().value as string)
    if (!bucket.take()) throw new Failure('too-many-requests', { perSecond, retryAfter: 1 })
  }
}

/** Where a request comes from: what a proxy says, if that is an address, or where the connection is from. */
export const callerAddress = ({ ip, raw }: Pick<FastifyRequest, 'ip' | 'raw'>): string =>
  isAddress(ip) ? ip : (raw.socket.remoteAddress ?? '')

/** An IPv4 address of a socket for both versions is written as IPv6. */
const isAddress = (text: string): boolean =>
  readIp(text.replace(/^::ffff:(?=\d+\.)/, '')) !== undefined

/** A proxy that nobody told of hands on requests of others, and they are not on this machine. */
const isHandedOn = ({ headers }: FastifyRequest): boolean =>
  ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'].some(name => headers[name] !== undefined)
