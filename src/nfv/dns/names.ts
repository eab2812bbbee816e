/**
 * Names of our own: declared hosts, routers, clients with a lease, and who is at an address. A client calls itself what it
 * likes: it never gets the name of something declared, nor one that others go to without being told (wpad and its kin),
 * and of two with one name the first has it.
 */
import { type Ip, ipNumber, parseIpv4, parseIpv6 } from '../../base/addresses.js'
import { type Gateway, hostKey, type Network, type Topology } from '../../topology/model.js'
import { formatAddress, parseAddress, subnetOf } from '../router/addresses.js'
import type { DnsSpec } from './kind.js'
import { type OwnRecord, rrTypes, writeName } from './message.js'

export interface Served {
  readonly network: Network
  readonly zone: string
  readonly services: NonNullable<DnsSpec['services']>
}

/** A declared Host with addresses that it may not have said yet. */
export interface NamedHost {
  readonly name: string
  readonly network: number
  readonly ips: readonly string[]
}

export interface NameEntry {
  readonly name: string
  readonly ip: Ip
  /** Who says so. */
  readonly from: 'Host' | 'Router' | 'lease'
  readonly network: string
}

/** Seconds: hosts move, and questions to us cost little. */
const ttl = 60

/** What browsers, tunnels and resolvers ask for by themselves. */
const forbidden = new Set(['wpad', 'isatap', 'localhost', 'ns', 'router', 'gateway', 'dns', 'dhcp'])

/** Of one routing domain: networks of other domains may use the same addresses. */
export class Names {
  readonly entries: readonly NameEntry[]
  readonly zones: readonly string[]
  readonly #byName = new Map<string, OwnRecord[]>()
  /** Names with others below them: they exist, though nothing is said of them (RFC 8020). */
  readonly #above = new Set<string>()
  readonly #subnets: readonly {
    readonly version: 4 | 6
    readonly address: number | bigint
    readonly length: number
  }[]

  constructor(
    served: readonly Served[],
    topology: Pick<Topology, 'hosts' | 'leases' | 'gateways'>,
    declared: readonly NamedHost[],
  ) {
    this.zones = [...new Set(served.map(({ zone }) => zone))]
    const numbers = new Map(served.map(each => [each.network.number, each]))
    const gateways = topology.gateways.filter(({ network }) => numbers.has(network))
    this.entries = [...entriesOf(numbers, topology, gateways, declared)]
    this.#subnets = gateways.flatMap(({ addresses }) =>
      addresses.map(({ version, address, length }) =>
        subnetOf({ version, value: address, length }),
      ),
    )
    for (const entry of this.entries) {
      this.#add(entry.name, addressRecord(entry.name, entry.ip))
      const reverse = reverseOf(entry.ip)
      if (this.#byName.get(reverse)?.some(({ type }) => type === rrTypes.PTR)) continue
      this.#add(reverse, pointer(reverse, entry.name))
    }
    for (const { zone, services } of served)
      for (const { name, host, port, priority = 0, weight = 0 } of services) {
        const head = Buffer.alloc(6)
        head.writeUInt16BE(priority, 0)
        head.writeUInt16BE(weight, 2)
        head.writeUInt16BE(port, 4)
        const full = `${name}.${zone}`
        const data = new Uint8Array(Buffer.concat([head, writeName(`${host}.${zone}`)]))
        this.#add(full, { name: full, type: rrTypes.SRV, ttl, data })
      }
  }

  /** @returns undefined when the name is none of ours: others are asked */
  find(
    name: string,
    type: number,
  ):
    | { readonly records: readonly OwnRecord[]; readonly exists: boolean; readonly soa?: OwnRecord }
    | undefined {
    const zone = this.zones.find(each => name === each || name.endsWith(`.${each}`))
    const all = this.#byName.get(name) ?? []
    if (zone === undefined && all.length === 0 && !this.#isOwnReverse(name)) return undefined
    const authority = zone ?? name
    const soa = soaOf(authority)
    const records = all.filter(each => type === rrTypes.ANY || each.type === type)
    if (name === zone && type === rrTypes.SOA) return { records: [soa], exists: true }
    if (name === zone && type === rrTypes.NS)
      return { records: [{ name, type, ttl, data: writeName(`ns.${zone}`) }], exists: true }
    const exists = all.length > 0 || name === zone || this.#above.has(name)
    return { records, exists, soa }
  }

  #add(name: string, record: OwnRecord): void {
    const known = this.#byName.get(name)
    if (known) known.push(record)
    else this.#byName.set(name, [record])
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
      this.#above.add(name.slice(dot + 1))
  }

  /** Who is at an address of a network of ours nobody else knows. */
  #isOwnReverse(name: string): boolean {
    const ip = addressOf(name)
    if (ip === undefined) return false
    const address = parseAddress(`${ip}/${ip.includes(':') ? 128 : 32}`)!
    return this.#subnets.some(
      subnet =>
        subnet.version === address.version &&
        subnetOf({ ...address, length: subnet.length }).address === subnet.address,
    )
  }
}

function* entriesOf(
  numbers: ReadonlyMap<number, Served>,
  { hosts, leases }: Pick<Topology, 'hosts' | 'leases'>,
  gateways: readonly Gateway[],
  declared: readonly NamedHost[],
): Generator<NameEntry> {
  const taken = new Set<string>()
  const said = new Set<string>()
  const once = (entry: NameEntry): NameEntry[] => {
    const key = `${entry.name} ${entry.ip}`
    if (said.has(key)) return []
    said.add(key)
    return [entry]
  }
  for (const { router, network, addresses } of gateways) {
    const { zone, network: own } = numbers.get(network)!
    const name = `${router.toLowerCase()}.${zone}`
    taken.add(name)
    for (const { version, address } of addresses)
      yield* once({
        name,
        ip: formatAddress({ version, value: address }),
        from: 'Router',
        network: own.name,
      })
  }
  for (const { name, network, ips } of declared) {
    const own = numbers.get(network)
    if (own === undefined) continue
    taken.add(`${name.toLowerCase()}.${own.zone}`)
    for (const ip of ips)
      yield* once({
        name: `${name.toLowerCase()}.${own.zone}`,
        ip: ip as Ip,
        from: 'Host',
        network: own.network.name,
      })
  }
  for (const { name, network, ips } of hosts.values()) {
    const own = numbers.get(network)
    if (own === undefined || name === undefined) continue
    taken.add(`${name.toLowerCase()}.${own.zone}`)
    for (const ip of ips)
      if (!ip.startsWith('fe80:'))
        yield* once({
          name: `${name.toLowerCase()}.${own.zone}`,
          ip,
          from: 'Host',
          network: own.network.name,
        })
  }
  const holders = new Map<string, string>()
  for (const { network, ip, mac } of leases.values()) {
    const own = numbers.get(network)
    const host = own && hosts.get(hostKey(network, mac))
    if (own === undefined || host?.reportedName === undefined || host.name !== undefined) continue
    const name = `${host.reportedName}.${own.zone}`
    if (forbidden.has(host.reportedName) || taken.has(name)) continue
    const holder = holders.get(name) ?? `${network} ${mac}`
    holders.set(name, holder)
    if (holder === `${network} ${mac}`)
      yield* once({ name, ip, from: 'lease', network: own.network.name })
  }
}

const addressRecord = (name: string, ip: Ip): OwnRecord => {
  const v4 = parseIpv4(ip)
  const data = Buffer.alloc(v4 === undefined ? 16 : 4)
  if (v4 !== undefined) data.writeUInt32BE(v4)
  else {
    const value = parseIpv6(ip)!
    data.writeBigUInt64BE(value >> 64n, 0)
    data.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, 8)
  }
  const type = v4 === undefined ? rrTypes.AAAA : rrTypes.A
  return { name, type, ttl, data: new Uint8Array(data) }
}

const pointer = (name: string, to: string): OwnRecord => ({
  name,
  type: rrTypes.PTR,
  ttl,
  data: writeName(to),
})

const soaOf = (zone: string): OwnRecord => {
  const times = Buffer.alloc(20)
  for (const [index, value] of [1, 3_600, 600, 86_400, ttl].entries())
    times.writeUInt32BE(value, 4 * index)
  const data = Buffer.concat([writeName(`ns.${zone}`), writeName(`hostmaster.${zone}`), times])
  return { name: zone, type: rrTypes.SOA, ttl, data: new Uint8Array(data) }
}

export const reverseOf = (ip: Ip): string => {
  const value = ipNumber(ip)
  if (typeof value === 'number') return `${ip.split('.').reverse().join('.')}.in-addr.arpa`
  const digits = value.toString(16).padStart(32, '0')
  return `${[...digits].reverse().join('.')}.ip6.arpa`
}

/** The address that a name of a pointer is of. */
const addressOf = (name: string): string | undefined => {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1]
  if (v4 !== undefined) {
    const text = v4.slice(0, -1).split('.').reverse().join('.')
    return parseIpv4(text) === undefined ? undefined : text
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  if (v6 === undefined) return undefined
  return v6
    .replaceAll('.', '')
    .split('')
    .reverse()
    .join('')
    .replace(/(.{4})(?!$)/g, '$1:')
}
