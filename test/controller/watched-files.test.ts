/** What a policy has watched is a rule file, of its own name, and never what the data folder keeps secret. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../until.js'
import { items, type Office, office } from './office.js'

/** As where sluice is started by hand: the data folder is below the folder whose files may be watched. */
const start = async (t: Test, given: readonly string[] = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-watched-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const at = await office(t, {
    whole: false,
    rules: given.map(name => join(folder, name)),
    more: { ruleFolders: [tmpdir()] },
  })
  symlinkSync(at.data, join(folder, 'data'))
  const admin = at.token
  const ask = async (token: string, method: string, path: string, body?: object) => {
    const reply = await at.raw(`/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    return { status: reply.status, body: text === '' ? {} : JSON.parse(text) }
  }
  const made = await ask(admin, 'POST', 'tokens', {
    name: 'ta',
    role: 'author',
    policies: ['team-a'],
  })
  const team = String(made.body.token)
  const file = (name: string) => join(folder, name)
  return { at, admin, team, file, ask: (...words: Parameters<typeof ask>) => ask(...words) }
}

const publicOf = async (at: Office): Promise<string> => {
  const lists = await Promise.all(
    ['events?since=0', 'policies'].map(async path => (await at.raw(`/api/v1/${path}`)).text()),
  )
  return lists.join('') + JSON.stringify(at.log.lines)
}

t.test('no secret of the data folder is ever read, however it is included', async t => {
  const { at, admin, team, file, ask } = await start(t)
  writeFileSync(file('team-a.rules'), 'default drop\n')
  symlinkSync(join('data', 'token'), file('linked.rules'))
  const forms: Readonly<Record<string, [source: string, includes: object]>> = {
    'by its path': ['include "data/token"\n', { 'data/token': '# x\n' }],
    'by a link': ['include "linked.rules"\n', { 'linked.rules': '# x\n' }],
  }
  for (const [what, [source, includes]] of Object.entries(forms)) {
    const watched = { file: file('team-a.rules'), watch: true }
    await ask(team, 'PUT', 'policies/team-a', { source, includes, ...watched })
    await ask(team, 'PUT', 'policies/team-a', { source: 'default allow\n', ...watched })
    await ask(team, 'POST', 'history/undo?writeFile=true')
    // Whoever can write the file itself gets no further.
    await ask(team, 'PUT', 'policies/team-a', { source: 'default reject\n', ...watched })
    writeFileSync(file('team-a.rules'), source)
    await until(async () =>
      (await items(at, 'events')).some(({ kind, complaints }) => {
        const told = JSON.stringify(complaints ?? '')
        return kind === 'rules-refused' && told.includes(what === 'by a link' ? 'linked' : 'token')
      }),
    )
    t.notOk((await publicOf(at)).includes(admin), what)
  }
  const refused = await ask(team, 'PUT', 'policies/team-a', {
    source: 'include "data/token"\n',
    includes: { 'data/token': '# x\n' },
    file: file('team-a.rules'),
    watch: true,
  })
  t.match(refused, { status: 400, body: { detail: /only files named \*\.rules/ } })
  symlinkSync('linked.rules', file('data.rules'))
  const secret = { source: 'default drop\n', watch: true }
  for (const name of ['linked', 'data'])
    t.match(
      await ask(admin, 'PUT', `policies/${name}`, { ...secret, file: file(`${name}.rules`) }),
      { status: 403, body: { code: 'file-not-allowed' } },
      name,
    )
  // The folder for rule files that is in it is one.
  writeFileSync(join(at.data, 'rules/own.rules'), 'default drop\n')
  const own = { ...secret, file: join(at.data, 'rules/own.rules') }
  t.equal((await ask(admin, 'PUT', 'policies/own', own)).status, 200)
})

t.test(
  'an author of some policies neither writes nor puts in force the files of others',
  async t => {
    const { at, admin, team, file, ask } = await start(t)
    writeFileSync(file('team-b.rules'), 'default drop\n')
    writeFileSync(file('team-a.rules'), 'default drop\n')
    const watched = (name: string, source: string) => ({ source, file: file(name), watch: true })
    const put = (token: string, name: string, source = 'default allow\n') =>
      ask(token, 'PUT', 'policies/team-a', watched(name, source))
    t.match(await put(team, 'team-b.rules'), { status: 403, body: { code: 'out-of-scope' } })
    t.match(await put(team, 'none.rules'), { status: 403, body: { code: 'out-of-scope' } })
    t.match(await put(admin, 'team-b.rules'), {
      status: 400,
      body: { detail: /puts policy team-b/ },
    })
    mkdirSync(file('links'))
    symlinkSync(join('..', 'team-b.rules'), file('links/team-a.rules'))
    t.match(await put(team, 'links/team-a.rules'), { status: 403, body: { code: 'out-of-scope' } })
    await ask(team, 'POST', 'history/undo?writeFile=true')
    t.equal(readFileSync(file('team-b.rules'), 'utf8'), 'default drop\n')

    t.equal((await put(team, 'team-a.rules', 'default allow\n')).status, 200, 'its own')
    t.equal((await put(team, 'team-a.rules', 'default reject\n')).status, 200)
    const undone = await ask(team, 'POST', 'history/undo?writeFile=true')
    t.match(undone, { status: 200, body: { written: [file('team-a.rules')] } })
    t.equal(readFileSync(file('team-a.rules'), 'utf8'), 'default allow\n')
    const names = (await items(at, 'policies').catch(() => [])).map(({ name }) => name)
    t.notOk(names.includes('team-b'))
  },
)

t.test('what says that it is from a file opens nothing that waits for that file', async t => {
  for (const given of ['fw.rules', 'folder']) {
    const { at, admin, team, file, ask } = await start(t, [given])
    const isClosed = async () =>
      (await (await at.raw('/api/v1/policies')).text()).includes('everything is denied meanwhile')
    t.ok(await isClosed(), given)
    for (const name of [given, `${given}/x.rules`, `${given}/team-a.rules`]) {
      const body = { source: 'default allow\n', file: file(name) }
      t.equal((await ask(team, 'PUT', 'policies/team-a', body)).status, 200)
    }
    // Whatever makes it look again.
    writeFileSync(file('other.rules'), 'default drop\n')
    await ask(admin, 'PUT', 'policies/other', {
      source: 'default drop\n',
      file: file('other.rules'),
      watch: true,
    })
    await until(async () => (await items(at, 'policies')).some(({ name }) => name === 'other'))
    writeFileSync(file('other.rules'), 'default reject\n')
    await until(async () => {
      const { body } = await ask(admin, 'GET', 'policies/other')
      return body.source === 'default reject\n'
    })
    t.ok(await isClosed(), `${given}: it stays closed`)
  }
})
