/**
 * Real Open vSwitch on this machine, touching nothing else: every switch has a network namespace, a run
 * directory, an ovsdb-server and an ovs-vswitchd of its own; every host has a namespace. What was made is
 * written down as it is made, so that a later run clears up after one that was killed.
 */
import { dirname, join } from 'node:path'
import type { Env } from '../base/env/env.js'
import type { End, HostSpec, LabSpec, LinkSpec, SwitchSpec } from './lab-spec.js'
import { clear, clearStale, Ledger } from './ledger.js'
import { killVswitchd, type OvsPlace, restartVswitchd, startOvs, startVswitchd } from './ovs.js'
import { Relay } from './relay.js'
import { sh, start, trySh } from './shell.js'

/** Tags frames of a host whose kernel cannot. */
const tagger = new URL('../../../labs/common/tag_frames.py', import.meta.url).pathname

export interface RigSwitch extends OvsPlace {
  readonly spec: SwitchSpec
  readonly relay: Relay
}

export class Rig {
  readonly #spec: LabSpec
  readonly #ledgerPath: string
  readonly #ledger: Ledger
  readonly #daemons: string
  /** Distinguishes what several runs make at once. */
  readonly #id: string
  readonly switches = new Map<string, RigSwitch>()

  /** @param daemons the folder for those of Open vSwitch */
  constructor(env: Env, spec: LabSpec, statePath: string, daemons: string) {
    this.#spec = spec
    this.#ledgerPath = statePath
    this.#daemons = daemons
    this.#ledger = new Ledger(statePath)
    this.#id = `${(env.random.uint32() & 0xfffff).toString(36)}`
  }

  async up(openflowPort: number, isTso: boolean): Promise<void> {
    await clearStale(dirname(this.#ledgerPath))
    await Promise.all(this.#spec.switches.map(spec => this.#startSwitch(spec, isTso)))
    await Promise.all(this.#spec.hosts.map(spec => this.#startHost(spec, isTso)))
    for (const link of this.#spec.links) await this.#wire(link, isTso)
    await Promise.all([...this.switches.values()].map(each => this.#bridge(each, openflowPort)))
  }

  /** The namespace of a switch. */
  switchNamespace(name: string): string {
    return `sl${this.#id}s-${name}`
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
    const namespace = this.switchNamespace(link.a.name)
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

  /** Kills the daemon of one switch and starts it again, empty. */
  restartSwitch(name: string): Promise<void> {
    return restartVswitchd(this.#ledger, this.switches.get(name)!)
  }

  /** Ends the daemon of one switch, and the carrier of all its cables. */
  async killSwitch(name: string): Promise<void> {
    await killVswitchd(this.switches.get(name)!)
    await this.#setCarrier(name, 'down')
  }

  /** Starts it again, empty. */
  async reviveSwitch(name: string): Promise<void> {
    await startVswitchd(this.#ledger, this.switches.get(name)!)
    await this.#setCarrier(name, 'up')
  }

  async #setCarrier(name: string, state: 'up' | 'down'): Promise<void> {
    for (const port of portsOf(this.#spec, name))
      await sh('ip', '-n', this.switchNamespace(name), 'link', 'set', portName(name, port), state)
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
    for (const each of this.switches.values()) await each.relay.stop()
    this.switches.clear()
    await clear(this.#ledgerPath)
  }

  async #startSwitch(spec: SwitchSpec, isTso: boolean): Promise<void> {
    const place = await startOvs(
      this.#ledger,
      this.switchNamespace(spec.name),
      isTso,
      this.#daemons,
    )
    const relay = await Relay.start(join(place.folder, 'controller.sock'), 0)
    this.switches.set(spec.name, { ...place, spec, relay })
  }

  async #startHost(spec: HostSpec, isTso: boolean): Promise<void> {
    const namespace = this.hostNamespace(spec.name)
    this.#ledger.namespace(namespace)
    await sh('ip', 'netns', 'add', namespace)
    await sh('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    await this.#plug(namespace, 'eth0', spec.at, isTso)
    const ip = (line: string) => sh('ip', '-n', namespace, ...line.split(' '))
    await ip(`link set eth0 address ${spec.mac}`)
    await ip('link set eth0 up')
    const device = spec.vlan === undefined ? 'eth0' : await this.#tagged(namespace, spec, spec.vlan)
    for (const each of spec.ips)
      await ip(`addr add ${each} dev ${device}${each.includes(':') ? ' nodad' : ''}`)
    for (const route of spec.routes) await ip(`route add ${route} dev ${device}`)
    // Dead until the host moves there.
    if (spec.spare) await this.#plug(namespace, 'eth1', spec.spare, isTso)
  }

  /** The interface of a host behind which its frames carry a tag; by a process where the kernel cannot do it. */
  async #tagged(namespace: string, { mac }: HostSpec, vlan: number): Promise<string> {
    const ip = (line: string) => trySh('ip', '-n', namespace, ...line.split(' '))
    const device = `eth0.${vlan}`
    if ((await ip(`link add link eth0 name ${device} type vlan id ${vlan}`)) !== undefined) {
      await ip(`link set ${device} up`)
      return device
    }
    await sh('ip', '-n', namespace, ...'link add lan type veth peer name untagged'.split(' '))
    for (const line of [`lan address ${mac}`, 'lan up', 'untagged up'])
      await sh('ip', '-n', namespace, 'link', 'set', ...line.split(' '))
    await this.#offloadsOff(namespace, 'lan')
    const words = ['netns', 'exec', namespace, '/usr/bin/python3', tagger]
    const child = start('ip', [...words, 'eth0', String(vlan), 'untagged'], { stdio: 'ignore' })
    this.#ledger.process(child.pid!, tagger)
    return 'lan'
  }

  /** An interface of a host, with its other end at a port of a switch. */
  async #plug(namespace: string, device: string, at: End, isTso: boolean): Promise<void> {
    const port = portName(at.name, at.port)
    const switchNamespace = this.switchNamespace(at.name)
    const line = `link add ${port} netns ${switchNamespace} type veth peer name ${device} netns ${namespace}`
    await sh('ip', ...line.split(' '))
    if (!isTso) await this.#offloadsOff(namespace, device)
    await sh('ip', '-n', switchNamespace, 'link', 'set', port, 'up')
  }

  async #offloadsOff(namespace: string, device: string): Promise<void> {
    await sh('ip', 'netns', 'exec', namespace, 'ethtool', '-K', device, 'tx', 'off')
  }

  async #wire(link: LinkSpec, isTso: boolean): Promise<void> {
    const a = portName(link.a.name, link.a.port)
    const b = portName(link.b.name, link.b.port)
    const [inA, inB] = [this.switchNamespace(link.a.name), this.switchNamespace(link.b.name)]
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
    const vsctl = (...words: string[]) => sh('ovs-vsctl', `--db=unix:${each.socket}`, ...words)
    const settings = ['datapath_type=netdev', 'fail_mode=secure', 'protocols=OpenFlow13']
    const bridge = ['add-br', name, '--', 'set', 'Bridge', name, ...settings]
    await vsctl(...bridge, `other_config:datapath-id=${dpid}`)
    const ports = portsOf(this.#spec, name).flatMap(number => {
      const port = portName(name, number)
      return [
        '--',
        'add-port',
        name,
        port,
        '--',
        'set',
        'Interface',
        port,
        `ofport_request=${number}`,
      ]
    })
    if (ports.length > 0) await vsctl(...ports.slice(1))
    // Last, so that the controller meets a switch that is whole.
    await vsctl(
      ...['set-controller', name, `unix:${each.relay.path}`, '--', 'set', 'Controller', name],
      ...['max_backoff=1000', 'inactivity_probe=5000', 'connection_mode=out-of-band'],
    )
  }
}

/** `s1-eth2`, as Mininet names them. */
export const portName = (name: string, port: number): string => `${name}-eth${port}`

const portsOf = (spec: LabSpec, name: string): number[] =>
  [
    ...spec.hosts
      .flatMap(({ at, spare }) => (spare ? [at, spare] : [at]))
      .filter(end => end.name === name)
      .map(end => end.port),
    ...spec.links
      .flatMap(({ a, b }) => [a, b])
      .filter(end => end.name === name)
      .map(end => end.port),
  ].sort((x, y) => x - y)
