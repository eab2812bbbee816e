/** The routes of the API: each a few lines that ask the controller and shape the answer. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Failure } from '../../base/failures.js'
import { etagOf, type PolicyWish } from '../../nfv/firewall/service/policy.js'
import type { HistoryEntry, Reason } from '../../nfv/firewall/service/policy-history.js'
import { ruleChanges } from '../../nfv/firewall/service/rule-changes.js'
import type { Controller } from '../controller.js'
import { driftItems } from '../drift.js'
import { lackText } from '../lacking.js'
import { plan } from '../plan.js'
import { notReady } from '../readiness.js'
import { policyDifference } from '../rights/differences.js'
import { type Identity, mustBeInScope } from '../rights/guard.js'
import { trace } from '../trace.js'
import { noteChange } from './audit-routes.js'
import { switchMeant } from './forget-routes.js'
import { specOfSource, wishOf } from './policy-bodies.js'
import {
  nameParams,
  nameQuery,
  policiesBody,
  policyBody,
  remarksQuery,
  rulesQuery,
  traceBody,
  undoQuery,
  waitQuery,
} from './schemas.js'
import {
  flowItems,
  hostItems,
  linkItems,
  policyItem,
  remarkItems,
  ruleItems,
  switchItems,
  troubledFiles,
} from './views.js'
import { mayWatch } from './watch-rights.js'

const read = (summary: string, more: object = {}) => ({
  schema: { summary, tags: ['reading'], ...more },
})
const write = (summary: string, more: object = {}) => ({
  schema: { summary, tags: ['writing'], security: [{ token: [] }], ...more },
})

type Named = { Querystring: Static<typeof nameQuery> }
type Waiting = { Querystring: Static<typeof waitQuery> }

export const routes =
  (controller: Controller) =>
  (app: FastifyInstance): void => {
    app.get('/livez', read('whether the process lives'), async () => ({ status: 'ok' }))
    app.get('/readyz', read('whether it serves, and why not'), async (request, reply) => {
      const reasons = notReady(controller)
      if (reasons.length === 0) return { status: 'ok' }
      // They name switches and files.
      const told = request.identity ? { reasons } : {}
      return reply.code(503).send({ status: 'not-ready', ...told })
    })
    readingRoutes(app, controller)
    policyRoutes(app, controller)
    historyRoutes(app, controller)
    app.post<{ Body: Static<typeof traceBody> }>(
      '/api/v1/trace',
      // A question changes nothing; it is a POST only because it has a body.
      read('what would happen to a connection', { body: traceBody }),
      async request => trace(controller, request.body),
    )
  }

const readingRoutes = (app: FastifyInstance, controller: Controller): void => {
  const list = (path: string, summary: string, items: (name: string | undefined) => unknown) =>
    app.get<Named>(`/api/v1/${path}`, read(summary, { querystring: nameQuery }), async request => ({
      items: await items(request.query.name),
    }))
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
    read('lists that network functions add, with their columns'),
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
  app.get<{ Querystring: Static<typeof rulesQuery> }>(
    '/api/v1/rules',
    read('rules in the order they are asked, with counters', { querystring: rulesQuery }),
    async ({ query }) => {
      const items = await ruleItems(controller, query.sessions === 'true')
      return { items: only(items, query.name, ['name', 'policy']) }
    },
  )
  app.get<{ Querystring: Static<typeof remarksQuery> }>(
    '/api/v1/remarks',
    read('what is doubtful about the rules in force', { querystring: remarksQuery }),
    async ({ query }) => ({ items: await remarkItems(controller, millisOf(query.since ?? '7d')) }),
  )
  app.get('/api/v1/sessions', read('running sessions, with the rule that let them in'), async () =>
    controller.sessions.read(),
  )
  list('drift', 'where switches hold something else than is wanted', name => {
    mustBeSwitch(controller, name)
    return driftItems(controller, name)
  })
  list('policies', 'policies and whether they are installed', name => {
    const lacks = controller.lackingPolicies()
    const items = controller.policies.list().map(each => policyItem(controller, each.name, lacks))
    return only([...items, ...troubledFiles(controller)], name, ['name'])
  })
  app.get<{ Params: { name: string } }>(
    '/api/v1/switches/:name',
    read('one switch'),
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
    write('take a switch that holds rows of another store: they are replaced'),
    async (request, reply) => {
      await controller.adopt(request.params.name)
      await noteChange(request, { adopted: request.params.name }, 204)
      return reply.code(204).send()
    },
  )
  app.get<{ Params: Static<typeof nameParams> }>(
    '/api/v1/policies/:name',
    read('one policy, with its text and its statements', { params: nameParams }),
    async (request, reply) => {
      const policy = controller.policies.get(request.params.name)
      reply.header('etag', etagOf(policy))
      return {
        ...policyItem(controller, policy.name),
        source: policy.source,
        spec: specOfSource(policy.source),
        includes: policy.includes ?? {},
      }
    },
  )
}

/** Of `30s`, `20m`, `8h`, `30d`. */
const millisOf = (span: string): number =>
  Number.parseInt(span, 10) * { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }[span.at(-1) as 's']

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

const policyRoutes = (app: FastifyInstance, controller: Controller): void => {
  app.post<{ Body: Static<typeof policiesBody> } & Waiting>(
    '/api/v1/policies',
    write('put policies in force, all or none', { body: policiesBody, querystring: waitQuery }),
    async request => ({
      items: await applyPolicies(
        controller,
        request.body.policies.map(({ name, ...body }) => wishOf(name, body)),
        request,
      ),
    }),
  )
  app.put<{ Params: Static<typeof nameParams>; Body: Static<typeof policyBody> } & Waiting>(
    '/api/v1/policies/:name',
    write('put a policy in force', {
      params: nameParams,
      body: policyBody,
      querystring: waitQuery,
    }),
    async request => {
      const [item] = await applyPolicies(
        controller,
        [wishOf(request.params.name, request.body)],
        request,
        request.headers['if-match'],
      )
      return item
    },
  )
  app.delete<{ Params: Static<typeof nameParams> } & Waiting>(
    '/api/v1/policies/:name',
    write('take a policy out of force', { params: nameParams, querystring: waitQuery }),
    async (request, reply) => {
      const { name } = request.params
      mustBeInScope(request.identity, [name])
      const before = controller.policies.list().find(each => each.name === name)
      await controller.policies.remove(
        request.params.name,
        controller.topology.current,
        request.headers['if-match'],
        reasonOf(request),
        isDryRun(request.query),
      )
      if (!isDryRun(request.query))
        await noteChange(request, [policyDifference(name, before, undefined)], 204)
      await settle(controller, request.query)
      return reply.code(204).send()
    },
  )
  app.post<{ Body: Static<typeof policiesBody> }>(
    '/api/v1/plan',
    read('what applying policies would change', { body: policiesBody }),
    async request =>
      plan(
        controller,
        request.body.policies.map(({ name, ...body }) => wishOf(name, body)),
      ),
  )
}

const isDryRun = (query: Static<typeof waitQuery>): boolean => query.dryRun === 'true'

/** Without the texts of the rule files. */
const historyItem = ({ changes, ...entry }: HistoryEntry) => ({
  ...entry,
  changes: changes.map(({ name, before, after }) => ({
    name,
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
  })),
})

/** True when no policy is there any more, so that everything is allowed. */
const leavesNone = (was: ReadonlyMap<string, unknown>, { changes }: HistoryEntry): boolean => {
  const left = new Set(was.keys())
  for (const { name, before } of changes)
    if (before === undefined) left.delete(name)
    else left.add(name)
  return was.size > 0 && left.size === 0
}

/** A request whose query says who and why. */
type Asking = Pick<FastifyRequest, 'identity' | 'noteChange'> & {
  readonly query: Static<typeof waitQuery>
}

/** What is said, beside who it is that says so. */
const reasonOf = ({ identity, query: { who, why, confirm } }: Asking): Reason => ({
  ...(identity && { by: identity.name }),
  ...(who !== undefined && { who }),
  ...(why !== undefined && { why }),
  ...(confirm !== undefined && { confirmSeconds: Number(confirm) }),
})

const namesOf = ({ changes }: HistoryEntry): string[] => changes.map(({ name }) => name)

const historyRoutes = (app: FastifyInstance, controller: Controller): void => {
  const { policies } = controller
  const inScope = (identity: Identity, number: number | undefined): number => {
    const entry = number === undefined ? policies.history.last() : policies.history.get(number)
    mustBeInScope(identity, namesOf(entry))
    return entry.number
  }
  app.get('/api/v1/history', read('changes of the policies, oldest first'), async () => ({
    items: policies.history.list().map(historyItem),
    ...(policies.history.unconfirmed && { unconfirmed: policies.history.unconfirmed }),
  }))
  app.post('/api/v1/history/confirm', write('let the change that waits stay'), async request => {
    const { unconfirmed } = policies.history
    if (unconfirmed)
      mustBeInScope(request.identity, namesOf(policies.history.get(unconfirmed.number)))
    const confirmed = await policies.confirm()
    await noteChange(request, { confirmed: confirmed.number, policies: namesOf(confirmed) })
    return historyItem(confirmed)
  })
  app.post<{ Querystring: Static<typeof undoQuery> }>(
    '/api/v1/history/undo',
    write('take a change of the policies back', { querystring: undoQuery }),
    async request => {
      const { number } = request.query
      const meant = number === undefined ? undefined : Number(number)
      // Whoever may change some policies only takes back what was looked at, whatever comes in between.
      const target = request.identity?.policies ? inScope(request.identity, meant) : meant
      const was = new Map(policies.list().map(policy => [policy.name, policy]))
      const isWriting = request.query.writeFile === 'true'
      if (isWriting) {
        const { history } = policies
        const { changes } = target === undefined ? history.last() : history.get(target)
        for (const { before } of changes)
          if (before) await mayWatch(controller, request.identity, before)
      }
      const undone = await policies.undo(
        target,
        controller.topology.current,
        reasonOf(request),
        isDryRun(request.query),
      )
      if (!isDryRun(request.query))
        await noteChange(
          request,
          undone.changes.map(({ name, before }) => ({
            ...policyDifference(name, was.get(name), before),
            undoOf: undone.number,
          })),
        )
      const [files, written]: [string[], string[]] = [[], []]
      for (const { name, before } of undone.changes) {
        const policy = was.get(name) ?? before
        if (!policy?.watch || policy.file === undefined) continue
        const isWritten = isWriting && !isDryRun(request.query) && before?.file === policy.file
        if (isWritten) await controller.writeRules(policy.file, before.source)
        const list = isWritten ? written : files
        list.push(policy.file)
      }
      await settle(controller, request.query)
      return {
        ...historyItem(undone),
        ...(leavesNone(was, undone) && { opens: true }),
        ...(files.length > 0 && { files }),
        ...(written.length > 0 && { written }),
      }
    },
  )
}

const applyPolicies = async (
  controller: Controller,
  wishes: readonly PolicyWish[],
  asking: Asking,
  match?: string,
) => {
  const { query } = asking
  mustBeInScope(
    asking.identity,
    wishes.map(({ name }) => name),
  )
  const before = new Map(controller.policies.list().map(policy => [policy.name, policy]))
  for (const wish of wishes) await mayWatch(controller, asking.identity, wish)
  const changes = await controller.policies.apply(
    wishes,
    controller.topology.current,
    match,
    reasonOf(asking),
    isDryRun(query),
  )
  if (!isDryRun(query)) {
    const after = new Map(controller.policies.list().map(policy => [policy.name, policy]))
    await noteChange(
      asking,
      wishes.map(({ name, ...wish }) => ({
        change: changes.get(name),
        ...policyDifference(name, before.get(name), after.get(name) ?? wish),
      })),
    )
  }
  if (isDryRun(query))
    return wishes.map(wish => ({
      kind: 'Policy',
      name: wish.name,
      change: changes.get(wish.name),
      statements: ruleChanges(wish, before.get(wish.name)),
    }))
  await settle(controller, query)
  return wishes.map(wish => ({
    ...policyItem(controller, wish.name),
    change: changes.get(wish.name),
    warnings: controller.policies
      .warnings(wish.name, controller.topology.current)
      .map(({ file, line, message, hint }) => ({ file, line, message, hint })),
  }))
}

/** Waits, when asked to, until every switch that should have the rules has them. @throws {Failure} `timed-out` */
const settle = async (controller: Controller, query: Static<typeof waitQuery>): Promise<void> => {
  if (query.wait !== 'installed' || isDryRun(query)) return
  const seconds = Number(query.timeout ?? 10)
  const isDone =
    (await controller.policiesInstalled(seconds * 1_000)) &&
    (await controller.timed(seconds * 1_000))
  if (isDone) return
  const why = lackText(controller.lackingPolicies())
  throw new Failure('timed-out', {
    detail: `Not installed everywhere after ${seconds} s${why === '' ? '' : `: ${why}`}. What was asked stays wanted; "sluice get switches" tells how the switches are, "sluice delete switch" forgets one that is gone.`,
  })
}
