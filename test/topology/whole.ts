/** The whole controller over a simulated network, in simulated time: same seed, same run. */
import type { Dpid } from '../../src/base/addresses.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { Controller } from '../../src/controller/controller.js'
import type { Switches } from '../../src/controller/declared/declared.js'
import type { JournalEntry } from '../../src/controller/journal.js'
import { MemoryStore } from '../../src/controller/store/memory-store.js'
import type { NetworkFunction } from '../../src/nfv/function.js'
import { listenForSwitches } from '../../src/openflow/index.js'
import { type End, type NetworkSpec, SimulatedNetwork } from '../../src/sim/network.js'
import type { TopologyOptions } from '../../src/topology/topology.js'
import { dpidOf } from './networks.js'

const address = { host: '127.0.0.1', port: 6653 }

export class Whole {
  readonly env: SimulatedEnv
  readonly network: SimulatedNetwork
  readonly store: MemoryStore
  controller: Controller
  #close: () => Promise<void> = async () => undefined
  #starts = 0
  #options: TopologyOptions | undefined
  #functions: readonly NetworkFunction[] | undefined

  private constructor(env: SimulatedEnv, spec: NetworkSpec) {
    this.env = env
    this.network = SimulatedNetwork.create(env, spec)
    this.store = new MemoryStore(env)
    this.controller = undefined as never
  }

  /** Switches are connected, links found, ports decided. */
  static async start(
    spec: NetworkSpec,
    topology?: TopologyOptions,
    functions?: readonly NetworkFunction[],
  ): Promise<Whole> {
    const whole = new Whole(new SimulatedEnv({ seed: 1 }), spec)
    whole.#options = topology
    whole.#functions = functions
    await whole.startController()
    whole.network.start(address)
    await whole.env.advance(3_000)
    return whole
  }

  async startController(): Promise<void> {
    this.#starts++
    const { env } = this
    const controller = await Controller.create(env, this.store, {
      secret: new TextEncoder().encode('a secret of thirty-two octets...'),
      generationId: BigInt(this.#starts),
      ...(this.#options && { topology: this.#options }),
      ...(this.#functions && { functions: this.#functions }),
    })
    const listener = await listenForSwitches(env, address, {
      onSwitch: connection => {
        controller.switchConnected(connection).catch((error: unknown) => {
          env.log.warn({ err: error }, 'a switch could not be taken over')
        })
      },
    })
    controller.start()
    this.controller = controller
    this.#close = async () => {
      await Promise.all([listener.close(), controller.stop()])
    }
  }

  async stopController(): Promise<void> {
    const closed = this.#close()
    await this.env.advance(100)
    await closed
  }

  async stop(): Promise<void> {
    this.network.stop()
    await this.stopController()
  }

  host(name: string) {
    return this.network.host(name)
  }

  /** Milliseconds there and back; undefined when nothing came. */
  async ping(from: string, to: string, timeoutMillis = 1_500): Promise<number | undefined> {
    const ip = this.host(to).ip!
    return this.during(this.host(from).ping(ip, { timeoutMillis }))
  }

  /** Lets time pass until a promise is settled. */
  async during<T>(promise: Promise<T>, limitMillis = 60_000): Promise<T> {
    let isDone = false
    const settled = promise.finally(() => {
      isDone = true
    })
    // A failure is the caller's to see, below; not that of whoever waits here.
    settled.catch(() => undefined)
    await this.env.until(() => isDone, limitMillis)
    return settled
  }

  /** What the journal says of these kinds, without times. */
  events(...kinds: string[]): readonly JournalEntry[] {
    return this.controller.journal.since(0, 100_000).filter(event => kinds.includes(event.kind))
  }
}

/** What declared objects ask of the controller. */
export const switchesOf = (whole: Whole): Switches => ({
  revision: () => whole.controller.nextRevision,
  isConfirmed: dpid => whole.controller.isConfirmed(dpid),
  lacking: revision => whole.controller.lackingObjects(revision),
})

export const end = (name: string, port: number): End => ({ name, port })

export const switchNames = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `s${index + 1}`,
    dpid: dpidOf(index + 1) as Dpid,
  }))

/** `count` switches in a ring, a host at port 10 of each: `h1` at `s1`. */
export const ring = (count: number): NetworkSpec => ({
  switches: switchNames(count),
  hosts: switchNames(count).map(({ name }, index) => ({
    name: `h${index + 1}`,
    at: end(name, 10),
  })),
  links: switchNames(count).map((_, index) => ({
    a: end(`s${index + 1}`, 1),
    b: end(`s${((index + 1) % count) + 1}`, 2),
  })),
})

/** The kind of a message in a bundle, by the second octet of its header. */
const bundled = (message: Uint8Array): string =>
  ({ 13: 'packet-out', 14: 'flow-mod', 15: 'group-mod' })[message[1]!] ?? 'other'

/** Messages of these kinds that all switches have had, bundled ones too, since this was called. */
export const countMessages = (network: SimulatedNetwork): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const one of network.switches.values()) {
    const received = one.received.bind(one)
    one.received = (channel, message) => {
      const kind = message.kind === 'bundle-add' ? bundled(message.message) : message.kind
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      received(channel, message)
    }
  }
  return counts
}

/** What comes to a host, octet by octet, instead of to the host. */
export const tap = (network: SimulatedNetwork, name: string): Uint8Array[] => {
  const frames: Uint8Array[] = []
  network.host(name).receive = frame => void frames.push(frame.slice())
  return frames
}
