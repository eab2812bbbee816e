/**
 * The same random rules as nftables in a Linux router and as a rule file on two Open vSwitch, the same
 * connections through both: open, refused or silent must be the same.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../../../src/base/env/env.js'
import type { AgentHosts } from '../../../src/lab/agents.js'
import type { ControllerProcess } from '../../../src/lab/controller-process.js'
import { type Lab, withLab } from '../../../src/lab/main.js'
import { readLab } from '../../../src/lab/spec.js'
import type { Protocol, TryResult } from '../../../src/lab/stage.js'
import { NetnsStage } from '../../../src/lab/stages/netns.js'
import { declareDatabases } from '../databases.js'
import { LinuxRouter } from './linux-router.js'
import { type Dice, dice, listening, pick, type RuleSet, randomRuleSet } from './rules.js'

const tries = listening
  .map(port => `  - try: { from: a, to: b, protocol: tcp, port: ${port}, expect: open }`)
  .join('\n')

const twoSwitches = (): Lab => ({
  spec: readLab(
    'against',
    'against.yaml',
    `title: Two switches, two hosts each
rules: against.rules
switches: [s1, s2]
links:
  - [s1:3, s2:3]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/8, 'fd00::1:1/64'] }
  b: { at: s1:2, ips: [10.1.0.2/8, 'fd00::1:2/64'] }
  c: { at: s2:1, ips: [10.2.0.10/8, 'fd00::2:10/64'] }
  d: { at: s2:2, ips: [10.2.0.20/8, 'fd00::2:20/64'] }
steps:
${tries}
`,
  ),
  rules: 'default allow\n',
  folder: '.',
})

export interface Attempt {
  readonly from: string
  /** An address. */
  readonly to: string
  readonly protocol: Protocol
  readonly port: number
}

export interface Deviation extends Attempt {
  readonly linux: TryResult
  readonly sluice: TryResult
  readonly rules: RuleSet
}

export interface Comparison {
  readonly attempts: number
  readonly verdicts: Readonly<Record<TryResult, number>>
  /** Attempts that differed once and not when they were made again. */
  readonly repeated: number
  readonly deviations: readonly Deviation[]
}

export interface Worlds {
  readonly linux: LinuxRouter
  readonly stage: NetnsStage
  readonly controller: ControllerProcess
  readonly addresses: Readonly<Record<string, readonly string[]>>
  readonly macs: Readonly<Record<string, string>>
  /** Where each host is. */
  readonly switches: Readonly<Record<string, string>>
}

/** Both worlds, for as long as `work` lasts. */
export const withWorlds = async <T>(env: Env, work: (worlds: Worlds) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const lab = twoSwitches()
  const linux = new LinuxRouter(lab.spec, folder, `slx${process.pid.toString(36)}`)
  const silent = { say: () => undefined, assertion: () => undefined }
  const addresses = Object.fromEntries(
    lab.spec.hosts.map(host => [host.name, host.ips.map(ip => ip.split('/')[0]!)]),
  )
  const never = new AbortController().signal
  try {
    await linux.up()
    return await withLab(env, lab, 'netns', silent, never, async ({ run, controller, stage }) => {
      if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
      await run.up()
      const switches = Object.fromEntries(lab.spec.hosts.map(host => [host.name, host.at.name]))
      const macs = Object.fromEntries(lab.spec.hosts.map(host => [host.name, host.mac]))
      const worlds = { linux, stage, controller, addresses, macs, switches }
      await declareDatabases(controller, stage)
      await meet(worlds)
      return work(worlds)
    })
  } finally {
    await linux.down()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Everybody speaks to everybody once under a policy that allows all, so that every address is known. */
const meet = async ({ stage, addresses }: Worlds): Promise<void> => {
  for (const [from, own] of Object.entries(addresses))
    for (const to of Object.values(addresses).flat())
      if (!own.includes(to)) {
        const attempt = { from, to, protocol: 'icmp', port: 0 } as const
        for (let tries = 0; (await one(stage, attempt)) !== 'open'; tries++)
          if (tries === 5) throw new Error(`${from} does not reach ${to} though all is allowed`)
      }
}

export const install = async ({ linux, controller }: Worlds, rules: RuleSet): Promise<void> => {
  await linux.load(rules.nft)
  const reply = await controller.send<{ state: string }>(
    'PUT',
    '/api/v1/policies/against?wait=installed',
    { source: rules.sluice },
  )
  if (reply.state !== 'installed') throw new Error(`the policy is ${reply.state}`)
}

export const compare = async (
  env: Env,
  seed: number,
  rounds: number,
  attemptsPerRound: number,
): Promise<Comparison> => {
  const roll = dice(seed)
  const verdicts = { open: 0, refused: 0, silent: 0 }
  const deviations: Deviation[] = []
  let repeated = 0
  await withWorlds(env, async worlds => {
    for (let round = 0; round < rounds; round++) {
      const rules = randomRuleSet(roll)
      await install(worlds, rules)
      const attempts = Array.from({ length: attemptsPerRound }, () =>
        randomAttempt(roll, worlds.addresses),
      )
      const seen = await both(worlds, attempts)
      for (const [at, attempt] of attempts.entries()) {
        let [linux, sluice] = seen[at]!
        for (let again = 0; linux !== sluice && again < 3; again++) {
          repeated++
          ;[linux, sluice] = (await both(worlds, [attempt]))[0]!
        }
        verdicts[linux]++
        if (linux !== sluice) deviations.push({ ...attempt, linux, sluice, rules })
      }
    }
  })
  return { attempts: rounds * attemptsPerRound, verdicts, repeated, deviations }
}

const randomAttempt = (roll: Dice, addresses: Worlds['addresses']): Attempt => {
  const from = pick(roll, Object.keys(addresses))
  const others = Object.entries(addresses).filter(([name]) => name !== from)
  const to = pick(roll, pick(roll, others)[1])
  const protocol = pick(roll, ['tcp', 'tcp', 'tcp', 'udp', 'udp', 'icmp'] as const)
  return { from, to, protocol, port: protocol === 'icmp' ? 0 : pick(roll, listening) }
}

/** In both worlds at once; what answers at all answers in milliseconds. */
export const both = async (
  { linux, stage }: Worlds,
  attempts: readonly Attempt[],
): Promise<readonly (readonly [TryResult, TryResult])[]> => {
  const seen: (readonly [TryResult, TryResult])[] = []
  for (let at = 0; at < attempts.length; at += 100) {
    const some = attempts.slice(at, at + 100)
    const run = (world: AgentHosts) => Promise.all(some.map(each => one(world, each)))
    const ofLinux = await run(linux)
    const ofSluice = await run(stage)
    seen.push(...some.map((_, index) => [ofLinux[index]!, ofSluice[index]!] as const))
  }
  return seen
}

const one = (world: AgentHosts, { from, to, protocol, port }: Attempt): Promise<TryResult> =>
  world.attempt(from, to, protocol, port)
