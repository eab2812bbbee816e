/** A backup brings back what was lost: nothing is sent to switches, and no secret is in it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { backUp, restore } from '../../src/controller/backup/backup.js'
import { programPath } from '../program.js'
import { until } from '../until.js'
import { items, office, settled } from './office.js'

const env = realEnv(pino({ level: 'silent' }))

const folderOf = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const loose = (folder: string): void => {
  for (const name of ['store.mdb', 'store.copy', 'token', 'discovery.key', 'rules'])
    rmSync(join(folder, name), { recursive: true, force: true })
}

t.test('backup, lose the folder, restore: 0 flow-mods at connect', async t => {
  const at = await office(t)
  const path = join(folderOf(t), 'office.backup')
  await at.call('PUT', '/api/v1/policies/office', { source: 'default drop\nweb: allow tcp 80\n' })
  const made = await at.call<{ token: string }>('POST', '/api/v1/tokens', {
    name: 'ops',
    role: 'operator',
    for: '1d',
  })
  mkdirSync(join(at.data, 'rules'), { recursive: true })
  writeFileSync(join(at.data, 'rules', 'more.rules'), 'default allow\n')
  await until(async () => (await items(at, 'policies')).length === 2)
  await settled(at)
  const kept = new Map(await at.kept())
  const secrets = [
    at.token,
    made.token,
    readFileSync(join(at.data, 'discovery.key'), 'utf8').trim(),
  ]
  await backUp(env, at.data, path, '0.1.0')
  t.equal(statSync(path).mode & 0o777, 0o600)
  const text = readFileSync(path, 'utf8')
  for (const secret of secrets) t.notOk(text.includes(secret), 'no secret is in it')
  t.ok(text.includes('"ops"'), 'tokens are, as hashes')

  await t.rejects(restore(env, at.data, path), { code: 'already-running' })
  await at.restart(() => loose(at.data))
  t.equal((await items(at, 'policies')).filter(each => each.name === 'office').length, 0, 'lost')
  await at.restart(() => {
    loose(at.data)
    execFileSync(process.execPath, [programPath, '--data', at.data, 'restore', path], {
      env: { ...process.env, NODE_OPTIONS: '' },
    })
  })
  await settled(at)
  t.match(
    await items(at, 'switches'),
    Array.from({ length: 4 }, () => ({ state: 'installed', flowModsSent: 0 })),
    'nothing is sent',
  )
  t.match(await at.call('GET', '/api/v1/policies/office'), { source: /web: allow tcp 80/ })
  const after = new Map(await at.kept())
  const names = (all: ReadonlyMap<string, unknown>) =>
    [...all.keys()].filter(key => /^\/(objects|policies|tokens)/.test(key)).sort()
  t.same(names(after), names(kept))
  t.equal(readFileSync(join(at.data, 'rules', 'more.rules'), 'utf8'), 'default allow\n')
})

t.test('what is no backup of ours, is damaged, or newer, changes nothing', async t => {
  const at = await office(t, { whole: false })
  const folder = folderOf(t)
  const path = join(folder, 'b')
  await backUp(env, at.data, path, '0.1.0')
  const good = readFileSync(path, 'utf8')
  const fresh = join(folder, 'fresh')
  const cases = [
    ['backup-too-new', good.replace('"version":1', '"version":2')],
    ['backup-damaged', good.replace(/"modRev":\d+/, '"modRev":999')],
    ['backup-damaged', good.split('\n').slice(0, -2).join('\n')],
    ['backup-damaged', 'flow table'],
    ['backup-damaged', '{"format":"other"}\n'],
  ] as const
  for (const [code, text] of cases) {
    writeFileSync(path, text)
    await t.rejects(restore(env, fresh, path), { code }, text.slice(0, 60))
  }
  writeFileSync(path, good)
  await restore(env, fresh, path)
  await t.rejects(restore(env, fresh, path), { code: 'store-there' }, 'there is a store')
  await t.rejects(backUp(env, join(folder, 'nothing'), path, '0.1.0'), { code: 'store-damaged' })
})
