/** `GET /api/v1/paths`: which way traffic goes between two places, and what if. */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { answerPaths, type PathQuestion } from '../../topology/paths/answer.js'
import { answerAllPaths } from '../../topology/paths/answer-all.js'
import { costKinds } from '../../topology/paths/cost-kinds.js'
import type { Controller } from '../controller.js'
import { pathNotes } from '../explain/path-notes.js'

const place = (description: string) => Type.String({ minLength: 1, maxLength: 256, description })
const names = (description: string) =>
  Type.Optional(Type.String({ maxLength: 4_096, description: `${description}, by commas` }))
const number = (description: string) =>
  Type.Optional(
    Type.String({
      pattern: '^[0-9]{1,12}([.][0-9]{1,6})?$',
      title: 'a number, 0 or more',
      description,
    }),
  )

const pathQuery = Type.Object(
  {
    from: place('a host (name, MAC, address) or a switch (name, dpid)'),
    to: place('likewise'),
    cost: Type.Optional(
      Type.Union(
        costKinds.map(kind => Type.Literal(kind)),
        { description: 'what a link costs; given when absent, as traffic goes' },
      ),
    ),
    count: Type.Optional(
      Type.String({
        pattern: '^([1-9]|[1-9][0-9])$',
        title: 'a number, 1 to 99',
        description: 'ways at most, usually 3',
      }),
    ),
    without: names('links as if they were not there: SWITCH:PORT or SWITCH-SWITCH'),
    avoid: names('switches that must not be passed'),
    through: names('switches that must be passed, in this order'),
    maxLatency: number('milliseconds that the whole path may take'),
    minBandwidth: number('kilobits a second that every link must have free'),
    withTags: names('tags that every link must have'),
    withoutTags: names('tags that no link may have'),
  },
  { additionalProperties: false },
)

type Query = Static<typeof pathQuery>

const allQuery = Type.Object(
  {
    cost: pathQuery.properties.cost,
    from: Type.Optional(place('only from this switch')),
    after: Type.Optional(place('the switch that the page before ended with')),
    limit: Type.Optional(
      Type.String({
        pattern: '^([1-9]|[1-9][0-9]|100)$',
        title: 'a number, 1 to 100',
        description: 'switches on a page, 20',
      }),
    ),
  },
  { additionalProperties: false },
)

export const pathRoutes =
  (controller: Controller) =>
  (app: FastifyInstance): void => {
    app.get<{ Querystring: Query }>(
      '/api/v1/paths',
      {
        schema: {
          summary: 'ways between two places: hops, costs, latency, alternatives, what if',
          tags: ['reading'],
          querystring: pathQuery,
        },
      },
      async ({ query }) => {
        const answer = answerPaths(controller.topology.current, questionOf(query))
        const notes = await pathNotes(controller, answer)
        return { ...answer, ...(notes.length > 0 && { notes }) }
      },
    )
    app.get<{ Querystring: Static<typeof allQuery> }>(
      '/api/v1/paths/all',
      {
        schema: {
          summary: 'the way from every switch to every other, a page of switches at a time',
          tags: ['reading'],
          querystring: allQuery,
        },
      },
      async ({ query }) =>
        answerAllPaths(controller.topology.current, {
          cost: query.cost ?? 'given',
          limit: Number(query.limit ?? 20),
          ...(query.from !== undefined && { from: query.from }),
          ...(query.after !== undefined && { after: query.after }),
        }),
    )
  }

const listOf = (text: string | undefined): string[] =>
  text === undefined ? [] : text.split(',').filter(part => part !== '')

const questionOf = (query: Query): PathQuestion => ({
  from: query.from,
  to: query.to,
  cost: query.cost ?? 'given',
  count: Number(query.count ?? 3),
  without: listOf(query.without),
  avoid: listOf(query.avoid),
  through: listOf(query.through),
  ...(query.maxLatency !== undefined && { maxLatencyMillis: Number(query.maxLatency) }),
  ...(query.minBandwidth !== undefined && { minBandwidthKbps: Number(query.minBandwidth) }),
  withTags: listOf(query.withTags),
  withoutTags: listOf(query.withoutTags),
})
