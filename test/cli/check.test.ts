/** What `apply` refuses for the words of a rule file alone, `check` refuses as well. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sluice } from './in-process.js'

t.test('objects beside the rules say where hosts are', async t => {
  const folder = t.testdir({
    'shop.rules': `default drop
a: allow tcp 80 from network ops to host web1
test "a" 10.9.0.1 -> host web1 tcp 80 allow by a
`,
    'hosts.yaml': `kind: Host
name: web1
spec: { mac: 02:00:00:00:00:01, ips: [10.2.0.1] }
---
kind: Network
name: ops
spec: { subnets: [10.9.0.0/24] }
`,
  })
  const rules = join(folder, 'shop.rules')
  const passed = { code: 0, out: /1 of 1 test passed/ }
  t.match(await sluice(undefined, ['check', rules, join(folder, 'hosts.yaml')]), passed)
  t.match(await sluice(undefined, ['check', folder]), passed)
  const addresses = ['--address', 'web1=10.2.0.1', 'ops=10.9.0.0/24']
  t.match(await sluice(undefined, ['check', rules, ...addresses]), passed)
  t.match(await sluice(undefined, ['check', rules]), { code: 1, out: /--address web1=ADDRESS/ })
})

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
