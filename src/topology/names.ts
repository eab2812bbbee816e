/**
 * What a name means: hosts, switches, ports and networks, wherever people name them. A host is named by what it is
 * declared as, by its MAC or by one of its addresses, in any usual spelling; what it says of itself names nobody.
 *
 *     web1    02:00:00:00:00:0a    02-00-00-00-00-0A    fd00::A    blue/10.0.0.1    2/02:00:00:00:00:0a
 *     s1      0000000000000001     0x1                  s1:2       s1:eth1
 *
 * What is in front of a slash is the network, by name or number. A name that several have means all of them here:
 * `theHost`, `theSwitch` and `thePort` refuse it with the candidates.
 */
import { formatMac, parseDpid, parseMac, readIp } from '../base/addresses.js'
import { Failure } from '../base/failures.js'
import type { Host, Network, PortRef, Switch, Topology } from './model.js'

/** Where names are looked up. */
type Named = Pick<Topology, 'hosts' | 'networks' | 'switches'>

/** Every host that the text means, in the order they were learnt. */
export const hostsNamed = (topology: Named, text: string): readonly Host[] => {
  const isMeant = hostTest(topology, text)
  const found: Host[] = []
  for (const host of topology.hosts.values()) if (isMeant(host)) found.push(host)
  return found
}

const hostTest = (topology: Named, text: string): ((host: Host) => boolean) => {
  const slash = text.indexOf('/')
  const network = slash < 0 ? undefined : networkNamed(topology, text.slice(0, slash))
  if (slash >= 0 && network === undefined) return () => false
  const name = text.slice(slash + 1)
  const mac = canonicalMac(name)
  const ip = readIp(name)
  return host =>
    (network === undefined || host.network === network.number) &&
    (host.name === name || host.mac === mac || host.ips.some(own => own === ip))
}

const canonicalMac = (text: string): string | undefined => {
  const mac = parseMac(text)
  return mac === undefined ? undefined : formatMac(mac)
}

/** By name or number. */
export const networkNamed = ({ networks }: Named, text: string): Network | undefined =>
  networks.find(each => each.name === text) ?? networks.find(each => String(each.number) === text)

/** By dpid, else by name; the one that was seen first comes first. */
export const switchesNamed = ({ switches }: Named, text: string): readonly Switch[] => {
  const dpid = text.length < 16 && !/^0x/i.test(text) ? undefined : parseDpid(text)
  const own = dpid === undefined ? undefined : switches.get(dpid)
  if (own !== undefined) return [own]
  const found: Switch[] = []
  for (const each of switches.values()) if (each.name === text) found.push(each)
  return found.sort((a, b) => a.index - b.index)
}

/**
 * `SWITCH:PORT`, the port by number or name, or `*` for all of them. Where several switches have the name it is the
 * one that was seen first: what is declared never means another switch because that took its name.
 */
export const portsNamed = (topology: Named, text: string): readonly PortRef[] => {
  const colon = text.lastIndexOf(':')
  const [self] = colon < 0 ? [] : switchesNamed(topology, text.slice(0, colon))
  return self === undefined ? [] : portsOf(self, text.slice(colon + 1))
}

const portsOf = (self: Switch, word: string): PortRef[] =>
  [...self.ports.values()]
    .filter(
      port =>
        word === '*' ||
        port.name === word ||
        String(port.number) === word ||
        (word === 'LOCAL' && port.number === localPort),
    )
    .map(port => ({ dpid: self.dpid, port: port.number }))

/** A switch's own port, as `ovs-ofctl` names it. */
const localPort = 0xfffffffe

/** @throws {Failure} `ambiguous` */
export const theHost = (topology: Named, text: string): Host | undefined => {
  const found = hostsNamed(topology, text)
  if (found.length > 1)
    throw ambiguous(
      text,
      found.map(host => hostLabel(topology, host)),
    )
  return found[0]
}

/** `blue/02:00:00:00:00:0a`: what means this host and no other. */
export const hostLabel = ({ networks }: Named, { mac, network }: Host): string =>
  `${networks.find(each => each.number === network)?.name ?? network}/${mac}`

/**
 * Of several with one name the one that is connected.
 *
 * @throws {Failure} `ambiguous` when several are, or none is
 */
export const theSwitch = (topology: Named, text: string): Switch | undefined => {
  const found = switchesNamed(topology, text)
  const connected = found.filter(each => each.isConnected)
  if (found.length < 2) return found[0]
  if (connected.length === 1) return connected[0]
  throw ambiguous(
    text,
    found.map(({ dpid }) => dpid),
  )
}

/** @throws {Failure} `ambiguous`, `no-such-switch`, and `bad-request` when the switch has no such port */
export const thePort = (topology: Named, text: string): PortRef => {
  const colon = text.lastIndexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  const self = theSwitch(topology, name)
  if (self === undefined) throw new Failure('no-such-switch', { name })
  const word = colon < 0 ? '' : text.slice(colon + 1)
  const found = word === '*' ? [] : portsOf(self, word)
  if (found[0] !== undefined) return found[0]
  throw new Failure('bad-request', {
    detail: `${self.name} has no port ${word}; write SWITCH:PORT, as "sluice get hosts" shows places.`,
  })
}

const ambiguous = (name: string, candidates: readonly string[]): Failure =>
  new Failure('ambiguous', { name, candidates: candidates.join(', ') })
