/** Networks of a thousand switches in one process, to see what a controller makes of them. */
import type { Dpid } from '../base/addresses.js'
import type { Address, Env } from '../base/env/env.js'
import { type HostSpec, type LinkSpec, type NetworkSpec, SimulatedNetwork } from './network.js'

export interface LoadOptions {
  readonly switchCount: number
  /** Usually 0. */
  readonly hostsPerSwitch?: number
  /** `grid`: each switch has up to four neighbours; `tree`: each has up to eight below it. Usually grid. */
  readonly shape?: 'grid' | 'tree' | 'ring'
}

export interface LoadReport {
  /** Until every switch had heard a hello; absent when not all of them did. */
  readonly connectedMillis?: number
  readonly connectedCount: number
  readonly flowCount: number
  readonly groupCount: number
  /** Packets that the switches sent to the controller. */
  readonly packetInCount: number
  readonly carried: number
  readonly dropped: number
}

export class Load {
  readonly network: SimulatedNetwork
  readonly #env: Env
  #connectedMillis: number | undefined

  constructor(env: Env, options: LoadOptions) {
    this.#env = env
    this.network = SimulatedNetwork.create(env, loadSpec(options))
  }

  /** Connects all switches; false when some have no controller after `timeoutMillis`. */
  async start(controller: Address, timeoutMillis: number): Promise<boolean> {
    const beginMillis = this.#env.clock.nowMillis()
    this.network.start(controller)
    const isWhole = await this.network.connected(timeoutMillis)
    if (isWhole) this.#connectedMillis = this.#env.clock.nowMillis() - beginMillis
    return isWhole
  }

  /** All hosts tell who they are: as many packet-ins at once as there are hosts. */
  announceAll(): void {
    for (const host of this.network.hosts.values()) host.announce()
  }

  report(): LoadReport {
    const switches = [...this.network.switches.values()]
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
    const { carried, dropped } = this.network.counters
    return {
      ...(this.#connectedMillis !== undefined && { connectedMillis: this.#connectedMillis }),
      connectedCount: switches.filter(one => one.isConnected).length,
      flowCount: sum(switches.map(one => one.datapath.flows.count)),
      groupCount: sum(switches.map(one => one.datapath.groups.count)),
      packetInCount: sum(switches.map(one => one.counters.toController)),
      carried,
      dropped,
    }
  }

  stop(): void {
    this.network.stop()
  }
}

/** Ports of switches: hosts from here on, links below. */
const firstHostPort = 10

/** The network of a load: switches `s1`, `s2`, ..., hosts `h1-1`, `h1-2`, ... */
export const loadSpec = ({
  switchCount,
  hostsPerSwitch = 0,
  shape = 'grid',
}: LoadOptions): NetworkSpec => {
  const switches = Array.from({ length: switchCount }, (_, index) => ({
    name: nameOf(index),
    dpid: (index + 1).toString(16).padStart(16, '0') as Dpid,
  }))
  const hosts = switches.flatMap(({ name }, index) =>
    Array.from(
      { length: hostsPerSwitch },
      (_, host): HostSpec => ({
        name: `h${index + 1}-${host + 1}`,
        at: { name, port: firstHostPort + host },
      }),
    ),
  )
  return { switches, hosts, links: shapes[shape](switchCount) }
}

const nameOf = (index: number): string => `s${index + 1}`

const link = (a: number, portA: number, b: number, portB: number): LinkSpec => ({
  a: { name: nameOf(a), port: portA },
  b: { name: nameOf(b), port: portB },
})

/** Ports 1 and 2 lead to the right and from the left, 3 and 4 down and up. */
const grid = (count: number): LinkSpec[] => {
  const width = Math.ceil(Math.sqrt(count))
  const links: LinkSpec[] = []
  for (let index = 0; index < count; index++) {
    const isLastOfRow = index % width === width - 1
    if (!isLastOfRow && index + 1 < count) links.push(link(index, 1, index + 1, 2))
    if (index + width < count) links.push(link(index, 3, index + width, 4))
  }
  return links
}

const childrenCount = 8

/** Port 9 leads up, ports 1 to 8 down. */
const tree = (count: number): LinkSpec[] =>
  Array.from({ length: Math.max(count - 1, 0) }, (_, index) =>
    link(Math.floor(index / childrenCount), (index % childrenCount) + 1, index + 1, 9),
  )

/** Port 1 leads on, port 2 back. */
const ring = (count: number): LinkSpec[] =>
  count < 3
    ? grid(count)
    : Array.from({ length: count }, (_, index) => link(index, 1, (index + 1) % count, 2))

const shapes = { grid, tree, ring }
