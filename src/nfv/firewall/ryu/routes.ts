/** The paths of Ryu's `rest_firewall`. Bodies are JSON whatever their type says, as curl sends them. */
import type { FastifyInstance } from 'fastify'
import type { Firewall } from '../service/service.js'
import { Refusal, RyuFirewall } from './firewall.js'

type Where = { Params: { switch: string; vlan?: string } }
type Body = { Body: Readonly<Record<string, unknown>> | undefined }

export const ryuRoutes =
  (firewall: Firewall) =>
  (app: FastifyInstance): void => {
    const ryu = new RyuFirewall(firewall)
    takeAnyBody(app)
    answerRefusals(app)
    app.get('/firewall/module/status', async () => ryu.status())
    app.get('/firewall/log/status', async () => ryu.logStatus())
    for (const [path, what] of [
      ['module', 'enabled'],
      ['log', 'logging'],
    ] as const)
      for (const word of ['enable', 'disable'] as const)
        app.put<Where>(`/firewall/${path}/${word}/:switch`, async ({ params }) =>
          ryu.turn(what, word === 'enable', params.switch),
        )
    for (const path of ['/firewall/rules/:switch', '/firewall/rules/:switch/:vlan']) {
      app.get<Where>(path, async ({ params }) => ryu.rules(params.switch, vlanOf(params.vlan)))
      app.post<Where & Body>(path, async ({ params, body }) =>
        ryu.add(params.switch, vlanOf(params.vlan), body ?? {}),
      )
      app.delete<Where & Body>(path, async ({ params, body }) =>
        ryu.delete(params.switch, vlanOf(params.vlan), body ?? {}),
      )
    }
  }

/** @throws {Refusal} when it is out of bounds */
const vlanOf = (text: string | undefined): number | 'all' => {
  if (text === undefined) return 0
  if (text === 'all') return 'all'
  const vlan = Number(text)
  if (!Number.isInteger(vlan) || vlan < 2 || vlan > 4094)
    throw new Refusal('Invalid {vlan_id} value. Set [2-4094]')
  return vlan
}

const takeAnyBody = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers()
  // What a form of a page can send and curl does not: text/plain may read as JSON. A form of the other type comes with
  // its characters encoded, so that it is none.
  app.addContentTypeParser(
    ['text/plain', 'multipart/form-data'],
    { parseAs: 'string' },
    (_request, _body, done) => done(new Refusal('the body must be JSON, sent as such')),
  )
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    try {
      // A form without fields.
      if (body === '' && request.method === 'POST') throw new SyntaxError('nothing')
      const value: unknown = body === '' ? {} : JSON.parse(String(body))
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw new SyntaxError('not an object')
      done(null, value)
    } catch {
      done(new Refusal('the body must be a JSON object'))
    }
  })
}

const answerRefusals = (app: FastifyInstance): void => {
  app.setErrorHandler(async (error, _request, reply) => {
    if (!(error instanceof Refusal)) throw error
    return reply.code(400).type('text/plain').send(error.message)
  })
}
