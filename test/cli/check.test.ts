/** What `apply` refuses for the words of a rule file alone, `check` refuses as well. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sluice } from './in-process.js'

t.test('a chain that does not exist is a mistake', async t => {
  const file = join(t.testdir(), 'p.rules')
  writeFileSync(file, 'allow tcp 80 via ids\n')
  t.match(await sluice(undefined, ['check', file]), {
    code: 1,
    out: /p\.rules:1:18: .*no chain is named "ids"/,
  })
  writeFileSync(file, 'allow tcp 80\n')
  t.match(await sluice(undefined, ['check', file]), { code: 0 })
})
