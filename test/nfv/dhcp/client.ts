/** A client of DHCP on a simulated host: it says what a test tells it to, and hears what comes. */
import { macNumber, parseIpv4 } from '../../../src/base/addresses.js'
import { buildFrame } from '../../../src/pipeline/build.js'
import { etherTypes, type Fields, ipProtocols, readPacket } from '../../../src/pipeline/packet.js'
import {
  type DhcpMessage,
  type DhcpType,
  dhcpOption,
  dhcpTypes,
  readDhcp,
  writeDhcp,
} from '../../../src/topology/dhcp-message.js'
import { tap, type Whole } from '../../topology/whole.js'

export const ip = (text: string): number => parseIpv4(text)!
export const four = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return new Uint8Array(bytes)
}

export interface Said {
  readonly type: DhcpType
  readonly options?: readonly (readonly [number, Uint8Array])[]
  readonly client?: string
  readonly relay?: string
  readonly isBroadcast?: boolean
  readonly xid?: number
  /** Of the frame, where it is another one than the message says. */
  readonly sender?: number
  readonly hardware?: Uint8Array
  readonly to?: { readonly mac: number; readonly ip: string }
  readonly from?: string
}

export interface Heard {
  readonly message: DhcpMessage
  readonly fields: Fields
}

const hardwareOf = (mac: number): Uint8Array => {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(mac, 0, 6)
  return new Uint8Array(bytes)
}

export class Client {
  readonly mac: number
  readonly #whole: Whole
  readonly #name: string
  readonly #frames: Uint8Array[]

  /** @param mac another one than the host's own */
  constructor(whole: Whole, name: string, mac = macNumber(whole.host(name).mac)) {
    this.#whole = whole
    this.#name = name
    this.mac = mac
    this.#frames = tap(whole.network, name)
  }

  say({ type, options = [], client, relay, to, from, ...rest }: Said): void {
    const { isBroadcast = false, xid = 7, sender = this.mac } = rest
    const { hardware = hardwareOf(this.mac) } = rest
    const body = writeDhcp(
      1,
      {
        xid,
        secs: 0,
        isBroadcast,
        client: client === undefined ? 0 : ip(client),
        yours: 0,
        server: 0,
        relay: relay === undefined ? 0 : ip(relay),
        hardwareType: 1,
        hardware,
      },
      [[dhcpOption.type, new Uint8Array([dhcpTypes[type]])], ...options],
    )
    const frame = buildFrame(
      {
        eth_src: sender,
        eth_dst: to?.mac ?? 0xffffffffffff,
        eth_type: etherTypes.ipv4,
        ip_proto: ipProtocols.udp,
        ip_src: from === undefined ? (client === undefined ? 0 : ip(client)) : ip(from),
        ip_dst: to === undefined ? 0xffffffff : ip(to.ip),
        udp_src: relay === undefined ? 68 : 67,
        udp_dst: 67,
      },
      body,
    )
    this.#whole.host(this.#name).sendFrame(frame)
  }

  /** Everything that came from a server since this was asked last. */
  heard(): readonly Heard[] {
    return this.#frames.splice(0).flatMap(frame => {
      const packet = readPacket(frame)
      const message =
        packet.fields.udp_src === 67 ? readDhcp(frame.subarray(packet.payload), 2) : undefined
      return message === undefined ? [] : [{ message, fields: packet.fields }]
    })
  }

  /** What came within a second. */
  async ask(said: Said, millis = 1_000): Promise<Heard | undefined> {
    this.heard()
    this.say(said)
    await this.#whole.env.advance(millis)
    return this.heard()[0]
  }

  /** Discover, offer, request, ack. @returns the address; undefined when there is none */
  async lease(
    options: readonly (readonly [number, Uint8Array])[] = [],
  ): Promise<number | undefined> {
    const offer = await this.ask({ type: 'discover', options })
    if (offer?.message.type !== 'offer') return undefined
    const ack = await this.ask({
      type: 'request',
      options: [
        [dhcpOption.requestedAddress, four(offer.message.yours)],
        [dhcpOption.serverId, offer.message.options.get(dhcpOption.serverId)!],
        ...options,
      ],
    })
    return ack?.message.type === 'ack' ? ack.message.yours : undefined
  }
}
