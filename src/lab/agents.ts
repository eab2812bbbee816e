/** Talks to the agents inside the hosts of a lab. */
import type { ChildProcess } from 'node:child_process'
import { isIP } from 'node:net'
import { createInterface } from 'node:readline'
import type { LabSpec } from './lab-spec.js'
import { end, sh } from './shell.js'
import { addressOf, hostNamed, portsOfStory } from './spec.js'
import type { Protocol, SessionState, Stage, TryResult } from './stage.js'

/** The compiled agent. */
export const agentPath = new URL('./agent.js', import.meta.url).pathname

/** Puts frames on an interface as they are. */
const sender = new URL('../../../labs/common/send_frames.py', import.meta.url).pathname

export class Agent {
  readonly #child: ChildProcess
  readonly #waiting = new Map<
    number,
    { resolve(result: unknown): void; reject(error: Error): void }
  >()
  #lastId = 0

  constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => this.#take(line))
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values())
        reject(new Error('the agent of a host has ended'))
      this.#waiting.clear()
    })
  }

  call<T>(verb: string, more: Readonly<Record<string, unknown>>): Promise<T> {
    const id = ++this.#lastId
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: result => resolve(result as T), reject })
      this.#child.stdin!.write(`${JSON.stringify({ id, verb, ...more })}\n`)
    })
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await end(this.#child)
  }

  #take(line: string): void {
    const { id, result, error } = JSON.parse(line) as {
      id: number
      result?: unknown
      error?: string
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error !== undefined) waiting?.reject(new Error(error))
    else waiting?.resolve(result)
  }
}

/** What stages with real hosts share: everything that hosts do, through their agents. */
export abstract class AgentHosts
  implements
    Pick<
      Stage,
      | 'attempt'
      | 'openSession'
      | 'sessionState'
      | 'closeSession'
      | 'ping'
      | 'flows'
      | 'heard'
      | 'sendFrames'
      | 'move'
    >
{
  readonly #spec: LabSpec
  readonly #agents = new Map<string, Agent>()
  readonly #hostOfSession = new Map<string, string>()

  constructor(spec: LabSpec) {
    this.#spec = spec
  }

  async start(startAgent: (host: string) => ChildProcess): Promise<void> {
    const ports = portsOfStory(this.#spec.steps)
    await Promise.all(
      this.#spec.hosts.map(async host => {
        const agent = new Agent(startAgent(host.name))
        this.#agents.set(host.name, agent)
        for (const port of ports) await agent.call('listen', { port })
      }),
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#agents.values()].map(agent => agent.stop()))
    this.#agents.clear()
  }

  attempt(from: string, to: string, protocol: Protocol, port: number): Promise<TryResult> {
    return this.#of(from).call('attempt', { to: this.#address(to), protocol, port })
  }

  async openSession(
    name: string,
    from: string,
    to: string,
    protocol: Protocol,
    port: number,
    intervalMillis?: number,
  ): Promise<void> {
    this.#hostOfSession.set(name, from)
    const where = { to: this.#address(to), protocol, port }
    await this.#of(from).call('open', { name, ...where, intervalMillis })
  }

  /** Messages that a host has echoed, by `PROTOCOL ADDRESS PORT` of their sender. */
  heard(host: string): Promise<Readonly<Record<string, number>>> {
    return this.#of(host).call('heard', {})
  }

  sessionState(name: string): Promise<SessionState> {
    return this.#of(this.#hostOfSession.get(name)!).call('state', { name })
  }

  async closeSession(name: string): Promise<void> {
    await this.#of(this.#hostOfSession.get(name)!).call('close', { name })
  }

  ping(from: string, to: string, count: number, intervalMillis: number) {
    return this.#of(from).call<{ sent: number; received: number }>('ping', {
      to: this.#address(to),
      count,
      intervalMillis,
    })
  }

  flows(
    from: string,
    to: string,
    protocol: 'tcp' | 'udp',
    port: number,
    count: number,
  ): Promise<number> {
    return this.#of(from).call('flows', { to: this.#address(to), protocol, port, count })
  }

  /** The words that run a command inside a host. */
  abstract enter(host: string): readonly string[]

  /** The name of a host's first or second interface. */
  protected abstract interfaceOf(host: string, index: 0 | 1): string

  async sendFrames(from: string, frames: readonly Uint8Array[]): Promise<void> {
    const hex = frames.map(frame => Buffer.from(frame).toString('hex'))
    await this.#run(from, '/usr/bin/python3', sender, this.interfaceOf(from, 0), ...hex)
  }

  async move(name: string): Promise<void> {
    const { mac, ips, routes } = hostNamed(this.#spec, name)
    const [old, now] = [this.interfaceOf(name, 0), this.interfaceOf(name, 1)]
    const ip = (line: string) => this.#run(name, 'ip', ...line.split(' '))
    await ip(`addr flush dev ${old}`)
    await ip(`link set ${old} down`)
    await ip(`link set ${now} address ${mac}`)
    await ip(`link set ${now} up`)
    for (const each of ips)
      await ip(`addr add ${each} dev ${now}${each.includes(':') ? ' nodad' : ''}`)
    for (const route of routes) await ip(`route add ${route} dev ${now}`)
  }

  #run(host: string, ...words: string[]): Promise<string> {
    const [command = '', ...enter] = this.enter(host)
    return sh(command, ...enter, ...words)
  }

  #of(host: string): Agent {
    const agent = this.#agents.get(host)
    if (agent === undefined) throw new Error(`the lab has no host ${host}`)
    return agent
  }

  /** Hosts are spoken to at their first address, or at the address that is given instead of a name. */
  #address(host: string): string {
    return isIP(host) > 0 ? host : addressOf(this.#spec, host)
  }
}
