/** `GET /api/v1/rules` and `/api/v1/remarks`: what is in force, and what is doubtful about it. */
import { join } from 'node:path'
import t from 'tap'
import { until } from '../until.js'
import { office } from './office.js'

interface Rule {
  readonly policy: string
  readonly name: string
  readonly verb: string
  readonly text?: string
}

const rules = `default drop
wide: allow tcp from any to 10.2.0.0/24
web:  allow tcp 443 from 10.1.0.0/16 to 10.2.0.10
`

t.test('rules with the built-in ones before them, and doubts about them', async t => {
  const file = join(t.testdir({ 'shop.rules': rules }), 'shop.rules')
  const { call } = await office(t, { rules: [file], whole: true })
  const { items } = await call<{ items: Rule[] }>('GET', '/api/v1/rules')
  t.same(
    items.map(({ policy, name }) => `${policy}/${name}`),
    [
      'built-in/arp',
      'built-in/neighbours',
      'built-in/groups',
      'shop/wide',
      'shop/web',
      'built-in/dhcp',
      'shop/default',
    ],
  )
  const one = await call<{ items: Rule[] }>('GET', '/api/v1/rules?name=web')
  t.match(one.items, [{ name: 'web', text: 'web:  allow tcp 443 from 10.1.0.0/16 to 10.2.0.10' }])

  await call('PUT', '/api/v1/policies/slow', {
    source:
      'slow: allow tcp 22 from any to 10.2.0.10 limit 10/minute per source max 3 connections\n',
  })
  const slow = await call<{ items: Rule[] }>('GET', '/api/v1/rules?name=slow')
  t.match(slow.items, [{ verb: 'allow', within: 'limit 10/minute per source, max 3 connections' }])
  t.notOk('within' in one.items[0]!, 'a rule that does not count')
  await call('DELETE', '/api/v1/policies/slow')

  const kindsOf = async (query: string) => {
    const path = `/api/v1/remarks${query}`
    const remarks = await call<{ items: { kind: string; line: number }[] }>('GET', path)
    return remarks.items.map(({ kind, line }) => `${kind} ${line}`)
  }
  const kinds = await kindsOf('')
  t.ok(kinds.includes('too-wide 2'))
  t.ok(kinds.includes('redundant 3'))
  t.notOk(kinds.includes('never-hit 3'), 'it is young yet')
  await until(async () => (await kindsOf('?since=1s')).includes('never-hit 3'))
  t.notOk((await kindsOf('?since=1h')).includes('never-hit 3'))
})
