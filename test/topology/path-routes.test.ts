import Fastify from 'fastify'
import t from 'tap'
import { pathRoutes } from '../../src/controller/rest/path-routes.js'
import { ring, Whole } from './whole.js'

t.test('GET /api/v1/paths', async t => {
  const whole = await Whole.start(ring(4))
  await whole.ping('h1', 'h2')
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false } } })
  app.register(async each => pathRoutes(whole.controller)(each))
  const get = (query: string) => app.inject({ method: 'GET', url: `/api/v1/paths?${query}` })
  const best = (body: { paths: { hops: { switch: string }[] }[] }) =>
    body.paths[0]?.hops.map(hop => hop.switch)
  t.same(best((await get('from=10.0.0.1&to=10.0.0.2')).json()), ['s1', 's2'])
  const around = await get('from=10.0.0.1&to=10.0.0.2&without=s1-s2')
  t.same(best(around.json()), ['s1', 's4', 's3', 's2'])
  t.equal((await get('from=10.0.0.1')).statusCode, 400, 'an end is missing')
  t.equal((await get('from=a&to=b&surprise=1')).statusCode, 400, 'unknown words are refused')
  t.equal((await get('from=10.0.0.1&to=10.0.0.9')).json().code, 'no-such-host')
  await app.close()
  await whole.stop()
})
