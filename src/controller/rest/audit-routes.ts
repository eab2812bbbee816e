/** The audit log, for those who may see it; and the hook that writes it. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Clock } from '../../base/env.js'
import type { Audit } from '../rights/audit.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request changed, for the audit log; set by routes that know. */
    difference: unknown
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

/** Questions that are a POST only because they have a body. */
const questions = new Set(['/api/v1/trace', '/api/v1/plan'])

/** What changes something, or was refused to somebody who is known. */
const isAudited = (request: FastifyRequest, status: number): boolean => {
  const { dryRun } = request.query as { dryRun?: string }
  if (status === 401) return false
  if (status === 403) return true
  return (
    request.method !== 'GET' &&
    request.method !== 'HEAD' &&
    !questions.has(request.routeOptions.url ?? '') &&
    dryRun !== 'true'
  )
}

/** The answer waits until the log has it. */
export const auditRequests = (app: FastifyInstance, audit: Audit, clock: Clock): void => {
  app.addHook('onSend', async (request, reply) => {
    const { identity } = request
    if (!isAudited(request, reply.statusCode)) return
    await audit.add({
      time: new Date(clock.wallMillis()).toISOString(),
      who: identity?.name ?? '',
      ...(identity && { role: identity.role, how: identity.how }),
      from: request.ip,
      action: `${request.method} ${request.routeOptions.url ?? ''}`,
      path: request.url.split('?')[0]!.slice(0, 300),
      ...(request.difference !== undefined && { difference: request.difference }),
      result: `${reply.statusCode}${request.failure === undefined ? '' : ` ${request.failure}`}`,
    })
  })
}
