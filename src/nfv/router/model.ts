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
  /** The number of the first of its networks: in its zone what is routed is remembered. */
  readonly domain: number
  readonly mac: Mac
  readonly interfaces: readonly RouterInterface[]
  readonly routes: readonly Route[]
}

export interface RouterState {
  readonly state: 'installed' | 'degraded' | 'pending' | 'failed'
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
    const missing = spec.interfaces.filter((_, at) => found[at] === undefined)
    const missingText = missing.map(({ network }) => `there is no network ${network}`).join('; ')
    const shared = found.find(network => network && taken.has(network.number))
    const mac = macOf(name, spec)
    if (missing.length === found.length) {
      states.set(name, { state: 'pending', reason: missingText })
    } else if (shared) {
      const reason = `network ${shared.name} has router ${taken.get(shared.number)} already`
      states.set(name, { state: 'failed', reason })
    } else if (macs.has(mac)) {
      const reason = `router ${macs.get(mac)} has the MAC ${mac} already: give one of them another mac`
      states.set(name, { state: 'failed', reason })
    } else {
      const there = found.flatMap(network => network ?? [])
      for (const { number } of there) taken.set(number, name)
      macs.set(mac, name)
      routers.push(routerOf(name, mac, spec, found))
      states.set(
        name,
        missing.length === 0 ? { state: 'installed' } : { state: 'degraded', reason: missingText },
      )
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
  networks: readonly (Network | undefined)[],
): Router => {
  // Without its network an interface is not there, nor is what it leads to; the others go on.
  const interfaces = spec.interfaces.flatMap(({ addresses, advertise }, at): RouterInterface[] => {
    const network = networks[at]
    if (network === undefined) return []
    const own = addresses.map(text => parseAddress(text)!)
    const advertises =
      advertise ?? own.some(({ version, length }) => version === 6 && length === 64)
    return [{ network, addresses: own, advertises }]
  })
  return {
    name,
    mac,
    interfaces,
    domain: interfaces[0]!.network.number,
    routes: (spec.routes ?? []).flatMap(({ to, via, network }): Route[] => {
      const hops = [via ?? []].flat().flatMap(text => nextHopOf(text, network, interfaces) ?? [])
      return via !== undefined && hops.length === 0 ? [] : [{ to: parseCidr(to)!, via: hops }]
    }),
  }
}

/** The kind has checked that it is in a subnet of an interface, or says where it is; undefined while that network is not there. */
const nextHopOf = (
  text: string,
  name: string | undefined,
  interfaces: readonly RouterInterface[],
): NextHop | undefined => {
  const address = parseAddress(`${text}/${text.includes(':') ? 128 : 32}`)!
  const found = interfaces.find(each =>
    name === undefined
      ? each.addresses.some(own => contains(subnetOf(own), address))
      : each.network.name === name,
  )
  return found && { network: found.network.number, address }
}

export const gatewaysOf = ({ name, domain, mac, interfaces }: Router): Gateway[] =>
  interfaces.map(({ network, addresses }) => ({
    router: name,
    network: network.number,
    domain,
    mac,
    addresses: addresses.map(({ version, value, length }) => ({ version, address: value, length })),
  }))
