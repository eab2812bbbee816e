/** `diff` of objects tells what would become of each, member by member, and changes nothing. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { items, office } from '../controller/office.js'
import { sluice } from './in-process.js'

const network = (subnet: string) =>
  `kind: Network\nname: blue\nspec:\n  number: 7\n  subnets: [${subnet}]\n`

t.test('added, changed, unchanged, and beside rules', async t => {
  const at = await office(t, { whole: false })
  const folder = join(t.testdir(), 'net')
  mkdirSync(folder)
  const file = join(folder, 'net.yaml')
  writeFileSync(file, network('10.7.0.0/24'))
  const diff = (path: string, ...more: string[]) => sluice(at, ['diff', '-f', path, ...more])
  t.same(await diff(file), { code: 1, out: '+ Network blue', err: '' })
  t.same(await items(at, 'objects/network'), [], 'nothing is changed')
  t.match(await sluice(at, ['apply', '-f', file]), { code: 0 })
  t.same(await diff(file), { code: 0, out: 'nothing would change', err: '' })
  writeFileSync(file, network('10.8.0.0/24'))
  const changed = '~ Network blue\n    ~ subnets: ["10.7.0.0/24"] -> ["10.8.0.0/24"]'
  t.same(await diff(file), { code: 1, out: changed, err: '' })
  writeFileSync(join(folder, 'p.rules'), 'a: allow tcp 80\n')
  const both = await diff(folder)
  t.equal(both.code, 1)
  t.ok(both.out.startsWith(`${changed}\n`), both.out)
  t.match(both.out, /\+ .*allow tcp 80/)
})
