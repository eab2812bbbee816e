/** How long a text may be is asked of its length, not by counting its characters: that of a body would hold up all others. */
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { createRest } from '../../src/controller/rest/server.js'
import { guardOf } from './first-token.js'

t.test('characters of two units are two', async t => {
  const log = new CollectingLog()
  const { timers } = realEnv(log)
  const body = { type: 'object', properties: { who: { type: 'string', maxLength: 4 } } }
  const app = await createRest(
    { guard: guardOf('secret', { 'POST /write': ['admin'] }), log, timers },
    [
      scope => {
        scope.post('/write', { schema: { body } }, async () => 'written')
      },
    ],
  )
  t.teardown(() => app.close())
  const headers = { host: 'localhost', authorization: 'Bearer secret' }
  const statusOf = async (who: string) =>
    (await app.inject({ method: 'POST', url: '/write', headers, payload: { who } })).statusCode
  t.equal(await statusOf('abcd'), 200)
  t.equal(await statusOf('abcde'), 400)
  t.equal(await statusOf('\u{1f600}\u{1f600}'), 200)
  t.equal(await statusOf('\u{1f600}\u{1f600}\u{1f600}'), 400)
})
