/** Contexts: several controllers by name, in a file of one's own. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { office } from '../controller/office.js'
import { sluice } from './in-process.js'

t.test('log in, choose, forget', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-contexts-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const at = await office(t, { whole: false })
  const file = join(folder, 'sluice', 'contexts.json')
  const run = (words: string[], variables = {}) =>
    sluice(undefined, words, undefined, { XDG_CONFIG_HOME: folder, ...variables })
  const made = await at.call<{ token: string }>('POST', '/api/v1/tokens', {
    name: 'ann',
    role: 'operator',
  })
  writeFileSync(join(folder, 'token'), `${made.token}\n`)
  const url = `http://${at.rest}`

  t.match(await run(['login', url]), { code: 2, err: /a token is needed.*--token-file/ })
  t.match(await run(['login', 'nowhere']), { code: 2, err: /no address/ })
  t.match(await run(['--token', 'wrong', 'login', url]), { code: 4, err: /not valid here/ })
  t.throws(() => statSync(file), 'what is not right is not kept')
  const token = ['--token-file', join(folder, 'token')]
  t.match(await run(['login', url, '--name', 'lab', ...token]), {
    code: 0,
    out: `ann (operator) at ${url}: the current context is lab`,
  })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(await run(['whoami']), { out: /^ann: operator/ })
  t.match(await run(['--token', at.token, 'login', url, '--name', 'root']), { code: 0 })
  t.match(await run(['whoami']), { out: /^admin: admin/ })
  t.match(await run(['--context', 'lab', 'whoami']), { out: /^ann/ })
  t.match(await run(['whoami'], { SLUICE_CONTEXT: 'lab' }), { out: /^ann/ })
  t.match(await run(['--context', 'lab', 'whoami'], { SLUICE_SERVER: 'http://127.0.0.1:9' }), {
    out: /^ann/,
  })
  t.match(await run(['whoami'], { SLUICE_SERVER: 'http://127.0.0.1:9' }), { code: 1 })
  t.match(await run(['--context', 'lba', 'whoami']), { code: 2, err: /did you mean lab/ })
  t.match(await run(['--context', 'lab', '--server', url, 'whoami']), { code: 2 })
  t.match(await run(['config', 'use-context', 'constructor']), { code: 2 })
  t.match(await run(['config', 'use-context', 'lab']), { code: 0 })
  t.match(await run(['config', 'current-context']), { out: 'lab' })
  const listed = await run(['config', 'get-contexts'])
  t.match(listed.out, /^CURRENT +NAME +SERVER +BY\n\* +lab +http.*token\n +root +/)
  t.notOk(listed.out.includes(made.token))

  chmodSync(file, 0o644)
  t.match(await run(['whoami']), { code: 1, err: /chmod 600/ }, 'others could have read it')
  chmodSync(file, 0o600)
  t.match(await run(['config', 'delete-context', 'lab']), { code: 0 })
  t.notOk(readFileSync(file, 'utf8').includes(made.token))
  t.match(await run(['config', 'current-context']), { code: 2 }, 'none is chosen by itself')
  writeFileSync(file, '{', { mode: 0o600 })
  t.match(await run(['whoami']), { code: 1, err: /is no file of contexts/ })
})
