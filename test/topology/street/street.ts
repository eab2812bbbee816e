/**
 * A small network as people build them, twice: of switches that nobody manages, and of ours without a policy. The same
 * things happen in both (machines are plugged in, move, change MACs and addresses, addresses go from one to another, a
 * router passes packets on, an unmanaged switch with machines has a second cable to us, the controller restarts), and
 * what arrives there must arrive here.
 *
 *     plain:  s1 ── s2 ── s3      hub on s1
 *     ours:   s1, s2, s3 in a ring, hub on s1 and s2
 */

import { type Ipv4, ipNumber } from '../../../src/base/addresses.js'
import type { Timers } from '../../../src/base/env/env.js'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import { defaultDiscovery } from '../../../src/topology/discovery/discovery.js'
import type { GuardLevel } from '../../../src/topology/hosts/guard-level.js'
import { defaultHosts } from '../../../src/topology/hosts/hosts.js'
import { end, ring, Whole } from '../whole.js'
import { LearningSwitch } from './learning-switch.js'
import { Machine } from './machine.js'

export const switchSockets = ['s1', 's2', 's3'].flatMap(name =>
  [10, 11, 12, 14].map(port => `${name}:${port}`),
)
export const hubSockets = ['hub:0', 'hub:1', 'hub:2']
export const uplinks = ['s1:13', 's2:13'] as const

export interface Occupant {
  receive(frame: Uint8Array): void
}

/** Where something can be plugged in. */
export interface Socket {
  occupant: Occupant | undefined
  setUp(isUp: boolean): void
  send(frame: Uint8Array): void
}

/** Time goes on as it is told to, or by itself. */
export interface StreetEnv {
  readonly timers: Timers
  readonly clock: { nowMillis(): number }
  advance(millis: number): Promise<void>
}

export abstract class Street {
  abstract readonly env: StreetEnv
  readonly machines = new Map<string, Machine>()
  readonly sockets = new Map<string, Socket>()
  readonly #placeOf = new Map<string, string>()

  add(name: string, mac: number, ...ips: Ipv4[]): Machine {
    const machine = new Machine(this.env, name, mac, ...ips)
    this.machines.set(name, machine)
    return machine
  }

  plug(name: string, place: string): void {
    this.unplug(name)
    const socket = this.sockets.get(place)!
    const machine = this.machines.get(name)!
    socket.occupant = machine
    socket.setUp(true)
    machine.send = frame => socket.send(frame)
    this.#placeOf.set(name, place)
  }

  unplug(name: string): void {
    const place = this.#placeOf.get(name)
    if (place === undefined) return
    this.#placeOf.delete(name)
    const socket = this.sockets.get(place)!
    socket.occupant = undefined
    socket.setUp(false)
    this.machines.get(name)!.send = () => undefined
  }

  placeOf(name: string): string | undefined {
    return this.#placeOf.get(name)
  }

  /** Link down and up, at the place where it is. */
  flap(name: string): void {
    const place = this.#placeOf.get(name)
    if (place === undefined) return
    this.sockets.get(place)!.setUp(false)
    this.sockets.get(place)!.setUp(true)
  }

  /** The hub's first cable, or, where there is one, its second. */
  abstract setUplink(index: 0 | 1, isUp: boolean): void
  abstract restartController(): Promise<void>
  /** A switch begins anew, with nothing in its tables. */
  abstract restartSwitch(name: string): void
  abstract stop(): Promise<void>

  protected hub(): LearningSwitch {
    const hub = new LearningSwitch(this.env)
    for (const place of hubSockets) {
      const socket: Socket = { occupant: undefined, setUp: () => undefined, send: () => undefined }
      const port = hub.plug(frame => socket.occupant?.receive(frame))
      socket.setUp = isUp => hub.setUp(port, isUp)
      socket.send = frame => hub.receive(port, frame)
      this.sockets.set(place, socket)
    }
    return hub
  }
}

export class PlainStreet extends Street {
  readonly env = new SimulatedEnv({ seed: 1 })
  readonly #setUplink: (isUp: boolean) => void

  constructor() {
    super()
    const switches = new Map(['s1', 's2', 's3'].map(name => [name, new LearningSwitch(this.env)]))
    const join = (a: LearningSwitch, b: LearningSwitch) => {
      const ports: number[] = []
      ports.push(a.plug(frame => b.receive(ports[1]!, frame)))
      ports.push(b.plug(frame => a.receive(ports[0]!, frame)))
      return (isUp: boolean) => {
        a.setUp(ports[0]!, isUp)
        b.setUp(ports[1]!, isUp)
      }
    }
    join(switches.get('s1')!, switches.get('s2')!)
    join(switches.get('s2')!, switches.get('s3')!)
    for (const place of switchSockets) {
      const one = switches.get(place.split(':')[0]!)!
      const socket: Socket = { occupant: undefined, setUp: () => undefined, send: () => undefined }
      const port = one.plug(frame => socket.occupant?.receive(frame))
      socket.setUp = isUp => one.setUp(port, isUp)
      socket.send = frame => one.receive(port, frame)
      this.sockets.set(place, socket)
    }
    this.#setUplink = join(switches.get('s1')!, this.hub())
  }

  setUplink(index: 0 | 1, isUp: boolean): void {
    if (index === 0) this.#setUplink(isUp)
  }

  async restartController(): Promise<void> {}
  restartSwitch(): void {}
  async stop(): Promise<void> {}
}

export class OurStreet extends Street {
  readonly env: SimulatedEnv
  readonly whole: Whole
  readonly unmanaged: LearningSwitch
  readonly #ports: number[]

  private constructor(whole: Whole) {
    super()
    this.whole = whole
    this.env = whole.env
    for (const place of switchSockets) this.sockets.set(place, this.#socket(place))
    this.unmanaged = this.hub()
    this.#ports = uplinks.map(place => {
      const socket = this.#socket(place)
      const port = this.unmanaged.plug(frame => socket.send(frame))
      socket.occupant = { receive: frame => this.unmanaged.receive(port, frame) }
      this.sockets.set(place, socket)
      return port
    })
  }

  /** @param isJoined false: no cable joins the switches */
  static async start(guard: GuardLevel = 'default', isJoined = true): Promise<OurStreet> {
    const hosts = [...switchSockets, ...uplinks].map(place => {
      const [name, port] = place.split(':') as [string, string]
      return { name: place, at: end(name, Number(port)) }
    })
    const topology = { discovery: defaultDiscovery, hosts: { ...defaultHosts, guard } }
    const network = { ...ring(3), hosts, ...(!isJoined && { links: [] }) }
    const whole = await Whole.start(network, topology)
    const street = new OurStreet(whole)
    for (const { name } of hosts) whole.network.setHost(name, false)
    return street
  }

  setUplink(index: 0 | 1, isUp: boolean): void {
    this.unmanaged.setUp(this.#ports[index]!, isUp)
    this.sockets.get(uplinks[index]!)!.setUp(isUp)
  }

  async restartController(): Promise<void> {
    await this.whole.stopController()
    await this.whole.startController()
  }

  restartSwitch(name: string): void {
    this.whole.network.switch(name).restart()
  }

  stop(): Promise<void> {
    return this.whole.stop()
  }

  #socket(place: string): Socket {
    const [name, port] = place.split(':') as [string, string]
    const { network } = this.whole
    const socket: Socket = {
      occupant: undefined,
      setUp: isUp => network.setHost(place, isUp),
      send: frame => network.switch(name).receive(Number(port), frame.slice()),
    }
    network.host(place).receive = frame => socket.occupant?.receive(frame.slice())
    return socket
  }
}

export const ipOf = (text: string): number => Number(ipNumber(text as Ipv4))
