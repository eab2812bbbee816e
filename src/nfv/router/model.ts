/** Routers as they are in force: names looked up, what cannot be is said. */
import { type Cidr, formatMac, type Mac, parseCidr, parseMac } from '../../base/addresses.js'
import { hash32 } from '../../pipeline/program.js'
import type { Gateway, Network } from '../../topology/model.js'
import { type Address, contains, parseAddress, subnetOf } from './addresses.js'
import type { RouterSpec } from './kind.js'

export interface RouterInterface {
  readonly network: Network
  readonly addresses: readonly Address[]
  readonly advertises: boolean
}

export interface NextHop {
  readonly network: number
  readonly address: Address
}

export interface Route {
  readonly to: Cidr
  /** None: a blackhole. */
  readonly via: readonly NextHop[]
}

export interface Router {
  readonly name: string
  /** The lowest number of its networks. */
  readonly domain: number
  readonly mac: Mac
  readonly interfaces: readonly RouterInterface[]
  readonly routes: readonly Route[]
}

export interface RouterState {
  readonly state: 'installed' | 'pending' | 'failed'
  readonly reason?: string
}

/** A declared router. */
export interface RouterWish {
  readonly name: string
  readonly spec: RouterSpec
}

/**
 * Looks up the networks of declared routers, in the order of their names: of two that want the same network the first
 * has it.
 */
export const resolveRouters = (
  wishes: readonly RouterWish[],
  networks: readonly Network[],
): { readonly routers: readonly Router[]; readonly states: ReadonlyMap<string, RouterState> } => {
  const routers: Router[] = []
  const states = new Map<string, RouterState>()
  const taken = new Map<number, string>()
  const macs = new Map<Mac, string>()
  for (const { name, spec } of wishes) {
    const found = spec.interfaces.map(({ network }) => networks.find(each => each.name === network))
    const missing = spec.interfaces.find((_, at) => found[at] === undefined)
    const shared = found.find(network => network && taken.has(network.number))
    const mac = macOf(name, spec)
    if (missing) {
      states.set(name, { state: 'pending', reason: `there is no network ${missing.network}` })
    } else if (shared) {
      const reason = `network ${shared.name} has router ${taken.get(shared.number)} already`
      states.set(name, { state: 'failed', reason })
    } else if (macs.has(mac)) {
      const reason = `router ${macs.get(mac)} has the MAC ${mac} already: give one of them another mac`
      states.set(name, { state: 'failed', reason })
    } else {
      for (const network of found) taken.set(network!.number, name)
      macs.set(mac, name)
      routers.push(routerOf(name, mac, spec, found as readonly Network[]))
      states.set(name, { state: 'installed' })
    }
  }
  return { routers, states }
}

/** Of its own, or a locally administered one from its name: the same after a restart. */
const macOf = (name: string, { mac }: RouterSpec): Mac =>
  formatMac(parseMac(mac ?? '') ?? 0x02736c000000 + (hash32(`router/${name}`) & 0xffffff))

const routerOf = (
  name: string,
  mac: Mac,
  spec: RouterSpec,
  networks: readonly Network[],
): Router => {
  const interfaces = spec.interfaces.map(({ addresses, advertise }, at): RouterInterface => {
    const own = addresses.map(text => parseAddress(text)!)
    const advertises =
      advertise ?? own.some(({ version, length }) => version === 6 && length === 64)
    return { network: networks[at]!, addresses: own, advertises }
  })
  return {
    name,
    mac,
    interfaces,
    domain: Math.min(...networks.map(({ number }) => number)),
    routes: (spec.routes ?? []).map(({ to, via, network }) => ({
      to: parseCidr(to)!,
      via: [via ?? []].flat().map(text => nextHopOf(text, network, interfaces)),
    })),
  }
}

/** The kind has checked that it is in a subnet of an interface, or says where it is. */
const nextHopOf = (
  text: string,
  name: string | undefined,
  interfaces: readonly RouterInterface[],
): NextHop => {
  const address = parseAddress(`${text}/${text.includes(':') ? 128 : 32}`)!
  const { network } =
    interfaces.find(each => name !== undefined && each.network.name === name) ??
    interfaces.find(each => each.addresses.some(own => contains(subnetOf(own), address)))!
  return { network: network.number, address }
}

export const gatewaysOf = ({ name, domain, mac, interfaces }: Router): Gateway[] =>
  interfaces.map(({ network, addresses }) => ({
    router: name,
    network: network.number,
    domain,
    mac,
    addresses: addresses.map(({ version, value, length }) => ({ version, address: value, length })),
  }))
