/** Policies, their history, and what they do, as the API shows and takes them. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { policyDifference } from '../../../base/differences.js'
import { Failure } from '../../../base/failures.js'
import { lackText } from '../../lack.js'
import { nameParams, nameQuery } from '../../request-schemas.js'
import { type Identity, mustBeInScope, noteChange, reading, writing } from '../../requests.js'
import { plan } from '../service/plan.js'
import { etagOf, type PolicyWish } from '../service/policy.js'
import type { HistoryEntry, Reason } from '../service/policy-history.js'
import { ruleChanges } from '../service/rule-changes.js'
import type { Firewall } from '../service/service.js'
import { specOfSource, wishOf } from './policy-bodies.js'
import { policyItem, remarkItems, ruleItems, troubledFiles } from './policy-items.js'
import {
  policiesBody,
  policyBody,
  remarksQuery,
  rulesQuery,
  undoQuery,
  waitQuery,
} from './schemas.js'
import { mayWatch } from './watch-rights.js'

type Waiting = { Querystring: Static<typeof waitQuery> }

export const policyRoutes =
  (firewall: Firewall) =>
  (app: FastifyInstance): void => {
    readingRoutes(app, firewall)
    changingRoutes(app, firewall)
    historyRoutes(app, firewall)
  }

const readingRoutes = (app: FastifyInstance, firewall: Firewall): void => {
  app.get<{ Querystring: Static<typeof rulesQuery> }>(
    '/api/v1/rules',
    reading('rules in the order they are asked, with counters', { querystring: rulesQuery }),
    async ({ query }) => {
      const items = await ruleItems(firewall, query.sessions === 'true')
      return { items: only(items, query.name, ['name', 'policy']) }
    },
  )
  app.get<{ Querystring: Static<typeof remarksQuery> }>(
    '/api/v1/remarks',
    reading('what is doubtful about the rules in force', { querystring: remarksQuery }),
    async ({ query }) => ({ items: await remarkItems(firewall, millisOf(query.since ?? '7d')) }),
  )
  app.get(
    '/api/v1/sessions',
    reading('running sessions, with the rule that let them in'),
    async () => firewall.sessions.read(),
  )
  app.get<{ Querystring: Static<typeof nameQuery> }>(
    '/api/v1/policies',
    reading('policies and whether they are installed', { querystring: nameQuery }),
    async ({ query: { name } }) => {
      const lacks = firewall.lacking()
      const items = firewall.policies.list().map(each => policyItem(firewall, each.name, lacks))
      return { items: only([...items, ...troubledFiles(firewall)], name, ['name']) }
    },
  )
  app.get<{ Params: Static<typeof nameParams> }>(
    '/api/v1/policies/:name',
    reading('one policy, with its text and its statements', { params: nameParams }),
    async (request, reply) => {
      const policy = firewall.policies.get(request.params.name)
      reply.header('etag', etagOf(policy))
      return {
        ...policyItem(firewall, policy.name),
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

/** Exact matches of a name among some members of the items; all without a name. */
const only = <T extends object>(
  items: readonly T[],
  name: string | undefined,
  members: readonly (keyof T)[],
): readonly T[] =>
  name === undefined ? items : items.filter(item => members.some(member => item[member] === name))

const changingRoutes = (app: FastifyInstance, firewall: Firewall): void => {
  app.post<{ Body: Static<typeof policiesBody> } & Waiting>(
    '/api/v1/policies',
    writing('put policies in force, all or none', { body: policiesBody, querystring: waitQuery }),
    async request => ({
      items: await applyPolicies(
        firewall,
        request.body.policies.map(({ name, ...body }) => wishOf(name, body)),
        request,
      ),
    }),
  )
  app.put<{ Params: Static<typeof nameParams>; Body: Static<typeof policyBody> } & Waiting>(
    '/api/v1/policies/:name',
    writing('put a policy in force', {
      params: nameParams,
      body: policyBody,
      querystring: waitQuery,
    }),
    async request => {
      const [item] = await applyPolicies(
        firewall,
        [wishOf(request.params.name, request.body)],
        request,
        request.headers['if-match'],
      )
      return item
    },
  )
  app.delete<{ Params: Static<typeof nameParams> } & Waiting>(
    '/api/v1/policies/:name',
    writing('take a policy out of force', { params: nameParams, querystring: waitQuery }),
    async (request, reply) => {
      const { name } = request.params
      mustBeInScope(request.identity, [name])
      const before = firewall.policies.list().find(each => each.name === name)
      await firewall.policies.remove(
        request.params.name,
        firewall.host.topology.current,
        request.headers['if-match'],
        reasonOf(request),
        isDryRun(request.query),
      )
      if (!isDryRun(request.query))
        await noteChange(request, [policyDifference(name, before, undefined)], 204)
      await settle(firewall, request.query)
      return reply.code(204).send()
    },
  )
  app.post<{ Body: Static<typeof policiesBody> }>(
    '/api/v1/plan',
    reading('what applying policies would change', { body: policiesBody }),
    async request =>
      plan(
        firewall,
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

const historyRoutes = (app: FastifyInstance, firewall: Firewall): void => {
  const { policies } = firewall
  const inScope = (identity: Identity, number: number | undefined): number => {
    const entry = number === undefined ? policies.history.last() : policies.history.get(number)
    mustBeInScope(identity, namesOf(entry))
    return entry.number
  }
  app.get('/api/v1/history', reading('changes of the policies, oldest first'), async () => ({
    items: policies.history.list().map(historyItem),
    ...(policies.history.unconfirmed && { unconfirmed: policies.history.unconfirmed }),
  }))
  app.post('/api/v1/history/confirm', writing('let the change that waits stay'), async request => {
    const { unconfirmed } = policies.history
    if (unconfirmed)
      mustBeInScope(request.identity, namesOf(policies.history.get(unconfirmed.number)))
    const confirmed = await policies.confirm()
    await noteChange(request, { confirmed: confirmed.number, policies: namesOf(confirmed) })
    return historyItem(confirmed)
  })
  app.post<{ Querystring: Static<typeof undoQuery> }>(
    '/api/v1/history/undo',
    writing('take a change of the policies back', { querystring: undoQuery }),
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
          if (before) await mayWatch(firewall, request.identity, before)
      }
      const undone = await policies.undo(
        target,
        firewall.host.topology.current,
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
        if (isWritten) await firewall.watcher?.write(policy.file, before.source)
        const list = isWritten ? written : files
        list.push(policy.file)
      }
      await settle(firewall, request.query)
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
  firewall: Firewall,
  wishes: readonly PolicyWish[],
  asking: Asking,
  match?: string,
) => {
  const { query } = asking
  mustBeInScope(
    asking.identity,
    wishes.map(({ name }) => name),
  )
  const before = new Map(firewall.policies.list().map(policy => [policy.name, policy]))
  for (const wish of wishes) await mayWatch(firewall, asking.identity, wish)
  const changes = await firewall.policies.apply(
    wishes,
    firewall.host.topology.current,
    match,
    reasonOf(asking),
    isDryRun(query),
  )
  if (!isDryRun(query)) {
    const after = new Map(firewall.policies.list().map(policy => [policy.name, policy]))
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
  await settle(firewall, query)
  return wishes.map(wish => ({
    ...policyItem(firewall, wish.name),
    change: changes.get(wish.name),
    warnings: firewall.policies
      .warnings(wish.name, firewall.host.topology.current)
      .map(({ file, line, message, hint }) => ({ file, line, message, hint })),
  }))
}

/** Waits, when asked to, until every switch that should have the rules has them. @throws {Failure} `timed-out` */
const settle = async (firewall: Firewall, query: Static<typeof waitQuery>): Promise<void> => {
  if (query.wait !== 'installed' || isDryRun(query)) return
  const seconds = Number(query.timeout ?? 10)
  const isDone =
    (await firewall.installed(seconds * 1_000)) && (await firewall.timed(seconds * 1_000))
  if (isDone) return
  const why = lackText(firewall.lacking())
  throw new Failure('timed-out', {
    detail: `Not installed everywhere after ${seconds} s${why === '' ? '' : `: ${why}`}. What was asked stays wanted; "sluice get switches" tells how the switches are, "sluice delete switch" forgets one that is gone.`,
  })
}
