/**
 * Packets octet by octet, as no kernel would send them, and the stories they are told in. Nothing here is shared with
 * the code under test. RFC 791, 8200, 9293, 768, 792, 4443.
 */
import { type Dice, pick } from './rules.js'

export interface Place {
  readonly name: string
  /** Which others see what it sends. */
  readonly switch: string
  readonly mac: string
  readonly ip4: string
  readonly ip6: string
}

export type Version = 4 | 6

/** What stands behind the IP header. */
export interface Payload {
  readonly protocol: number
  readonly bytes: Buffer
  /** Where the checksum over a pseudo header stands. */
  readonly checksumAt?: number
  readonly isDamaged?: boolean
}

export interface Sent {
  readonly from: Place
  readonly to: Place
  readonly payload: Payload
  /** Sends only these octets of it, as a fragment: where they begin, how many, whether more follow. */
  readonly piece?: readonly [offset: number, length: number, more: boolean]
  /** Pieces of one datagram have one. */
  readonly id?: number
}

const sumOf = (bytes: Buffer, start = 0): number => {
  let sum = start
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

const addressBytes = (text: string): Buffer => {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number))
  const [head = '', tail = ''] = text.split('::')
  const words = (part: string) =>
    part === '' ? [] : part.split(':').map(word => Number.parseInt(word, 16))
  const [front, back] = [words(head), words(tail)]
  const all = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back]
  return Buffer.from(all.flatMap(word => [word >> 8, word & 255]))
}

const ipOf = (place: Place, version: Version) => (version === 4 ? place.ip4 : place.ip6)

/** The payload with its checksum. */
const complete = (
  { payload, from, to }: Pick<Sent, 'payload' | 'from' | 'to'>,
  version: Version,
) => {
  const bytes = Buffer.from(payload.bytes)
  if (payload.checksumAt === undefined) return bytes
  const isPlain = payload.protocol === 1
  const pseudo = Buffer.concat([
    addressBytes(ipOf(from, version)),
    addressBytes(ipOf(to, version)),
    Buffer.from([0, payload.protocol, bytes.length >> 8, bytes.length & 255]),
  ])
  const sum = 0xffff - sumOf(bytes, isPlain ? 0 : sumOf(pseudo))
  bytes.writeUInt16BE((payload.isDamaged ? sum ^ 0x5555 : sum) || 0xffff, payload.checksumAt)
  return bytes
}

/** The IP packet. @param id the identification, or the flow label */
export const packetOf = (sent: Sent, version: Version, id: number): Buffer => {
  const whole = complete(sent, version)
  const [offset, length, more] = sent.piece ?? [0, whole.length, false]
  const body = whole.subarray(offset, offset + length)
  const ends = [addressBytes(ipOf(sent.from, version)), addressBytes(ipOf(sent.to, version))]
  if (version === 4) {
    const head = Buffer.alloc(12)
    head.writeUInt16BE(0x4500, 0)
    head.writeUInt16BE(20 + body.length, 2)
    head.writeUInt16BE(id, 4)
    head.writeUInt16BE((offset >> 3) | (more ? 0x2000 : 0), 6)
    head[8] = 64
    head[9] = sent.payload.protocol
    const header = Buffer.concat([head, ...ends])
    header.writeUInt16BE(0xffff - sumOf(header), 10)
    return Buffer.concat([header, body])
  }
  const extra = sent.piece === undefined ? Buffer.alloc(0) : Buffer.alloc(8)
  if (sent.piece !== undefined) {
    extra[0] = sent.payload.protocol
    extra.writeUInt16BE(offset | (more ? 1 : 0), 2)
    extra.writeUInt32BE(id, 4)
  }
  const head = Buffer.alloc(8)
  head.writeUInt32BE((0x60000000 | id) >>> 0, 0)
  head.writeUInt16BE(extra.length + body.length, 4)
  head[6] = sent.piece === undefined ? sent.payload.protocol : 44
  head[7] = 64
  return Buffer.concat([head, ...ends, extra, body])
}

/** @param toMac whom the sender hands it to */
export const frameOf = (packet: Buffer, fromMac: string, toMac: string): string => {
  const bare = (text: string) => text.replaceAll(':', '')
  const type = packet[0]! >> 4 === 4 ? '0800' : '86dd'
  return `${bare(toMac)}${bare(fromMac)}${type}${packet.toString('hex')}`
}

const flagBits = { F: 1, S: 2, R: 4, P: 8, A: 16 } as const

/** @param flags letters of F S R P A */
export const tcp = (
  ports: readonly [number, number],
  flags: string,
  seq: number,
  ack: number,
  data = '',
): Payload => {
  const bytes = Buffer.alloc(20 + data.length)
  bytes.writeUInt16BE(ports[0], 0)
  bytes.writeUInt16BE(ports[1], 2)
  bytes.writeUInt32BE(seq >>> 0, 4)
  bytes.writeUInt32BE(flags.includes('A') ? ack >>> 0 : 0, 8)
  bytes[12] = 0x50
  bytes[13] = [...flags].reduce((bits, flag) => bits | flagBits[flag as keyof typeof flagBits], 0)
  bytes.writeUInt16BE(29_200, 14)
  bytes.write(data, 20)
  return { protocol: 6, bytes, checksumAt: 16 }
}

export const udp = (ports: readonly [number, number], length = 8): Payload => {
  const bytes = Buffer.alloc(8 + length, 0x2e)
  bytes.writeUInt16BE(ports[0], 0)
  bytes.writeUInt16BE(ports[1], 2)
  bytes.writeUInt16BE(bytes.length, 4)
  bytes.writeUInt16BE(0, 6)
  return { protocol: 17, bytes, checksumAt: 6 }
}

/** @param rest the four octets behind the checksum */
export const icmp = (
  version: Version,
  type: number,
  code: number,
  rest: number,
  data: Buffer,
): Payload => {
  const bytes = Buffer.concat([Buffer.alloc(8), data])
  bytes[0] = type
  bytes[1] = code
  bytes.writeUInt32BE(rest >>> 0, 4)
  return { protocol: version === 4 ? 1 : 58, bytes, checksumAt: 2 }
}

export const other = (protocol: number): Payload => ({ protocol, bytes: Buffer.alloc(16, 0x2e) })

/** Packets in their order. */
export interface Story {
  readonly title: string
  readonly version: Version
  readonly packets: readonly Sent[]
  /** The same between others' ports. */
  again(number: number): Story
}

interface Stage {
  readonly version: Version
  readonly near: Place
  readonly far: Place
  /** Somebody who has no part in it. */
  readonly third: Place
  /** Nobody else in this run has it. */
  readonly port: number
  readonly service: number
}

type Teller = (stage: Stage) => readonly Sent[]

/** A TCP conversation in letters: `>S` near sends a SYN, `<SA` far answers; numbers go on as they should. */
const talk =
  (script: string): Teller =>
  ({ near, far, port, service }) => {
    const seq = { '>': 1_000_000, '<': 7_000_000 }
    return script.split(' ').map(word => {
      const side = word[0] as '>' | '<'
      const isDamaged = word.endsWith('!')
      const flags = word.slice(1).replace('!', '')
      const data = flags.includes('P') ? 'sluice' : ''
      const [own, peer] = side === '>' ? (['>', '<'] as const) : (['<', '>'] as const)
      const ports = side === '>' ? ([port, service] as const) : ([service, port] as const)
      const payload = {
        ...tcp(ports, flags, seq[own], seq[peer], data),
        ...(isDamaged && { isDamaged }),
      }
      seq[own] += data.length + (/[SF]/.test(flags) ? 1 : 0)
      const [from, to] = side === '>' ? [near, far] : [far, near]
      return { from, to, payload }
    })
  }

const echo = (version: Version, isReply: boolean, id: number): Payload =>
  icmp(
    version,
    version === 4 ? (isReply ? 0 : 8) : isReply ? 129 : 128,
    0,
    (id << 16) | 1,
    Buffer.alloc(16, 0x2e),
  )

/** An error about a packet, as far as it must be quoted: eight octets behind the header, or all of it (RFC 4443, 2.4). */
const complaint = (version: Version, type: number, code: number, about: Sent): Payload => {
  const quoted = packetOf(about, version, 1)
  return icmp(version, type, code, 0, version === 4 ? quoted.subarray(0, 28) : quoted)
}

// biome-ignore format: a table
const tellers: Readonly<Record<string, Teller>> = {
  'a whole conversation': talk('>S <SA >A >PA <A <PA >A >FA <A <FA >A'),
  'the far side ends it': talk('>S <SA >A <FA >A >FA <A'),
  'reset, then data': talk('>S <SA >A >R >PA <PA'),
  'the far side refuses': talk('>S <RA'),
  'a SYN again': talk('>S >S <SA >A >PA'),
  'answer without a question': talk('>SA <A >PA'),
  'from the middle': talk('>A <A >PA <PA'),
  'data first': talk('>PA <A'),
  'FIN first': talk('>FA <A'),
  'RST first': talk('>R <A'),
  'no flags': talk('> <A'),
  'all flags': talk('>FSRPA <A'),
  'SYN and FIN': talk('>SF <SA'),
  'SYN and RST': talk('>SR <SA'),
  'a damaged SYN': talk('>S! <SA'),
  'datagrams': ({ near, far, port, service }) => [
    { from: near, to: far, payload: udp([port, service]) },
    { from: far, to: near, payload: udp([service, port]) },
    { from: near, to: far, payload: udp([port, service]) },
  ],
  'an echo': ({ version, near, far, port }) => [
    { from: near, to: far, payload: echo(version, false, port) },
    { from: far, to: near, payload: echo(version, true, port) },
    { from: far, to: near, payload: echo(version, true, port) },
  ],
  'an echo reply first': ({ version, near, far, port }) => [
    { from: near, to: far, payload: echo(version, true, port) },
    { from: far, to: near, payload: echo(version, false, port) },
  ],
  'a timestamp': ({ near, far, port }) => [
    { from: near, to: far, payload: icmp(4, 13, 0, (port << 16) | 1, Buffer.alloc(12)) },
    { from: far, to: near, payload: icmp(4, 14, 0, (port << 16) | 1, Buffer.alloc(12)) },
  ],
  'a kind of ICMP that nobody knows': ({ near, far }) => [{ from: near, to: far, payload: icmp(4, 40, 0, 0, Buffer.alloc(12)) }],
  'an error about a datagram': ({ version, near, far, port, service }) => {
    const about = { from: near, to: far, payload: udp([port, service]) }
    const [type, code] = version === 4 ? [3, 3] : [1, 4]
    return [about, { from: far, to: near, payload: complaint(version, type!, code!, about) }]
  },
  'an error from somebody on the way': ({ version, near, far, third, port, service }) => {
    const about = { from: near, to: far, payload: udp([port, service]) }
    // Whoever has seen nothing of it has nothing to complain about, and switches apart do not know of it.
    const from = near.switch === far.switch ? far : third
    return [about, { from, to: near, payload: complaint(version, version === 4 ? 11 : 3, 0, about) }]
  },
  'too big': ({ version, near, far, port, service }) => {
    const about = { from: near, to: far, payload: tcp([port, service], 'S', 5, 0) }
    const [type, code] = version === 4 ? [3, 4] : [2, 0]
    return [about, { from: far, to: near, payload: complaint(version, type!, code!, about) }]
  },
  'an error about nothing': ({ version, near, far, port, service }) => {
    const about = { from: near, to: far, payload: udp([port, service]) }
    const [type, code] = version === 4 ? [3, 3] : [1, 4]
    return [{ from: far, to: near, payload: complaint(version, type!, code!, about) }]
  },
  'two pieces': ({ near, far, port, service }) => pieces(near, far, port, service, [0, 1]),
  'two pieces, the later first': ({ near, far, port, service }) => pieces(near, far, port, service, [1, 0]),
  'a later piece alone': ({ near, far, port, service }) => pieces(near, far, port, service, [1]),
  'a first piece alone': ({ near, far, port, service }) => pieces(near, far, port, service, [0]),
  'a protocol without ports': ({ near, far, port }) => [
    { from: near, to: far, payload: other(143 + (port % 110)) },
    { from: far, to: near, payload: other(143 + (port % 110)) },
  ],
}

const pieces = (
  from: Place,
  to: Place,
  port: number,
  service: number,
  order: readonly number[],
): readonly Sent[] => {
  // Open vSwitch takes first pieces of 1,200 octets and more (IPv6 1,280): smaller ones are an old way to hide.
  const payload = udp([port, service], 1_400)
  const parts = [
    [0, 1_280, true],
    [1_280, 128, false],
  ] as const
  return order.map(at => ({ from, to, payload, piece: parts[at]!, id: port }))
}

const onlyIpv4: readonly string[] = ['a timestamp', 'a kind of ICMP that nobody knows']

export const storyCount = Object.keys(tellers).length

/** One after the other of all kinds, between places by chance. @param number counts on, so that no two share a port */
export const storyOf = (roll: Dice, places: readonly Place[], number: number): Story => {
  const [title, tell] = Object.entries(tellers)[number % storyCount]!
  const near = pick(roll, places)
  const far = pick(
    roll,
    places.filter(each => each !== near),
  )
  const third = pick(
    roll,
    places.filter(each => each !== near && each !== far),
  )
  const version = onlyIpv4.includes(title) || roll(2) === 0 ? 4 : 6
  const service = pick(roll, [22, 53, 80, 443, 1023, 1024, 8050, 9000])
  const told = (count: number): Story => ({
    title,
    version,
    packets: tell({ version, near, far, third, port: 10_000 + count, service }),
    again: told,
  })
  return told(number)
}
