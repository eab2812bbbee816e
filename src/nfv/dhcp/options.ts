/** Options that clients are told, as octets: RFC 2132, 3397 (search), 3442 (classless routes). */
import { type Cidr, parseCidr, parseIpv4 } from '../../base/addresses.js'
import { dhcpOption as option } from '../../topology/dhcp-message.js'

export type OptionValue = readonly [code: number, value: Uint8Array]

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const addressesOption = (list: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * list.length)
  const view = new DataView(bytes.buffer)
  for (const [index, address] of list.entries()) view.setUint32(4 * index, address)
  return bytes
}

export const numberOption = (value: number, octets: 1 | 2 | 4): Uint8Array => {
  const bytes = new Uint8Array(octets)
  const view = new DataView(bytes.buffer)
  if (octets === 4) view.setUint32(0, value)
  else if (octets === 2) view.setUint16(0, value)
  else view.setUint8(0, value)
  return bytes
}

/** Names as labels with their sizes; undefined when one is none. RFC 1035 section 3.1. */
export const labelsOf = (name: string): Uint8Array | undefined => {
  const labels = name.replace(/\.$/, '').split('.')
  const isName = labels.every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  if (!isName || name.length > 253) return undefined
  return new Uint8Array([
    ...labels.flatMap(label => [label.length, ...text(label.toLowerCase())]),
    0,
  ])
}

/** RFC 3442: the length, as many octets of the subnet as it needs, the router. */
const routesOption = (routes: readonly { readonly to: Cidr; readonly via: number }[]): Uint8Array =>
  new Uint8Array(
    routes.flatMap(({ to, via }) => [
      to.length,
      ...addressesOption([Number(to.address)]).subarray(0, Math.ceil(to.length / 8)),
      ...addressesOption([via]),
    ]),
  )

/** Those that the server itself decides, and that carry no data. */
const own = new Set([0, 1, 3, 6, 12, 28, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 81, 82, 255])
const named: Readonly<Record<number, string>> = {
  [option.domain]: 'domain',
  [option.mtu]: 'mtu',
  [option.ntp]: 'ntp',
  [option.search]: 'search',
  [option.classlessRoutes]: 'routes',
}

/** Why the value of an option cannot be; undefined when it can. */
export const optionProblem = (name: string, value: unknown): string | undefined => {
  if (name === 'domain')
    return labelsOf(value as string) ? undefined : 'takes a domain name, such as office.example'
  if (name === 'search')
    return (value as string[]).every(labelsOf) ? undefined : 'takes domain names'
  if (name === 'ntp') return addressProblem(value as string[])
  if (name === 'routes') {
    const isRight = (value as { to: string; via: string }[]).every(
      ({ to, via }) => parseCidr(to)?.version === 4 && parseIpv4(via) !== undefined,
    )
    return isRight ? undefined : 'takes routes as {to: 10.9.0.0/16, via: 10.1.0.1}'
  }
  if (name === 'mtu') return undefined
  const code = Number(name)
  if (code > 254) return 'options have numbers up to 254'
  if (own.has(code)) return `option ${code} is the server's own`
  if (code in named) return `option ${code} is written as ${named[code]}`
  const addresses = (value as { addresses?: string[] }).addresses
  if (addresses !== undefined) return addressProblem(addresses)
  const { number, octets } = value as { number?: number; octets?: number }
  return number !== undefined && number >= 256 ** octets!
    ? `${number} does not fit into ${octets} octets`
    : undefined
}

const addressProblem = (list: readonly string[]): string | undefined =>
  list.every(each => parseIpv4(each) !== undefined) ? undefined : 'takes IPv4 addresses'

/** As people write them; those by number are checked by `optionProblem`. */
export interface OptionsSpec {
  readonly domain?: string
  readonly search?: readonly string[]
  readonly ntp?: readonly string[]
  readonly mtu?: number
  readonly routes?: readonly { readonly to: string; readonly via: string }[]
  readonly [code: `${number}`]: unknown
}

/** Of what people have declared; the default route belongs to the classless ones as well (RFC 3442). */
export const optionsOf = (spec: OptionsSpec = {}, routers: readonly number[]): OptionValue[] => {
  const values: OptionValue[] = []
  const { domain, search, ntp, mtu, routes, ...numbered } = spec
  if (domain !== undefined) values.push([option.domain, text(domain)])
  if (search !== undefined)
    values.push([option.search, new Uint8Array(Buffer.concat(search.map(each => labelsOf(each)!)))])
  if (ntp !== undefined)
    values.push([option.ntp, addressesOption(ntp.map(each => parseIpv4(each)!))])
  if (mtu !== undefined) values.push([option.mtu, numberOption(mtu, 2)])
  if (routes !== undefined && routes.length > 0) {
    const listed = routes.map(({ to, via }) => ({ to: parseCidr(to)!, via: parseIpv4(via)! }))
    const [router] = routers
    const isDefault = listed.some(({ to }) => to.length === 0)
    const all =
      router === undefined || isDefault
        ? listed
        : [{ to: parseCidr('0.0.0.0/0')!, via: router }, ...listed]
    values.push([option.classlessRoutes, routesOption(all)])
  }
  for (const [name, value] of Object.entries(numbered)) values.push([Number(name), octetsOf(value)])
  return values
}

type Numbered =
  | string
  | { hex: string }
  | { addresses: string[] }
  | { number: number; octets: 1 | 2 | 4 }

const octetsOf = (value: unknown): Uint8Array => {
  const one = value as Numbered
  if (typeof one === 'string') return text(one)
  if ('hex' in one) return new Uint8Array(Buffer.from(one.hex, 'hex'))
  if ('addresses' in one) return addressesOption(one.addresses.map(each => parseIpv4(each)!))
  return numberOption(one.number, one.octets)
}
