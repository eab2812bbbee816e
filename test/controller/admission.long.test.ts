/** Rules that count what they allow, on the simulated office. */
import t from 'tap'
import type { Ip } from '../../src/base/addresses.js'
import { items, type Office, office, settled } from './office.js'

const open = async (at: Office, from: string, port: number, times: number): Promise<string> => {
  let said = ''
  for (let index = 0; index < times; index++)
    said += (
      await at.net.host(from).attempt('10.2.0.10' as Ip, 'tcp', port, { timeoutMillis: 1_500 })
    )[0]
  return said
}

const rules = (at: Office, source: string) =>
  at.call('PUT', '/api/v1/policies/counts?wait=installed', { source })

t.test('a rate is held for each source, over all switches', async t => {
  const at = await office(t)
  await rules(at, 'default drop\nweb: allow tcp 443\n')
  t.equal(
    await open(at, 'ann', 443, 6),
    'rrrrrr',
    'the host has nobody there: without a limit all come through',
  )
  await rules(at, 'default drop\nweb: allow tcp 443 limit 3/hour per source\n')
  t.equal(await open(at, 'ann', 443, 5), 'rrrss')
  t.equal(await open(at, 'bob', 443, 1), 'r')
  const events = (await items(at, 'events')).filter(each => each.kind === 'rule-limited')
  t.match(events[0], {
    rule: 'web',
    line: 2,
    beyond: 'limit 3/hour per source',
    source: '10.1.0.1',
  })
})

t.test('a place is held over a restart, and free when its connection has ended', async t => {
  const at = await office(t)
  await rules(at, 'default drop\nweb: allow tcp 443 max 2 connections\n')
  t.equal(await open(at, 'ann', 443, 3), 'rrs', 'two places')
  await at.restart()
  await settled(at)
  t.equal(await open(at, 'bob', 443, 1), 's', 'they are read back from the switches')
  // The resets have shortened the rows to five seconds.
  await new Promise(resolve => setTimeout(resolve, 6_500))
  t.equal(await open(at, 'bob', 443, 1), 'r')
})

t.test('a question about a rule that counts is answered as if there were room', async t => {
  const at = await office(t)
  const ask = (destinationPort: number) =>
    at.call<{ verdict: string; because: string }>('POST', '/api/v1/trace', {
      from: '10.1.0.2',
      to: '10.2.0.10',
      protocol: 'tcp',
      destinationPort,
    })
  await rules(
    at,
    'default drop\nweb: allow tcp 443 limit 1/hour\nadm: allow tcp 22 max 1 connections\n',
  )
  for (const port of [443, 22])
    t.match(await ask(port), {
      verdict: 'delivered',
      because: /while it is within what the rule counts$/,
    })
  t.match(await ask(80), { verdict: 'dropped', because: /^((?!the rule counts).)*$/ })
})

t.test('a connection that is admitted counts once', async t => {
  const at = await office(t)
  await rules(
    at,
    'default drop\nweb: allow tcp 443 max 50 connections\nadm: allow tcp 22 limit 50/minute\n',
  )
  await open(at, 'ann', 443, 4)
  await open(at, 'ann', 22, 3)
  const counts = (await items(at, 'rules')).map(each => [each.name, each.packets])
  t.same(
    counts.filter(([name]) => name === 'web' || name === 'adm'),
    [
      ['web', 4],
      ['adm', 3],
    ],
  )
})
