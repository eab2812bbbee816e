/**
 * One of two real switches is cut off from the controller while the rules change: the other one has the new rules, it has
 * the old ones. For as long as that lasts all passes that both policies allow, new and running, and nothing that both
 * deny; when it is back it has the new ones, and nobody that both allow has lost anything.
 */
import { pino } from 'pino'
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { rulesOf } from '../../nfv/firewall/random-policy.js'
import { dice, pick } from '../against-linux/rules.js'
import { edited, randomRule, sourceOf } from '../edits.js'
import {
  type HostName,
  hostAddresses,
  listening,
  type TwoSwitches,
  withTwoSwitches,
} from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }
const env = realEnv(pino({ level: 'silent' }))
const seed = Number(process.env.SLUICE_SEED ?? 20_261_125)

interface Way {
  readonly from: HostName
  readonly to: HostName
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

const hosts = Object.keys(hostAddresses) as HostName[]
const ways: readonly Way[] = hosts
  .flatMap(from => hosts.filter(to => to !== from).map(to => ({ from, to })))
  .flatMap(ends => listening.map(port => ({ ...ends, port })))
  .flatMap(each => (['tcp', 'udp'] as const).map(protocol => ({ ...each, protocol })))

const isAllowed = (rules: ReturnType<typeof rulesOf>, { from, to, protocol, port }: Way) =>
  decide(rules, {
    source: hostAddresses[from] as Ip,
    destination: hostAddresses[to] as Ip,
    protocol: protocol === 'tcp' ? 6 : 17,
    sourcePort: 40_000,
    destinationPort: port,
  }).verdict === 'allow'

/** Resolves when the controller says this of each. */
const untilStates = async (
  lab: TwoSwitches,
  states: Readonly<Record<string, string>>,
): Promise<void> => {
  for (let tries = 0; tries < 600; tries++) {
    const { items } = await lab.controller.get<{ items: { name: string; state: string }[] }>(
      '/api/v1/switches',
    )
    const seen = new Map(items.map(({ name, state }) => [name, state]))
    if (Object.entries(states).every(([name, state]) => seen.get(name) === state)) return
    await sleep(25)
  }
  throw new Error(`the switches are not ${JSON.stringify(states)} after 15 s`)
}

interface Seen {
  readonly counts: { kept: number; denied: number; opened: number }
  readonly complaints: readonly string[]
}

/** @param twist what the switches get instead of the new rules; for controls */
const changes = async (
  lab: TwoSwitches,
  rounds: number,
  twist = (source: string): string => source,
): Promise<Seen> => {
  const { stage, controller } = lab
  const roll = dice(seed)
  const counts = { kept: 0, denied: 0, opened: 0 }
  const complaints: string[] = []
  for (let round = 0; round < rounds; round++) {
    const lines = Array.from({ length: 10 }, () => randomRule(roll))
    const [before, after] = [sourceOf(lines), sourceOf(edited(roll, edited(roll, lines)))]
    const [old, next] = [rulesOf(before), rulesOf(after)]
    const [behind, ahead] = round % 2 === 0 ? ['s2', 's1'] : ['s1', 's2']
    const complain = (what: string, way: Way) =>
      complaints.push(`${what}: ${JSON.stringify(way)}, ${behind} behind\n${before}---\n${after}`)
    await lab.rules(before)
    const running = ways.filter(way => isAllowed(old, way) && roll(6) === 0)
    for (const [at, { from, to, protocol, port }] of running.entries())
      await stage.openSession(`run${at}`, from, to, protocol, port, 40)
    await sleep(200)
    const lost = () =>
      Promise.all(
        running.map(async (_, at) => {
          const { highest, received, sent, isOpen } = await stage.sessionState(`run${at}`)
          return { missing: highest - received, sent, highest, isOpen }
        }),
      )
    const first = await lost()

    const { relay } = stage.rig.switches.get(behind)!
    relay.retarget(1)
    relay.drop()
    await untilStates(lab, { [behind]: 'disconnected' })
    await controller.send('PUT', '/api/v1/policies/firewall', { source: twist(after) })
    await untilStates(lab, { [ahead]: 'installed', [behind]: 'disconnected' })
    await sleep(150)
    const asked = Array.from({ length: 60 }, () => pick(roll, ways)).filter(
      way => isAllowed(old, way) === isAllowed(next, way),
    )
    const said = await Promise.all(
      asked.map(({ from, to, protocol, port }) => stage.attempt(from, to, protocol, port)),
    )
    for (const [at, way] of asked.entries()) {
      const both = isAllowed(old, way)
      if (both) counts.opened++
      else counts.denied++
      if ((said[at] === 'open') !== both)
        complain(`both ${both ? 'allow' : 'deny'} it, and it is ${said[at]}`, way)
    }
    relay.retarget(controller.openflowPort)
    await untilStates(lab, { [ahead]: 'installed', [behind]: 'installed' })
    await sleep(150)
    const soon = await lost()
    await sleep(300)
    const last = await lost()
    for (const [at, way] of running.entries()) {
      if (isAllowed(next, way)) {
        counts.kept++
        const isComplete = last[at]!.isOpen && last[at]!.highest >= soon[at]!.sent
        if (last[at]!.missing > first[at]!.missing || !isComplete)
          complain(`both allow it, and it lost ${JSON.stringify([first[at], last[at]])}`, way)
      }
      await stage.closeSession(`run${at}`)
    }
  }
  return { counts, complaints }
}

t.test('rules that only one of two switches has yet', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  t.comment(`SLUICE_SEED=${seed}`)
  await withTwoSwitches(env, async lab => {
    const { counts, complaints } = await changes(lab, 5)
    t.comment(counts)
    t.same(complaints.slice(0, 3), [])
    t.ok(counts.kept > 10 && counts.opened > 20 && counts.denied > 20, 'all kinds were met')

    const open = await changes(lab, 2, () => 'default allow\n')
    t.match(open.complaints.join('\n'), /both deny it, and it is open/, 'rules let too much in')
    const shut = await changes(lab, 2, () => 'default drop\n')
    t.match(
      shut.complaints.join('\n'),
      /both allow it, and it is silent/,
      'rules let too little in',
    )
    t.match(shut.complaints.join('\n'), /both allow it, and it lost/, 'running ones are cut')
  })
})
