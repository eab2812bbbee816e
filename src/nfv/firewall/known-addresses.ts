/** Addresses of hosts, networks and ports that somebody says where no network can be asked. */
import { type Cidr, type Ip, parseCidr, readIp } from '../../base/addresses.js'
import { type Facts, noFacts } from './environment.js'

export interface KnownAddresses {
  readonly hosts: ReadonlyMap<string, readonly Ip[]>
  readonly networks: ReadonlyMap<string, readonly Cidr[]>
  readonly ports: ReadonlyMap<string, readonly Ip[]>
}

/**
 * @param known `web1=10.2.0.10` a host, `ops=10.9.0.0/24` a network, `100=10.9.0.0/24` a VLAN, `leaf1:3=10.2.0.11` a port of a switch
 * @throws {Error} for what is none of these
 */
export const knownAddresses = (known: readonly string[]): KnownAddresses => {
  const [hosts, networks, ports] = [
    new Map<string, Ip[]>(),
    new Map<string, Cidr[]>(),
    new Map<string, Ip[]>(),
  ]
  const put = <T>(map: Map<string, T[]>, name: string, value: T) =>
    map.set(name, [...(map.get(name) ?? []), value])
  for (const text of known) {
    const at = text.indexOf('=')
    const [name, value] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
    const ip = readIp(value)
    const cidr = value.includes('/') ? parseCidr(value) : undefined
    if (name === '' || (ip === undefined && cidr === undefined))
      throw new Error(
        `"${text}" names no address; write for example web1=10.2.0.10, for a network ops=10.9.0.0/24, for a VLAN 100=10.9.0.0/24, for a port leaf1:3=10.2.0.11`,
      )
    if (ip === undefined) put(networks, name, cidr!)
    else put(name.includes(':') ? ports : hosts, name, ip)
  }
  return { hosts, networks, ports }
}

/** What is known away from any network. */
export const factsOf = ({ hosts, networks, ports }: KnownAddresses, nowMillis: number): Facts => ({
  ...noFacts(nowMillis),
  hostAddresses: name => hosts.get(name),
  networkSubnets: name => networks.get(name),
  vlanSubnets: number => networks.get(number),
  portAddresses: name => ports.get(name),
})
