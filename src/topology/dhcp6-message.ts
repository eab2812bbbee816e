/**
 * Messages of DHCP for IPv6 as octets: RFC 8415 section 8, options section 21.
 *
 *     type (1) transaction (3) | options: code (2) size (2) value
 *
 * Reading untrusted octets ends in a message or undefined, in time proportional to their number.
 */

// biome-ignore format: a table
export const dhcp6Types = {
  solicit: 1, advertise: 2, request: 3, confirm: 4, renew: 5, rebind: 6, reply: 7, release: 8, decline: 9, information: 11,
} as const
export type Dhcp6Type = keyof typeof dhcp6Types

// biome-ignore format: a table
export const dhcp6Option = {
  clientId: 1, serverId: 2, nonTemporary: 3, temporary: 4, address: 5, wanted: 6, status: 13, dns: 23, domains: 24, prefix: 25, fqdn: 39,
} as const

export type Option6 = readonly [code: number, value: Uint8Array]

export interface Dhcp6Message {
  readonly type: Dhcp6Type
  readonly transaction: number
  readonly options: readonly Option6[]
}

const typeByNumber = new Map(
  Object.entries(dhcp6Types).map(([name, number]) => [number as number, name as Dhcp6Type]),
)
/** Options of one message, or of one option. */
const mostOptions = 64

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** @returns undefined when one runs over the end, or there are too many */
export const readOptions6 = (bytes: Uint8Array): readonly Option6[] | undefined => {
  const view = viewOf(bytes)
  const found: Option6[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length || found.length >= mostOptions) return undefined
    const end = at + 4 + view.getUint16(at + 2)
    if (end > bytes.length) return undefined
    found.push([view.getUint16(at), bytes.subarray(at + 4, end)])
    at = end
  }
  return found
}

/** @returns undefined for what is cut short or of no type of clients and servers */
export const readDhcp6 = (body: Uint8Array): Dhcp6Message | undefined => {
  const type = typeByNumber.get(body[0] ?? 0)
  if (type === undefined || body.length < 4) return undefined
  const options = readOptions6(body.subarray(4))
  return options && { type, transaction: viewOf(body).getUint32(0) & 0xffffff, options }
}

export const writeOptions6 = (options: readonly Option6[]): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      options.flatMap(([code, value]) => {
        const head = Buffer.alloc(4)
        head.writeUInt16BE(code, 0)
        head.writeUInt16BE(value.length, 2)
        return [head, value]
      }),
    ),
  )

export const writeDhcp6 = ({ type, transaction, options }: Dhcp6Message): Uint8Array => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(((dhcp6Types[type] << 24) | transaction) >>> 0)
  return new Uint8Array(Buffer.concat([head, writeOptions6(options)]))
}
