/** The controller of a lab: the shipped program as a process of its own, so that it can be killed. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoints } from '../base/places.js'
import { end, sleep, start } from './shell.js'

const program = new URL('../sluice.js', import.meta.url).pathname

export class ControllerProcess {
  readonly data: string
  readonly #daemons: string
  readonly #openflow: string
  readonly #rest: string
  #child: ChildProcess | undefined
  #endpoints: Endpoints | undefined

  /** @param daemons the folder of those of Open vSwitch whose connections it may read */
  constructor(data: string, daemons: string, openflow = '127.0.0.1:0', rest = '127.0.0.1:0') {
    this.data = data
    this.#daemons = daemons
    this.#openflow = openflow
    this.#rest = rest
  }

  get endpoints(): Endpoints {
    if (this.#endpoints === undefined) throw new Error('the controller does not run')
    return this.#endpoints
  }

  get openflowPort(): number {
    return Number(this.endpoints.openflow.split(':').at(-1))
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    rmSync(join(this.data, 'endpoints.json'), { force: true })
    const words = [
      'run',
      '--openflow',
      this.#openflow,
      '--rest',
      this.#rest,
      '--data',
      this.data,
      '--openvswitch',
      this.#daemons,
    ]
    this.#child = start(process.execPath, [program, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, SLUICE_LOG: process.env.SLUICE_LOG ?? 'warn' },
    })
    let complaint = ''
    this.#child.stderr!.on('data', chunk => {
      complaint = `${complaint}${chunk}`.slice(-4_000)
      if (process.env.SLUICE_LOG) process.stderr.write(chunk)
    })
    for (let tries = 0; tries < 600; tries++) {
      if (this.#child.exitCode !== null) throw new Error(`the controller ended: ${complaint}`)
      this.#endpoints = readEndpoints(this.data, this.#child.pid!)
      if (this.#endpoints) return
      await sleep(25)
    }
    throw new Error(`the controller was not ready in 15 s: ${complaint}`)
  }

  /** kill -9: nothing is said goodbye to. */
  async kill(): Promise<void> {
    const child = this.#child!
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async stop(): Promise<void> {
    if (this.#child) await end(this.#child)
  }

  async get<T>(path: string): Promise<T> {
    return this.#call('GET', path, undefined)
  }

  async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#call(method, path, body)
  }

  async #call<T>(method: string, path: string, body: unknown): Promise<T> {
    const token = readFileSync(join(this.data, 'token'), 'utf8').trim()
    const response = await fetch(`http://${this.endpoints.rest}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
}

const readEndpoints = (data: string, pid: number): Endpoints | undefined => {
  try {
    const found = JSON.parse(readFileSync(join(data, 'endpoints.json'), 'utf8')) as Endpoints
    return found.pid === pid ? found : undefined
  } catch {
    // Not written yet.
    return undefined
  }
}
