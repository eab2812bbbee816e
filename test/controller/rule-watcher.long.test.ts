/** Rule files on the controller's machine: read when they are quiet, never by accident, never from elsewhere. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../until.js'
import { items, type Office, office } from './office.js'

t.setTimeout(180_000)

const folderOf = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-rules-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const pause = (millis: number) => new Promise(resolve => setTimeout(resolve, millis))
const reach = (at: Office) => at.net.host('ann').ping(at.net.host('web').ip!)
const eventsOf = async (at: Office, kind: string) =>
  (await items(at, 'events')).filter(each => each.kind === kind)
const policyOf = async (at: Office, name: string) =>
  (await items(at, 'policies')).find(each => each.name === name)
const textOf = async (at: Office, name: string) =>
  (await at.call<{ source: string }>('GET', `/api/v1/policies/${name}`)).source
const applied = async (at: Office) => (await eventsOf(at, 'policy-applied')).length

t.test('a file is put in force when it is quiet: never in halves, never empty', async t => {
  const folder = folderOf(t)
  const path = join(folder, 'w.rules')
  const [first, second] = ['default drop\n', 'ping: allow icmp from any to any\n']
  writeFileSync(path, first + second)
  const at = await office(t, { rules: [folder] })
  t.equal(await textOf(at, 'w'), first + second)
  // An editor that writes in place, and a copy over a slow line.
  for (const gap of [20, 300, 800]) {
    const before = await applied(at)
    writeFileSync(path, '')
    await pause(gap)
    appendFileSync(path, first)
    await pause(gap)
    appendFileSync(path, `${second}# ${gap}\n`)
    await until(async () => (await textOf(at, 'w')).includes(`# ${gap}`))
    t.equal(await applied(at), before + 1, `one change with gaps of ${gap} ms`)
  }
  writeFileSync(path, '\n')
  await until(async () => (await policyOf(at, 'w'))?.reason !== undefined)
  t.match((await policyOf(at, 'w'))?.reason, /it is empty, which changes nothing/)
  t.ok(await reach(at), 'the rules of before are in force')
  // Whole files that are put in the place of the old one, and links that lead elsewhere.
  writeFileSync(join(folder, 'next'), `${first}${second}# renamed\n`)
  renameSync(join(folder, 'next'), path)
  await until(async () => (await textOf(at, 'w')).includes('# renamed'))
  t.notOk((await policyOf(at, 'w'))?.reason, 'all is well again')
  writeFileSync(join(folder, 'v2'), `${first}${second}# linked\n`)
  symlinkSync('v2', join(folder, 'link'))
  renameSync(join(folder, 'link'), path)
  await until(async () => (await textOf(at, 'w')).includes('# linked'))
})

t.test('hidden and odd files are passed by and told; one bad file costs no other', async t => {
  const folder = folderOf(t)
  for (const name of ['.#w.rules', '._w.rules', 'w.rules~', '#w.rules#', '.w.rules.swp'])
    writeFileSync(join(folder, name), 'default drop\n')
  for (const name of ['my rules.rules', 'büro.rules'])
    writeFileSync(join(folder, name), 'default drop\n')
  writeFileSync(join(folder, '4913'), '')
  writeFileSync(join(folder, 'a.rules'), 'ping: allow icmp from any to any\n')
  writeFileSync(join(folder, 'b.rules'), 'alow everything\n')
  mkdirSync(join(folder, 'c.rules'))
  const at = await office(t, { rules: [folder], whole: false })
  t.same(
    (await items(at, 'policies')).map(each => `${each.name} ${each.state === 'failed'}`).sort(),
    ['a false', 'b true', 'c true'],
  )
  t.match((await policyOf(at, 'c'))?.reason, /it is a folder/)
  const told = (await eventsOf(at, 'rule-file-passed-by')).map(each => String(each.file))
  t.equal(told.length, 7)
  t.ok(told.includes(join(folder, 'my rules.rules')), 'with the name')
  t.ok(
    at.log.lines.some(
      ({ level, fields }) => level === 'error' && /b\.rules/.test(JSON.stringify(fields)),
    ),
  )
})

t.test('a file that is missing at the start closes everything, and never silently', async t => {
  const folder = folderOf(t)
  const path = join(folder, 'missing.rules')
  const at = await office(t, { rules: [path] })
  t.notOk(await reach(at), 'nothing passes')
  t.match(await policyOf(at, 'missing'), {
    state: 'failed',
    reason: /no such file or folder; everything is denied meanwhile/,
  })
  const ready = await at.raw('/readyz')
  t.equal(ready.status, 503)
  t.match(await ready.text(), /missing\.rules is not in force/)
  t.ok(
    at.log.lines.some(({ level, sentence }) => level === 'error' && sentence === 'rules refused'),
  )
  writeFileSync(path, 'ping: allow icmp from any to any\n')
  await until(async () => (await at.raw('/readyz')).status === 200)
  await until(async () => (await reach(at)) !== undefined)
  t.pass('what the file says counts as soon as it is there')
  // Known from now on: the last that was right stays, whatever becomes of the file.
  await at.restart(() => writeFileSync(path, 'ping: alow icmp\n'))
  await until(async () => (await items(at, 'switches')).every(each => each.state === 'installed'))
  t.ok(await reach(at))
  t.match((await policyOf(at, 'missing'))?.reason, /not in force: missing\.rules:1/)
  t.equal((await at.raw('/readyz')).status, 503)
})

t.test('a watched file that went while nobody looked is told at the start', async t => {
  const folder = folderOf(t)
  const path = join(folder, 'p.rules')
  const at = await office(t, { more: { ruleFolders: [folder] } })
  const source = 'default allow\n'
  writeFileSync(path, source)
  const wish = { name: 'p', source, file: path, watch: true }
  await at.call('POST', '/api/v1/policies?wait=installed', { policies: [wish] })
  // The folder has become a file: nothing below it can be there.
  await at.restart(() => {
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
  })
  await until(async () => /it is gone/.test(String((await policyOf(at, 'p'))?.reason)))
  t.ok(await reach(at), 'its rules stay')
  rmSync(folder)
  mkdirSync(folder)
  writeFileSync(path, 'default drop\n')
  await until(async () => !(await reach(at)), 15_000)
  t.pass('what it says counts when it is there again')
})

t.test('--open leaves it open, and tells it all the same', async t => {
  const at = await office(t, { rules: [join(folderOf(t), 'none')], more: { opens: true } })
  t.ok(await reach(at))
  t.equal((await at.raw('/readyz')).status, 503)
})

t.test('files are read only below the folders that are named', async t => {
  const [folder, elsewhere] = [folderOf(t), folderOf(t)]
  writeFileSync(join(elsewhere, 'secret.rules'), 'hunter2 is the password\n')
  const at = await office(t, { rules: [folder], whole: false, more: { opens: true } })
  const watch = (file: string) =>
    at.call('PUT', '/api/v1/policies/p', { source: 'default drop\n', file, watch: true }).then(
      () => 'taken',
      (error: Error) => error.message,
    )
  t.match(await watch(join(elsewhere, 'secret.rules')), /^403 .*may not be watched/)
  t.match(await watch('/etc/passwd'), /^403/)
  t.match(await watch(join(folder, '..', 'x.rules')), /^4/)
  symlinkSync(join(elsewhere, 'secret.rules'), join(folder, 'p.rules'))
  t.match(await watch(join(folder, 'p.rules')), /^403/)
  writeFileSync(
    join(folder, 'q.rules'),
    `include "${'../'.repeat(8)}${elsewhere.slice(1)}/secret.rules"\n`,
  )
  await until(async () => (await eventsOf(at, 'rules-refused')).length >= 2)
  await pause(1_500)
  t.notMatch(JSON.stringify(await items(at, 'events')), /hunter2/)
  // A path of which a folder became a file keeps nothing else from being changed, nor the start.
  mkdirSync(join(folder, 'deep'))
  writeFileSync(join(folder, 'deep', 'r.rules'), 'default drop\n')
  t.equal(
    await at
      .call('PUT', '/api/v1/policies/r', {
        source: 'default drop\n',
        file: join(folder, 'deep', 'r.rules'),
        watch: true,
      })
      .then(() => 'taken'),
    'taken',
  )
  rmSync(join(folder, 'deep'), { recursive: true })
  writeFileSync(join(folder, 'deep'), '')
  await at.call('PUT', '/api/v1/policies/other', { source: 'default drop\n' })
  await at.restart()
  t.ok(await policyOf(at, 'r'), 'it starts, with what was in force')
})
