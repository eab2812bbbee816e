/** The audit log, for those who may see it; and the hook that writes it. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { bounded } from '../../base/differences.js'
import type { Clock, Timers } from '../../base/env/env.js'
import { RateLimit } from '../../base/rate-limit.js'
import type { Audit } from '../rights/audit.js'
import { callerAddress } from '../rights/guard.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request changed, for the audit log. */
    difference: unknown
    isNoted: boolean
    /** The code of the failure that it was answered with. */
    failure: string | undefined
  }
}

const auditQuery = Type.Object(
  {
    after: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,15}$',
        title: 'the number of an entry',
        description: 'only what came behind it; without it the latest',
      }),
    ),
    limit: Type.Optional(
      Type.String({ pattern: '^([1-9][0-9]{0,2}|1000)$', title: '1 to 1000', description: '100' }),
    ),
  },
  { additionalProperties: false },
)

export const auditRoutes =
  (audit: Audit) =>
  (app: FastifyInstance): void => {
    const schema = (summary: string, more: object = {}) => ({
      schema: { summary, tags: ['rights'], security: [{ token: [] }], ...more },
    })
    app.get<{ Querystring: Static<typeof auditQuery> }>(
      '/api/v1/audit',
      schema('who asked for which change, and what came of it', { querystring: auditQuery }),
      async ({ query: { after, limit = '100' } }) => ({
        items:
          after === undefined
            ? await audit.latest(Number(limit))
            : await audit.list(Number(after), Number(limit)),
      }),
    )
    app.get('/api/v1/audit/verify', schema('whether the chain of the log is whole'), async () =>
      audit.verify(),
    )
  }

/** Whether it asks for a change; what only tries, where that can be asked for, does not. */
const isChange = ({ method, routeOptions, query }: FastifyRequest): boolean =>
  method !== 'GET' &&
  method !== 'HEAD' &&
  !isQuestion(routeOptions.schema) &&
  !(knowsDryRun(routeOptions.schema) && (query as { dryRun?: string }).dryRun === 'true')

/** A POST only because it has a body. */
const isQuestion = (schema: unknown): boolean =>
  ((schema ?? {}) as { tags?: readonly string[] }).tags?.includes('reading') === true

const knowsDryRun = (schema: unknown): boolean => {
  const { querystring } = (schema ?? {}) as { querystring?: { properties?: object } }
  return Object.hasOwn(querystring?.properties ?? {}, 'dryRun')
}

/** Refusals of one caller that are lines of the log: a second, and at once. */
const refusalsPerSecond = 1
const refusalsAtOnce = 100
/** How long the end of the controller waits for changes that are being made. */
const endMillis = 5_000

export interface RefusedRequest {
  readonly remote: string
  /** The name that was proven, if any was. */
  readonly name?: string
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly result: string
}

export interface AuditHooks {
  readonly clock: Clock
  readonly timers: Pick<Timers, 'after'>
  /** A refusal that the log does not have: of nobody, or of somebody who is refused too often. */
  readonly leftOut: (request: RefusedRequest) => void
}

/** No answer, and no waiting, before the log has the change. */
export const auditRequests = (app: FastifyInstance, audit: Audit, hooks: AuditHooks): void => {
  const { clock, timers, leftOut } = hooks
  const limits = new Map<string, RateLimit>()
  const open = new Set<FastifyRequest>()
  const ended = new Set<() => void>()
  const close = (request: FastifyRequest): void => {
    open.delete(request)
    if (open.size === 0) for (const each of ended) each()
  }
  const write = async (request: FastifyRequest, result: string): Promise<void> => {
    const { identity } = request
    await audit.add({
      time: new Date(clock.wallMillis()).toISOString(),
      who: identity?.name ?? '',
      ...(identity && { role: identity.role, how: identity.how }),
      from: callerAddress(request),
      action: `${request.method} ${request.routeOptions.url ?? ''}`,
      path: pathOf(request),
      ...(request.difference !== undefined && { difference: bounded(request.difference) }),
      result,
    })
  }
  const isWithin = (who: string): boolean => {
    const limit = limits.get(who) ?? new RateLimit(clock, refusalsPerSecond, refusalsAtOnce)
    limits.set(who, limit)
    return limit.take()
  }
  app.addHook('preHandler', async request => {
    if (!isChange(request)) return
    open.add(request)
    request.noteChange = async (difference, status) => {
      request.difference = difference
      request.isNoted = true
      await write(request, `${status}`)
      close(request)
    }
  })
  app.addHook('onSend', async (request, reply) => {
    const { identity } = request
    const status = reply.statusCode
    const result = `${status}${request.failure === undefined ? '' : ` ${request.failure}`}`
    try {
      if (status < 400 || status >= 500) {
        if (isChange(request) && !(request.isNoted && status < 400)) await write(request, result)
        return
      }
      if (status !== 403 && !isChange(request)) return
      // Who is not proven to be anybody writes nothing into the log.
      const isProven = identity !== undefined && identity.how !== 'nothing'
      if (isProven && isWithin(`${identity.how} ${identity.name}`))
        return await write(request, result)
      // Wrong tokens are told by whoever looks at them.
      if (status === 401) return
      const { method } = request
      leftOut({
        remote: callerAddress(request),
        ...(isProven && { name: identity.name }),
        ...{ method, path: pathOf(request), result },
      })
    } finally {
      close(request)
    }
  })
  app.addHook('onClose', async () => {
    if (open.size === 0) return
    await new Promise<void>(done => {
      const cancel = timers.after(endMillis, done)
      ended.add(() => {
        cancel()
        done()
      })
    })
  })
}

const pathOf = ({ url }: FastifyRequest): string => url.split('?')[0]!.slice(0, 300)
