/** What people declare of a router, as JSON Schema and what that cannot say. */
import Type, { type Static } from 'typebox'
import { type Cidr, formatCidr, parseCidr, parseMac } from '../../base/addresses.js'
import type { Complaint, Kind } from '../../base/kind.js'
import { controllerMac } from '../../topology/hosts/host-frames.js'
import { type Address, contains, isOwnable, parseAddress, subnetOf } from './addresses.js'

const strict = { additionalProperties: false }
const most = 64

const routerInterface = Type.Object(
  {
    network: Type.String({
      maxLength: 63,
      description: 'a Network by name; "default" is the first one',
    }),
    addresses: Type.Array(Type.String({ maxLength: 49 }), {
      minItems: 1,
      maxItems: 16,
      description:
        'its own with the length of the subnet, such as 10.1.0.254/24; the first of IPv4 and of IPv6 send its errors',
    }),
    advertise: Type.Optional(
      Type.Boolean({
        description:
          'send router advertisements for the IPv6 subnets; absent: true where one is a /64',
      }),
    ),
  },
  strict,
)

const route = Type.Object(
  {
    to: Type.String({
      maxLength: 49,
      description: 'a CIDR; 0.0.0.0/0 or ::/0 is the default route',
    }),
    via: Type.Optional(
      Type.Union(
        [
          Type.String({ maxLength: 45 }),
          Type.Array(Type.String({ maxLength: 45 }), { minItems: 1, maxItems: 16 }),
        ],
        { description: 'the next hop in the subnet of an interface; several share by connection' },
      ),
    ),
    network: Type.Optional(
      Type.String({ maxLength: 63, description: 'of a link-local next hop: where it is' }),
    ),
    blackhole: Type.Optional(
      Type.Literal(true, { description: 'drop, without a word to the sender' }),
    ),
  },
  strict,
)

export const routerSpec = Type.Object(
  {
    interfaces: Type.Array(routerInterface, { minItems: 1, maxItems: most }),
    routes: Type.Optional(Type.Array(route, { maxItems: 10_000 })),
    mac: Type.Optional(
      Type.String({
        maxLength: 17,
        description: 'of all its interfaces; absent: made from its name',
      }),
    ),
  },
  strict,
)
export type RouterSpec = Static<typeof routerSpec>
export type RouteSpec = Static<typeof route>

const complaint = (path: readonly (string | number)[], message: string): Complaint => ({
  path: path.map(String),
  message,
})

interface Placed {
  readonly address: Address
  readonly network: string
  readonly path: readonly (string | number)[]
}

const checkRouter = (spec: RouterSpec): Complaint[] => {
  const complaints: Complaint[] = []
  const placed: Placed[] = []
  const networks = new Set<string>()
  for (const [at, { network, addresses, advertise }] of spec.interfaces.entries()) {
    if (advertise === true && !addresses.some(each => each.includes(':')))
      complaints.push(
        complaint(['interfaces', at, 'advertise'], 'needs an IPv6 address on the interface'),
      )
    if (networks.has(network))
      complaints.push(
        complaint(
          ['interfaces', at, 'network'],
          `${network} has an interface already: give that one both addresses`,
        ),
      )
    networks.add(network)
    for (const [index, text] of addresses.entries()) {
      const path = ['interfaces', at, 'addresses', index]
      const address = parseAddress(text)
      const why =
        address === undefined
          ? 'takes an address with the length of its subnet, such as 10.1.0.254/24 or fd00:1::1/64'
          : isOwnable(address)
      if (address === undefined || why !== undefined) complaints.push(complaint(path, why ?? ''))
      else placed.push({ address, network, path })
    }
  }
  for (const [index, { address, network, path }] of placed.entries()) {
    const other = placed
      .slice(0, index)
      .find(
        each =>
          contains(subnetOf(each.address), address) || contains(subnetOf(address), each.address),
      )
    if (other === undefined) continue
    const isTwin = other.address.value === address.value
    if (isTwin || other.network !== network)
      complaints.push(
        complaint(
          path,
          isTwin
            ? 'is an address of the router already'
            : `is in the subnet of ${other.network} (${formatCidr(subnetOf(other.address))}) as well: an address must lead to one network`,
        ),
      )
  }
  const mac = spec.mac === undefined ? 2 : parseMac(spec.mac)
  if (
    mac === undefined ||
    mac === 0 ||
    mac === controllerMac ||
    Math.floor(mac / 2 ** 40) % 2 === 1
  )
    complaints.push(complaint(['mac'], 'takes a MAC of one station, such as 02:00:00:00:00:fe'))
  return [...complaints, ...checkRoutes(spec.routes ?? [], placed, networks)]
}

const checkRoutes = (
  routes: readonly RouteSpec[],
  placed: readonly Placed[],
  networks: ReadonlySet<string>,
): Complaint[] => {
  const seen = new Map<string, number>()
  return routes.flatMap((each, at): Complaint[] => {
    const path = ['routes', at]
    const to = parseCidr(each.to)
    if (to === undefined) return [complaint([...path, 'to'], 'takes a CIDR, such as 10.9.0.0/16')]
    if (isNeverRouted(to))
      return [complaint([...path, 'to'], `${formatCidr(to)} is routed by nobody`)]
    const itself = placed.find(
      ({ address }) =>
        to.length === (to.version === 4 ? 32 : 128) &&
        contains(to, address) &&
        address.version === to.version,
    )
    if (itself) return [complaint([...path, 'to'], `${formatCidr(to)} is the router itself`)]
    if (each.blackhole && each.network !== undefined)
      return [complaint([...path, 'network'], 'belongs to a next hop')]
    const hops = [each.via ?? []].flat()
    if (new Set(hops).size < hops.length)
      return [complaint([...path, 'via'], 'has the same next hop twice')]
    const key = formatCidr(to)
    const twin = seen.get(key)
    if (twin !== undefined)
      return [
        complaint(
          [...path, 'to'],
          `${key} has a route already, routes.${twin}: give that one both next hops`,
        ),
      ]
    seen.set(key, at)
    const own = placed.find(({ address }) => formatCidr(subnetOf(address)) === key)
    if (own)
      return [
        complaint(
          [...path, 'to'],
          `${key} is the subnet of ${own.network}: packets go there straight`,
        ),
      ]
    if ((each.via === undefined) === (each.blackhole === undefined))
      return [complaint(path, 'takes a next hop (via), or blackhole: true')]
    return [each.via ?? []].flat().flatMap(via => {
      const why = nextHopMistake(via, to.version, each.network, placed, networks)
      return why === undefined ? [] : [complaint([...path, 'via'], why)]
    })
  })
}

/** Groups, loopback, this network, and what stays on its link: RFC 6890. The default routes are not among them. */
const isNeverRouted = (to: Cidr): boolean =>
  to.length > 0 &&
  never.some(text => {
    const range = parseCidr(text)!
    return (
      range.version === to.version &&
      to.length >= range.length &&
      contains(range, { version: to.version, value: to.address })
    )
  })

const never = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8']

const nextHopMistake = (
  via: string,
  version: 4 | 6,
  network: string | undefined,
  placed: readonly Placed[],
  networks: ReadonlySet<string>,
): string | undefined => {
  const hop = parseAddress(`${via}/${via.includes(':') ? 128 : 32}`)
  if (hop === undefined || hop.version !== version)
    return `${via} is no IPv${version} address of a next hop`
  if (placed.some(({ address }) => address.version === version && address.value === hop.value))
    return `${via} is an address of the router itself`
  if (version === 6 && BigInt(hop.value) >> 118n === 0x3fan) {
    if (network === undefined) return `${via} is link-local: say where it is with network`
    return networks.has(network) ? undefined : `the router has no interface in ${network}`
  }
  const near = placed.filter(({ address }) => contains(subnetOf(address), hop))
  const there = near.find(each => network === undefined || each.network === network)
  if (near.length > 0 && there === undefined)
    return `${via} is in ${near[0]!.network}, not in ${network}`
  if (there !== undefined) {
    const why = isOwnable({ ...hop, length: there.address.length })
    return why
  }
  const subnets = placed
    .filter(({ address }) => address.version === version)
    .map(({ address }) => formatCidr(subnetOf(address)))
  return `${via} is in no subnet of an interface${subnets.length > 0 ? ` (${subnets.join(', ')})` : ''}`
}

/** A network has one router: who comes later is refused, so that nothing that runs is taken from another. */
const checkRouters = (
  routers: readonly { readonly name: string; readonly spec: RouterSpec }[],
  changed: ReadonlySet<string>,
) => {
  const takenBy = new Map<string, string>()
  const settled = routers.filter(({ name }) => !changed.has(name))
  return [...settled, ...routers.filter(({ name }) => changed.has(name))].flatMap(
    ({ name, spec }) =>
      spec.interfaces.flatMap(({ network }, at) => {
        const other = takenBy.get(network)
        if (other === undefined) takenBy.set(network, name)
        return other === undefined || !changed.has(name)
          ? []
          : [
              {
                name,
                ...complaint(
                  ['interfaces', at, 'network'],
                  `${network} has router ${other} already: add to that one, or take the network from it first`,
                ),
              },
            ]
      }),
  )
}

export const routerKind: Kind = {
  kind: 'Router',
  path: 'router',
  plural: 'routers',
  summary: 'joins networks: every switch passes packets between them where they come in',
  schema: routerSpec,
  check: checkRouter,
  checkAll: checkRouters,
}
