/**
 * The northbound API: Fastify with the guards that every request passes.
 *
 *     Host known? ── Origin ours? ── an upgrade: of the events? ── who asks, and may they? ── body valid? ── route
 *
 * and problem+json on failure.
 */
import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import type { ErrorObject } from 'ajv'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Timers } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import type { Log } from '../../base/log/log.js'
import { mistakeText, schemaMistakes } from '../../base/schema-mistakes.js'
import type { Guard } from '../rights/guard.js'
import { Callers } from './callers.js'
import { socketPath, streamPath } from './event-routes.js'

export interface RestOptions {
  /** Who may do what; absent: whoever reaches the address may do everything. */
  readonly guard?: Guard
  /** Hangs itself in where answers are given. */
  readonly audit?: (app: FastifyInstance) => void
  /** More names that the Host header may carry. */
  readonly names?: () => readonly string[]
  /** Addresses and networks of proxies, whose word is taken for where a request comes from. */
  readonly trustProxy?: readonly string[]
  readonly log: Log
  readonly timers: Timers
  /** How many there may be; absent: as many as usual. */
  readonly callers?: Callers
}

export type RoutePlugin = (app: FastifyInstance) => void

const secureHeaders = {
  'content-security-policy':
    "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

export const createRest = async (
  options: RestOptions,
  plugins: readonly RoutePlugin[],
): Promise<FastifyInstance> => {
  const app = Fastify({
    bodyLimit: 8 * 1024 * 1024,
    ...serverTimes,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    trustProxy: options.trustProxy === undefined ? false : [...options.trustProxy],
    requestIdHeader: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256, caseSensitive: true },
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: false,
        // Of four million items each would be a mistake: memory ends before they do.
        allErrors: false,
        verbose: true,
        // Lengths in units of UTF-16: to count characters takes longer than to parse them, and nobody else is served.
        unicode: false,
        // It would say of this option that there is a new default.
        logger: false,
      },
    },
  })
  const callers = options.callers ?? new Callers(options.log)
  callers.watch(app.server)
  limitTimes(app.server)
  // First of all: what others register is seen.
  guard(app, options)
  await app.register(websocket, { options: { maxPayload: 64 * 1024, perMessageDeflate: false } })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'sluice',
        version: '1',
        description: 'Northbound API of the sluice controller',
      },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      },
    },
  })
  bound(app, callers, options.guard)
  answerInTime(app, options.timers)
  options.audit?.(app)
  for (const plugin of plugins) app.register(async scope => plugin(scope))
  answerFailures(app, options.log)
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  return app
}

/** How long a server waits for its callers; one that Fastify does not make is given the same. */
export const limitTimes = (server: FastifyInstance['server']): void => {
  server.headersTimeout = 5_000
  server.requestTimeout = serverTimes.requestTimeout
  server.keepAliveTimeout = serverTimes.keepAliveTimeout
  server.timeout = serverTimes.connectionTimeout
}

/** Every question is answered within so long, or longer where its `timeout` asks for it; the socket lives longer. */
const answerSeconds = 25

const serverTimes = {
  requestTimeout: 15_000,
  connectionTimeout: (answerSeconds + 5) * 1_000,
  keepAliveTimeout: 10_000,
}

/**
 * A handler that waits for a switch that says nothing: the client hears so, before anything on the way takes the silence
 * for a dead connection.
 */
const answerInTime = (app: FastifyInstance, timers: Timers): void => {
  app.addHook('preHandler', async (request, reply) => {
    const { timeout } = request.query as { timeout?: string }
    const seconds = answerSeconds + Number(timeout ?? 0)
    if (timeout !== undefined) request.raw.socket.setTimeout((seconds + 5) * 1_000)
    const cancel = timers.after(seconds * 1_000, () => {
      if (reply.sent) return
      const failure = new Failure('timed-out', {
        detail: `Nothing came within ${seconds} s; a switch may not answer: "sluice get switches" tells how they are.`,
      })
      reply.code(failure.status).type('application/problem+json').send(failure.toProblem())
    })
    reply.raw.on('close', cancel)
  })
}

/** Streams and answers have an end to how many they are. */
const bound = (app: FastifyInstance, callers: Callers, guard: Guard | undefined): void => {
  app.addHook('onRequest', async (request, reply) => {
    const { url } = request.routeOptions
    const isSocket = request.ws && url === socketPath
    const isStream =
      url === streamPath && request.headers.accept?.includes('text/event-stream') === true
    if (!isSocket && !isStream) return
    // A connection that carries requests is a stream for as long as it is answered as one.
    callers.stream(request.raw.socket, isStream ? reply.raw : undefined)
    guard?.watch(request)
  })
  app.addHook('onSend', async (request, _reply, payload) => {
    if (typeof payload === 'string') callers.answer(payload.length, request.raw.socket)
  })
}

const noQuery = { type: 'object', properties: {}, additionalProperties: false } as const

const guard = (app: FastifyInstance, options: RestOptions): void => {
  app.decorateRequest('identity', undefined)
  app.decorateRequest('difference', undefined)
  app.decorateRequest('noteChange', undefined)
  app.decorateRequest('isNoted', false)
  app.decorateRequest('failure', undefined)
  app.addHook('onRoute', route => {
    if (options.guard === undefined) return
    for (const each of [route.method].flat()) options.guard.check(each, route.url)
    // What is not known is not passed by: "dryRun" where there is none would be done.
    if (route.schema?.querystring === undefined)
      route.schema = { ...route.schema, querystring: noQuery }
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(secureHeaders)
    checkHost(request, options)
    checkOrigin(request)
    checkUpgrade(request)
    options.guard?.admit(request)
  })
  let stop: (() => void) | undefined
  app.addHook('onReady', async () => {
    stop = options.guard?.start()
  })
  app.addHook('onClose', async () => stop?.())
}

/** Names a loopback listener answers to; a page that rebinds its own name to 127.0.0.1 is refused. */
const checkHost = (request: FastifyRequest, options: RestOptions): void => {
  const name = hostName(request.host)
  const known = ['localhost', '127.0.0.1', '[::1]', ...(options.names?.() ?? [])]
  // A certificate may be for all names of a domain, one label deep.
  const domain = `*${name.slice(name.indexOf('.'))}`
  if (!known.includes(name) && !(name.includes('.') && known.includes(domain)))
    throw new Failure('alien-host', { host: name })
}

const hostName = (host: string): string => host.replace(/:\d+$/, '').toLowerCase()

const checkOrigin = (request: FastifyRequest): void => {
  const { origin } = request.headers
  const { host } = request
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    throw new Failure('alien-origin', { origin })
  if (request.method === 'GET' || request.method === 'HEAD') return
  // A form of another page may come without Origin; browsers say by themselves where it is from.
  const { 'sec-fetch-site': site, referer } = request.headers
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new Failure('alien-origin', { origin: site })
  if (referer !== undefined && hostOf(referer) !== host)
    throw new Failure('alien-origin', { origin: referer })
}

const hostOf = (address: string): string | undefined =>
  URL.canParse(address) ? new URL(address).host : undefined

/** A WebSocket is opened where there is one, and nowhere else. */
const checkUpgrade = (request: FastifyRequest): void => {
  if (request.headers.upgrade !== undefined && request.routeOptions.url !== socketPath)
    throw new Failure('bad-request', { detail: `WebSockets are at ${socketPath} only.` })
}

const answerFailures = (app: FastifyInstance, log: Log): void => {
  app.setNotFoundHandler(async (request, reply) => {
    const failure = new Failure('no-route', { path: request.url.split('?')[0] })
    return reply.code(failure.status).type('application/problem+json').send(failure.toProblem())
  })
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const failure = asFailure(error)
    request.failure = failure?.code
    if (failure === undefined) log.error({ err: error, url: request.url }, 'a request failed')
    const problem = failure?.toProblem() ?? {
      type: 'about:blank',
      title: 'The controller made a mistake',
      status: 500,
      detail: `Look for request ${request.id} in the log of the controller.`,
    }
    if (failure?.status === 401) reply.header('www-authenticate', 'Bearer')
    if (failure?.code === 'too-many-requests')
      reply.header('retry-after', String(failure.context.retryAfter))
    return reply.code(Number(problem.status)).type('application/problem+json').send(problem)
  })
}

const asFailure = (error: FastifyError): Failure | undefined => {
  if (error instanceof Failure) return error
  const detail = error.validation
    ? validationText(error)
    : (bodyMistakes[error.code] ?? error.message)
  const status = error.statusCode ?? 500
  return status < 500 ? new Failure('bad-request', { detail, status }) : undefined
}

const roots: Readonly<Record<string, string>> = {
  body: 'the body',
  querystring: 'the query',
  params: 'the address',
  headers: 'the head',
}

/** Each mistake a sentence: `order takes a whole number from 0 to 1000000`. */
const validationText = ({ validation = [], validationContext = 'body' }: FastifyError): string => {
  // The first few are as many as anybody mends at once.
  const mistakes = schemaMistakes((validation as unknown as readonly ErrorObject[]).slice(0, 100))
  return `${mistakes.map(each => mistakeText(each, roots[validationContext] ?? 'the request')).join('; ')}.`
}

/** What is wrong with a body before it is looked into. */
const bodyMistakes: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Bodies are JSON: send "Content-Type: application/json".',
  FST_ERR_CTP_EMPTY_JSON_BODY:
    'There is no body, though the Content-Type says JSON: send one, or leave the Content-Type out.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is no JSON.',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is larger than 8 MiB.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as its Content-Length says.',
  FST_ERR_BAD_URL: 'The address cannot be read: a % in it is followed by two hex digits.',
}
