/** A token file without a token lets nobody write, and a header has one form. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { run } from '../../src/controller/main.js'
import { createRest } from '../../src/controller/rest/server.js'
import { guardOf } from './first-token.js'

const log = new CollectingLog()

t.test('an empty token file is refused at the start', async t => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-secret-'))
  t.teardown(() => rmSync(data, { recursive: true, force: true }))
  for (const text of ['', '\n', 'short\n']) {
    writeFileSync(join(data, 'token'), text, { mode: 0o600 })
    const started = run(realEnv(log), {
      southbound: { listen: ['127.0.0.1:0'], connect: [] },
      rest: '127.0.0.1:0',
      data,
      rules: [],
      variables: { XDG_STATE_HOME: join(data, 'state') },
      pid: process.pid,
    })
    await t.rejects(started, { code: 'no-secret' })
  }
})

t.test('the header is "Bearer", one blank, and the token', async t => {
  const { timers } = realEnv(log)
  const app = await createRest({ guard: guardOf('', { 'POST /write': ['admin'] }), log, timers }, [
    scope => {
      scope.post('/write', async () => 'written')
    },
  ])
  t.teardown(() => app.close())
  for (const authorization of ['Bearer  a', 'Bearer ', 'Bearer', 'Bearer a b', 'Basic a', '']) {
    const headers = { host: 'localhost', authorization }
    const reply = await app.inject({ method: 'POST', url: '/write', headers })
    t.equal(reply.statusCode, 401, JSON.stringify(authorization))
  }
})
