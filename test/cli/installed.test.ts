/** `apply --wait` and `/readyz` while a switch is away: the truth, by name, and exit code 1. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { items, office } from '../controller/office.js'
import { until } from '../until.js'
import { sluice } from './in-process.js'

t.test('who waits for a switch that is away is told which', { timeout: 60_000 }, async t => {
  const at = await office(t)
  const file = join(at.data, 'lockout.rules')
  const network = join(at.data, 'blue.yaml')
  writeFileSync(file, 'default drop\n')
  writeFileSync(network, 'kind: Network\nname: blue\nspec: {number: 9, access: ["s1:1"]}\n')
  const self = at.net.switches.get('s1')!
  self.disconnect()
  await until(async () => (await items(at, 'switches')).some(each => each.state === 'disconnected'))
  const wait = ['--wait', '--timeout', '1']
  t.match(await sluice(at, ['apply', '-f', file, ...wait]), {
    code: 1,
    err: /It did not happen in time.*s1 is not connected.*stays wanted/,
  })
  t.match(await sluice(at, ['apply', '-f', file]), {
    code: 0,
    out: /policy lockout unchanged: 1 rules, generation \d+, degraded \(s1 is not connected\)/,
  })
  t.match(await sluice(at, ['get', 'policies']), {
    out: /lockout .*degraded .*s1 is not connected/,
  })
  t.match(await sluice(at, ['apply', '-f', network, ...wait]), {
    code: 1,
    out: /Network blue added: .*degraded \(s1 is not connected\)/,
  })
  const ready = await at.raw('/readyz')
  t.equal(ready.status, 503)
  t.match(await ready.json(), { reasons: [/switch s1 is not connected/] })
  self.connect({ host: '127.0.0.1', port: at.openflowPort })
  t.match(await sluice(at, ['apply', '-f', file, '--wait']), { code: 0, out: /installed/ })
  t.match(await sluice(at, ['apply', '-f', network, '--wait']), { code: 0, out: /installed/ })
  t.equal((await at.raw('/readyz')).status, 200)
})
