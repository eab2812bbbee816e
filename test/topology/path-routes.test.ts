import { setImmediate } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { pathRoutes } from '../../src/controller/rest/path-routes.js'
import { ring, Whole } from './whole.js'

t.test('GET /api/v1/paths', async t => {
  const whole = await Whole.start(ring(4))
  await whole.ping('h1', 'h2')
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false } } })
  app.register(async each => pathRoutes(whole.controller)(each))
  // The switches on the way are asked what they hold, in simulated time.
  const get = async (query: string) => {
    let isAnswered = false
    const reply = app.inject({ method: 'GET', url: `/api/v1/paths?${query}` }).finally(() => {
      isAnswered = true
    })
    while (!isAnswered) {
      await whole.env.advance(10)
      await setImmediate()
    }
    return reply
  }
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

t.test('GET /api/v1/paths/all: every pair, in pages', async t => {
  const whole = await Whole.start(ring(4))
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false } } })
  app.register(async each => pathRoutes(whole.controller)(each))
  const get = async (query: string) =>
    app.inject({ method: 'GET', url: `/api/v1/paths/all?${query}` })
  t.same((await get('from=s1')).json(), {
    costKind: 'given',
    items: [
      {
        from: 's1',
        dpid: '0000000000000001',
        paths: [
          { to: 's2', cost: 1, path: ['s1', 's2'] },
          { to: 's3', cost: 2, path: ['s1', 's2', 's3'] },
          { to: 's4', cost: 1, path: ['s1', 's4'] },
        ],
      },
    ],
  })
  const pages: string[][] = []
  for (let after = ''; pages.length < 9; ) {
    const page = (await get(`limit=3${after}`)).json()
    pages.push(page.items.map((item: { from: string }) => item.from))
    if (page.next === undefined) break
    after = `&after=${page.next}`
  }
  t.same(pages, [['s1', 's2', 's3'], ['s4']])
  t.equal((await get('from=s9')).json().code, 'no-such-switch')
  t.equal((await get('limit=101')).statusCode, 400)
  await app.close()
  await whole.stop()
})
