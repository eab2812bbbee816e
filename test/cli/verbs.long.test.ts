/** The verbs that read and shape: get of several, describe, explain, wait, edit, sets; what each prints and ends with. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { type Office, office } from '../controller/office.js'
import { until } from '../until.js'
import { sluice } from './in-process.js'

const lan = { number: 7, access: ['s9:1'], subnets: ['10.9.0.0/24'] }

/** Every host by its name, which only a declared one has. */
const named = async (at: Office): Promise<void> => {
  const objects = [...at.net.hosts.values()].map(({ name, mac }) => ({
    kind: 'Host',
    name,
    spec: { mac },
  }))
  await at.call('POST', '/api/v1/objects', { objects })
}

t.test('get takes several kinds and names, and prints them in every form', async t => {
  const at = await office(t)
  await named(at)
  const out = async (...words: string[]) => {
    const said = await sluice(at, ['get', ...words])
    t.equal(said.code, 0, `${words.join(' ')}: ${said.err}`)
    return said.out
  }
  t.match(await out('sw,hosts'), /^NAME {2}DPID[\s\S]*\n\nNAME {2}MAC/)
  t.equal(await out('sw', 's3', 's1', '-o', 'name'), 'switch/s3\nswitch/s1')
  t.equal(await out('switch/s1', 'host/ann', '-o', 'name'), 'switch/s1\nhost/ann')
  t.match(JSON.parse(await out('sw,hosts', '-o', 'json')), {
    switches: { items: [{ name: 's1' }] },
    hosts: { items: { length: 6 } },
  })
  t.match(parse(await out('switches', '-o', 'yaml')), { items: [{ name: 's1', ports: [] }] })
  t.notMatch(await out('hosts', '--no-headers'), /NAME/)
  const column = (text: string, at: number) => text.split('\n').map(line => line.split(/ {2,}/)[at])
  t.same(column(await out('hosts', '--no-headers', '--sort-by', 'name'), 0).slice(0, 6), [
    'ann',
    'bob',
    'cat',
    'db',
    'out',
    'web',
  ])
  t.match(JSON.parse(await out('hosts', '-o', 'json', '--sort-by', '.name')).items[3], {
    name: 'db',
  })
  t.equal((await sluice(at, ['get', 'hosts', 'ann', 'nobody'])).code, 3, 'one that is not there')

  await at.call('PUT', '/api/v1/objects/network/lan', { spec: lan })
  const document = { kind: 'Network', name: 'lan', spec: lan }
  t.same(parse(await out('networks', '-o', 'yaml')), document, 'as apply takes it')
  t.match(await out('networks', 'lan', '-o', 'name'), 'network/lan')
})

t.test('get -w prints what changes, and what is gone', { timeout: 60_000 }, async t => {
  const at = await office(t, { whole: false })
  const end = new AbortController()
  const told = sluice(at, ['get', 'networks', '-w'], end.signal)
  await new Promise(resolve => setTimeout(resolve, 500))
  await at.call('PUT', '/api/v1/objects/network/lan', { spec: lan })
  await new Promise(resolve => setTimeout(resolve, 1_500))
  await at.call('DELETE', '/api/v1/objects/network/lan')
  await new Promise(resolve => setTimeout(resolve, 1_500))
  end.abort()
  const { out, code } = await told
  t.match(out, /^none\nlan .*\n[\s\S]*declared network lan is gone$/)
  t.equal(code, 0)
})

t.test('describe says all about a thing', async t => {
  const at = await office(t)
  await named(at)
  await at.call('PUT', '/api/v1/policies/office', { source: 'default drop\nweb: allow tcp 80\n' })
  await at.call('PUT', '/api/v1/objects/network/lan', { spec: lan })
  const about = async (...words: string[]) => {
    const said = await sluice(at, ['describe', ...words])
    t.equal(said.code, 0, `${words.join(' ')}: ${said.err}`)
    return said.out
  }
  const s1 = await about('switch', 's1')
  for (const part of [
    /^State: +installed/m,
    /^Ports:\n +NUMBER/m,
    /^Links:\n/m,
    /^Hosts:\n[\s\S]* ann /m,
    /^Events:\n {2}\d+ /m,
  ])
    t.match(s1, part)
  t.match(await about('host', 'ann'), /^Name: +ann[\s\S]*^Sessions: none/m)
  t.match(await about('port', 's1:3'), /^Kind: +fabric[\s\S]*^Links:\n/m)
  t.match(await about('link', 's1-s2'), /^State: +up[\s\S]*^Events:\n.*link-up/m)
  t.match(
    await about('policy', 'office'),
    /^Rules:\n[\s\S]* web [\s\S]*^Changes:\n[\s\S]*office added/m,
  )
  t.match(await about('rule', 'office/web'), /^Text: +web: allow tcp 80/m)
  t.match(await about('network', 'lan'), /^State: +pending[\s\S]*^Spec:\n[\s\S]*10\.9\.0\.0\/24/m)
  for (const kind of ['switch', 'host', 'port', 'link', 'policy', 'rule', 'network', 'router'])
    t.match(await sluice(at, ['describe', kind, 'nope']), { code: 3, err: /nope/ }, kind)
})

t.test('explain says what every kind takes, down to its members', async t => {
  const at = await office(t, { whole: false })
  const kinds = await at.call<{ items: { kind: string; schema: object }[] }>(
    'GET',
    '/api/v1/objects',
  )
  for (const { kind } of kinds.items)
    t.match(await sluice(at, ['explain', kind]), { code: 0, out: /MEMBER +TYPE/ }, kind)
  t.match(await sluice(at, ['explain', 'network.number']), { out: /<whole number 1 to 63>/ })
  t.match(await sluice(at, ['explain', 'router.interfaces.addresses']), { out: /list of text/ })
  t.match(await sluice(at, ['explain', 'network.nmber']), { code: 3, err: /did you mean number/ })
})

t.test('wait ends when it is so, or says what it is instead', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/p', { source: 'default allow\n' })
  t.match(await sluice(at, ['wait', 'policy', 'p']), { code: 0, out: 'policy p: installed' })
  await at.call('PUT', '/api/v1/objects/network/lan', { spec: lan })
  t.match(await sluice(at, ['wait', 'network/lan', '--timeout', '1s']), {
    code: 1,
    out: /network lan: pending \(.*s9/,
  })
  const gone = sluice(at, ['wait', 'network', 'lan', '--for', 'deleted', '--timeout', '20s'])
  await at.call('DELETE', '/api/v1/objects/network/lan')
  t.match(await gone, { code: 0, out: 'network lan: absent' })
})

/** An editor that replaces one word. */
const editor = (at: Office, from: string, to: string): string => {
  const path = join(at.data, 'editor')
  writeFileSync(path, `#!/bin/sh\nsed -i 's/${from}/${to}/' "$1"\n`)
  chmodSync(path, 0o700)
  return path
}

t.test('edit changes what is saved, and keeps the file when it is refused', async t => {
  const at = await office(t, { whole: false })
  await at.call('PUT', '/api/v1/objects/network/lan', { spec: lan })
  await at.call('PUT', '/api/v1/policies/p', { source: 'default allow\n', order: 3 })
  const edit = (command: string, ...words: string[]) =>
    sluice(at, ['edit', ...words], undefined, {
      SLUICE_SERVER: `http://${at.rest}`,
      SLUICE_TOKEN: at.token,
      EDITOR: command,
    })
  t.match(await edit(editor(at, '10.9', '10.8'), 'network', 'lan'), { code: 0, out: /changed/ })
  t.match(await at.call('GET', '/api/v1/objects/network/lan'), {
    spec: { subnets: ['10.8.0.0/24'] },
  })
  t.match(await edit('true', 'network', 'lan'), { code: 0, out: 'nothing was changed' })
  t.match(await edit(editor(at, 'allow', 'drop'), 'policy', 'p'), { code: 0, out: /changed/ })
  t.match(await at.call('GET', '/api/v1/policies/p'), { source: 'default drop\n', order: 3 })
  const wrong = await edit(editor(at, 'number: 7', 'nmber: 7'), 'network', 'lan')
  t.match(wrong, { code: 1, err: /kept in (\S+)[\s\S]*lan\.yaml:\d+:\d+/ })
  rmSync(join(/kept in (\S+)/.exec(wrong.err)![1]!, '..'), { recursive: true })
  t.match(await edit('false', 'policy', 'p'), { code: 1, err: /nothing was changed/ })
})

t.test('a set is pruned of what it made, and of nothing else', async t => {
  const at = await office(t, { whole: false })
  const folder = join(at.data, 'set')
  mkdirSync(folder)
  const write = (name: string, number: number) =>
    writeFileSync(
      join(folder, `${name}.yaml`),
      `kind: Network\nname: ${name}\nspec:\n  number: ${number}\n`,
    )
  const apply = (...more: string[]) => sluice(at, ['apply', '-f', folder, '--set', 'site', ...more])
  const names = async () =>
    (await at.call<{ items: { name: string }[] }>('GET', '/api/v1/objects/network')).items.map(
      each => each.name,
    )
  await at.call('PUT', '/api/v1/objects/network/by-hand', { spec: { number: 9 } })
  write('by-hand', 9)
  for (const [index, name] of ['a', 'b', 'c'].entries()) write(name, 2 + index)
  writeFileSync(join(folder, 'p.rules'), 'default allow\n')
  t.match(await apply(), { code: 0 })
  for (const name of ['by-hand', 'b', 'c']) rmSync(join(folder, `${name}.yaml`))
  rmSync(join(folder, 'p.rules'))
  await at.call('DELETE', '/api/v1/objects/network/c')
  await at.call('PUT', '/api/v1/objects/network/c', { spec: { number: 4 } })
  t.match(await apply('--prune', '--dry-run'), { code: 0, out: /Network b would be pruned/ })
  t.same((await names()).sort(), ['a', 'b', 'by-hand', 'c'], 'a dry run deletes nothing')
  const pruned = await apply('--prune')
  t.match(pruned, {
    code: 0,
    out: /Policy p pruned[\s\S]*Network b pruned/,
    err: /Network c was made anew/,
  })
  t.same((await names()).sort(), ['a', 'by-hand', 'c'])
  await until(
    async () => (await at.call<{ items: [] }>('GET', '/api/v1/policies')).items.length === 0,
  )
  t.match(await sluice(at, ['get', 'applysets', '-o', 'yaml']), { out: /name: site/ })
  const kept = parseAllDocuments((await sluice(at, ['get', 'applysets', '-o', 'yaml'])).out)
  t.match(kept[0]!.toJS(), { spec: { members: [{ kind: 'Network', name: 'a' }] } })
})
