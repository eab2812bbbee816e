/** Objects on the command line: declared with a file, listed with what became of them, deleted. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sh } from '../../src/lab/shell.js'
import { items, office } from '../controller/office.js'
import { asUsersRun } from '../program.js'
import { until } from '../until.js'

const documents = `kind: Intent
name: voice
spec: { from: ann, to: web, protection: disjoint }
---
kind: Network
name: blue
spec: { number: 7, subnets: [10.7.0.0/16] }
---
kind: Port
name: uplink
spec: { at: s1:3, cost: 10, tags: [gold] }
`

t.test('objects are declared, listed and deleted', { timeout: 60_000 }, async t => {
  const at = await office(t)
  const sluice = (...words: string[]) => sh('env', ...asUsersRun('--data', at.data, ...words))
  for (const [name, mac] of [
    ['ann', at.net.host('ann').mac],
    ['web', at.net.host('web').mac],
  ] as const)
    await at.call('PUT', `/api/v1/objects/host/${name}`, { spec: { mac } })
  const file = join(at.data, 'objects.yaml')
  writeFileSync(file, documents)
  await t.rejects(
    sluice('apply', '-f', file, '--confirm', '60s'),
    /objects are not taken back by themselves/,
    'what would not happen is not promised',
  )
  t.match(
    await sluice('apply', '-f', file, '--wait'),
    /Intent voice added: revision \d+, installed\n/,
    'what is waited for is installed, and not under way',
  )
  t.match(
    await sluice('get', 'intents'),
    /^NAME +FROM +TO +STATE +PATH +BACKUP\nvoice +ann +web +installed +s1 s[24] s3 +s1 s[24] s3\n?$/,
  )
  t.match(await sluice('get', 'intent', '-o', 'wide'), /protection=disjoint +\d+/)
  t.match(await sluice('get', 'networks'), /^blue +7 +10\.7\.0\.0\/16 +- +- +installed$/m)
  t.match(await sluice('get', 'ports', '-o', 'wide'), /^uplink +s1:3 .* gold +\d+$/m)
  t.match(await sluice('get', 'hosts'), /^DECLARED .*\nann +0/m, 'beneath those that are found')
  const both = JSON.parse(await sluice('get', 'hosts', '-o', 'json'))
  t.equal(both.items.length, 6)
  t.equal(both.declared.length, 2)
  t.match(await sluice('path', 'ann', 'web'), /\n {2}3 .*\nintent voice leads it: s1 s[24] s3\n/)
  t.notMatch(await sluice('path', 'ann', String(at.net.host('bob').ip)), /leads it|no traffic/)
  t.match(await sluice('delete', 'intent', 'voice'), /intent voice deleted/)
  t.equal((await sluice('get', 'intents')).trim(), 'none')

  const bob = at.net.host('bob')
  const place = (await items(at, 'hosts')).find(each => each.mac === bob.mac)!
  await at.call('PUT', '/api/v1/objects/network/red', {
    spec: { number: 8, access: [`${place.switch}:${place.port}`] },
  })
  await until(async () => {
    bob.announce()
    return (await items(at, 'hosts')).some(each => each.mac === bob.mac && each.network === 8)
  })
  t.match(
    await sluice('path', 'ann', String(bob.ip)),
    /ann is in network default, \S+ in red: no traffic passes from one to the other but by a router/,
  )
  await t.rejects(
    sluice('get', 'objects'),
    /no kind is named objects; there are switches, .*intents/,
  )
  await t.rejects(sluice('delete', 'link', 's1-s2'), /links cannot be deleted/)
})
