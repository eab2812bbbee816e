/** Audit of a rule, a tier and a whole file: what would have happened is logged, and nothing else happens. */
import t, { type Test } from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import type { Resolved } from '../../../src/nfv/firewall/meaning/resolved.js'
import { loadPolicy, loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { OneSwitch } from './one-switch.js'

const policies = (...texts: string[]): Resolved =>
  resolve(
    texts.map((text, order) => ({
      name: `p${order}`,
      order,
      loaded: loadText(new Parser(), `p${order}.rules`, text),
    })),
    noFacts(0),
  )

const to = (destinationPort: number, source = '10.0.0.1'): Connection => ({
  source: source as Ip,
  destination: '10.1.0.1' as Ip,
  protocol: 6,
  sourcePort: 40_000,
  destinationPort,
})

/** The verdict and the names of rules that logged, as the reference says and as the flows do. */
const asked = (t: Test, resolved: Resolved, connection: Connection): string => {
  const net = new OneSwitch()
  net.load(createCompiler().compile(resolved, 1))
  const answer = net.open(connection)
  const placed = [...resolved.tiers.flat(), resolved.last]
  const nameOf = (id: number) => placed.find(({ rule }) => rule.id === id)!.rule
  const said = decide(resolved, connection)
  const text = `${said.verdict} ${said.audits.map(({ rule }) => `${rule.policy}/${rule.name}`)}`
  const done = answer.logged.map(nameOf).filter(rule => rule.isAudit)
  t.equal(`${answer.verdict} ${done.map(rule => `${rule.policy}/${rule.name}`)}`, text)
  return text
}

t.test('an audited rule logs and goes on', async t => {
  const rules = policies(
    'default drop\na: audit drop tcp 80\nb: audit allow tcp\nc: allow tcp 80\n',
  )
  t.same(rules.complaints, [])
  t.equal(asked(t, rules, to(80)), 'allow p0/a,p0/b')
  t.equal(asked(t, rules, to(81)), 'drop p0/b')
})

t.test(
  'of an audited tier the first rule that matches speaks, and nothing is enforced',
  async t => {
    const rules = policies(
      'default allow\ntier admin audit\na: drop tcp 80\nb: reject tcp\ntier main\nc: drop tcp 81\n',
    )
    t.equal(asked(t, rules, to(80)), 'allow p0/a')
    t.equal(asked(t, rules, to(81)), 'drop p0/b')
    t.equal(rules.last.rule.verb, 'allow', 'the default is enforced: it is of the file')
  },
)

const audited = `file audit
default drop log
tier admin
guest: pass tcp from 10.0.0.9
bad: drop tcp 23
tier main
web: allow tcp 80
tier baseline
slow: allow tcp 81 limit 1/s
`

t.test('of an audited file the first verdict speaks, its default too; others decide', async t => {
  const alone = policies(audited)
  t.same(alone.complaints, [])
  t.equal(asked(t, alone, to(80)), 'allow p0/web', 'without another policy all is allowed')
  t.equal(asked(t, alone, to(23)), 'allow p0/bad')
  t.equal(asked(t, alone, to(80, '10.0.0.9')), 'allow p0/guest,p0/web', 'pass goes on')
  t.equal(asked(t, alone, to(81)), 'allow p0/slow', 'nobody is counted')
  t.equal(asked(t, alone, to(99)), 'allow p0/default')

  const beside = policies(
    audited,
    'default drop\nweb: allow tcp 99\ntier baseline\nx: allow tcp 23\n',
  )
  t.equal(asked(t, beside, to(99)), 'allow ', 'the audited default stands behind all rules')
  t.equal(asked(t, beside, to(23)), 'allow p0/bad')
  t.equal(asked(t, beside, to(80)), 'drop p0/web')
})

t.test('what an audited file includes is audited', async t => {
  const loaded = await loadPolicy(
    new Parser(),
    'p.rules',
    'file audit\ninclude "more.rules"\n',
    () => 'a: drop tcp 80\n',
  )
  const rules = resolve([{ name: 'p', order: 0, loaded }], noFacts(0))
  t.equal(asked(t, rules, to(80)), 'allow p/a')
})

t.test('there is an end to auditing one by one, and a place for "file audit"', async t => {
  const many = Array.from({ length: 41 }, (_, at) => `r${at}: audit drop tcp ${at + 1}\n`).join('')
  t.match(policies(many).complaints, [
    { line: 41, message: 'no more than 40 rules can be audited one by one' },
  ])
  t.same(policies(`tier main audit\n${many.replaceAll('audit ', '')}`).complaints, [])
  t.match(policies('a: drop tcp 80\nfile audit\n').complaints, [
    { line: 2, message: '"file audit" stands behind a rule' },
  ])
  t.match(policies(...Array.from({ length: 9 }, () => 'file audit\n')).complaints, [
    { file: 'p8.rules', message: 'no more than 8 policies can be audited whole' },
  ])
})
