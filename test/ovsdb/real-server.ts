/** A private ovsdb-server in a folder of its own: nothing else of the machine is touched. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { realEnv } from '../../src/base/env/real-env.js'

export const run = promisify(execFile)
export const env = realEnv(pino({ level: 'silent' }))

export const installedSchema = '/usr/share/openvswitch/vswitch.ovsschema'

const isInstalled = (): boolean => {
  try {
    execFileSync('ovsdb-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** For `skip`: false, or why. */
export const skipWithoutOvs: string | false = isInstalled()
  ? false
  : 'openvswitch-switch is not installed'

export class RealServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-ovsdb-'))
  readonly socket = join(this.folder, 'db.sock')
  readonly #database: string

  constructor(database = 'conf.db') {
    this.#database = join(this.folder, database)
  }

  async create(schema = installedSchema): Promise<void> {
    await run('ovsdb-tool', ['create', this.#database, schema])
  }

  async createCluster(schema = installedSchema): Promise<void> {
    const at = `unix:${join(this.folder, 'raft.sock')}`
    await run('ovsdb-tool', ['create-cluster', this.#database, schema, at])
  }

  async start(...more: string[]): Promise<void> {
    await run('ovsdb-server', [
      this.#database,
      `--remote=punix:${this.socket}`,
      `--pidfile=${this.#pidfile}`,
      `--log-file=${join(this.folder, 'server.log')}`,
      `--unixctl=${join(this.folder, 'server.ctl')}`,
      '--detach',
      '--no-chdir',
      '-vconsole:off',
      ...more,
    ])
  }

  get #pidfile(): string {
    return join(this.folder, 'server.pid')
  }

  async appctl(...words: string[]): Promise<string> {
    return (await run('ovs-appctl', ['-t', join(this.folder, 'server.ctl'), ...words])).stdout
  }

  async vsctl(...words: string[]): Promise<string> {
    return (await run('ovs-vsctl', [`--db=unix:${this.socket}`, '--no-wait', ...words])).stdout
  }

  async stop(): Promise<void> {
    await endByPidfile(this.#pidfile)
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const sleep = (millis: number): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, millis)
  })

const isRunning = (pid: number): boolean => {
  try {
    // A daemon that nobody has collected yet has ended all the same.
    const [, name, state] = /\((.*)\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return name?.startsWith('ovs') === true && state !== 'Z'
  } catch {
    return false
  }
}

/** Ends a daemon of ours: asked first, then not. */
export const endByPidfile = async (path: string): Promise<void> => {
  let pid: number
  try {
    pid = Number(readFileSync(path, 'utf8'))
  } catch {
    // It has ended, and taken its file along.
    return
  }
  if (!isRunning(pid)) return
  process.kill(pid, 'SIGTERM')
  for (let tries = 0; tries < 150 && isRunning(pid); tries++) await sleep(20)
  if (isRunning(pid)) process.kill(pid, 'SIGKILL')
}
