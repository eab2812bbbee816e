/** Watching what is used, and the rules that would allow it. */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { noteChange } from '../../requests.js'
import { Environment } from '../meaning/environment.js'
import { type KnownZone, type LearnContext, proposeRules } from '../meaning/learn.js'
import { helpedPorts } from '../meaning/resolved.js'
import type { LearningStatus } from '../service/learning.js'
import type { Firewall } from '../service/service.js'

const startBody = Type.Object(
  {
    seconds: Type.Integer({
      minimum: 1,
      maximum: 31_622_400,
      description: 'how long to watch, up to a year; what was seen before is forgotten',
    }),
  },
  { additionalProperties: false },
)

const security = [{ token: [] }]

export const learningRoutes =
  (firewall: Firewall) =>
  (app: FastifyInstance): void => {
    const { learning } = firewall
    app.get(
      '/api/v1/learning',
      { schema: { summary: 'what was seen, as a rule file', tags: ['reading'] } },
      async () => answer(firewall),
    )
    app.post<{ Body: Static<typeof startBody> }>(
      '/api/v1/learning',
      {
        schema: {
          summary: 'watch the connections that are accepted',
          tags: ['writing'],
          security,
          body: startBody,
        },
      },
      async request => {
        await learning.start(request.body.seconds)
        await noteChange(request, { watches: request.body.seconds })
        return answer(firewall)
      },
    )
    app.delete(
      '/api/v1/learning',
      { schema: { summary: 'end the watch now', tags: ['writing'], security } },
      async request => {
        await learning.stop()
        await noteChange(request, { watches: 0 })
        return answer(firewall)
      },
    )
  }

const answer = (firewall: Firewall) => {
  const status = firewall.learning.status()
  if (status === undefined) return { state: 'none' }
  const { isOn, seen, left, sinceMillis, untilMillis } = status
  return {
    state: isOn ? 'watching' : 'ended',
    since: new Date(sinceMillis).toISOString(),
    until: new Date(untilMillis).toISOString(),
    connections: seen.reduce((total, one) => total + one.count, 0),
    kinds: seen.length,
    left,
    rules: proposeRules(seen, contextOf(firewall, status)),
  }
}

const contextOf = (
  firewall: Firewall,
  { sinceMillis, watchedMillis }: LearningStatus,
): LearnContext => {
  const { host, policies } = firewall
  const names = new Map(
    [...host.topology.current.hosts.values()].flatMap(host =>
      host.name === undefined ? [] : host.ips.map(ip => [ip, host.name!] as const),
    ),
  )
  return {
    sinceMillis,
    untilMillis: watchedMillis,
    zones: zonesOf(firewall),
    helped: policies.resolved ? helpedPorts(policies.resolved.tiers) : [],
    hostOf: ip => names.get(ip),
  }
}

/** Those that are made of addresses alone, so that the file that takes them over needs nothing else. */
const zonesOf = (firewall: Firewall): KnownZone[] => {
  const { policies, host } = firewall
  const facts = policies.facts(host.topology.current)
  return policies.inputs().flatMap(({ loaded }) => {
    const environment = new Environment(loaded.lines, facts)
    return loaded.lines.flatMap(line => {
      const { statement } = line
      if (statement.kind !== 'zone') return []
      const { of, except } = statement.members
      const isPlain = [...of, ...except].every(({ kind }) => kind === 'cidr' || kind === 'range')
      const set = environment.zone(statement.name)
      return isPlain && set ? [{ line: { statement }, name: statement.name, set }] : []
    })
  })
}
