/** Switches that do nothing but send packets up and count what is sent back, quick enough not to be what is measured. */
import { connect, type Socket } from 'node:net'
import { decode, encode, type Message } from '../src/openflow/index.js'
import { Framer } from '../src/openflow/wire/framing.js'
import { writeUserdata } from '../src/pipeline/userdata.js'
import { usualAnswers } from '../test/openflow/wire-switch.js'
import { Held } from './held.js'
import { sleep } from './program.js'

export interface CbenchOptions {
  readonly port: number
  readonly switches: number
  /** Packets under way, over all switches. */
  readonly inFlight: number
  readonly millis: number
  /** `rich`: with the userdata that our flows put beside them; `plain`: the standard message; `bare`: what comes back is the same. */
  readonly form: 'rich' | 'plain' | 'bare'
  /** `known`: 64 hosts of each switch again and again; `new`: each packet has a sender that was never seen. */
  readonly hosts: 'known' | 'new'
}

export interface CbenchReport {
  readonly perSecond: number
  /** Of single packets, when one is under way. */
  readonly p50: number
  readonly p99: number
  readonly flowModsPerSecond: number
}

const portCount = 32
const knownHosts = 64
const newHosts = 20_000
const settleMillis = 60_000

export const cbench = async (options: CbenchOptions): Promise<CbenchReport> => {
  const load = new Load(options)
  await load.connect()
  // Ports without an answer to discovery are edge ports after a while.
  await sleep(options.form === 'rich' ? 2_500 : 300)
  load.begin()
  if (options.hosts === 'known') await load.settled()
  load.measure()
  await sleep(options.millis)
  const report = load.report()
  load.stop()
  return report
}

class Load {
  readonly #options: CbenchOptions
  readonly #peers: Peer[] = []
  #answered = 0
  #flowMods = 0
  #began = 0
  #latencies: number[] = []

  constructor(options: CbenchOptions) {
    this.#options = options
  }

  async connect(): Promise<void> {
    const each = Math.max(1, Math.floor(this.#options.inFlight / this.#options.switches))
    const told = {
      answered: (count: number) => {
        this.#answered += count
      },
      flowMods: (count: number) => {
        this.#flowMods += count
      },
      latency: (millis: number) => {
        if (this.#options.inFlight === 1) this.#latencies.push(millis)
      },
    }
    for (let index = 0; index < this.#options.switches; index++)
      this.#peers.push(await Peer.connect(this.#options, index, each, told))
  }

  begin(): void {
    for (const peer of this.#peers) peer.begin()
  }

  /** Until no more flow-mods come for a second, so that what is known is known everywhere. */
  async settled(): Promise<void> {
    const endMillis = performance.now() + settleMillis
    let before: number
    do {
      before = this.#flowMods
      await sleep(1_000)
    } while (this.#flowMods !== before && performance.now() < endMillis)
  }

  measure(): void {
    this.#answered = 0
    this.#flowMods = 0
    this.#latencies = []
    this.#began = performance.now()
  }

  report(): CbenchReport {
    const seconds = (performance.now() - this.#began) / 1_000
    const sorted = this.#latencies.sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
    return {
      perSecond: this.#answered / seconds,
      flowModsPerSecond: this.#flowMods / seconds,
      p50: at(0.5),
      p99: at(0.99),
    }
  }

  stop(): void {
    for (const peer of this.#peers) peer.stop()
  }
}

interface Told {
  answered(count: number): void
  flowMods(count: number): void
  latency(millis: number): void
}

class Peer {
  readonly #socket: Socket
  readonly #framer = new Framer()
  readonly #told: Told
  readonly #window: number
  readonly #isBare: boolean
  /** Of peers that read switches back. */
  readonly #held: Held | undefined
  readonly #answers: ReturnType<typeof usualAnswers>
  /** All packets behind one another, each of the same size. */
  readonly #packets: Buffer
  readonly #size: number
  #next = 0
  #sentMillis = 0
  #isOn = false

  private constructor(
    socket: Socket,
    options: CbenchOptions,
    index: number,
    window: number,
    told: Told,
  ) {
    this.#socket = socket
    this.#told = told
    this.#window = window
    this.#isBare = options.form === 'bare'
    this.#held = options.form === 'rich' ? new Held() : undefined
    const ports = Array.from({ length: portCount }, (_, port) => port + 1)
    this.#answers = usualAnswers(BigInt(index + 1), 0, ports)
    const count = options.hosts === 'known' ? knownHosts : newHosts
    const packets = Array.from({ length: count }, (_, host) =>
      packetOf(options.form, index, host, count),
    )
    this.#size = packets[0]!.length
    this.#packets = Buffer.concat(packets)
    socket.on('error', () => undefined)
    socket.on('data', chunk => this.#heard(chunk))
    if (!this.#isBare) socket.write(encode({ kind: 'hello' }, 0))
  }

  static connect(options: CbenchOptions, index: number, window: number, told: Told): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Peer(socket, options, index, window, told)))
    })
  }

  begin(): void {
    this.#isOn = true
    this.#send(this.#window)
  }

  stop(): void {
    this.#isOn = false
    this.#socket.destroy()
  }

  #send(count: number): void {
    this.#sentMillis = performance.now()
    while (count > 0) {
      const room = this.#packets.length / this.#size - this.#next
      const now = Math.min(count, room)
      const at = this.#next * this.#size
      this.#socket.write(this.#packets.subarray(at, at + now * this.#size))
      this.#next = now === room ? 0 : this.#next + now
      count -= now
    }
  }

  #heard(chunk: Buffer): void {
    this.#framer.push(chunk)
    let answered = 0
    let flowMods = 0
    for (let bytes = this.#framer.next(); bytes; bytes = this.#framer.next()) {
      const type = bytes[1]!
      if (type === 14 || type === 15 || type === 29) flowMods += this.#change(bytes)
      else if (type === 4) flowMods += this.#experimenter(bytes)
      else if (type === (this.#isBare ? 10 : 13))
        answered += this.#isBare || isAnswer(bytes) ? 1 : 0
      else this.#reply(bytes)
    }
    if (flowMods > 0) this.#told.flowMods(flowMods)
    if (answered === 0 || !this.#isOn) return
    this.#told.latency(performance.now() - this.#sentMillis)
    this.#told.answered(answered)
    this.#send(answered)
  }

  /** Additions to a bundle are counted; what asks for an answer gets it. */
  #experimenter(bytes: Uint8Array): number {
    const isAddition = bytes[8] === 0x4f && bytes[14] === 0x08 && bytes[15] === 0xfd
    if (isAddition) return this.#change(bytes.subarray(24))
    this.#reply(bytes)
    return 0
  }

  #change(bytes: Uint8Array): number {
    this.#held?.note(bytes)
    return bytes[1] === 14 ? 1 : 0
  }

  #reply(bytes: Uint8Array): void {
    const message = decode(bytes.slice())
    const send = (reply: Message, xid: number) => this.#socket.write(encode(reply, xid))
    if (this.#held?.answers(message, send)) return
    const reply = this.#answers(message)
    if (reply) this.#socket.write(encode(reply, message.xid))
  }
}

/** A packet-out with a frame of ours in it: anything but discovery. */
const isAnswer = (bytes: Uint8Array): boolean => {
  const data = 24 + ((bytes[16]! << 8) | bytes[17]!)
  return bytes[data + 12] === 0x08 && bytes[data + 13] === 0x00
}

/** UDP from one host to the next; hosts are spread over the ports. */
const packetOf = (
  form: CbenchOptions['form'],
  index: number,
  host: number,
  count: number,
): Uint8Array => {
  const data = Buffer.alloc(60)
  const number = (one: number) => index * newHosts + (one % count)
  data.writeUIntBE(0x0200_0000_0000 + number(host + 1), 0, 6)
  data.writeUIntBE(0x0200_0000_0000 + number(host), 6, 6)
  data.set(Buffer.from('0800450000200000000040110000', 'hex'), 12)
  data.writeUInt32BE(0x0a00_0001 + number(host), 26)
  data.writeUInt32BE(0x0a00_0001 + number(host + 1), 30)
  data.set(Buffer.from('10001000000c0000', 'hex'), 34)
  const port = 1 + (host % portCount)
  return form === 'rich'
    ? encode(
        {
          kind: 'packet-in2',
          properties: {
            reason: 'action',
            tableId: 10,
            match: { in_port: port },
            userdata: writeUserdata('teach', 1),
            data,
          },
        },
        0,
      )
    : encode(
        {
          kind: 'packet-in',
          bufferId: 0xffffffff,
          totalLength: data.length,
          reason: 'no-match',
          tableId: 0,
          cookie: 0n,
          match: { in_port: port },
          data,
        },
        0,
      )
}
