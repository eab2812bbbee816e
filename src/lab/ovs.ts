/**
 * One Open vSwitch of its own on this machine: a network namespace, a run directory, an ovsdb-server and an
 * ovs-vswitchd, so that it touches nothing else and several run side by side.
 */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ledger } from './ledger.js'
import { isAlive, sh, sleep } from './shell.js'

export interface OvsPlace {
  readonly namespace: string
  /** Run directory: sockets, logs, the database. */
  readonly folder: string
  /** Socket of the database. */
  readonly socket: string
}

const schema = '/usr/share/openvswitch/vswitch.ovsschema'

/** Variables that make the tools of Open vSwitch look into its folder. */
export const ovsVariables = (folder: string): Record<string, string> => ({
  OVS_RUNDIR: folder,
  OVS_DBDIR: folder,
  OVS_LOGDIR: folder,
})

/**
 * @param parent folder for the daemons' own one
 * @throws {CommandFailed} when a namespace or a daemon cannot be made
 */
export const startOvs = async (
  ledger: Ledger,
  namespace: string,
  isTso: boolean,
  parent = tmpdir(),
): Promise<OvsPlace> => {
  const folder = mkdtempSync(join(parent, 'sluice-lab-'))
  ledger.folder(folder)
  ledger.namespace(namespace)
  await sh('ip', 'netns', 'add', namespace)
  await sh('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
  const socket = join(folder, 'db.sock')
  await startDatabase(ledger, namespace, folder, socket)
  const settings = [
    // Many of these share a few cores.
    'other_config:n-handler-threads=1',
    'other_config:n-revalidator-threads=1',
    ...(isTso ? ['other_config:userspace-tso-enable=true'] : []),
  ]
  const words = ['init', '--', 'set', 'Open_vSwitch', '.', ...settings]
  await sh('ovs-vsctl', `--db=unix:${socket}`, '--no-wait', ...words)
  await startVswitchd(ledger, { namespace, folder, socket })
  return { namespace, folder, socket }
}

export const startVswitchd = (
  ledger: Ledger,
  { namespace, folder, socket }: OvsPlace,
): Promise<void> =>
  startDaemon(ledger, namespace, folder, 'ovs-vswitchd', 'vsw.ctl', [
    `unix:${socket}`,
    '--disable-system',
  ])

/** kill -9 of ovs-vswitchd, and another one in its place: every flow is gone. */
export const restartVswitchd = async (ledger: Ledger, place: OvsPlace): Promise<void> => {
  await killVswitchd(place)
  await startVswitchd(ledger, place)
}

/** kill -9 of ovs-vswitchd. Its interfaces keep their carrier. */
export const killVswitchd = async (place: OvsPlace): Promise<void> => {
  const pid = Number(readFileSync(join(place.folder, 'ovs-vswitchd.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  while (isAlive(pid)) await sleep(10)
}

const startDatabase = async (
  ledger: Ledger,
  namespace: string,
  folder: string,
  socket: string,
): Promise<void> => {
  const database = join(folder, 'conf.db')
  await sh('ovsdb-tool', 'create', database, schema)
  await startDaemon(ledger, namespace, folder, 'ovsdb-server', 'ovsdb.ctl', [
    database,
    `--remote=punix:${socket}`,
    '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
  ])
}

const startDaemon = async (
  ledger: Ledger,
  namespace: string,
  folder: string,
  program: string,
  control: string,
  words: readonly string[],
): Promise<void> => {
  const pidFile = join(folder, `${program}.pid`)
  const variables = Object.entries(ovsVariables(folder)).map(([name, value]) => `${name}=${value}`)
  await sh(
    'ip',
    ...['netns', 'exec', namespace, 'env', ...variables, program, ...words],
    `--pidfile=${pidFile}`,
    `--log-file=${join(folder, `${program}.log`)}`,
    `--unixctl=${join(folder, control)}`,
    ...['--detach', '--no-chdir', '-vconsole:off'],
  )
  ledger.process(Number(readFileSync(pidFile, 'utf8')), program)
}
