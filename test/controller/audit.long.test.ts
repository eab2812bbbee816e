/** Who asked for what is on disk before the answer, says what was changed, and cannot be changed without a trace. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type AuditContent, ChainCheck } from '../../src/base/audit-chain.js'
import {
  bounded,
  memberDifference,
  policyDifference,
  textDifference,
} from '../../src/base/differences.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { Audit } from '../../src/controller/rights/audit.js'
import { sluice } from '../cli/in-process.js'
import { until } from '../until.js'
import { office } from './office.js'

const env = realEnv(new CollectingLog())

const place = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-audit-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const content = (n: number): AuditContent => ({
  time: '2026-12-01T00:00:00.000Z',
  who: 'alice',
  from: '192.0.2.1',
  action: 'PUT /x',
  path: `/x/${n}`,
  result: '200',
})

t.test('every change over the API, with who, what, and what came of it', async t => {
  const at = await office(t, { whole: false })
  const auth = (token: string) => ({
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
  })
  const made = await at.call<{ token: string }>('POST', '/api/v1/tokens', {
    name: 'alice',
    role: 'author',
  })
  const put = (source: string, query = '') =>
    at.raw(`/api/v1/policies/p${query}`, {
      method: 'PUT',
      headers: auth(made.token),
      body: JSON.stringify({ source }),
    })
  await put('default drop\nweb: allow tcp 80 from any to any\n')
  await put('default drop\nssh: allow tcp 22 from any to any\n')
  await put('default allow\n', '?dryRun=true')
  await put('nonsense\n')
  await at.raw('/api/v1/hosts/x', { method: 'DELETE', headers: auth(made.token) })
  await at.raw('/api/v1/tokens', { headers: auth(made.token) })
  const network = { spec: { vlan: 7 } }
  await at.call('PUT', '/api/v1/objects/networks/lab', network).catch(() => undefined)
  await at.call('POST', '/api/v1/history/undo', {})
  await at.raw('/api/v1/policies/p', { method: 'DELETE', headers: auth('sluice_wrong') })
  const lines = readFileSync(join(at.data, 'audit.jsonl'), 'utf8').trim().split('\n')
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      { who: 'admin', role: 'admin', how: 'first-token', result: '201', path: '/api/v1/tokens' },
      { who: 'alice', role: 'author', how: 'token', from: '127.0.0.1', result: '200' },
      {
        action: 'PUT /api/v1/policies/:name',
        path: '/api/v1/policies/p',
        difference: [
          {
            policy: 'p',
            change: 'changed',
            added: ['ssh: allow tcp 22 from any to any'],
            removed: ['web: allow tcp 80 from any to any'],
          },
        ],
      },
      { who: 'alice', result: '400 bad-rules' },
      { who: 'alice', result: '403 forbidden', path: '/api/v1/hosts/x' },
      { who: 'alice', result: '403 forbidden', action: 'GET /api/v1/tokens' },
      { who: 'admin', path: '/api/v1/objects/networks/lab' },
      { who: 'admin', difference: [{ undoOf: 2, removed: [/ssh/], added: [/web/] }] },
    ],
  )
  t.equal(lines.length, 8, 'no dry run, no reading, nobody unknown')
  t.notOk(lines.join('').includes(made.token))
  t.notOk(lines.join('').includes(at.token))
  t.equal(statSync(join(at.data, 'audit.jsonl')).mode & 0o777, 0o600)

  const shown = await sluice(at, ['audit'])
  t.match(shown.out, /^NUMBER +TIME +WHO +FROM +RESULT +WHAT\n1 +\S+ +admin +127\.0\.0\.1 +201 /)
  t.match((await sluice(at, ['audit', '--after', '7', '-o', 'wide'])).out, /^8 .*\n {2}\[.*undoOf/)
  t.match(await sluice(at, ['audit', '--verify']), {
    code: 0,
    out: /^whole: 8 entries, the last 8 /,
  })

  await at.restart(() => {
    const path = join(at.data, 'audit.jsonl')
    writeFileSync(path, readFileSync(path, 'utf8').replace('"who":"alice"', '"who":"bobby"'))
  })
  t.match(await sluice(at, ['audit', '--verify']), {
    code: 1,
    out: /BROKEN:\n {2}2: it says something/,
  })
  const file = join(at.data, 'audit.jsonl')
  t.match(await sluice(undefined, ['audit', '--verify', '--file', file]), {
    code: 1,
    out: /BROKEN/,
  })
})

t.test('the chain: any line that is changed, taken away, added or moved is found', async t => {
  const folder = place(t)
  const audit = await Audit.open(env, folder)
  for (let n = 1; n <= 20; n++) await audit.add(content(n))
  await audit.close()
  const lines = readFileSync(join(folder, 'audit.jsonl'), 'utf8').trim().split('\n')
  const wrongs = (list: readonly string[]): number => {
    const check = new ChainCheck()
    return list.filter(line => check.take(line) !== undefined).length
  }
  t.equal(wrongs(lines), 0)
  for (let at = 0; at < lines.length; at++) {
    const changed = lines.with(at, lines[at]!.replace('alice', 'malory'))
    t.equal(wrongs(changed), 1, `line ${at} changed`)
    if (at > 0 && at < lines.length - 1) t.ok(wrongs(lines.toSpliced(at, 1)) > 0, `${at} gone`)
    t.ok(wrongs(lines.toSpliced(at, 0, lines[at]!)) > 0, `${at} twice`)
  }
  const [a = '', b = '', ...more] = lines
  t.ok(wrongs([b, a, ...more]) > 0, 'moved')
})

t.test('many at once are one write each turn, in order, and go on after a restart', async t => {
  const folder = place(t)
  const first = await Audit.open(env, folder)
  await Promise.all(Array.from({ length: 500 }, (_, n) => first.add(content(n))))
  await first.close()
  appendFileSync(join(folder, 'audit.jsonl'), '{"sequence":501,"time":"2026-')
  const second = await Audit.open(env, folder)
  await second.add(content(500))
  t.match(await second.verify(), { isWhole: true, entries: 501, last: { sequence: 501 } })
  const entries = await second.list(499, 10)
  t.same(
    entries.map(({ sequence }) => sequence),
    [500, 501],
  )
  t.equal((await second.latest(3)).length, 3)
  await second.close()
})

t.test('files have an end, and the chain goes on in the next', async t => {
  const folder = place(t)
  const audit = await Audit.open(env, folder, 1_000)
  const events: object[] = []
  audit.on('event', event => events.push(event))
  for (let n = 1; n <= 60; n++) await audit.add(content(n))
  t.match(events[0], { kind: 'audit-dropped', first: 1, last: Number }, 'nothing goes unsaid')
  const verdict = await audit.verify()
  t.ok(verdict.isWhole, verdict.broken.join())
  t.ok(verdict.entries < 60, 'the oldest are gone')
  t.ok(statSync(join(folder, 'audit.8.jsonl')).size < 2_000)
  await audit.close()
  const again = await Audit.open(env, folder, 1_000)
  await again.add(content(61))
  t.match(await again.verify(), { isWhole: true, last: { sequence: 61 } })
  await again.close()
})

t.test('a log that cannot be written is told, and nothing hangs', async t => {
  const folder = place(t)
  const full = { isFull: false }
  const audit = await Audit.open(
    {
      ...env,
      disk: {
        ...env.disk,
        openJournal: async (path, mode) => {
          const file = await env.disk.openJournal(path, mode)
          return {
            ...file,
            sync: () => file.sync(),
            truncate: size => file.truncate(size),
            isAt: path => file.isAt(path),
            close: () => file.close(),
            write: async (bytes, offset) => {
              if (full.isFull) throw new Error('no space')
              await file.write(bytes, offset)
            },
          }
        },
      },
    },
    folder,
  )
  const events: { kind: string }[] = []
  audit.on('event', event => events.push(event))
  await audit.add(content(1))
  full.isFull = true
  await audit.add(content(2))
  await audit.add(content(3))
  full.isFull = false
  await audit.add(content(4))
  t.match(events, [{ kind: 'audit-lost', reason: /no space/ }, { kind: 'audit-writable' }])
  t.match(await audit.verify(), { isWhole: true, entries: 2 })
  await audit.close()
})

t.test('what changed', async t => {
  t.same(memberDifference({ a: 1, b: { c: [1], 'd/e': 2 } }, { b: { c: [1, 2] }, f: 'x' }), {
    '/a': [1, null],
    '/b/c': [[1], [1, 2]],
    '/b/d~1e': [2, null],
    '/f': [null, 'x'],
  })
  t.same(memberDifference(undefined, { a: 1 }), { '': [null, { a: 1 }] })
  const long = { source: Array.from({ length: 150 }, (_, n) => `r${n}: allow`).join('\n') }
  const difference = textDifference(undefined, long)
  t.same([difference.added.length, difference.more], [100, 50])
})

t.test('moves, order, file and watching are changes too', async t => {
  const [a, b] = ['a: allow tcp 1 from any to any', 'b: drop tcp 1 from any to any']
  const policy = { source: `${a}\n${b}\n`, order: 5, file: 'x.rules' }
  t.same(policyDifference('p', policy, { ...policy, source: `${b}\n${a}\n` }), {
    ...{ policy: 'p', added: [], removed: [] },
    moved: [b, a],
  })
  t.match(policyDifference('p', policy, { ...policy, source: `${a}\n${b}\n${b}\n` }), {
    added: [b],
  })
  t.match(policyDifference('p', policy, { ...policy, order: 1, watch: true, file: 'y.rules' }), {
    members: { '/order': [5, 1], '/watch': [false, true], '/file': ['x.rules', 'y.rules'] },
  })
  const split = { source: a, includes: { 'i.rules': b } }
  t.match(policyDifference('p', split, { ...split, source: b, includes: { 'i.rules': a } }), {
    moved: [b, a],
  })
  t.same(policyDifference('p', policy, { ...policy }), { policy: 'p', added: [], removed: [] })
})

t.test('one change fills no log', async t => {
  const at = await office(t, { whole: false })
  const lines = Array.from({ length: 120 }, (_, n) => `# ${n} ${'"'.repeat(500)}`).join('\n')
  const policies = Array.from({ length: 60 }, (_, n) => ({
    name: `p${n}`,
    source: `${lines}\ndefault drop\n`,
  }))
  await at.call('POST', '/api/v1/policies', { policies })
  const size = statSync(join(at.data, 'audit.jsonl')).size
  t.ok(size < 20_000, `${size} octets`)
  t.match(bounded([...policies]), {
    length: 1,
    0: { more: 60, octets: Number, sha256: /^\w{64}$/ },
  })
  t.match(bounded('x'.repeat(100_000)), [{ octets: 100_002 }])
  const small = [{ policy: 'p' }]
  t.equal(bounded(small), small)
  t.match(bounded(Array.from({ length: 2_000 }, (_, n) => ({ policy: `p${n}` }))), {
    0: { policy: 'p0' },
  })
})

t.test('a change is in the log before its answer waits, and whoever waits for it', async t => {
  const at = await office(t)
  at.net.stop()
  await until(async () => {
    const { items } = await at.call<{ items: { state: string }[] }>('GET', '/api/v1/switches')
    return items.every(({ state }) => state === 'gone' || state === 'disconnected')
  })
  const lines = () => readFileSync(join(at.data, 'audit.jsonl'), 'utf8').trim().split('\n')
  const aborted = new AbortController()
  const answered = at
    .raw('/api/v1/policies/p?wait=installed&timeout=5', {
      method: 'PUT',
      headers: { authorization: `Bearer ${at.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ source: 'default drop\n' }),
      signal: aborted.signal,
    })
    .then(
      () => 'answered',
      () => 'aborted',
    )
  await until(() => lines()[0] !== '')
  t.match(JSON.parse(lines()[0]!), { result: '200', difference: [{ policy: 'p' }] })
  aborted.abort()
  t.equal(await answered, 'aborted')
  await at.restart()
  t.match(await at.call('GET', '/api/v1/policies/p'), { source: 'default drop\n' })
  t.equal(lines().length, 1)
})

t.test('what an object was is in the log when it is gone', async t => {
  const at = await office(t, { whole: false })
  const auth = { authorization: `Bearer ${at.token}` }
  await at.call('PUT', '/api/v1/objects/network/lab', { spec: { number: 7 } })
  const reply = await at.raw('/api/v1/objects/network/lab', { method: 'DELETE', headers: auth })
  t.ok(reply.ok)
  const last = readFileSync(join(at.data, 'audit.jsonl'), 'utf8').trim().split('\n').at(-1)!
  t.match(JSON.parse(last), { difference: { change: 'removed', members: { '': [{ number: 7 }] } } })
})

t.test('no octet, no end and no beginning goes without being missed', async t => {
  const folder = place(t)
  const path = join(folder, 'audit.jsonl')
  const audit = await Audit.open(env, folder)
  for (let n = 1; n <= 5; n++) await audit.add(content(n))
  await audit.close()
  const whole = readFileSync(path, 'utf8')
  const lines = whole.trim().split('\n')
  const edits: Readonly<Record<string, string>> = {
    'a member twice': whole.replace('"who":"alice"', '"who":"malory","who":"alice"'),
    'another hash before': whole.replace('"who"', '"hash":"x","who"'),
    spaces: whole.replace('"who":', '"who": '),
    'a letter as its number': whole.replace('alice', '\\u0061lice'),
    'other line ends': whole.replaceAll('\n', '\r\n'),
    null: `null\n${whole}`,
    'a number': whole.replace(lines[2]!, '7'),
    'an empty line': whole.replace('\n', '\n\n'),
    'no first line': `${lines.slice(1).join('\n')}\n`,
    'no first lines': `${lines.slice(3).join('\n')}\n`,
    'no last line': `${lines.slice(0, -1).join('\n')}\n`,
    nothing: '',
  }
  for (const [what, text] of Object.entries(edits)) {
    t.not(text, whole, what)
    writeFileSync(path, text)
    const again = await Audit.open(env, folder)
    const { isWhole, broken } = await again.verify()
    t.notOk(isWhole, what)
    t.ok(broken.length > 0, `${what}: ${broken[0]}`)
    await again.close()
  }
  // Nor is it forgotten when the log goes on.
  const empty = await Audit.open(env, folder)
  await empty.add(content(6))
  t.match(await empty.verify(), {
    isWhole: false,
    broken: [/^6: it is the first, and the log begins/],
  })
  await empty.close()
  writeFileSync(path, whole)
  const right = await Audit.open(env, folder)
  await right.close()
})

t.test('a log without what is kept beside it is taken as it is', async t => {
  const folder = place(t)
  const audit = await Audit.open(env, folder, 1_000)
  for (let n = 1; n <= 60; n++) await audit.add(content(n))
  await audit.close()
  rmSync(join(folder, 'audit.head'))
  const again = await Audit.open(env, folder, 1_000)
  t.match(await again.verify(), { isWhole: true, first: Number, last: { sequence: 60 } })
  await again.add(content(61))
  await again.close()
  const third = await Audit.open(env, folder, 1_000)
  t.match(await third.verify(), { isWhole: true, last: { sequence: 61 } })
  await third.close()
})
