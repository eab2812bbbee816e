/** The office lab on every stage: what README promises, told and judged. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/real-env.js'
import { ensurePackages, isRoot, mininetNeeds, ovsNeeds } from '../../src/lab/install.js'
import { loadLab, runLab, type StageName } from '../../src/lab/main.js'
import { sh } from '../../src/lab/shell.js'

const env = realEnv(pino({ level: 'silent' }))
const office = loadLab('office')
const never = new AbortController().signal
const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }

const tell = async (t: Test, stage: StageName) => {
  const teller = { say: (text: string) => t.comment(text), assertion: () => undefined }
  const assertions = await runLab(env, office, stage, teller, never)
  t.ok(assertions.length >= 30, 'the whole story was told')
  for (const each of assertions) t.equal(each.seen, each.expected, each.name)
}

t.test('the office lab holds on simulated switches', { timeout: 120_000 }, t => tell(t, 'sim'))

t.test('the office lab holds on Open vSwitch', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await tell(t, 'netns')
})

t.test('the office lab holds in Mininet', root, async t => {
  await ensurePackages(mininetNeeds, text => t.comment(text))
  await tell(t, 'mininet')
})

t.test('the Mininet script builds the network of lab.yaml', root, async t => {
  await ensurePackages(mininetNeeds, text => t.comment(text))
  const built = JSON.parse(
    await sh('/usr/bin/python3', `${office.folder}/mininet.py`, '--describe'),
  )
  const { switches, hosts, links } = office.spec
  t.same(built.switches, Object.fromEntries(switches.map(each => [each.name, each.dpid])))
  t.same(
    built.hosts,
    Object.fromEntries(
      hosts.map(({ name, ips, mac, routes }) => [name, { ip: ips[0], mac, routes, vlan: null }]),
    ),
  )
  const text = (name: string, port: number) => `${name}:${port}`
  const wanted = [
    ...links.map(({ a, b }) => [text(a.name, a.port), text(b.name, b.port)].sort()),
    ...hosts.map(({ name, at }) => [text(name, 0), text(at.name, at.port)].sort()),
  ]
  const order = (pairs: string[][]) => pairs.map(pair => pair.join(' ')).sort()
  t.same(order(built.links), order(wanted))
})
