/**
 * Real Open vSwitch on this machine, touching nothing else: every switch has a network namespace, a run
 * directory, an ovsdb-server and an ovs-vswitchd of its own; every host has a namespace. What was made is
 * written down as it is made, so that a later run clears up after one that was killed.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../base/env.js'
import { OvsdbClient } from '../ovsdb/client.js'
import { OpenVswitch } from '../ovsdb/open-vswitch.js'
import { Relay } from './relay.js'
import { isAlive, sh, sleep, trySh } from './shell.js'
import type { HostSpec, LabSpec, LinkSpec, SwitchSpec } from './spec.js'

export interface RigSwitch {
  readonly spec: SwitchSpec
  readonly namespace: string
  readonly folder: string
  readonly ovs: OpenVswitch
  readonly client: OvsdbClient
  readonly relay: Relay
}

/** What is to be cleared up: process ids, namespaces, folders. */
interface Ledger {
  pids: number[]
  namespaces: string[]
  folders: string[]
}

const schema = '/usr/share/openvswitch/vswitch.ovsschema'

export class Rig {
  readonly #env: Env
  readonly #spec: LabSpec
  readonly #ledgerPath: string
  readonly #ledger: Ledger = { pids: [], namespaces: [], folders: [] }
  /** Distinguishes what several runs make at once. */
  readonly #id: string
  readonly switches = new Map<string, RigSwitch>()

  constructor(env: Env, spec: LabSpec, statePath: string) {
    this.#env = env
    this.#spec = spec
    this.#ledgerPath = statePath
    this.#id = `${(env.random.uint32() & 0xfffff).toString(36)}`
  }

  async up(openflowPort: number, isTso: boolean): Promise<void> {
    await clear(this.#ledgerPath)
    await Promise.all(this.#spec.switches.map(spec => this.#startSwitch(spec, isTso)))
    await Promise.all(this.#spec.hosts.map(spec => this.#startHost(spec, isTso)))
    for (const link of this.#spec.links) await this.#wire(link, isTso)
    await Promise.all([...this.switches.values()].map(each => this.#bridge(each, openflowPort)))
  }

  /** The namespace of a host. */
  hostNamespace(name: string): string {
    return `sl${this.#id}h-${name}`
  }

  retarget(openflowPort: number): void {
    for (const each of this.switches.values()) each.relay.retarget(openflowPort)
  }

  /** Cuts or mends a link by the carrier of one of its ends. */
  async setLink(link: LinkSpec, isUp: boolean): Promise<void> {
    const namespace = this.#switchNamespace(link.a.name)
    await sh(
      'ip',
      '-n',
      namespace,
      'link',
      'set',
      portName(link.a.name, link.a.port),
      isUp ? 'up' : 'down',
    )
  }

  /** `ovs-appctl` of one switch. */
  async appctl(name: string, ...words: string[]): Promise<string> {
    return sh('ovs-appctl', '-t', join(this.switches.get(name)!.folder, 'vsw.ctl'), ...words)
  }

  async ofctl(name: string, command: string, ...words: string[]): Promise<string> {
    const { folder } = this.switches.get(name)!
    return sh(
      'ovs-ofctl',
      '-O',
      'OpenFlow13',
      command,
      `unix:${join(folder, `${name}.mgmt`)}`,
      ...words,
    )
  }

  async down(): Promise<void> {
    for (const each of this.switches.values()) {
      each.client.close()
      await each.relay.stop()
    }
    this.switches.clear()
    await clear(this.#ledgerPath)
  }

  #note(change: Partial<Ledger>): void {
    this.#ledger.pids.push(...(change.pids ?? []))
    this.#ledger.namespaces.push(...(change.namespaces ?? []))
    this.#ledger.folders.push(...(change.folders ?? []))
    mkdirSync(join(this.#ledgerPath, '..'), { recursive: true })
    writeFileSync(this.#ledgerPath, JSON.stringify(this.#ledger))
  }

  #switchNamespace(name: string): string {
    return `sl${this.#id}s-${name}`
  }

  async #startSwitch(spec: SwitchSpec, isTso: boolean): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-lab-'))
    const namespace = this.#switchNamespace(spec.name)
    this.#note({ folders: [folder], namespaces: [namespace] })
    await sh('ip', 'netns', 'add', namespace)
    await sh('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    const database = join(folder, 'conf.db')
    await sh('ovsdb-tool', 'create', database, schema)
    const environment = [
      'env',
      `OVS_RUNDIR=${folder}`,
      `OVS_DBDIR=${folder}`,
      `OVS_LOGDIR=${folder}`,
    ]
    const inside = ['netns', 'exec', namespace, ...environment]
    const socket = join(folder, 'db.sock')
    const common = (program: string, control: string) => [
      `--pidfile=${join(folder, `${program}.pid`)}`,
      `--log-file=${join(folder, `${program}.log`)}`,
      `--unixctl=${join(folder, control)}`,
      '--detach',
      '--no-chdir',
      '-vconsole:off',
    ]
    await sh(
      'ip',
      ...inside,
      'ovsdb-server',
      database,
      `--remote=punix:${socket}`,
      '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
      ...common('ovsdb-server', 'ovsdb.ctl'),
    )
    this.#notePid(join(folder, 'ovsdb-server.pid'))
    const settings = isTso
      ? ['other_config:userspace-tso-enable=true']
      : ['other_config:sluice-lab=true']
    await sh(
      'ovs-vsctl',
      `--db=unix:${socket}`,
      '--no-wait',
      'init',
      '--',
      'set',
      'Open_vSwitch',
      '.',
      ...settings,
    )
    await sh(
      'ip',
      ...inside,
      'ovs-vswitchd',
      `unix:${socket}`,
      '--disable-system',
      ...common('ovs-vswitchd', 'vsw.ctl'),
    )
    this.#notePid(join(folder, 'ovs-vswitchd.pid'))
    const client = await OvsdbClient.connect(this.#env, { path: socket })
    const relay = await Relay.start(join(folder, 'controller.sock'), 0)
    this.switches.set(spec.name, {
      spec,
      namespace,
      folder,
      client,
      relay,
      ovs: new OpenVswitch(this.#env, client),
    })
  }

  #notePid(path: string): void {
    this.#note({ pids: [Number(readFileSync(path, 'utf8'))] })
  }

  async #startHost(spec: HostSpec, isTso: boolean): Promise<void> {
    const namespace = this.hostNamespace(spec.name)
    this.#note({ namespaces: [namespace] })
    await sh('ip', 'netns', 'add', namespace)
    await sh('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    const port = portName(spec.at.name, spec.at.port)
    await sh(
      'ip',
      'link',
      'add',
      port,
      'netns',
      this.#switchNamespace(spec.at.name),
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      namespace,
    )
    await sh('ip', '-n', namespace, 'link', 'set', 'eth0', 'address', spec.mac)
    if (!isTso) await this.#offloadsOff(namespace, 'eth0')
    await sh('ip', '-n', namespace, 'link', 'set', 'eth0', 'up')
    await sh('ip', '-n', this.#switchNamespace(spec.at.name), 'link', 'set', port, 'up')
    for (const ip of spec.ips)
      await sh(
        'ip',
        '-n',
        namespace,
        'addr',
        'add',
        ip,
        'dev',
        'eth0',
        ...(ip.includes(':') ? ['nodad'] : []),
      )
    for (const route of spec.routes)
      await sh('ip', '-n', namespace, 'route', 'add', route, 'dev', 'eth0')
  }

  async #offloadsOff(namespace: string, device: string): Promise<void> {
    await sh('ip', 'netns', 'exec', namespace, 'ethtool', '-K', device, 'tx', 'off')
  }

  async #wire(link: LinkSpec, isTso: boolean): Promise<void> {
    const a = portName(link.a.name, link.a.port)
    const b = portName(link.b.name, link.b.port)
    const [inA, inB] = [this.#switchNamespace(link.a.name), this.#switchNamespace(link.b.name)]
    await sh('ip', 'link', 'add', a, 'netns', inA, 'type', 'veth', 'peer', 'name', b, 'netns', inB)
    for (const [namespace, device] of [
      [inA, a],
      [inB, b],
    ] as const) {
      await sh('ip', '-n', namespace, 'link', 'set', device, 'mtu', '9000', 'up')
      if (!isTso) await this.#offloadsOff(namespace, device)
    }
  }

  async #bridge(each: RigSwitch, openflowPort: number): Promise<void> {
    each.relay.retarget(openflowPort)
    const { name, dpid } = each.spec
    await each.ovs.ensureBridge({
      name,
      datapathType: 'netdev',
      failMode: 'secure',
      protocols: ['OpenFlow13'],
      datapathId: dpid,
    })
    for (const port of portsOf(this.#spec, name))
      await each.ovs.ensurePort(name, { name: portName(name, port), number: port })
    // Last, so that the controller meets a switch that is whole.
    await each.ovs.ensureBridge({ name, controllers: [`unix:${each.relay.path}`] })
  }
}

/** `s1-eth2`, as Mininet names them. */
export const portName = (name: string, port: number): string => `${name}-eth${port}`

const portsOf = (spec: LabSpec, name: string): number[] =>
  [
    ...spec.hosts.filter(host => host.at.name === name).map(host => host.at.port),
    ...spec.links
      .flatMap(({ a, b }) => [a, b])
      .filter(end => end.name === name)
      .map(end => end.port),
  ].sort((x, y) => x - y)

/** Ends the processes and removes the namespaces and folders that a run wrote down. */
export const clear = async (ledgerPath: string): Promise<void> => {
  let ledger: Ledger
  try {
    ledger = JSON.parse(readFileSync(ledgerPath, 'utf8')) as Ledger
  } catch {
    // Nothing was written down: there is nothing to clear.
    return
  }
  // ovs-vswitchd before its database, newest first.
  for (const pid of ledger.pids.reverse()) if (isOvs(pid)) process.kill(pid, 'SIGTERM')
  for (let tries = 0; tries < 40 && ledger.pids.some(isOvs); tries++) await sleep(50)
  for (const pid of ledger.pids) if (isOvs(pid)) process.kill(pid, 'SIGKILL')
  await Promise.all(ledger.namespaces.map(namespace => trySh('ip', 'netns', 'del', namespace)))
  for (const folder of ledger.folders) rmSync(folder, { recursive: true, force: true })
  rmSync(ledgerPath, { force: true })
}

/** The number may belong to somebody else by now. */
const isOvs = (pid: number): boolean => {
  if (!isAlive(pid)) return false
  try {
    return /ovs(-vswitchd|db-server)/.test(readFileSync(`/proc/${pid}/comm`, 'utf8'))
  } catch {
    return false
  }
}
