/**
 * Packet-ins answered per second, and how long one waits: ours, ovs-testcontroller, a learning switch on os-ken, and
 * a socket server that parses nothing, one after the other in the same run.
 *
 *     npm run bench -- peers [SECONDS]
 *
 * Needs the Debian packages openvswitch-testcontroller and python3-os-ken; a peer that is not there is left out.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { type CbenchOptions, type CbenchReport, cbench } from './cbench.js'
import { sleep, startProgram } from './program.js'

const isTask = (data: unknown): data is { readonly cbench: CbenchOptions } =>
  typeof data === 'object' && data !== null && 'cbench' in data
if (isTask(workerData)) parentPort?.postMessage(await cbench(workerData.cbench))

/** Beyond the time of the measurement itself; a peer that has not begun by then does not. */
const patienceMillis = 70_000

const measure = (options: CbenchOptions): Promise<CbenchReport> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { cbench: options } })
    const timer = setTimeout(() => {
      worker.terminate()
      reject(new Error('it does not answer'))
    }, options.millis + patienceMillis)
    worker.once('exit', () => clearTimeout(timer))
    worker.once('message', resolve)
    worker.once('error', reject)
  })

interface Peer {
  readonly port: number
  stop(): Promise<void>
}

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })

const answers = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const isThere = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isThere) return
    await sleep(50)
  }
  throw new Error(`nothing listens on ${port}`)
}

const startCommand = async (
  words: (port: number) => readonly string[],
  folder: string,
): Promise<Peer> => {
  const port = await freePort()
  const [command = '', ...rest] = words(port)
  const child = spawn(command, rest, {
    stdio: 'ignore',
    cwd: process.cwd(),
    env: { ...process.env, OVS_RUNDIR: folder },
  })
  await answers(port)
  return { port, stop: () => ended(child) }
}

const bareServer = `require('node:net').createServer({ noDelay: true }, s => { s.on('error', () => {}); s.on('data', c => s.write(c)) }).listen(Number(process.argv[1]), '127.0.0.1')`

const ours = async (folder: string): Promise<Peer> => {
  const config = join(folder, 'sluice.yaml')
  // The usual bound would be what is measured.
  writeFileSync(config, 'packetsPerSecond: 1000000\n')
  const program = await startProgram(['--config', config])
  return { port: program.openflowPort, stop: () => program.stop() }
}

interface Candidate {
  readonly name: string
  readonly form: CbenchOptions['form']
  readonly isThere: boolean
  start(folder: string): Promise<Peer>
}

const candidates: readonly Candidate[] = [
  {
    name: 'bare Node server',
    form: 'bare',
    isThere: true,
    start: folder =>
      startCommand(port => [process.execPath, '-e', bareServer, String(port)], folder),
  },
  {
    name: 'ovs-testcontroller',
    form: 'plain',
    isThere: existsSync('/usr/bin/ovs-testcontroller'),
    start: folder =>
      startCommand(
        port => [
          'ovs-testcontroller',
          '-O',
          'OpenFlow13',
          `ptcp:${port}:127.0.0.1`,
          `--unixctl=${join(folder, 'tc.ctl')}`,
          '-vconsole:off',
        ],
        folder,
      ),
  },
  {
    name: 'os-ken',
    form: 'plain',
    isThere: existsSync('/usr/bin/osken-manager'),
    start: folder =>
      startCommand(
        port => [
          '/usr/bin/osken-manager',
          '--ofp-listen-host',
          '127.0.0.1',
          '--ofp-tcp-listen-port',
          String(port),
          'bench/os-ken-learning-switch.py',
        ],
        folder,
      ),
  },
  { name: 'sluice', form: 'rich', isThere: true, start: ours },
]

const loads = [
  { switches: 1, inFlight: 1 },
  { switches: 1, inFlight: 64 },
  { switches: 16, inFlight: 1_024 },
  { switches: 64, inFlight: 1_024 },
] as const

export const run = async (words: readonly string[]): Promise<void> => {
  const millis = 1_000 * Number(words[0] ?? 3)
  for (const { name, form, isThere, start } of candidates) {
    if (!isThere) {
      console.log(`${name}: not installed`)
      continue
    }
    for (const hosts of form === 'rich' ? (['known', 'new'] as const) : (['known'] as const))
      for (const load of loads) {
        const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
        const peer = await start(folder)
        try {
          const report = await measure({ port: peer.port, form, hosts, millis, ...load })
          const times =
            load.inFlight === 1
              ? `, p50 ${report.p50.toFixed(3)} p99 ${report.p99.toFixed(3)} ms`
              : ''
          console.log(
            `${name}, ${hosts} hosts, ${load.switches} switches, ${load.inFlight} in flight: ${Math.round(report.perSecond)}/s answered, ${Math.round(report.flowModsPerSecond)}/s flow-mods${times}`,
          )
        } catch (error) {
          console.log(`${name}, ${load.switches} switches, ${load.inFlight} in flight: ${error}`)
        } finally {
          await peer.stop()
          rmSync(folder, { recursive: true, force: true })
        }
      }
  }
}
