/** The routes of the API: each a few lines that ask the controller and shape the answer. */

import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { Failure } from '../../base/failures.js'
import { nameQuery } from '../../nfv/request-schemas.js'
import { noteChange, reading, writing } from '../../nfv/requests.js'
import type { Controller } from '../controller.js'
import { trace } from '../explain/trace.js'
import { driftItems } from '../program/drift.js'
import { notReady } from '../readiness.js'
import { switchMeant } from './forget-routes.js'
import { traceBody } from './schemas.js'
import { flowItems, hostItems, linkItems, switchItems } from './views.js'

type Named = { Querystring: Static<typeof nameQuery> }

export const routes =
  (controller: Controller) =>
  (app: FastifyInstance): void => {
    app.get('/livez', reading('whether the process lives'), async () => ({ status: 'ok' }))
    app.get('/readyz', reading('whether it serves, and why not'), async (request, reply) => {
      const reasons = notReady(controller)
      if (reasons.length === 0) return { status: 'ok' }
      // They name switches and files.
      const told = request.identity ? { reasons } : {}
      return reply.code(503).send({ status: 'not-ready', ...told })
    })
    readingRoutes(app, controller)
    app.post<{ Body: Static<typeof traceBody> }>(
      '/api/v1/trace',
      // A question changes nothing; it is a POST only because it has a body.
      reading('what would happen to a connection', { body: traceBody }),
      async request => trace(controller, request.body),
    )
  }

const readingRoutes = (app: FastifyInstance, controller: Controller): void => {
  const list = (path: string, summary: string, items: (name: string | undefined) => unknown) =>
    app.get<Named>(
      `/api/v1/${path}`,
      reading(summary, { querystring: nameQuery }),
      async request => ({
        items: await items(request.query.name),
      }),
    )
  list('switches', 'switches and their ports', name =>
    only(switchItems(controller), name, ['name', 'dpid']),
  )
  list('links', 'links between switches', name => {
    mustBeSwitch(controller, name)
    const isAt = (end: { readonly switch: string; readonly dpid: string }) =>
      name === undefined || end.switch === name || end.dpid === name
    return linkItems(controller).filter(({ from, to }) => isAt(from) || isAt(to))
  })
  list('hosts', 'hosts and where they are', name => {
    const [items, word] = [hostItems(controller), name?.toLowerCase()]
    return items.filter(
      host =>
        name === undefined ||
        host.name === name ||
        [host.mac, ...host.ips].some(each => each === word),
    )
  })
  app.get(
    '/api/v1/views',
    reading('lists that network functions add, with their columns'),
    async () => ({
      items: controller.views.map(({ name, summary, columns }) => ({ name, summary, columns })),
    }),
  )
  for (const view of controller.views)
    list(view.name, view.summary, name => {
      const items = view.items()
      return name === undefined
        ? items
        : items.filter(item => Object.values(item).some(value => value === name))
    })
  list('flows', 'flows as the switches hold them, with their origin', name => {
    mustBeSwitch(controller, name)
    return flowItems(controller, name)
  })
  list('drift', 'where switches hold something else than is wanted', name => {
    mustBeSwitch(controller, name)
    return driftItems(controller, name)
  })
  app.get<{ Params: { name: string } }>(
    '/api/v1/switches/:name',
    reading('one switch'),
    async request => {
      const { name } = request.params
      const items = switchItems(controller)
      // One that is left alone is not known to the topology.
      const stranger = items.find(each => each.state === 'not-adopted' && each.dpid === name)
      if (stranger) return stranger
      const { dpid } = switchMeant(controller, name)
      return items.find(each => each.dpid === dpid)
    },
  )
  app.post<{ Params: { name: string } }>(
    '/api/v1/switches/:name/adopt',
    writing('take a switch that holds rows of another store: they are replaced'),
    async (request, reply) => {
      await controller.adopt(request.params.name)
      await noteChange(request, { adopted: request.params.name }, 204)
      return reply.code(204).send()
    },
  )
}

/** @throws {Failure} `no-such-switch` for a name that none has */
const mustBeSwitch = (controller: Controller, name: string | undefined): void => {
  if (name === undefined) return
  const isThere = switchItems(controller).some(each => [each.name, each.dpid].includes(name))
  if (!isThere) throw new Failure('no-such-switch', { name })
}

/** Exact matches of a name among some members of the items; all without a name. */
const only = <T extends object>(
  items: readonly T[],
  name: string | undefined,
  members: readonly (keyof T)[],
): readonly T[] =>
  name === undefined ? items : items.filter(item => members.some(member => item[member] === name))
