/** Tokens: made, listed, revoked; and who one is. */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { policyNamePattern } from '../../base/rule-file-names.js'
import { nameForm, nameParams } from '../../nfv/request-schemas.js'
import { noteChange } from '../../nfv/requests.js'
import { roleSchema } from '../rights/rights.js'
import type { Token, Tokens } from '../rights/tokens.js'

const day = 86_400_000
const unitMillis: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: day }

const tokenBody = Type.Object(
  {
    name: Type.String({ pattern: policyNamePattern, title: nameForm }),
    role: roleSchema,
    policies: Type.Optional(
      Type.Array(
        Type.String({ pattern: '^[A-Za-z0-9._*-]{1,63}$', title: 'a name, * is any characters' }),
        {
          minItems: 1,
          maxItems: 100,
          description: 'for an author: which policies, by name; * is any characters',
        },
      ),
    ),
    for: Type.Optional(
      Type.String({
        pattern: '^([1-9][0-9]{0,4}[smhd]|ever)$',
        title: 'a time, such as 8h or 30d, or ever',
        description: 'how long it opens anything; 90d when it is not said',
      }),
    ),
  },
  { additionalProperties: false },
)

/** Without its hash. */
const shown = ({ hash: _, ...token }: Token) => token

export const tokenRoutes =
  (tokens: Tokens) =>
  (app: FastifyInstance): void => {
    const schema = (summary: string, more: object = {}) => ({
      schema: { summary, tags: ['rights'], security: [{ token: [] }], ...more },
    })
    app.get('/api/v1/whoami', schema('who asks, as it was proven'), async ({ identity }) => ({
      name: identity?.name,
      role: identity?.role,
      how: identity?.how,
      ...(identity?.policies && { policies: identity.policies }),
    }))
    app.get('/api/v1/tokens', schema('named tokens, without the tokens'), async () => ({
      items: tokens.list().map(shown),
    }))
    app.post<{ Body: Static<typeof tokenBody> }>(
      '/api/v1/tokens',
      schema('make a token; it is in the answer and nowhere else', { body: tokenBody }),
      async (request, reply) => {
        const { body, identity } = request
        const { name, role, policies, for: life = '90d' } = body
        const lifeMillis = Number.parseInt(life, 10) * (unitMillis[life.at(-1)!] ?? 0)
        const { token, text } = await tokens.create(
          { name, role, ...(policies && { policies }), ...(life !== 'ever' && { lifeMillis }) },
          identity?.name ?? '',
        )
        await noteChange(request, { added: shown(token) }, 201)
        return reply.code(201).send({ ...shown(token), token: text })
      },
    )
    app.delete<{ Params: Static<typeof nameParams> }>(
      '/api/v1/tokens/:name',
      schema('from now on this token opens nothing', { params: nameParams }),
      async (request, reply) => {
        await noteChange(request, { removed: shown(await tokens.revoke(request.params.name)) }, 204)
        return reply.code(204).send()
      },
    )
  }
