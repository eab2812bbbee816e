/**
 * The Linux firewall: a namespace that routes between hosts, with nftables and kernel connection tracking.
 * The hosts are configured as on the switches; neighbours are written down, so that the router stands in
 * between though all addresses are on one link.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AgentHosts, agentPath } from '../../../src/lab/agents.js'
import type { HostSpec, LabSpec } from '../../../src/lab/lab-spec.js'
import { clear, Ledger } from '../../../src/lab/ledger.js'
import { sh, start } from '../../../src/lab/shell.js'

export const routerMac = '02:00:00:00:02:01'

export class LinuxRouter extends AgentHosts {
  readonly #hosts: readonly HostSpec[]
  readonly #folder: string
  readonly #ledgerPath: string
  readonly #ledger: Ledger
  readonly #id: string

  /** @param folder for notes and rule files @param id of a few letters, for the names of namespaces */
  constructor(spec: LabSpec, folder: string, id: string) {
    super(spec)
    this.#hosts = spec.hosts
    this.#folder = folder
    this.#ledgerPath = join(folder, 'linux.json')
    this.#ledger = new Ledger(this.#ledgerPath)
    this.#id = id
  }

  async up(): Promise<void> {
    await this.#namespace(this.#router)
    // No rejection is withheld because there were many.
    await this.#sysctl(this.#router, {
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 1,
      // As it is by default: what is in the middle of a TCP session opens one that is not known.
      'net.netfilter.nf_conntrack_tcp_loose': 1,
      'net.ipv4.icmp_ratelimit': 0,
      'net.ipv6.icmp.ratelimit': 0,
      'net.ipv4.conf.all.send_redirects': 0,
    })
    const own = `-n ${this.#router} addr add`
    await sh('ip', ...`${own} 10.255.0.1/32 dev lo`.split(' '))
    await sh('ip', ...`${own} fd00::ffff:1/128 dev lo`.split(' '))
    for (const host of this.#hosts) await this.#plug(host)
    await this.start(host => {
      const [command = '', ...words] = [...this.enter(host), process.execPath, agentPath]
      return start(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    })
  }

  /** Replaces all rules, and forgets all connections. */
  async load(rules: string): Promise<void> {
    const path = join(this.#folder, 'rules.nft')
    writeFileSync(path, `flush ruleset\n${rules}`)
    await sh('ip', 'netns', 'exec', this.#router, 'nft', '-f', path)
    await sh('ip', 'netns', 'exec', this.#router, 'conntrack', '-F')
  }

  enter(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespaceOf(host)]
  }

  protected interfaceOf(_host: string, index: 0 | 1): string {
    return `eth${index}`
  }

  async down(): Promise<void> {
    await this.stop()
    await clear(this.#ledgerPath)
  }

  get #router(): string {
    return `${this.#id}-router`
  }

  #namespaceOf(host: string): string {
    return `${this.#id}-${host}`
  }

  async #namespace(name: string): Promise<void> {
    this.#ledger.namespace(name)
    await sh('ip', 'netns', 'add', name)
    await sh('ip', '-n', name, 'link', 'set', 'lo', 'up')
  }

  async #sysctl(namespace: string, values: Readonly<Record<string, number>>): Promise<void> {
    const words = Object.entries(values).map(([name, value]) => `${name}=${value}`)
    await sh('ip', 'netns', 'exec', namespace, 'sysctl', '-q', '-w', ...words)
  }

  async #plug(host: HostSpec): Promise<void> {
    const inside = this.#namespaceOf(host.name)
    await this.#namespace(inside)
    const ip = (line: string) => sh('ip', ...line.split(' '))
    await ip(
      `link add v-${host.name} netns ${this.#router} address ${routerMac} type veth peer name eth0 netns ${inside}`,
    )
    await ip(`-n ${inside} link set eth0 address ${host.mac}`)
    await ip(`-n ${inside} link set eth0 up`)
    await ip(`-n ${this.#router} link set v-${host.name} up`)
    for (const address of host.ips) {
      const isV6 = address.includes(':')
      await ip(`-n ${inside} addr add ${address} dev eth0${isV6 ? ' nodad' : ''}`)
      const alone = `${address.split('/')[0]}/${isV6 ? 128 : 32}`
      await ip(`-n ${this.#router} route add ${alone} dev v-${host.name}`)
      await ip(
        `-n ${this.#router} neigh add ${address.split('/')[0]} lladdr ${host.mac} dev v-${host.name} nud permanent`,
      )
    }
    for (const other of this.#hosts.filter(each => each !== host))
      for (const address of other.ips)
        await ip(
          `-n ${inside} neigh add ${address.split('/')[0]} lladdr ${routerMac} dev eth0 nud permanent`,
        )
    for (const address of ['10.255.0.1', 'fd00::ffff:1'])
      await ip(`-n ${inside} neigh add ${address} lladdr ${routerMac} dev eth0 nud permanent`)
  }
}
