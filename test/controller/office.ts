/** The whole controller in this process, with the office lab's network on simulated switches. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Dpid, Ipv4, Mac } from '../../src/base/addresses.js'
import type { Disk, JournalFile } from '../../src/base/env/env.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { listAll } from '../../src/base/store.js'
import { type Running, type RunOptions, run } from '../../src/controller/main.js'
import { loadLab } from '../../src/lab/main.js'
import { type NetworkSpec, SimulatedNetwork } from '../../src/sim/network.js'
import type { GuardLevel } from '../../src/topology/hosts/guard-level.js'
import { until } from '../until.js'

export interface Office {
  readonly network: NetworkSpec
  readonly net: SimulatedNetwork
  readonly data: string
  readonly token: string
  readonly log: CollectingLog
  readonly rest: string
  /** Where the paths of Ryu's firewall are. */
  readonly ryu: string | undefined
  readonly openflowPort: number
  /** Everything that is kept now, by key. */
  kept(): Promise<[string, unknown][]>
  /** Parsed body; problems are thrown with their status. */
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T>
  raw(path: string, init?: RequestInit): Promise<Response>
  /** Ends the controller and starts it again on the same data and ports; `between` happens while it is down. */
  restart(between?: () => void, more?: Partial<RunOptions>): Promise<void>
}

export interface OfficeOptions {
  readonly rules?: readonly string[]
  /** Wait until all links are found and all hosts have spoken. */
  readonly whole?: boolean
  /** Another network than that of the office. */
  readonly network?: NetworkSpec
  /** Other settings of `sluice run`. */
  readonly more?: Partial<RunOptions>
  /** Serve the paths of Ryu's firewall. */
  readonly ryuFirewall?: boolean
  readonly guard?: GuardLevel
  /** Stands between the controller and the files of its store. */
  readonly journal?: (file: JournalFile) => JournalFile
}

export const lab = loadLab('office')

export class Refused extends Error {
  readonly status: number
  readonly problem: Record<string, unknown>

  constructor(status: number, problem: Record<string, unknown>) {
    super(`${status} ${JSON.stringify(problem)}`)
    this.status = status
    this.problem = problem
  }
}

const officeNetwork: NetworkSpec = {
  switches: lab.spec.switches.map(each => ({ name: each.name, dpid: each.dpid as Dpid })),
  hosts: lab.spec.hosts.map(({ name, mac, ips, at }) => ({
    name,
    at,
    mac: mac as Mac,
    ip: ips[0]!.split('/')[0] as Ipv4,
  })),
  links: lab.spec.links,
  limits: { firstBackoffMillis: 20 },
}

export const office = async (t: Test, options: OfficeOptions = {}): Promise<Office> => {
  const log = new CollectingLog()
  const real = realEnv(log)
  const { journal = (file: JournalFile) => file } = options
  const disk: Disk = Object.create(real.disk, {
    openJournal: {
      value: async (...where: Parameters<Disk['openJournal']>) =>
        journal(await real.disk.openJournal(...where)),
    },
  })
  const env = { ...real, disk }
  const data = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const start = (
    openflow: string,
    rest: string,
    ryu = '127.0.0.1:0',
    more: Partial<RunOptions> = {},
  ): Promise<Running> =>
    run(env, {
      southbound: { listen: [openflow], connect: [] },
      rest,
      data,
      ...(options.guard && { guard: options.guard }),
      rules: options.rules ?? [],
      ruleFolders: [data],
      ...(options.ryuFirewall && { ryuFirewall: ryu }),
      variables: { XDG_STATE_HOME: join(data, 'state') },
      pid: process.pid,
      ...options.more,
      ...more,
    })
  let running = await start('127.0.0.1:0', '127.0.0.1:0')
  const { endpoints } = running
  const openflowPort = Number(endpoints.openflow.split(':')[1])
  const net = SimulatedNetwork.create(env, options.network ?? officeNetwork)
  net.start({ host: '127.0.0.1', port: openflowPort })
  t.teardown(async () => {
    net.stop()
    await running.stop()
    rmSync(data, { recursive: true, force: true })
  })
  const tokenOf = () => readFileSync(join(data, 'token'), 'utf8').trim()
  const token = tokenOf()
  const raw = (path: string, init?: RequestInit) => fetch(`http://${endpoints.rest}${path}`, init)
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const reply = await raw(path, {
      method,
      headers: {
        authorization: `Bearer ${tokenOf()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    const value = text === '' ? undefined : JSON.parse(text)
    if (!reply.ok) throw new Refused(reply.status, value)
    return value as T
  }
  const made: Office = {
    network: options.network ?? officeNetwork,
    net,
    data,
    token,
    log,
    rest: endpoints.rest,
    ryu: endpoints.ryuFirewall,
    openflowPort,
    call,
    raw,
    kept: () => listAll(running.store, '/'),
    restart: async (between, more) => {
      await running.stop()
      between?.()
      running = await start(endpoints.openflow, endpoints.rest, endpoints.ryuFirewall, more)
    },
  }
  if (options.whole !== false) await whole(made)
  return made
}

/** Resolves when all is found and every switch has confirmed what is wanted. */
export const whole = async (at: Office): Promise<void> => {
  const links = at.network.links?.length ?? 0
  await until(async () => (await items(at, 'links')).length === 2 * links)
  await until(async () => {
    // A port lets its hosts speak when it is decided that it has any.
    for (const host of at.net.hosts.values()) host.announce()
    return (await items(at, 'hosts')).length === at.net.hosts.size
  })
  await settled(at)
}

export const settled = (at: Office): Promise<void> =>
  until(async () => (await items(at, 'switches')).every(each => each.state === 'installed'))

export const items = async (
  at: Office,
  path: string,
): Promise<readonly Record<string, unknown>[]> =>
  (await at.call<{ items: Record<string, unknown>[] }>('GET', `/api/v1/${path}`)).items
