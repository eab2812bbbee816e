/** A support bundle tells what is there, and no secret: canaries are looked for in all of it. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withoutSecrets } from '../../src/cli/support-bundle.js'
import { office } from '../controller/office.js'
import { sluice } from './in-process.js'

const canary = 'canary-8c1f5e'
const pem = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`

t.test('a bundle has every part, and no secret', async t => {
  const at = await office(t)
  const made = await at.call<{ token: string }>('POST', '/api/v1/tokens', {
    name: 'ops',
    role: 'viewer',
    for: '1d',
  })
  await at.call('PUT', '/api/v1/policies/p', {
    source: `default allow\n# ${pem.replaceAll('\n', ' ')}\n`,
  })
  const path = join(at.data, 'bundle')
  for (const token of [at.token, made.token]) {
    const said = await sluice(at, ['support-bundle', path], undefined, {
      SLUICE_SERVER: `http://${at.rest}`,
      SLUICE_TOKEN: token,
    })
    t.match(said, { code: 0, err: '' })
    t.equal(statSync(path).mode & 0o777, 0o600)
    const text = readFileSync(path, 'utf8')
    const secrets = [
      at.token,
      made.token,
      readFileSync(join(at.data, 'discovery.key'), 'utf8').trim(),
    ]
    for (const secret of [...secrets, canary]) t.notOk(text.includes(secret), 'no secret')
    const parts = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    for (const part of [
      'about',
      'switches',
      'hosts',
      'flows',
      'rules',
      'Network',
      'events',
      'ready',
    ])
      t.ok(
        parts.some(each => each.part === part),
        part,
      )
    t.match(
      parts.find(each => each.part === 'switches'),
      { items: { length: 4 } },
    )
  }
})

t.test('what looks like a secret is left out, wherever it is', async t => {
  const value = { a: [{ token: canary, psk: canary, keep: 'this' }], text: `x ${pem} y` }
  const text = JSON.stringify(withoutSecrets(value))
  t.notMatch(text, canary)
  t.match(text, /"keep":"this"/)
  t.match(JSON.stringify(value), canary, 'it would be found')
})
