/**
 * The stage that Mininet builds, with the script that people use too: `labs/NAME/mininet.py`. It runs in a
 * network namespace with an Open vSwitch of its own, so it meets neither the machine's switches nor another lab.
 */
import type { ChildProcess } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Env } from '../../base/env/env.js'
import { AgentHosts, agentPath } from '../agents.js'
import type { LabSpec, LinkSpec } from '../lab-spec.js'
import { clear, clearStale, Ledger } from '../ledger.js'
import { ovsVariables, startOvs } from '../ovs.js'
import { Relay } from '../relay.js'
import { end, start } from '../shell.js'
import type { Stage } from '../stage.js'

/** Debian's Mininet belongs to Debian's Python, whatever else is on the path. */
const python = '/usr/bin/python3'

export class MininetStage extends AgentHosts implements Stage {
  readonly name = 'mininet' as const
  readonly #env: Env
  readonly #script: string
  readonly #daemons: string
  readonly #ledgerPath: string
  #relay: Relay | undefined
  #child: ChildProcess | undefined
  #replies: AsyncIterator<string> | undefined
  #pids: Readonly<Record<string, number>> = {}
  #complaint = ''

  /** @param daemons the folder for those of Open vSwitch */
  constructor(env: Env, spec: LabSpec, folder: string, ledgerPath: string, daemons: string) {
    super(spec)
    this.#env = env
    this.#script = join(folder, 'mininet.py')
    this.#ledgerPath = ledgerPath
    this.#daemons = daemons
  }

  async up(openflowPort: number): Promise<void> {
    await clearStale(dirname(this.#ledgerPath))
    const ledger = new Ledger(this.#ledgerPath)
    const namespace = `slm${(this.#env.random.uint32() & 0xfffff).toString(36)}`
    const { folder } = await startOvs(ledger, namespace, false, this.#daemons)
    this.#relay = await Relay.start(join(folder, 'controller.sock'), openflowPort)
    const words = [this.#script, '--serve', '--controller', `unix:${this.#relay.path}`]
    const child = start('ip', ['netns', 'exec', namespace, python, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...ovsVariables(folder) },
    })
    this.#child = child
    ledger.process(child.pid!, this.#script)
    child.stderr!.on('data', chunk => {
      this.#complaint = `${this.#complaint}${chunk}`.slice(-2_000)
    })
    this.#replies = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    this.#pids = (await this.#reply()).hosts ?? {}
    await this.start(host => {
      const [command = '', ...more] = [...this.enter(host), process.execPath, agentPath]
      return start(command, more, { stdio: ['pipe', 'pipe', 'inherit'] })
    })
  }

  enter(host: string): readonly string[] {
    return ['mnexec', '-a', String(this.#pids[host])]
  }

  protected interfaceOf(host: string, index: 0 | 1): string {
    return `${host}-eth${index}`
  }

  async setPower(name: string, isOn: boolean): Promise<void> {
    this.#child!.stdin!.write(`power ${name} ${isOn ? 'on' : 'off'}\n`)
    await this.#reply()
  }

  async setLink({ a, b }: LinkSpec, isUp: boolean): Promise<void> {
    this.#child!.stdin!.write(`link ${a.name} ${b.name} ${isUp ? 'up' : 'down'}\n`)
    await this.#reply()
  }

  retarget(openflowPort: number): void {
    this.#relay?.retarget(openflowPort)
  }

  async down(): Promise<void> {
    await this.stop()
    if (this.#child) {
      // The end of its input is Mininet's word to take everything down.
      this.#child.stdin!.end()
      await end(this.#child, 10_000, 5_000)
    }
    await this.#relay?.stop()
    await clear(this.#ledgerPath)
  }

  async #reply(): Promise<{ readonly hosts?: Readonly<Record<string, number>> }> {
    const { value, done } = (await this.#replies?.next()) ?? { value: undefined, done: true }
    if (done) throw new Error(`Mininet ended: ${this.#complaint.trim()}`)
    const reply = JSON.parse(value) as { hosts?: Record<string, number>; error?: string }
    if (reply.error !== undefined) throw new Error(`Mininet: ${reply.error}`)
    return reply
  }
}
