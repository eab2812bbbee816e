/** Addresses of hosts, networks and ports that somebody says where no network can be asked. */
import { type Cidr, type Ip, parseCidr, parseMac, readIp } from '../../../base/addresses.js'
import { hasPrefix } from '../text/mac-prefix.js'
import { type Facts, noFacts } from './environment.js'

export interface KnownAddresses {
  readonly hosts: ReadonlyMap<string, readonly Ip[]>
  readonly networks: ReadonlyMap<string, readonly Cidr[]>
  readonly ports: ReadonlyMap<string, readonly Ip[]>
  /** By MAC as a number. */
  readonly macs: ReadonlyMap<number, readonly Ip[]>
}

/**
 * @param known `web1=10.2.0.10` a host, `ops=10.9.0.0/24` a network, `100=10.9.0.0/24` a VLAN, `leaf1:3=10.2.0.11` a port of a switch,
 *   `02:00:00:00:00:0a=10.2.0.10` the host with that MAC
 * @throws {Error} for what is none of these
 */
export const knownAddresses = (known: readonly string[]): KnownAddresses => {
  const hosts = new Map<string, Ip[]>()
  const networks = new Map<string, Cidr[]>()
  const ports = new Map<string, Ip[]>()
  const macs = new Map<number, Ip[]>()
  const put = <K, T>(map: Map<K, T[]>, name: K, value: T) =>
    map.set(name, [...(map.get(name) ?? []), value])
  for (const text of known) {
    const at = text.indexOf('=')
    const [name, value] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
    const ip = readIp(value)
    const cidr = value.includes('/') ? parseCidr(value) : undefined
    if (name === '' || (ip === undefined && cidr === undefined))
      throw new Error(
        `"${text}" names no address; write for example web1=10.2.0.10, for a network ops=10.9.0.0/24, for a VLAN 100=10.9.0.0/24, for a port leaf1:3=10.2.0.11, for a MAC 02:00:00:00:00:0a=10.2.0.10`,
      )
    const mac = parseMac(name)
    if (ip === undefined) put(networks, name, cidr!)
    else if (mac !== undefined) put(macs, mac, ip)
    else put(name.includes(':') ? ports : hosts, name, ip)
  }
  return { hosts, networks, ports, macs }
}

/** What is known away from any network. */
export const factsOf = (
  { hosts, networks, ports, macs }: KnownAddresses,
  nowMillis: number,
): Facts => ({
  ...noFacts(nowMillis),
  hostAddresses: name => hosts.get(name) ?? macs.get(parseMac(name) ?? -1),
  networkSubnets: name => networks.get(name),
  vlanSubnets: number => networks.get(number),
  portAddresses: name => ports.get(name),
  macAddresses: prefix => {
    const found = [...macs].filter(([mac]) => hasPrefix(mac, prefix))
    return found.length === 0 ? undefined : found.flatMap(([, ips]) => ips)
  },
})
