/**
 * Simulated switches and hosts, wired together. A frame on a wire is one turn of the loop, or the
 * wire's delay; each wire holds so many frames at most, so a broadcast storm loses frames and not the process.
 */
import { type Dpid, formatIpv4, formatMac, type Ipv4, type Mac } from '../base/addresses.js'
import type { Address, Cancel, Env } from '../base/env/env.js'
import type { ChannelLimits } from './channel.js'
import { type HostOptions, SimulatedHost } from './host.js'
import { SimulatedSwitch } from './switch.js'

export interface SwitchSpec {
  readonly name: string
  readonly dpid: Dpid
}

export interface End {
  readonly name: string
  readonly port: number
}

export interface HostSpec extends Omit<Partial<HostOptions>, 'name'> {
  readonly name: string
  readonly at: End
  /** Where it can move to: a port without a cable until then. */
  readonly spare?: End
}

export interface LinkSpec {
  readonly a: End
  readonly b: End
  readonly delayMillis?: number
}

export interface NetworkSpec {
  readonly switches: readonly SwitchSpec[]
  readonly hosts?: readonly HostSpec[]
  readonly links?: readonly LinkSpec[]
  readonly limits?: Partial<ChannelLimits>
}

export interface NetworkCounters {
  carried: number
  /** Frames that a full wire lost. */
  dropped: number
  /** Frames on wires now. */
  waiting: number
}

/** Frames under way in one direction of one wire, at most. */
const wireCapacity = 1_024
/** Frames that are handed over before everybody else gets a turn. */
const turnSize = 256

interface Wire {
  readonly deliver: (frame: Uint8Array) => void
  readonly delayMillis: number
  isUp: boolean
  /** Loses everything, without a word. */
  isCut: boolean
  waiting: number
}

interface Cable {
  readonly ends: readonly [End, End]
  readonly wires: readonly [Wire, Wire]
}

export class SimulatedNetwork {
  readonly switches: ReadonlyMap<string, SimulatedSwitch>
  readonly hosts: ReadonlyMap<string, SimulatedHost>
  readonly counters: NetworkCounters = { carried: 0, dropped: 0, waiting: 0 }
  readonly #env: Env
  readonly #cables: Cable[] = []
  /** By `switch:port`: what is on the other end. */
  readonly #wireByEnd = new Map<string, Wire>()
  readonly #timers = new Set<Cancel>()
  #queue: { readonly wire: Wire; readonly frame: Uint8Array }[] = []
  #turn: Cancel | undefined
  #isStopped = false

  /** @throws {RangeError} when names or ports do not fit together */
  static create(env: Env, spec: NetworkSpec): SimulatedNetwork {
    return new SimulatedNetwork(env, spec)
  }

  private constructor(env: Env, spec: NetworkSpec) {
    this.#env = env
    const { hosts = [], links = [], limits } = spec
    const portsBySwitch = portsOf(spec)
    this.switches = new Map(
      spec.switches.map(({ name, dpid }) => {
        const ports = portsBySwitch.get(name) ?? []
        const send = (port: number, frame: Uint8Array) => this.#leave(name, port, frame)
        const one = new SimulatedSwitch(env, { dpid, name, ports, send, ...(limits && { limits }) })
        return [name, one]
      }),
    )
    this.hosts = new Map(hosts.map((host, index) => [host.name, this.#plugIn(host, index)]))
    for (const link of links) this.#connect(link)
    for (const { spare } of hosts) if (spare) this.switch(spare.name).setPort(spare.port, false)
  }

  switch(name: string): SimulatedSwitch {
    const found = this.switches.get(name)
    if (found === undefined) throw new RangeError(`there is no switch ${name}`)
    return found
  }

  host(name: string): SimulatedHost {
    const found = this.hosts.get(name)
    if (found === undefined) throw new RangeError(`there is no host ${name}`)
    return found
  }

  /** All switches call this controller. */
  start(controller: Address): void {
    for (const one of this.switches.values()) one.connect(controller)
  }

  /** All switches leave their controllers and call another one. Flows stay. */
  retarget(controller: Address): void {
    for (const one of this.switches.values()) {
      one.disconnect()
      one.connect(controller)
    }
  }

  /** Resolves when every switch has a controller. False when that takes longer. */
  async connected(timeoutMillis: number): Promise<boolean> {
    const endMillis = this.#env.clock.nowMillis() + timeoutMillis
    while (![...this.switches.values()].every(one => one.isConnected)) {
      if (this.#env.clock.nowMillis() >= endMillis) return false
      await new Promise<void>(resolve => this.#env.timers.after(10, resolve))
    }
    return true
  }

  /** Pulls the cable between these two ports; both see it at once. */
  linkDown(a: End, b: End): void {
    this.#setCable(a, b, false)
  }

  linkUp(a: End, b: End): void {
    this.#setCable(a, b, true)
  }

  /** From `a` to `b` nothing comes through any more, and neither port notices; undone by `mend`. */
  cut(a: End, b: End): void {
    this.#wireFrom(a, b).isCut = true
  }

  mend(a: End, b: End): void {
    this.#wireFrom(a, b).isCut = false
  }

  #wireFrom(a: End, b: End): Wire {
    const cable = this.#cableBetween(a, b)
    const index = endKey(cable.ends[0]) === endKey(a) ? 0 : 1
    return cable.wires[index]
  }

  /** Pulls or plugs the cable of one host. */
  setHost(name: string, isUp: boolean): void {
    const cable = this.#cables.find(({ ends }) => ends.some(end => end.name === name))
    if (cable === undefined) throw new RangeError(`there is no host ${name}`)
    this.#set(cable, isUp)
  }

  /** Unplugs a host, and plugs it in at another port. */
  moveHost(name: string, to: End): void {
    const host = this.host(name)
    const at = this.#cables.findIndex(({ ends }) => ends.some(end => end.name === name))
    const [old] = this.#cables.splice(at, 1)
    this.#set(old!, false)
    for (const end of old!.ends) this.#wireByEnd.delete(endKey(end))
    this.#plug(host, { name, port: 0 }, to)
    this.switch(to.name).setPort(to.port, true)
  }

  /** Ends everything; frames under way are lost. */
  stop(): void {
    this.#isStopped = true
    this.#turn?.()
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#queue = []
    this.counters.waiting = 0
    for (const host of this.hosts.values()) host.stop()
    for (const one of this.switches.values()) one.stop()
  }

  #plugIn(spec: HostSpec, index: number): SimulatedHost {
    const host = new SimulatedHost(this.#env, {
      mac: usualMac(index),
      ip: usualIp(index),
      ...spec,
    })
    this.#plug(host, { name: spec.name, port: 0 }, spec.at)
    return host
  }

  #plug(host: SimulatedHost, own: End, at: End): void {
    const one = this.switch(at.name)
    const toHost = wire(frame => host.receive(frame), 0)
    const toSwitch = wire(frame => one.receive(at.port, frame), 0)
    this.#wireByEnd.set(endKey(at), toHost)
    this.#cables.push({ ends: [own, at], wires: [toSwitch, toHost] })
    host.attach(frame => this.#carry(toSwitch, frame))
  }

  #connect({ a, b, delayMillis = 0 }: LinkSpec): void {
    const toB = wire(frame => this.switch(b.name).receive(b.port, frame), delayMillis)
    const toA = wire(frame => this.switch(a.name).receive(a.port, frame), delayMillis)
    this.#wireByEnd.set(endKey(a), toB)
    this.#wireByEnd.set(endKey(b), toA)
    this.#cables.push({ ends: [a, b], wires: [toB, toA] })
  }

  #setCable(a: End, b: End, isUp: boolean): void {
    this.#set(this.#cableBetween(a, b), isUp)
  }

  #cableBetween(a: End, b: End): Cable {
    const keys = new Set([endKey(a), endKey(b)])
    const cable = this.#cables.find(({ ends }) => ends.every(end => keys.has(endKey(end))))
    if (cable === undefined)
      throw new RangeError(`no cable is between ${endKey(a)} and ${endKey(b)}`)
    return cable
  }

  #set(cable: Cable, isUp: boolean): void {
    for (const one of cable.wires) one.isUp = isUp
    for (const end of cable.ends) this.switches.get(end.name)?.setPort(end.port, isUp)
  }

  #leave(name: string, port: number, frame: Uint8Array): void {
    const out = this.#wireByEnd.get(endKey({ name, port }))
    if (out) this.#carry(out, frame)
  }

  #carry(wire: Wire, frame: Uint8Array): void {
    if (this.#isStopped || !wire.isUp || wire.isCut) return
    if (wire.waiting >= wireCapacity) {
      this.counters.dropped++
      return
    }
    wire.waiting++
    this.counters.waiting++
    if (wire.delayMillis > 0) return this.#carryLate(wire, frame)
    this.#queue.push({ wire, frame })
    this.#turn ??= this.#env.timers.soon(() => this.#deliverSome())
  }

  #carryLate(wire: Wire, frame: Uint8Array): void {
    const cancel = this.#env.timers.after(wire.delayMillis, () => {
      this.#timers.delete(cancel)
      this.#deliver(wire, frame)
    })
    this.#timers.add(cancel)
  }

  /** What comes of these frames waits for the next turn. */
  #deliverSome(): void {
    this.#turn = undefined
    const now = this.#queue.splice(0, turnSize)
    for (const { wire, frame } of now) this.#deliver(wire, frame)
    if (this.#queue.length > 0 && !this.#isStopped)
      this.#turn ??= this.#env.timers.soon(() => this.#deliverSome())
  }

  #deliver(wire: Wire, frame: Uint8Array): void {
    wire.waiting--
    this.counters.waiting--
    if (!wire.isUp || this.#isStopped) return
    this.counters.carried++
    wire.deliver(frame)
  }
}

const wire = (deliver: (frame: Uint8Array) => void, delayMillis: number): Wire => ({
  deliver,
  delayMillis,
  isUp: true,
  isCut: false,
  waiting: 0,
})

const endKey = ({ name, port }: End): string => `${name}:${port}`

/** The ports that links and hosts need, for each switch. */
const portsOf = ({ switches, hosts = [], links = [] }: NetworkSpec) => {
  const spares = hosts.flatMap(host => host.spare ?? [])
  const ends = [...hosts.map(host => host.at), ...spares, ...links.flatMap(({ a, b }) => [a, b])]
  const numbers = new Map(switches.map(({ name }) => [name, new Set<number>()]))
  for (const end of ends) {
    const known = numbers.get(end.name)
    if (known === undefined) throw new RangeError(`there is no switch ${end.name}`)
    if (known.has(end.port)) throw new RangeError(`${endKey(end)} is used twice`)
    known.add(end.port)
  }
  return new Map(
    switches.map(({ name, dpid }) => [
      name,
      [...numbers.get(name)!]
        .sort((a, b) => a - b)
        .map(number => ({ number, name: `${name}-eth${number}`, mac: portMac(dpid, number) })),
    ]),
  )
}

/** Locally administered, different for each port. */
const portMac = (dpid: Dpid, port: number): Mac =>
  formatMac(0x0e0000000000 + Number.parseInt(dpid.slice(-6), 16) * 0x10000 + (port & 0xffff))

const usualMac = (index: number): Mac => formatMac(0x020000000001 + index)
const usualIp = (index: number): Ipv4 => formatIpv4(0x0a000001 + index)
