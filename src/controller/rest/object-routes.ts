/** Routes of declared objects: the same few for every kind. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { memberDifference } from '../../base/differences.js'
import { Failure } from '../../base/failures.js'
import type { Kind } from '../../base/kind.js'
import { nameForm, waitSeconds } from '../../nfv/request-schemas.js'
import { noteChange } from '../../nfv/requests.js'
import {
  type Change,
  type Expectation,
  namePattern,
  type ObjectKeeper,
  type StoredObject,
} from '../objects/objects.js'

/** What is true of an object, kept by whoever brings it about; undefined: nobody does yet. */
export type StatusOf = (
  kind: string,
  name: string,
) =>
  | { readonly state: string; readonly reason?: string; readonly [member: string]: unknown }
  | undefined

const tags = ['objects']
const reading = (summary: string, more: object = {}) => ({ schema: { summary, tags, ...more } })
const writing = (summary: string, more: object = {}) => ({
  schema: { summary, tags, security: [{ token: [] }], ...more },
})

const name = Type.String({ pattern: namePattern, title: nameForm })
const params = Type.Object({ name }, { additionalProperties: false })
type Named = { Params: Static<typeof params> }

const yesNo = Type.Union([Type.Literal('true'), Type.Literal('false')])
const applyQuery = Type.Object(
  {
    dryRun: Type.Optional(yesNo),
    wait: Type.Optional(Type.Literal('installed')),
    timeout: Type.Optional(waitSeconds),
  },
  { additionalProperties: false },
)
type Applying = { Querystring: Static<typeof applyQuery> }
const deleteQuery = Type.Object({ leave: Type.Optional(yesNo) }, { additionalProperties: false })
const nameQuery = Type.Object(
  { name: Type.Optional(Type.String({ maxLength: 63 })) },
  { additionalProperties: false },
)

/** The spec is checked by its kind, which tells every mistake with its path. */
const anySpec = Type.Unknown({ description: 'as the schema of its kind says' })
const documents = Type.Object(
  {
    objects: Type.Array(
      Type.Object(
        {
          kind: Type.String({ maxLength: 63 }),
          name: Type.String({ maxLength: 255 }),
          spec: anySpec,
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1_000 },
    ),
  },
  { additionalProperties: false },
)

export const objectRoutes =
  (objects: ObjectKeeper, statusOf: StatusOf) =>
  (app: FastifyInstance): void => {
    app.get(
      '/api/v1/objects',
      reading('the kinds of objects, with their JSON Schemas'),
      async () => ({
        items: objects.kinds.map(({ kind, path, plural, summary, schema }) => ({
          kind,
          path: `/api/v1/objects/${path}`,
          plural,
          summary,
          schema,
        })),
      }),
    )
    app.post<{ Body: Static<typeof documents> } & Applying>(
      '/api/v1/objects',
      writing('put objects in force, all or none', { body: documents, querystring: applyQuery }),
      async request => {
        const wishes = request.body.objects
        const before = wishes.map(wish => specOf(objects, wish))
        const changes = await objects.apply(wishes, {}, request.query.dryRun === 'true')
        if (request.query.dryRun !== 'true')
          await noteChange(
            request,
            wishes.map((wish, at) => ({
              ...{ kind: wish.kind, name: wish.name, change: changes[at] },
              members: memberDifference(before[at], specOf(objects, wish)),
            })),
          )
        await settle(objects, statusOf, wishes, request.query)
        return { items: wishes.map((wish, at) => applied(objects, statusOf, wish, changes[at]!)) }
      },
    )
    for (const kind of objects.kinds) kindRoutes(app, objects, statusOf, kind)
  }

const kindRoutes = (
  app: FastifyInstance,
  objects: ObjectKeeper,
  statusOf: StatusOf,
  kind: Kind,
): void => {
  const at = `/api/v1/objects/${kind.path}`
  const body = Type.Object(
    { kind: Type.Optional(Type.Literal(kind.kind)), name: Type.Optional(name), spec: kind.schema },
    { additionalProperties: false },
  )
  app.get<{ Querystring: Static<typeof nameQuery> }>(
    at,
    reading(`all objects of kind ${kind.kind}`, { querystring: nameQuery }),
    async request => ({
      items: objects
        .list(kind)
        .filter(each => request.query.name === undefined || each.name === request.query.name)
        .map(each => view(statusOf, each)),
    }),
  )
  app.get<Named>(`${at}/:name`, reading(kind.summary, { params }), async (request, reply) => {
    const object = objects.get(kind, request.params.name)
    reply.header('etag', etagOf(object))
    return view(statusOf, object)
  })
  app.put<Named & Applying & { Body: { name?: string; spec: unknown } }>(
    `${at}/:name`,
    writing(`declare ${kind.summary}`, { params, body, querystring: applyQuery }),
    async (request, reply) => {
      const wish = { kind: kind.kind, name: request.params.name, spec: request.body.spec }
      if (request.body.name !== undefined && request.body.name !== wish.name)
        throw new Failure('bad-request', {
          detail: `The document is named ${request.body.name}, the address says ${wish.name}.`,
        })
      const isDryRun = request.query.dryRun === 'true'
      const before = specOf(objects, wish)
      const [change] = await objects.apply([wish], expectationOf(request), isDryRun)
      const members = memberDifference(before, specOf(objects, wish))
      if (!isDryRun) await noteChange(request, { change, members }, change === 'added' ? 201 : 200)
      await settle(objects, statusOf, [wish], request.query)
      const object = objects.find(kind, wish.name)
      if (object) reply.header('etag', etagOf(object))
      return reply
        .code(change === 'added' && !isDryRun ? 201 : 200)
        .send(applied(objects, statusOf, wish, change!))
    },
  )
  app.delete<Named & { Querystring: Static<typeof deleteQuery> }>(
    `${at}/:name`,
    writing(`${kind.summary}: no more; with leave=true what was made for it stays`, {
      params,
      querystring: deleteQuery,
    }),
    async (request, reply) => {
      const isLeft = request.query.leave === 'true'
      const before = specOf(objects, { kind: kind.kind, name: request.params.name })
      await objects.remove(kind, request.params.name, expectationOf(request), isLeft)
      await noteChange(
        request,
        {
          ...{ change: 'removed', members: memberDifference(before, undefined) },
          ...(isLeft && { leave: true }),
        },
        objects.find(kind, request.params.name) === undefined ? 204 : 202,
      )
      return answerDeleted(objects, kind, request.params.name, reply)
    },
  )
}

/** As it is kept; undefined when there is none. */
const specOf = (
  objects: ObjectKeeper,
  wish: { readonly kind: string; readonly name: string },
): unknown => {
  const kind = objects.kinds.find(each => each.kind === wish.kind)
  return kind && objects.find(kind, wish.name)?.spec
}

/** Gone at once, or on its way out. */
const answerDeleted = (objects: ObjectKeeper, kind: Kind, name: string, reply: FastifyReply) =>
  objects.find(kind, name) === undefined
    ? reply.code(204).send()
    : reply.code(202).send({ kind: kind.kind, name, state: 'leaving' })

const etagOf = (object: StoredObject): string => `"${object.revision}"`

/** @throws {Failure} `bad-request` for a condition that is none of ours */
const expectationOf = (request: FastifyRequest): Expectation => {
  const match = request.headers['if-match']
  const none = request.headers['if-none-match']
  if (none !== undefined && none !== '*')
    throw new Failure('bad-request', { detail: 'If-None-Match takes only * here.' })
  if (match === undefined) return none === undefined ? {} : { ifNoneMatch: true }
  if (match === '*') return { ifMatch: 'any' }
  const revision = /^"(\d{1,15})"$/.exec(match)?.[1]
  if (revision === undefined)
    throw new Failure('bad-request', {
      detail: 'If-Match takes the ETag of the object, such as "17", or *.',
    })
  return { ifMatch: Number(revision) }
}

const view = (statusOf: StatusOf, object: StoredObject) => ({
  kind: object.kind,
  name: object.name,
  revision: object.revision,
  created: object.created,
  ...(object.isLeaving && { isLeaving: true }),
  spec: object.spec,
  status: statusOf(object.kind, object.name) ?? { state: 'pending' },
})

const applied = (
  objects: ObjectKeeper,
  statusOf: StatusOf,
  wish: { readonly kind: string; readonly name: string },
  change: Change,
) => {
  const object = objects.find(objects.kind(wish.kind), wish.name)
  return {
    kind: wish.kind,
    name: wish.name,
    change,
    ...(object && { revision: object.revision }),
    status: statusOf(wish.kind, wish.name) ?? { state: 'pending' },
  }
}

const pollMillis = 20

/** Waits, when asked to, until nothing is pending any more. */
const settle = async (
  objects: ObjectKeeper,
  statusOf: StatusOf,
  wishes: readonly { readonly kind: string; readonly name: string }[],
  query: Static<typeof applyQuery>,
): Promise<void> => {
  if (query.wait !== 'installed' || query.dryRun === 'true') return
  const seconds = Number(query.timeout ?? 10)
  const pending = () =>
    wishes.filter(({ kind, name }) =>
      ['pending', 'installing', 'requested'].includes(statusOf(kind, name)?.state ?? 'pending'),
    )
  const isDone = await objects.until(() => pending().length === 0, seconds * 1_000, pollMillis)
  const [first] = pending()
  if (!isDone && first !== undefined)
    throw new Failure('timed-out', {
      detail: `${first.kind} ${first.name} is still pending after ${seconds} s: ${statusOf(first.kind, first.name)?.reason ?? 'nobody works on it'}. It stays wanted.`,
    })
}
