/**
 * One topology twice: on Open vSwitch with a router of ours, and with a namespace of Linux that routes and translates by
 * nftables. Hosts, servers and the network beyond the provider are the same.
 *
 *   a (staff), w (servers) at s1 ── s2 at b (staff), d (servers), isp (wan, the uplink) ── out, in 198.51.100.0/24
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { sh } from '../../../src/lab/shell.js'
import { type OvsNetwork, withOvs } from '../../topology/ovs/rig.js'
import { Internet } from '../router/internet.js'

const peer = new URL('../../../../test/nfv/nat/peer.py', import.meta.url).pathname

const network = `title: Translated addresses
switches: [s1, s2]
links:
  - [s1:10, s2:10]
hosts:
  a: { at: s1:1, ips: [10.1.0.1/24, "fd00:1::1/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  b: { at: s2:1, ips: [10.1.0.2/24, "fd00:1::2/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"] }
  w: { at: s1:2, ips: [10.2.0.1/24, "fd00:2::1/64"], routes: [default via 10.2.0.254, "default via fd00:2::fe"] }
  d: { at: s2:2, ips: [10.2.0.2/24, "fd00:2::2/64"], routes: [default via 10.2.0.254, "default via fd00:2::fe"] }
  isp: { at: s2:3, ips: [203.0.113.1/24, "2001:db8::1/64"] }
objects:
  - { kind: Network, name: staff, spec: { number: 10, access: [s1:1, s2:1] } }
  - { kind: Network, name: servers, spec: { number: 20, access: [s1:2, s2:2] } }
  - { kind: Network, name: wan, spec: { number: 30, access: [s2:3] } }
  - { kind: Port, name: outside, spec: { at: s2:3, role: uplink } }
  - kind: Router
    name: main
    spec:
      interfaces:
        - { network: staff, addresses: [10.1.0.254/24, "fd00:1::fe/64"] }
        - { network: servers, addresses: [10.2.0.254/24, "fd00:2::fe/64"] }
        - { network: wan, addresses: [203.0.113.10/24, "2001:db8::10/64"], advertise: false }
      routes:
        - { to: 0.0.0.0/0, via: 203.0.113.1 }
        - { to: "::/0", via: "2001:db8::1" }
`

export interface Asked {
  readonly source?: number
  readonly size?: number
}

/** Hosts that can be asked to do something, wherever they are. */
export class Hosts {
  readonly #namespaceOf: (name: string) => string
  readonly #servers: ChildProcess[] = []

  constructor(namespaceOf: (name: string) => string) {
    this.#namespaceOf = namespaceOf
  }

  /** What a shell prints there, whether it succeeds or not. */
  run(name: string, line: string): Promise<string> {
    const words = ['netns', 'exec', this.#namespaceOf(name), 'sh', '-c', `${line} 2>&1 || true`]
    return sh('ip', ...words)
  }

  /** Whom the other end has heard, `ADDRESS PORT SIZE`; or `refused`, `unreachable`, `silent`. */
  async ask(
    from: string,
    kind: 'tcp' | 'udp',
    to: string,
    port: number,
    { source = 0, size = 8 }: Asked = {},
  ): Promise<string> {
    return (
      await this.run(from, `python3 ${peer} ask ${kind} ${source} ${to} ${port} ${size}`)
    ).trim()
  }

  async serve(name: string, ...ports: readonly number[]): Promise<void> {
    const words = ['netns', 'exec', this.#namespaceOf(name), 'python3', peer, 'serve']
    const server = spawn('ip', [...words, ...ports.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#servers.push(server)
    await new Promise(resolve => server.stdout.once('data', resolve))
  }

  stop(): void {
    for (const server of this.#servers) server.kill()
  }
}

export interface Site {
  readonly net: OvsNetwork
  readonly hosts: Hosts
  rules(text: string): Promise<void>
}

export const withSite = (work: (site: Site) => Promise<void>): Promise<void> =>
  withOvs(network, async net => {
    const namespaceOf = (name: string) => net.stage.rig.hostNamespace(name)
    const internet = await Internet.behind(namespaceOf('isp'), beyond)
    const hosts = new Hosts(name => (name === 'out' ? internet.namespace : namespaceOf(name)))
    try {
      for (const name of ['out', 'a', 'w', 'd']) await hosts.serve(name, 80, 4000, 8080)
      await work({
        net,
        hosts,
        rules: async text => {
          await net.controller.send('PUT', '/api/v1/policies/topology?wait=installed', {
            source: text,
          })
        },
      })
    } finally {
      hosts.stop()
      await internet.down()
    }
  })

const beyond = [
  ['198.51.100.9/24', '198.51.100.1/24'],
  ['2001:db8:1::9/64', '2001:db8:1::1/64'],
] as const

const places = {
  a: ['staff', '10.1.0.1'],
  b: ['staff', '10.1.0.2'],
  w: ['servers', '10.2.0.1'],
  d: ['servers', '10.2.0.2'],
  isp: ['wan', '203.0.113.1'],
} as const

/** The same for IPv4 with a router of Linux. */
export class LinuxSite {
  readonly hosts: Hosts
  readonly #id: string
  #internet: Internet | undefined

  constructor(id: string) {
    this.#id = id
    this.hosts = new Hosts(name =>
      name === 'out' ? (this.#internet?.namespace ?? '') : `${id}-${name}`,
    )
  }

  async up(): Promise<void> {
    const router = `${this.#id}-router`
    const ip = (line: string) => sh('ip', ...line.split(' '))
    const within = (line: string) => ip(`-n ${router} ${line}`)
    await this.#namespace(router)
    await sh('ip', 'netns', 'exec', router, 'sysctl', '-qw', ...sysctls)
    for (const [name, address] of [
      ['staff', '10.1.0.254/24'],
      ['servers', '10.2.0.254/24'],
      ['wan', '203.0.113.10/24'],
    ] as const) {
      await within(`link add ${name} type bridge`)
      await within(`link set ${name} up`)
      await within(`addr add ${address} dev ${name}`)
    }
    // Statements may publish these: the router answers for them.
    for (const last of others) await within(`addr add 203.0.113.${last}/32 dev wan`)
    await within('route add default via 203.0.113.1')
    for (const [name, [segment, address]] of Object.entries(places)) {
      const inside = `${this.#id}-${name}`
      await this.#namespace(inside)
      await ip(`link add v-${name} netns ${router} type veth peer name eth0 netns ${inside}`)
      await within(`link set v-${name} master ${segment} up`)
      await ip(`-n ${inside} link set eth0 up`)
      await ip(`-n ${inside} addr add ${address}/24 dev eth0`)
      const gateway = address.replace(/\.\d+$/, '.254')
      if (name !== 'isp') await ip(`-n ${inside} route add default via ${gateway}`)
    }
    this.#internet = await Internet.behind(`${this.#id}-isp`, beyond.slice(0, 1))
    for (const name of ['out', 'a', 'w', 'd']) await this.hosts.serve(name, 80, 4000, 8080)
  }

  /** Replaces all rules, and forgets all connections. */
  async load(rules: string): Promise<void> {
    const router = `${this.#id}-router`
    const text = `flush ruleset\n${rules}`
    await sh('ip', 'netns', 'exec', router, 'sh', '-c', `cat <<'EOF' | nft -f -\n${text}\nEOF`)
    await sh('ip', 'netns', 'exec', router, 'sh', '-c', 'conntrack -F 2>/dev/null || true')
  }

  async down(): Promise<void> {
    this.hosts.stop()
    await this.#internet?.down().catch(() => undefined)
    for (const name of ['router', ...Object.keys(places)])
      await sh('ip', 'netns', 'del', `${this.#id}-${name}`).catch(() => undefined)
  }

  async #namespace(name: string): Promise<void> {
    await sh('ip', 'netns', 'add', name)
    await sh('ip', '-n', name, 'link', 'set', 'lo', 'up')
  }
}

/** Last numbers of addresses of the uplink's subnet that statements may use. */
export const others = [20, 21, 30] as const

const sysctls = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.default.send_redirects=0',
  'net.ipv4.conf.all.rp_filter=0',
]
