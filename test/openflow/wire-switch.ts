/** A switch on a real socket that does what a test says: each message by hand, or the usual answers. */
import { connect, type Socket } from 'node:net'
import { formatMac } from '../../src/base/addresses.js'
import {
  decode,
  encode,
  Framer,
  type Message,
  type PortDescription,
  type Received,
} from '../../src/openflow/index.js'

export class WireSwitch {
  readonly heard: Received[] = []
  readonly socket: Socket
  isClosed = false
  #framer = new Framer()
  #waiting: (() => void)[] = []
  #answer: (message: Received) => void = () => undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
      this.#tell()
    })
    socket.on('data', chunk => {
      this.#framer.push(chunk)
      for (let bytes = this.#framer.next(); bytes; bytes = this.#framer.next()) {
        const message = decode(bytes.slice())
        this.heard.push(message)
        this.#answer(message)
      }
      this.#tell()
    })
  }

  /** Resolves when something more was heard, or the connection has ended. */
  news(): Promise<void> {
    return this.isClosed ? Promise.resolve() : new Promise(resolve => this.#waiting.push(resolve))
  }

  #tell(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  static dial(port: number): Promise<WireSwitch> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new WireSwitch(socket))
      })
    })
  }

  /** Answers as a switch of few ports or none does, but for the kinds of messages that it keeps silent about. */
  behave(
    dpid: bigint,
    silentAbout: readonly Received['kind'][] = [],
    auxiliaryId = 0,
    ports: readonly number[] = [],
  ): void {
    const answers = usualAnswers(dpid, auxiliaryId, ports)
    this.#answer = message => {
      if (silentAbout.includes(message.kind)) return
      const reply = answers(message)
      if (reply) this.send(reply, message.xid)
    }
    this.send({ kind: 'hello' })
  }

  send(message: Message, xid = 0): void {
    this.socket.write(encode(message, xid))
  }

  raw(hex: string): void {
    this.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  }

  /** Resolves to true when the other side has closed; false when it has not by then. */
  async closedWithin(millis: number): Promise<boolean> {
    const last = performance.now() + millis
    while (!this.isClosed && performance.now() < last)
      await new Promise(resolve => setTimeout(resolve, 5))
    return this.isClosed
  }
}

/** A port that is up. */
export const portOf = (port: number): PortDescription => ({
  port,
  hardwareAddress: formatMac(0x0a_0000_0000_00 + port),
  name: `p${port}`,
  config: 0,
  state: 4,
  current: 0,
  advertised: 0,
  supported: 0,
  peer: 0,
  currentSpeed: 0,
  maxSpeed: 0,
})

/** What a switch that behaves says to a message. */
export const usualAnswers =
  (datapathId: bigint, auxiliaryId: number, ports: readonly number[]) =>
  (message: Received): Message | undefined => {
    switch (message.kind) {
      case 'echo-request':
        return { kind: 'echo-reply', data: message.data }
      case 'features-request':
        return {
          kind: 'features-reply',
          datapathId,
          bufferCount: 0,
          tableCount: 254,
          auxiliaryId,
          capabilities: 0x4f,
        }
      case 'desc-request':
        return {
          kind: 'desc-reply',
          manufacturer: 'test',
          hardware: 'test',
          software: 'test',
          serialNumber: '1',
          datapath: 'test',
        }
      case 'port-desc-request':
        return { kind: 'port-desc-reply', entries: ports.map(portOf) }
      case 'get-config-request':
        return { kind: 'get-config-reply', flags: 0, missSendLength: 128 }
      case 'role-request':
        return { kind: 'role-reply', role: message.role, generationId: message.generationId }
      case 'barrier-request':
        return { kind: 'barrier-reply' }
      case 'flow-stats-request':
        return { kind: 'flow-stats-reply', entries: [] }
      case 'aggregate-stats-request':
        return { kind: 'aggregate-stats-reply', packetCount: 0n, byteCount: 0n, flowCount: 0 }
      case 'flow-monitor-request':
        return { kind: 'flow-monitor-reply', updates: [] }
      case 'group-desc-request':
        return { kind: 'group-desc-reply', entries: [] }
      case 'meter-config-request':
        return { kind: 'meter-config-reply', entries: [] }
      case 'bundle-control': {
        const control = message.control.replace('-request', '-reply') as typeof message.control
        return { ...message, control }
      }
      default:
        return undefined
    }
  }
