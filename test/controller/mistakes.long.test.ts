/** A rule file with ten different mistakes: ten clear complaints, and nothing is applied. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../until.js'
import { items, office, Refused, settled } from './office.js'

const mistakes = `zone office = 10.1.0.0/33
zone servers = 10.2.0.0/24
service web = tcp 80, tcp 99999
default dropp
browse: alow tcp 80 from any to servers
mail: reject tcp 25 from nowhere to any
browse2: allow tcp 80 from any to servers until 2027-13-31
web1: allow smtpp from any to servers
ping: allow icmp from any to servers
ping: drop icmp from any to servers
include "missing.rules"
limit: allow tcp 22 from any to servers limit fast
`

interface Complaint {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint?: string
  readonly text: string
}

t.test('ten mistakes are ten complaints with their places, and nothing is applied', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/good?wait=installed', {
    source: 'default allow\nmail: drop tcp 25 from any to any\n',
  })
  await settled(at)
  const before = await items(at, 'flows')
  const error = await at
    .call('PUT', '/api/v1/policies/bad', { source: mistakes, file: 'bad.rules' })
    .then(() => undefined)
    .catch(error => error)
  if (!(error instanceof Refused)) return t.fail(`it was taken: ${error}`)
  t.equal(error.status, 400)
  t.equal(error.problem.code, 'bad-rules')
  const complaints = error.problem.complaints as Complaint[]
  t.same(
    complaints.map(({ line }) => line),
    [1, 3, 4, 5, 6, 7, 8, 10, 11, 12],
    'one for each mistake, on its line',
  )
  for (const each of complaints) {
    t.match(each.text, new RegExp(`^bad.rules:${each.line}:${each.column}: `), each.message)
    const [, line, caret] = each.text.split('\n')
    t.ok(line?.includes(mistakes.split('\n')[each.line - 1]!.trim()), 'the line is shown')
    t.match(caret, /^ *\^/, 'a caret shows the place')
    t.ok(each.hint, `a way out: ${each.hint}`)
  }
  const policies = await items(at, 'policies')
  t.same(
    policies.map(each => each.name),
    ['good'],
  )
  const texts = (flows: readonly Record<string, unknown>[]) =>
    flows.map(each => `${each.switch} ${each.cookie} ${each.tableId} ${each.priority}`).sort()
  t.same(texts(await items(at, 'flows')), texts(before), 'no flow has changed')
})

t.test(
  'what switches cannot do is refused when it is applied, with its place and the way out',
  async t => {
    const at = await office(t)
    const told = async (body: Record<string, unknown>) => {
      const error = await at.call('PUT', '/api/v1/policies/bad', body).catch(error => error)
      if (!(error instanceof Refused)) return 'taken'
      return (error.problem.complaints as Complaint[]).map(({ text }) => text).join('\n')
    }
    for (const services of [
      'tcp 2121 helper ftp',
      'tcp 21-22 helper ftp',
      'tcp 21, 990 helper ftp',
    ])
      t.match(
        await told({ source: `a: allow ${services}\n`, file: 'bad.rules' }),
        /bad.rules:1:\d+: the helper ftp reads connections to TCP port 21 only[\s\S]*for a server at another port/,
        services,
      )
    const times = [5, 6, 7].map(each => `service s${each} = udp ${each} timeout ${each}s\n`)
    t.match(
      await told({ source: times.join(''), file: 'bad.rules' }),
      /bad.rules:3:\d+: there are more than 2 different timeouts of UDP[\s\S]*use one of those there are/,
    )
    t.same(await items(at, 'policies'), [])
  },
)

t.test(
  'a watched file is put in force as it is saved; a wrong one leaves the old rules',
  async t => {
    const path = join(process.cwd(), `.tap-watched-${process.pid}.rules`)
    const { rmSync } = await import('node:fs')
    t.teardown(() => rmSync(path, { force: true }))
    writeFileSync(path, 'default drop\nping: allow icmp from any to any\n')
    const at = await office(t, { rules: [path] })
    const ann = at.net.host('ann')
    const bob = at.net.host('bob')
    t.ok(await ann.ping(bob.ip!), 'what the file allows passes')
    bob.listen(80)
    t.equal(await ann.attempt(bob.ip!, 'tcp', 80, { timeoutMillis: 300 }), 'silent')

    writeFileSync(
      path,
      'default drop\nping: allow icmp from any to any\nweb: allow tcp 80 from any to any\n',
    )
    await t.resolves(
      (async () => {
        for (let tries = 0; tries < 20; tries++)
          if ((await ann.attempt(bob.ip!, 'tcp', 80, { timeoutMillis: 300 })) === 'open') return
        throw new Error('the edit was not put in force')
      })(),
    )

    writeFileSync(path, 'default drop\nping: alow icmp from any to any\n')
    const refused = async () =>
      (await items(at, 'events')).find(each => each.kind === 'rules-refused')
    await until(async () => (await refused()) !== undefined)
    t.equal(await ann.attempt(bob.ip!, 'tcp', 80), 'open', 'the rules that were right stay')
    const complaint = await refused()
    t.match(JSON.stringify(complaint), /:2:7: /, 'an event names the place')
  },
)
