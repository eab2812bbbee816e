/** `apply -f FOLDER` says what it does not take. */
import t from 'tap'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { passedBy, readRuleFiles } from '../../src/cli/writing/rule-files.js'

t.test('hidden files, copies of editors and impossible names are told, others are not', async t => {
  const { disk } = new SimulatedEnv({ seed: 1 })
  await disk.makeFolder('/rules')
  const names = [
    'good.rules',
    '.hidden.rules',
    'good.rules~',
    '#good.rules#',
    'ü.rules',
    'README.md',
  ]
  for (const name of names) await disk.writeText(`/rules/${name}`, 'default drop\n')
  t.same(
    (await readRuleFiles(disk, '/rules')).map(({ name }) => name),
    ['good'],
  )
  const told = await passedBy(disk, '/rules')
  t.equal(told.length, 4)
  for (const name of ['.hidden.rules', 'good.rules~', '#good.rules#', 'ü.rules'])
    t.ok(
      told.some(line => line.startsWith(`/rules/${name} is passed by: `)),
      name,
    )
  t.same(await passedBy(disk, '/rules/good.rules'), [], 'a file that is named is taken')
})
