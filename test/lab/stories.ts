/** Tells the story of a lab on every stage, and holds its Mininet script against its `lab.yaml`. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { ensurePackages, isRoot, mininetNeeds, ovsNeeds } from '../../src/lab/install.js'
import { loadLab, runLab } from '../../src/lab/main.js'
import { sh } from '../../src/lab/shell.js'
import type { StageName } from '../../src/lab/stage-names.js'

const never = new AbortController().signal
const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }

/** @param least assertions that the whole story has */
export const holdsOnEveryStage = (name: string, least: number): void => {
  t.test(`${name} holds on simulated switches`, { timeout: 120_000 }, t =>
    tell(t, name, 'sim', least),
  )
  t.test(`${name} holds on Open vSwitch`, root, async t => {
    await ensurePackages(ovsNeeds, text => t.comment(text))
    await tell(t, name, 'netns', least)
  })
  t.test(`${name} holds in Mininet`, root, async t => {
    await ensurePackages(mininetNeeds, text => t.comment(text))
    await tell(t, name, 'mininet', least)
  })
  t.test(`the Mininet script of ${name} builds the network of lab.yaml`, root, async t => {
    await ensurePackages(mininetNeeds, text => t.comment(text))
    await compareScript(t, name)
  })
}

const tell = async (t: Test, name: string, stage: StageName, least: number): Promise<void> => {
  const env = realEnv(pino({ level: 'silent' }))
  const teller = { say: (text: string) => t.comment(text), assertion: () => undefined }
  const assertions = await runLab(env, loadLab(name), stage, teller, never)
  t.ok(assertions.length >= least, 'the whole story was told')
  for (const each of assertions) t.equal(each.seen, each.expected, each.name)
}

const compareScript = async (t: Test, name: string): Promise<void> => {
  const { folder, spec } = loadLab(name)
  const built = JSON.parse(await sh('/usr/bin/python3', `${folder}/mininet.py`, '--describe'))
  t.same(built.switches, Object.fromEntries(spec.switches.map(each => [each.name, each.dpid])))
  t.same(
    built.hosts,
    Object.fromEntries(
      spec.hosts.map(({ name: host, mac, ips, routes, vlan = null }) => [
        host,
        { mac, ip: ips[0], routes, vlan },
      ]),
    ),
  )
  const text = (end: { name: string; port: number }) => `${end.name}:${end.port}`
  const wanted = [
    ...spec.links.map(({ a, b }) => [text(a), text(b)]),
    ...spec.hosts.map(({ name: host, at }) => [`${host}:0`, text(at)]),
    ...spec.hosts.flatMap(({ name: host, spare }) => (spare ? [[`${host}:1`, text(spare)]] : [])),
  ]
  const order = (pairs: string[][]) => pairs.map(pair => [...pair].sort().join(' ')).sort()
  t.same(order(built.links), order(wanted))
}
