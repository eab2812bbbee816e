/** `get KIND NAME` of what is not there ends with 3, of every kind; a wrong command ends with 2. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kinds } from '../../src/cli/reading/get.js'
import { knownPlurals } from '../../src/cli/reading/nouns.js'
import { items, office } from '../controller/office.js'
import { until } from '../until.js'
import { sluice } from './in-process.js'

t.test('what is not there is not found, of every kind', { timeout: 60_000 }, async t => {
  const at = await office(t)
  for (const kind of knownPlurals) {
    const said = await sluice(at, ['get', kind, 'nope'])
    t.equal(said.out, '', kind)
    if (kinds[kind]?.isWhole) t.match(said, { code: 2, err: /takes no name/ }, kind)
    else t.match(said, { code: 3, err: /nope/ }, kind)
    t.match(await sluice(at, ['get', kind]), { code: 0 }, `${kind}, all of them`)
  }
  t.match(await sluice(at, ['get', 'switch', 's11']), {
    code: 3,
    err: /No switch is named s11 [(]did you mean s1[?][)]; "sluice get switches" lists/,
  })
  const ann = at.net.host('ann')
  for (const word of [String(ann.ip), ann.mac, ann.mac.toUpperCase()])
    t.match(await sluice(at, ['get', 'hosts', word]), { code: 0, out: ann.mac }, word)
  t.match(await sluice(at, ['get', 'drift', 's1']), { code: 0, out: 'none' }, 'there is the switch')
  const links = (await sluice(at, ['get', 'links', 's1'])).out.split('\n').slice(1)
  t.ok(links.length > 0 && links.every(line => /\bs1:/.test(line)), 'only those of the switch')
  await at.call('PUT', '/api/v1/objects/switch/edge1', {
    spec: { ovsdb: { address: 'unix:/nowhere' } },
  })
  t.match((await sluice(at, ['get', 'switch', 'edge1'])).out, /^DECLARED/, 'one table, no "none"')
})

t.test('a wrong command ends with 2, in words', { timeout: 60_000 }, async t => {
  const at = await office(t, { whole: false })
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['get', 'switchs'], /no kind is named switchs; did you mean switches\?/],
    [['get', 'zzzzzz'], /there are switches, links/],
    [['get'], /missing required argument/],
    [['delete', 'link', 'x'], /links cannot be deleted/],
    [['undo', 'x'], /undo takes the number of a change/],
    [['events', '--since', 'x'], /--since takes the number of an event/],
    [['apply', '-f', 'x.rules', '--order'], /argument missing/],
    [['learn', '--for', 'x'], /--for x: say how long/],
    [['get', 'hosts', '--sort-by', 'nonsense'], /there are the columns NAME, MAC/],
    [['get', 'hosts', '-o', 'ofctl'], /hosts are none/],
    [['get', 'flows', '-o', 'name'], /flows have no names/],
    [['get', 'switch/s1', 's2'], /say KIND.NAME in each word/],
    [['explain', 'netwrk'], /did you mean Network\?/],
    [['wait', 'policy'], /say which: sluice wait policy NAME/],
    [['apply', '-f', 'x', '--prune'], /say which with --set NAME/],
    [['edit', 'link', 'x'], /found or made, not declared/],
    [['--server', 'nonsense', 'get', 'hosts'], /is no address of a controller/],
    [['nonsense'], /unknown command/],
  ]
  for (const [words, says] of wrong)
    t.match(await sluice(at, words), { code: 2, err: says }, words.join(' '))
})

t.test('undo of a watched file says that the file still says otherwise', async t => {
  const at = await office(t, { whole: false })
  mkdirSync(join(at.data, 'rules'), { recursive: true })
  const watched = join(at.data, 'rules', 'fw.rules')
  writeFileSync(watched, 'default allow\n')
  await until(async () => (await items(at, 'policies')).length === 1)
  t.match(await sluice(at, ['undo']), {
    code: 0,
    err: /fw\.rules is watched and still says otherwise/,
  })
  const file = join(at.data, 'other.rules')
  writeFileSync(file, 'default drop\n')
  t.match(await sluice(at, ['apply', '-f', file]), { code: 0 })
  const undone = await sluice(at, ['undo'])
  t.match(undone, { code: 0, err: /no policy is left, so everything is allowed now/ })
  t.notMatch(undone.err, /watched/, 'nothing of a file that is not watched')
  await at.call('PUT', '/api/v1/policies/p', { source: 'default allow\n' })
  t.match(await sluice(at, ['delete', 'policy', 'p', '-m', 'not needed']), { code: 0 })
  t.match(await sluice(at, ['history']), { out: /admin\(ann\) -p "not needed"$/ })
})

t.test('undo --write-file writes what is in force again, which a restart keeps', async t => {
  const at = await office(t, { whole: false })
  mkdirSync(join(at.data, 'rules'), { recursive: true })
  const watched = join(at.data, 'rules', 'fw.rules')
  const entries = async () => (await items(at, 'history')).length
  for (const [count, text] of ['default drop\n', 'default allow\n'].entries()) {
    writeFileSync(watched, text)
    await until(async () => (await entries()) === count + 1)
  }
  t.match(await sluice(at, ['undo', '--write-file']), {
    code: 0,
    out: /written: .*fw\.rules/,
    err: '',
  })
  t.equal(readFileSync(watched, 'utf8'), 'default drop\n')
  await at.restart()
  t.match(await at.call('GET', '/api/v1/policies/fw'), { source: 'default drop\n' })
  t.equal(await entries(), 3, 'the file says what is in force')
})
