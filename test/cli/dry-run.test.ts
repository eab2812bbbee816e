/**
 * `--dry-run` changes nothing: for every kind of object, for rule files, for folders, with every other option; held by
 * everything that is kept and by every flow, before and behind. A kind without an example here fails.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { items, type Office, office, settled } from '../controller/office.js'
import { sluice } from './in-process.js'

/** One document of each kind; each would change something in the office. */
const examples: Readonly<Record<string, string>> = {
  Switch: 'spec: {ovsdb: {address: "unix:/nowhere/db.sock"}}',
  Network: 'spec: {number: 9, access: [s1:1]}',
  Host: 'spec: {mac: "02:00:00:00:00:99", ips: [10.1.0.99], at: s1:1}',
  Port: 'spec: {at: s1:1, role: edge}',
  Intent: 'spec: {from: s1:1, to: s3:1}',
  Router: 'spec: {interfaces: [{network: default, addresses: [10.1.0.254/24]}]}',
  ApplySet: 'spec: {members: [{kind: Network, name: lan}]}',
}

const rules = 'default drop\nping: allow icmp from any to any\n'

/** What is kept and what the switches hold. Latencies and counters go on by themselves. */
const all = async (at: Office): Promise<string> => {
  await settled(at)
  const flows = (await items(at, 'flows')).map(({ dpid, table, text }) =>
    `${dpid} ${table} ${text}`.replace(/\b(n_packets|n_bytes|duration)=[^ ,]+[ ,]*/g, ''),
  )
  const kept = (await at.kept()).filter(([key]) => !/^\/(fact\/(link|lease)|counter)/.test(key))
  return JSON.stringify({ flows: flows.sort(), kept }, null, 1)
}

t.test('a dry run changes nothing', { timeout: 120_000 }, async t => {
  const at = await office(t)
  const kinds = (await items(at, 'objects')).map(({ kind }) => String(kind))
  const folder = join(at.data, 'rules', 'dry')
  mkdirSync(folder, { recursive: true })
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const cases: [string, string, RegExp][] = []
  for (const kind of kinds) {
    const example = examples[kind]
    if (example === undefined) t.fail(`there is no example of kind ${kind}`)
    const document = `kind: ${kind}\nname: dry\n${example}\n`
    cases.push([kind, write(`${kind}.yaml`, document), new RegExp(`^${kind} dry would be added$`)])
  }
  cases.push(['rules', write('lockout.rules', rules), /^policy lockout would be added\n {2}\+ /])
  cases.push(['a folder', folder, /would be added[\s\S]*policy lockout would be added/])
  const before = await all(at)
  const extras = [[], ['--watch'], ['--wait'], ['--order', '7'], ['-m', 'why']]
  for (const [what, path, says] of cases)
    for (const extra of what === 'rules' ? [...extras, ['--confirm', '1s']] : extras) {
      const said = await sluice(at, ['apply', '-f', path, '--dry-run', ...extra])
      t.match(said, { code: 0, err: '', out: says }, `${what} ${extra.join(' ')}`)
    }
  t.equal(await all(at), before, 'nothing is kept, and no flow is another')
  t.same(await items(at, 'history'), [])

  await at.call('PUT', '/api/v1/policies/office', { source: 'default allow\n' })
  const applied = await all(at)
  await at.call('DELETE', '/api/v1/policies/office?dryRun=true')
  await at.call('POST', '/api/v1/history/undo?dryRun=true', {})
  const put = await at.call('PUT', '/api/v1/policies/office?dryRun=true', { source: rules })
  t.match(put, { name: 'office', change: 'changed', statements: [{ change: 'removed' }, {}, {}] })
  t.equal(await all(at), applied, 'nor by what else takes dryRun')

  const real = await sluice(at, ['apply', '-f', join(folder, 'lockout.rules'), '--wait'])
  t.match(real, { code: 0, out: /policy lockout added: 2 rules/ })
  t.not(await all(at), applied, 'and without the word something does change')
})

t.test('a dry run finds what would be refused', async t => {
  const at = await office(t, { whole: false })
  const file = join(at.data, 'bad.rules')
  writeFileSync(file, 'alow tcp from any to any\n')
  const said = await sluice(at, ['apply', '-f', file, '--dry-run'])
  t.match(said, { code: 1, err: /bad\.rules:1:/ })
})
