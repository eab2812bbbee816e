/** Completion in a real shell, with the names of a controller that runs. */
import { execFile } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { office } from '../controller/office.js'
import { programPath } from '../program.js'
import { sluice } from './in-process.js'

const run = promisify(execFile)

t.test('what may come next is said for every place in a command', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/office', { source: 'default allow\nweb: allow tcp 80\n' })
  const once = async (words: readonly string[]) =>
    (await sluice(at, ['complete', '--', ...words])).out.split('\n').filter(word => word !== '')
  /** A machine that is busy may not answer within the patience of a key. */
  const next = async (...words: string[]) => {
    let found = await once(words)
    for (let tries = 0; found.length === 0 && tries < 10; tries++) found = await once(words)
    return found
  }
  t.match(await next(''), ['adopt', 'apply', 'audit'])
  t.same(await next('des'), ['describe'])
  t.same(await next('get', 'swi'), ['switch', 'switches'])
  t.same(await next('get', 'switches', ''), ['s1', 's2', 's3', 's4'])
  t.same(await next('get', '-o', 'wide', 'switches', 's1', 's'), ['s1', 's2', 's3', 's4'])
  t.same(await next('describe', 'rule', 'w'), ['web'])
  t.same(await next('delete', 'policy', 'o'), ['office'])
  t.same(await next('get', 'flows', 's4'), ['s4'])
  t.same(await next('get', 'switches', '-o', 'j'), ['json'])
  t.same(await next('get', '--sor'), ['--sort-by'])
  t.same(await next('token', 're'), ['revoke'])
  t.same(await next('completion', ''), ['bash', 'fish', 'zsh'])
  t.match(await next('explain', 'rout'), ['router', 'routers'])
  t.same(await next('apply', '-f', ''), [], 'a file: the shell knows those')
  const silent = await sluice(undefined, ['complete', '--', 'get', 'switches', ''])
  t.match(silent.out, '', 'nobody there: no word, and no waiting')
})

t.test('bash completes with it', { timeout: 60_000 }, async t => {
  const at = await office(t)
  const program = join(at.data, 'sluice')
  writeFileSync(
    program,
    `#!/bin/sh\nunset NODE_OPTIONS\nexec "${process.execPath}" "${programPath}" "$@"\n`,
  )
  chmodSync(program, 0o700)
  const script = `source <(sluice completion bash); complete -p sluice
    COMP_WORDS=(sluice get switches s); COMP_CWORD=3; for n in 1 2 3 4 5 6 7 8; do _sluice; [ -n "\${COMPREPLY[*]}" ] && break; done; echo "\${COMPREPLY[*]}"`
  const { stdout } = await run('bash', ['-c', script], {
    env: {
      ...process.env,
      PATH: `${at.data}:${process.env.PATH}`,
      SLUICE_SERVER: `http://${at.rest}`,
    },
  })
  t.match(stdout, /complete -o default -F _sluice sluice\n/)
  t.match(stdout, /s1[\s\S]*s4/)
})
