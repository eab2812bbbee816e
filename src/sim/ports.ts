/** The ports of a simulated switch, with its own (OFPP_LOCAL), OpenFlow 1.3.5 section 7.2.1. */
import type { Mac } from '../base/addresses.js'
import { type PortDescription, portConfig, portState, type ReceivedOf } from '../openflow/index.js'
import { ports as portNumbers } from '../openflow/values.js'
import { Refusal } from './refusal.js'

export interface PortOptions {
  readonly number: number
  readonly name: string
  readonly mac: Mac
}

export interface PortEntry extends PortOptions {
  isLinkUp: boolean
  /** Bits of portConfig. */
  config: number
  rxPackets: number
  txPackets: number
  rxBytes: number
  txBytes: number
  rxDropped: number
  txDropped: number
  readonly createdMillis: number
}

export class Ports {
  readonly #byNumber = new Map<number, PortEntry>()

  constructor(
    self: { readonly name: string; readonly mac: Mac },
    ports: readonly PortOptions[],
    nowMillis: number,
  ) {
    for (const port of ports) this.#byNumber.set(port.number, entryOf(port, nowMillis))
    const local = entryOf({ number: portNumbers.local, ...self }, nowMillis)
    local.config = portConfig.portDown
    local.isLinkUp = false
    this.#byNumber.set(portNumbers.local, local)
  }

  get(number: number): PortEntry | undefined {
    return this.#byNumber.get(number)
  }

  numbers(): Iterable<number> {
    return this.#byNumber.keys()
  }

  /** One port, or all of them for OFPP_ANY. */
  select(number: number): PortEntry[] {
    if (number === portNumbers.any) return [...this.#byNumber.values()]
    const port = this.#byNumber.get(number)
    return port ? [port] : []
  }

  /** True when frames come and go here, and buckets that watch it are alive. */
  isUp(number: number): boolean {
    const port = this.#byNumber.get(number)
    return port?.isLinkUp === true && (port.config & portConfig.portDown) === 0
  }

  /**
   * Sets bits of a port's configuration.
   *
   * @throws {Refusal} when there is no such port, or its address is another
   */
  modify(mod: ReceivedOf<'port-mod'>): PortEntry {
    const port = this.#byNumber.get(mod.port)
    if (port === undefined) throw new Refusal('OFPPMFC_BAD_PORT')
    if (port.mac !== mod.hardwareAddress) throw new Refusal('OFPPMFC_BAD_HW_ADDR')
    port.config = (port.config & ~mod.mask) | (mod.config & mod.mask)
    return port
  }
}

const entryOf = (port: PortOptions, createdMillis: number): PortEntry => ({
  ...port,
  isLinkUp: true,
  config: 0,
  rxPackets: 0,
  txPackets: 0,
  rxBytes: 0,
  txBytes: 0,
  rxDropped: 0,
  txDropped: 0,
  createdMillis,
})

/** 10 Gb/s, full duplex, over copper, as veth ports say of themselves. */
const usualFeatures = 0x840
const usualSpeed = 10_000_000

export const describePort = (port: PortEntry): PortDescription => {
  const features = port.number === portNumbers.local ? 0 : usualFeatures
  const isUp = port.isLinkUp && (port.config & portConfig.portDown) === 0
  return {
    port: port.number,
    hardwareAddress: port.mac,
    name: port.name.slice(0, 15),
    config: port.config,
    state: port.isLinkUp ? (isUp ? portState.live : 0) : portState.linkDown,
    current: features,
    advertised: 0,
    supported: 0,
    peer: 0,
    currentSpeed: features ? usualSpeed : 0,
    maxSpeed: 0,
  }
}
