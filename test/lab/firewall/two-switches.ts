/** Two real Open vSwitch with two hosts each, a controller, and a policy that tests change. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Env } from '../../../src/base/env/env.js'
import type { ControllerProcess } from '../../../src/lab/controller-process.js'
import { type Lab, withLab } from '../../../src/lab/main.js'
import { sh, sleep } from '../../../src/lab/shell.js'
import { readLab } from '../../../src/lab/spec.js'
import { NetnsStage } from '../../../src/lab/stages/netns.js'

/** What hosts listen at. */
export const listening = [22, 53, 80, 443, 8050]

export const hostAddresses = {
  a: '10.1.0.1',
  b: '10.1.0.2',
  c: '10.2.0.10',
  d: '10.2.0.20',
} as const
export type HostName = keyof typeof hostAddresses

const lab: Lab = {
  spec: readLab(
    'firewall',
    'firewall.yaml',
    `title: Two switches, two hosts each
rules: firewall.rules
switches: [s1, s2]
links:
  - [s1:3, s2:3]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/8, 'fd00::1:1/64'] }
  b: { at: s1:2, ips: [10.1.0.2/8, 'fd00::1:2/64'] }
  c: { at: s2:1, ips: [10.2.0.10/8, 'fd00::2:10/64'] }
  d: { at: s2:2, ips: [10.2.0.20/8, 'fd00::2:20/64'] }
steps:
${listening.map(port => `  - try: { from: a, to: b, protocol: tcp, port: ${port}, expect: open }`).join('\n')}
`,
  ),
  rules: 'default allow\n',
  folder: '.',
}

export interface Event {
  readonly kind: string
  readonly rule?: string
  readonly [detail: string]: unknown
}

export class TwoSwitches {
  readonly stage: NetnsStage
  readonly controller: ControllerProcess

  constructor(stage: NetnsStage, controller: ControllerProcess) {
    this.stage = stage
    this.controller = controller
  }

  /** Resolves when the switches have confirmed it. */
  async rules(source: string): Promise<void> {
    await this.controller.send('PUT', '/api/v1/policies/firewall?wait=installed', { source })
  }

  /** Starts a controller that was killed; resolves when both switches have come back and hold what is wanted. */
  async restart(): Promise<void> {
    await this.controller.start()
    this.stage.retarget(this.controller.openflowPort)
    await this.settled()
  }

  /** Resolves when all switches are here and hold what is wanted. */
  async settled(): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      const { items } = await this.controller.get<{ items: { state: string }[] }>(
        '/api/v1/switches',
      )
      const isWhole = items.length === this.stage.rig.switches.size
      if (isWhole && items.every(({ state }) => state === 'installed')) return
      await sleep(50)
    }
    throw new Error('the switches did not come back in 15 s')
  }

  /** How often each word came out of so many attempts, one after the other. */
  async attempts(
    from: HostName,
    to: HostName,
    port: number,
    count: number,
    protocol: 'tcp' | 'udp' = 'tcp',
  ): Promise<string> {
    let said = ''
    for (let index = 0; index < count; index++)
      said += (await this.stage.attempt(from, to, protocol, port))[0]
    return said
  }

  async events(kind: string): Promise<readonly Event[]> {
    const all: Event[] = []
    for (let since = 0; ; since = Number(all.at(-1)!.sequence)) {
      const { items } = await this.controller.get<{ items: Event[] }>(
        `/api/v1/events?since=${since}`,
      )
      if (items.length === 0) return all.filter(each => each.kind === kind)
      all.push(...items)
    }
  }

  /** Rows of a table of a switch, without counters, as ovs-ofctl prints them. */
  async rows(name: string, table: number): Promise<string[]> {
    const text = await this.stage.rig.ofctl(name, 'dump-flows', `table=${table}`)
    return text.split('\n').filter(line => line.includes(`table=${table}`))
  }

  /** Runs a command inside a host. */
  inHost(host: HostName, ...words: string[]): Promise<string> {
    const [command = '', ...rest] = [...this.stage.enter(host), ...words]
    return sh(command, ...rest)
  }
}

/** A program of Node that runs inside a host until its input ends. */
export const inside = (
  lab: TwoSwitches,
  host: HostName,
  script: string,
  more: readonly string[] = [],
) => {
  const begin = [...lab.stage.enter(host), process.execPath, '-e', script]
  const [command = '', ...words] = [...begin, ...more]
  return spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
}

/** Ends its input; resolves when it has ended. */
export const end = async (child: ChildProcess): Promise<void> => {
  child.stdin!.end()
  await once(child, 'exit')
}

export const withTwoSwitches = <T>(
  env: Env,
  work: (lab: TwoSwitches) => Promise<T>,
  other = lab,
): Promise<T> =>
  withLab(
    env,
    other,
    'netns',
    { say: () => undefined, assertion: () => undefined },
    new AbortController().signal,
    async ({ run, controller, stage }) => {
      if (!(stage instanceof NetnsStage)) throw new Error('another stage than was asked for')
      await run.up()
      return work(new TwoSwitches(stage, controller))
    },
  )
