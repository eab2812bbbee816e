/** The first rule that matches wins, also where it stands above a stateless one, which is asked before it. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import type { PlacedRule, Resolved } from '../../../src/nfv/firewall/meaning/resolved.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { answerOf, fieldsOf, OneSwitch } from './one-switch.js'
import { randomConnection, randomPolicy, rulesOf, seeded } from './random-policy.js'

/** Whether the rule would decide if it were the only one. */
const speaks = (resolved: Resolved, placed: PlacedRule, connection: Connection): boolean => {
  const alone: PlacedRule = { ...placed, rule: { ...placed.rule, verb: 'allow' } }
  return !decide({ ...resolved, tiers: [[alone], [], [], []], stateless: [] }, connection).byDefault
}

/** Rules of all tiers as one list, from the top; audit rules say nothing. */
const firstOf = (resolved: Resolved, connection: Connection): string => {
  const rules = resolved.tiers.flat().filter(({ rule }) => !rule.isAudit)
  const first = rules.find(placed => speaks(resolved, placed, connection)) ?? resolved.last
  const { verb } = first.rule
  return verb === 'allow-stateless' ? 'allow' : verb
}

/** Policies without `pass`, so that a list from the top is all there is to it. */
const held = (change: (resolved: Resolved) => Resolved) => {
  const dice = seeded(20_261_126)
  const net = new OneSwitch()
  let wrong = 0
  let overruled = 0
  for (let round = 0; round < 150; round++) {
    const resolved = rulesOf(randomPolicy(dice).replaceAll(/^pass /gm, 'drop '))
    net.load(createCompiler().compile(change(resolved), 7))
    for (let count = 0; count < 20; count++) {
      const connection = randomConnection(dice)
      const wanted = firstOf(resolved, connection)
      if (net.open(connection).verdict !== wanted) wrong++
      if (
        decide(
          { ...resolved, stateless: resolved.stateless.filter(({ rule }) => !rule.isGuard) },
          connection,
        ).verdict !== wanted
      )
        overruled++
    }
  }
  return { wrong, overruled }
}

t.test('what the flows do is what a list read from the top says', async t => {
  const { wrong, overruled } = held(resolved => resolved)
  t.equal(wrong, 0)
  t.ok(overruled > 20, `${overruled} of 3,000 would be let in by a stateless rule below`)
})

t.test('without guards it would not be', async t => {
  const { wrong } = held(resolved => ({
    ...resolved,
    stateless: resolved.stateless.filter(({ rule }) => !rule.isGuard),
  }))
  t.ok(wrong > 20, `${wrong} differ`)
})

const udp = (source: string, destination: string, sourcePort: number, destinationPort: number) =>
  fieldsOf({
    source: source as Ip,
    destination: destination as Ip,
    protocol: 17,
    sourcePort,
    destinationPort,
  })

t.test('a higher tier keeps out what a lower one lets through without state', async t => {
  const text = [
    'default drop',
    'tier application',
    'tunnel: allow-stateless udp 4789',
    'tier admin',
    'bad: drop udp from 10.0.0.6',
    'tier main',
    'far: pass udp to 10.0.0.7',
    'own: allow udp 53',
  ].join('\n')
  const net = new OneSwitch()
  net.load(createCompiler().compile(rulesOf(`${text}\n`), 7))
  const asks = (...packet: Parameters<typeof udp>) => answerOf(net.send(udp(...packet))).verdict
  t.equal(asks('10.0.0.5', '10.0.0.1', 1, 4789), 'allow')
  t.equal(net.conntrack.list().length, 0, 'nothing is remembered')
  t.equal(asks('10.0.0.6', '10.0.0.1', 1, 4789), 'drop')
  t.equal(asks('10.0.0.5', '10.0.0.7', 1, 4789), 'allow', 'passed on, to the tier that lets it in')
  t.equal(asks('10.0.0.1', '10.0.0.6', 4789, 53), 'allow')
  t.equal(
    asks('10.0.0.6', '10.0.0.1', 53, 4789),
    'allow',
    'the answer of a known connection passes the guard',
  )
})

t.test('in one tier a pass above a stateless rule is kept', async t => {
  const net = new OneSwitch()
  const rules = rulesOf('default drop\nfar: pass udp to 10.0.0.7\nway: allow-stateless udp\n')
  net.load(createCompiler().compile(rules, 7))
  const verdict = (to: string) => answerOf(net.send(udp('10.0.0.1', to, 1, 2))).verdict
  t.same([verdict('10.0.0.7'), verdict('10.0.0.8')], ['drop', 'allow'])
})

t.test('guards count for nobody, and follow the generation', async t => {
  const rules = rulesOf('default drop\nbad: drop udp from 10.0.0.6 log\nway: allow-stateless udp\n')
  const compiler = createCompiler()
  const guard = (generation: number) =>
    compiler
      .compile(rules, generation)
      .flatMap(({ flows }) => flows)
      .filter(({ because }) => because.includes('stands above stateless rules'))
  t.equal(guard(7).length, 1)
  const ids = guard(7).map(({ cookie }) => (cookie >> 32n) & 0xffffn)
  t.same(ids, [1n], 'a row of the firewall, not of the rule')
  t.not(guard(7)[0], guard(8)[0])
  t.equal(guard(8)[0], guard(8)[0])
})

t.test('a datagram in pieces asks the rules above a stateless one, too', async t => {
  const net = new OneSwitch()
  const one = { source: '10.0.0.1' as Ip, destination: '10.0.0.2' as Ip, protocol: 17 }
  const firstPiece = (destinationPort: number) => {
    net.conntrack.flush()
    const connection = { ...one, sourcePort: 1_050, destinationPort }
    return answerOf(net.send({ ...fieldsOf(connection), ip_frag: 1 })).verdict
  }
  for (const service of ['any', 'udp 1-65535', 'any'])
    for (const drop of ['udp 50-60', 'udp 55', 'udp 50-60 source 1000-1100']) {
      const source = `tier admin\ndrop ${drop} from any to any\nallow-stateless ${service} from 10.0.0.1 to 10.0.0.2\ntier main\ndefault drop\n`
      net.load(createCompiler().compile(rulesOf(source), 7))
      t.equal(firstPiece(55), 'drop', `${drop}, then ${service}`)
      t.equal(firstPiece(80), 'allow', `and what it does not mean, by ${service}`)
    }
})
