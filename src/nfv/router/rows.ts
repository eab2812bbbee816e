/**
 * The rows of a router, the same in every switch: each routes where a packet comes in.
 *
 *     answer ── to the router's MAC ─> route ─> (nextHops) ─> neighbours ─> track ─ ... ─> forward: from the router's MAC
 *        ├─ ARP, ND, echo for an address of its own: back by the port that asked
 *        └─ last hop, no route, unknown next hop, its own ports: the controller answers, through a meter
 *
 * The packet is judged as it goes on: in the network of its next hop, with the MAC of the next hop. The sender's MAC stays
 * until `forward`, so that whoever is rejected is told. Forms and traps: README.md of this folder.
 */
import { type Cidr, formatCidr, macNumber } from '../../base/addresses.js'
import type { Action, FieldValue, Match, Subfield } from '../../openflow/values.js'
import { etherTypes, fragBits, ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  hash32,
  type Meter,
  meterNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, load, registers } from '../../pipeline/registers.js'
import { type TableName, tableId } from '../../pipeline/tables.js'
import { type PuntReason, writeUserdata } from '../../pipeline/userdata.js'
import { slotOf } from '../../pipeline/zones.js'
import { onLink } from '../../topology/forwarding/link-messages.js'
import { type Host, hostKey } from '../../topology/model.js'
import {
  type Address,
  allNodes,
  broadcastOf,
  formatAddress,
  linkLocalOf,
  parseAddress,
  subnetOf,
} from './addresses.js'
import type { NextHop, Route, Router, RouterInterface } from './model.js'
import './tables.js'

export const originOf = ({ name }: Pick<Router, 'name'>): Origin => ({
  kind: 'function',
  name: `router/${name}`,
})

const base: Origin = { kind: 'base', name: 'router' }

// biome-ignore format: a table
const limits = {
  expired:     [1, 100, 'packets on their last hop that are answered each second'],
  unreachable: [2, 100, 'packets without a route that are answered each second'],
  neighbour:   [3, 200, 'packets for unknown next hops that may wait in the controller each second'],
  addressed:   [4, 100, 'packets to a router itself that are answered each second'],
  solicited:   [5, 50,  'solicitations of routers that are answered each second'],
} as const satisfies Partial<Record<PuntReason, readonly [number: number, rate: number, because: string]>>

export type RouterPunt = keyof typeof limits

export const punt = (reason: RouterPunt, network: number, octets = 0xffff): Action => ({
  kind: 'controller',
  maxLength: octets,
  userdata: writeUserdata(reason, network),
  meter: meterNumber('router', limits[reason][0]),
})

const meters: readonly Meter[] = Object.values(limits).map(([number, rate, because]) => ({
  id: meterNumber('router', number),
  unit: 'pktps',
  bands: [{ type: 'drop', rate, burstSize: rate }],
  because,
  origin: base,
}))

/** Enough of a packet for what an error quotes of it. */
export const quotedOctets = 1_500
const groupBit = { value: 0x010000000000, mask: 0x010000000000 }
export const whole = (field: Subfield['field'], size: number): Subfield => ({
  field,
  offset: 0,
  size,
})
export const ethTypes = { 4: etherTypes.ipv4, 6: etherTypes.ipv6 } as const
export const destinations = { 4: 'ip_dst', 6: 'ipv6_dst' } as const
export const sources = { 4: 'ip_src', 6: 'ipv6_src' } as const
export const sizes = { 4: 32, 6: 128 } as const
export const versions = [4, 6] as const

/** A match of an address, or of a prefix. */
const prefix = (
  version: 4 | 6,
  value: number | bigint,
  length: number,
): FieldValue | { value: FieldValue; mask: FieldValue } | undefined => {
  if (length === 0) return undefined
  if (length === sizes[version]) return value
  const mask = ((1n << BigInt(length)) - 1n) << BigInt(sizes[version] - length)
  const kept = BigInt(value) & mask
  return version === 4 ? { value: Number(kept), mask: Number(mask) } : { value: kept, mask }
}

export const within = (
  field: 'ip_src' | 'ip_dst' | 'ipv6_src' | 'ipv6_dst',
  version: 4 | 6,
  value: number | bigint,
  length: number,
): Match => {
  const wanted = prefix(version, value, length)
  return { eth_type: ethTypes[version], ...(wanted !== undefined && { [field]: wanted }) }
}

/** The next hop in registers: one for IPv4, four for IPv6, the highest bits first. */
const hopFields = { 4: ['reg12'], 6: ['reg12', 'reg13', 'reg14', 'reg15'] } as const

const wordOf = (value: number | bigint, version: 4 | 6, at: number): number =>
  version === 4 ? Number(value) : Number((BigInt(value) >> BigInt(32 * (3 - at))) & 0xffffffffn)

const hopMatch = ({ version, value }: Pick<Address, 'version' | 'value'>): Match => ({
  eth_type: ethTypes[version],
  ...Object.fromEntries(hopFields[version].map((field, at) => [field, wordOf(value, version, at)])),
})

const hopIs = ({ version, value }: Address): Action[] =>
  hopFields[version].map((field, at) => load(whole(field, 32), wordOf(value, version, at)))

/** The destination is itself the next hop. */
const hopIsDestination = (version: 4 | 6): Action[] =>
  hopFields[version].map((field, at) => ({
    kind: 'move',
    from: { field: destinations[version], offset: version === 4 ? 0 : 32 * (3 - at), size: 32 },
    to: whole(field, 32),
  }))

export const inNetwork = (network: number): Match => ({
  reg0: bitsEqual([registers.network, network]),
})
export const ofRouter = ({ domain }: Pick<Router, 'domain'>): Match => ({
  reg9: bitsEqual([registers.router, domain]),
})

type Then = { readonly actions?: readonly Action[]; readonly goto?: TableName }

/** What no router passes on, whoever asks (RFC 1812 section 5.3.7, RFC 4291 section 2.5). */
// biome-ignore format: a table
const martians: readonly (readonly [match: Match, because: string])[] = [
  [within('ip_src', 4, 0, 8),                    'from "this network"'],
  [within('ip_src', 4, 0x7f000000, 8),           'from a loopback address'],
  [within('ip_src', 4, 0xe0000000, 3),           'from a group, or a reserved address'],
  [within('ip_dst', 4, 0, 8),                    'to "this network"'],
  [within('ip_dst', 4, 0x7f000000, 8),           'to a loopback address'],
  [within('ip_dst', 4, 0xe0000000, 3),           'to a group, or a reserved address'],
  [within('ipv6_src', 6, 0n, 127),               'from an unspecified or loopback address'],
  [within('ipv6_src', 6, 0xffn << 120n, 8),      'from a group'],
  [within('ipv6_src', 6, 0xfe80n << 112n, 10),   'from a link-local address'],
  [within('ipv6_dst', 6, 0n, 127),               'to an unspecified or loopback address'],
  [within('ipv6_dst', 6, 0xffn << 120n, 8),      'to a group'],
  [within('ipv6_dst', 6, 0xfe80n << 112n, 10),   'to a link-local address'],
]

/** Sources that are nobody's; link-local ones are somebody's on the link. */
const nobody = martians.filter(
  ([match, because]) =>
    ('ip_src' in match || 'ipv6_src' in match) && !because.includes('link-local'),
)

/** What all routers have in common. */
export const baseSection: Section = section('router/base', {
  flows: [
    ...martians.map(([match, because]) =>
      flow('route', 1_000, match, {}, `no router passes on what is ${because}`, base),
    ),
    flow('sources', 0, {}, { goto: 'route' }, 'from somewhere else', base),
    flow('route', 0, {}, {}, 'of no router', base),
    flow('nextHops', 0, {}, {}, 'no next hop of this number', base),
    flow('neighbours', 0, {}, {}, 'of no router', base),
  ],
  meters,
})

/** What a router answers, and where it leads. */
export const routerSection = (router: Router): Section => {
  const origin = originOf(router)
  const row = (
    table: TableName,
    priority: number,
    match: Match,
    then: Then,
    because: string,
  ): Flow => flow(table, priority, match, then, because, origin)
  const own = router.interfaces.flatMap(({ addresses }) => addresses)
  return section(`router/${router.name}`, {
    flows: [
      row(
        'guard',
        210,
        { eth_src: macNumber(router.mac) },
        {},
        `only router ${router.name} sends from its MAC`,
      ),
      ...router.interfaces.flatMap(each => [
        ...entryRows(router, each, own, row),
        arrivalRow(router, each, row),
        ...each.addresses.flatMap(address => [
          ...claimRows(each, address, row),
          ...(address.version === 4
            ? [arpRow(router, each, address, row)]
            : neighbourRows(router, each, BigInt(address.value), row)),
        ]),
        ...(hasIpv6(each) ? linkLocalRows(router, each, row) : []),
        ...sourceRows(router, each, row),
        ...(each.advertises ? [solicitedRow(each, row)] : []),
        ...connectedRows(router, each, row),
        row(
          'neighbours',
          10,
          {
            ...inNetwork(each.network.number),
            reg0: bitsEqual([registers.network, each.network.number], [registers.returned, 0]),
          },
          { actions: [punt('neighbour', each.network.number)] },
          `nobody in network ${each.network.name} is known to have the address of the next hop`,
        ),
        row(
          'neighbours',
          9,
          inNetwork(each.network.number),
          {},
          `nobody in network ${each.network.name} has the address of the next hop`,
        ),
        ...leavingRows(router, each, row),
      ]),
      ...router.routes
        .filter(route => !isShared(route))
        .flatMap(route => routeRows(router, route, row)),
      row(
        'route',
        1,
        ofRouter(router),
        { actions: [punt('unreachable', 0, quotedOctets)] },
        `router ${router.name} has no route to it`,
      ),
    ],
  })
}

/** Of several next hops. */
export const isShared = ({ via }: Route): boolean => via.length > 1

/** Routes of several next hops: those that somebody is known to have share, all of them while nobody is. */
export const sharedSection = (router: Router, isKnown: (hop: NextHop) => boolean): Section => {
  const row: RowMaker = (table, priority, match, then, because) =>
    flow(table, priority, match, then, because, originOf(router))
  return section(`router/${router.name}/shared`, {
    flows: router.routes.filter(isShared).flatMap(({ to, via }) => {
      const known = via.filter(isKnown)
      return routeRows(router, { to, via: known.length > 0 ? known : via }, row)
    }),
  })
}

/** What of an interface says where it is. */
export interface Placed {
  readonly network: { readonly number: number }
}

export type RowMaker = (
  table: TableName,
  priority: number,
  match: Match,
  then: Then,
  because: string,
) => Flow

const hasIpv6 = ({ addresses }: RouterInterface): boolean =>
  addresses.some(({ version }) => version === 6)

/** What it has besides where it routes IPv6, RFC 4291 section 2.8. */
const linkLocalRows = (router: Router, own: RouterInterface, row: RowMaker): Flow[] => {
  const value = linkLocalOf(macNumber(router.mac))
  const address: Address = { version: 6, value, length: 128 }
  return [
    ...neighbourRows(router, own, value, row),
    ...claimRows(own, address, row),
    ...addressedRows(router, own.network.number, address, row),
    ...(own.advertises
      ? [
          row(
            'claims',
            200,
            {
              ...inNetwork(own.network.number),
              eth_type: etherTypes.ipv6,
              ip_proto: ipProtocols.icmpv6,
              icmpv6_type: 134,
            },
            {},
            `router ${router.name} advertises itself here, and nobody else`,
          ),
        ]
      : []),
  ]
}

/** Who sends from a subnet of the router is in its network; nobody sends from its own addresses, or from all of a subnet. */
const sourceRows = (
  router: Router,
  { network, addresses }: RouterInterface,
  row: RowMaker,
): Flow[] => [
  ...addresses.map(({ version, value }) =>
    row(
      'sources',
      200,
      { ...ofRouter(router), ...within(sources[version], version, value, sizes[version]) },
      {},
      'the router sends by no host',
    ),
  ),
  ...subnetsOf(addresses).flatMap(subnet => {
    const { version } = subnet
    const from = (source: number | bigint, length: number): Match => ({
      ...ofRouter(router),
      ...within(sources[version], version, source, length),
    })
    const broadcast = broadcastOf(subnet)
    const all = broadcast === undefined ? [] : [Number(subnet.address), broadcast]
    return [
      ...all.map(source =>
        row('sources', 200, from(source, sizes[version]), {}, 'no host has this address'),
      ),
      row(
        'sources',
        100,
        {
          ...from(subnet.address, subnet.length),
          reg9: bitsEqual([registers.router, router.domain], [registers.entered, network.number]),
        },
        { goto: 'route' },
        `in network ${network.name}, where it comes from`,
      ),
      row(
        'sources',
        90,
        from(subnet.address, subnet.length),
        {},
        `from an address of network ${network.name}, and not from there`,
      ),
    ]
  }),
]

/** Each once, however many addresses are in it. */
const subnetsOf = (addresses: readonly Address[]): readonly Cidr[] => [
  ...new Map(addresses.map(subnetOf).map(subnet => [formatCidr(subnet), subnet])).values(),
]

/** Its connections are in a zone of their own network or of the first one that the router joins: both directions agree. */
export const routedBy = ({ domain }: Pick<Router, 'domain'>): Action[] => [
  load(registers.router, domain),
  load(registers.zoneSlot, slotOf(domain)),
]

/** What the router has passed on at another switch: its sender says so. */
const arrivalRow = (router: Router, { network }: RouterInterface, row: RowMaker): Flow =>
  row(
    'arrive',
    200,
    {
      ...inNetwork(network.number),
      eth_src: macNumber(router.mac),
      reg9: bitsEqual([registers.router, 0]),
    },
    { actions: [...routedBy(router), { kind: 'resubmit', table: tableId.arrive }] },
    `router ${router.name} has passed it on at another switch`,
  )

/** Packets that are handed to the router in one of its networks. */
const entryRows = (
  router: Router,
  { network }: RouterInterface,
  own: readonly Address[],
  row: RowMaker,
): Flow[] => {
  const mac = macNumber(router.mac)
  const toRouter: Match = { ...inNetwork(network.number), eth_dst: mac }
  const route: Then = {
    actions: [...routedBy(router), load(registers.entered, network.number)],
    goto: 'sources',
  }
  const ip = versions.filter(version => own.some(each => each.version === version))
  return [
    ...own.flatMap(address => addressedRows(router, network.number, address, row)),
    ...ip.flatMap(version => {
      const some = { ...toRouter, eth_type: ethTypes[version] }
      return [
        ...[0, 1].map(nw_ttl =>
          row(
            'answer',
            124,
            { ...some, nw_ttl },
            { actions: [punt('expired', network.number, quotedOctets)] },
            'its time to live is over at this router',
          ),
        ),
        row('answer', 80, some, route, `for router ${router.name}`),
      ]
    }),
    ...nobody.map(([match, because]) =>
      row('answer', 129, { ...toRouter, ...match }, {}, `the router answers nobody ${because}`),
    ),
    // The controller has heard in `claims` what they say of addresses.
    ...[133, 134, 135, 136, 137].map(icmpv6_type =>
      row(
        'answer',
        126,
        { ...toRouter, eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6, icmpv6_type },
        {},
        'neighbour discovery with the router goes no further',
      ),
    ),
    row('answer', 79, toRouter, {}, `for router ${router.name}, and nothing that it routes`),
  ]
}

/** To an address of the router itself: echo is answered here, the rest by the controller. */
const addressedRows = (
  router: Router,
  network: number,
  { version, value }: Address,
  row: RowMaker,
): Flow[] => {
  const mac = macNumber(router.mac)
  const to: Match = {
    ...inNetwork(network),
    eth_dst: mac,
    eth_type: ethTypes[version],
    [destinations[version]]: value,
  }
  const echo =
    version === 4
      ? { ip_proto: ipProtocols.icmp, icmp_type: 8, icmp_code: 0 }
      : { ip_proto: ipProtocols.icmpv6, icmpv6_type: 128, icmpv6_code: 0 }
  const answer: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    {
      kind: 'move',
      from: whole(sources[version], sizes[version]),
      to: whole(destinations[version], sizes[version]),
    },
    { kind: 'set_field', field: sources[version], value },
    version === 4
      ? { kind: 'set_field', field: 'icmp_type', value: 0 }
      : { kind: 'set_field', field: 'icmpv6_type', value: 129 },
    { kind: 'set_nw_ttl', ttl: 64 },
  ]
  const text = formatAddress({ version, value })
  return [
    row(
      'answer',
      128,
      { ...to, ip_frag: { value: fragBits.any, mask: fragBits.any } },
      {},
      `pieces of datagrams to ${text} itself are not answered`,
    ),
    row(
      'answer',
      127,
      { ...to, ...echo },
      { actions: answer, goto: 'reply' },
      `router ${router.name} has ${text}, and answers echo`,
    ),
    row(
      'answer',
      125,
      to,
      { actions: [punt('addressed', network, quotedOctets)] },
      `to ${text}, an address of router ${router.name}`,
    ),
  ]
}

/** Nobody else says that an address of the router is at his MAC. */
export const claimRows = (
  { network }: Placed,
  { version, value }: Address,
  row: RowMaker,
): Flow[] => {
  const because = `${formatAddress({ version, value })} is the router's`
  const of = inNetwork(network.number)
  if (version === 4)
    return [
      row('claims', 200, { ...of, eth_type: etherTypes.arp, arp_spa: Number(value) }, {}, because),
    ]
  const icmpv6: Match = { ...of, eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6 }
  return [
    row('claims', 200, { ...icmpv6, icmpv6_type: 135, ipv6_src: BigInt(value) }, {}, because),
    row('claims', 200, { ...icmpv6, icmpv6_type: 136, nd_target: BigInt(value) }, {}, because),
  ]
}

/** Whoever asks, also for whether the address is free: the router has it. */
export const arpRow = (
  router: Pick<Router, 'mac' | 'name'>,
  { network }: Placed,
  { value }: Address,
  row: RowMaker,
): Flow => {
  const mac = macNumber(router.mac)
  const actions: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'set_field', field: 'arp_op', value: 2 },
    { kind: 'move', from: whole('arp_sha', 48), to: whole('arp_tha', 48) },
    { kind: 'move', from: whole('arp_spa', 32), to: whole('arp_tpa', 32) },
    { kind: 'set_field', field: 'arp_sha', value: mac },
    { kind: 'set_field', field: 'arp_spa', value: Number(value) },
  ]
  return row(
    'answer',
    130,
    { ...inNetwork(network.number), eth_type: etherTypes.arp, arp_op: 1, arp_tpa: Number(value) },
    { actions, goto: 'reply' },
    `router ${router.name} has ${formatAddress({ version: 4, value })}`,
  )
}

/**
 * A solicitation becomes an advertisement of a router, RFC 4861 section 4.4; one from nobody, which asks whether the
 * address is free, is answered to all (section 7.2.4).
 */
export const neighbourRows = (
  router: Pick<Router, 'mac' | 'name'>,
  { network }: Placed,
  ip: bigint,
  row: RowMaker,
): Flow[] => {
  const mac = macNumber(router.mac)
  const nd: Match = {
    ...inNetwork(network.number),
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    nd_target: ip,
    ...onLink,
  }
  const because = `router ${router.name} has ${formatAddress({ version: 6, value: ip })}`
  const become = (flags: number): Action[] => [
    { kind: 'set_field', field: 'icmpv6_type', value: 136 },
    { kind: 'set_field', field: 'nd_options_type', value: 2 },
    { kind: 'set_field', field: 'nd_reserved', value: flags },
  ]
  const from: Action[] = [
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'set_field', field: 'ipv6_src', value: ip },
    { kind: 'set_field', field: 'nd_tll', value: mac },
  ]
  return [
    row(
      'answer',
      131,
      { ...nd, icmpv6_type: 135, ipv6_src: 0n },
      { actions: become(0xa0000000), goto: 'advertise' },
      because,
    ),
    row(
      'answer',
      130,
      { ...nd, icmpv6_type: 135 },
      { actions: become(0xe0000000), goto: 'advertise' },
      because,
    ),
    row(
      'advertise',
      131,
      { ...nd, icmpv6_type: 136, ipv6_src: 0n },
      {
        actions: [
          { kind: 'set_field', field: 'eth_dst', value: allNodes.mac },
          { kind: 'set_field', field: 'ipv6_dst', value: allNodes.ip },
          ...from,
        ],
        goto: 'reply',
      },
      because,
    ),
    row(
      'advertise',
      130,
      { ...nd, icmpv6_type: 136 },
      {
        actions: [
          { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
          { kind: 'move', from: whole('ipv6_src', 128), to: whole('ipv6_dst', 128) },
          ...from,
        ],
        goto: 'reply',
      },
      because,
    ),
  ]
}

const solicitedRow = ({ network }: RouterInterface, row: RowMaker): Flow =>
  row(
    'answer',
    130,
    {
      ...inNetwork(network.number),
      eth_dst: groupBit,
      eth_type: etherTypes.ipv6,
      ip_proto: ipProtocols.icmpv6,
      icmpv6_type: 133,
      ...onLink,
    },
    { actions: [punt('solicited', network.number)], goto: 'track' },
    'who looks for a router is told of this one',
  )

/** Its own subnets: whoever is there is reached straight. */
const connectedRows = (
  router: Router,
  { network, addresses }: RouterInterface,
  row: RowMaker,
): Flow[] =>
  subnetsOf(addresses).flatMap(subnet => {
    const { version } = subnet
    const broadcast = broadcastOf(subnet)
    const because = `in network ${network.name}`
    const to = (value: number | bigint, length: number): Match => ({
      ...ofRouter(router),
      ...within(destinations[version], version, value, length),
    })
    return [
      ...(broadcast === undefined
        ? []
        : [Number(subnet.address), broadcast].map(value =>
            row(
              'route',
              900,
              to(value, 32),
              {},
              `broadcast of network ${network.name} comes from nobody outside`,
            ),
          )),
      row(
        'route',
        101 + subnet.length,
        to(subnet.address, subnet.length),
        {
          actions: [...hopIsDestination(version), load(registers.network, network.number)],
          goto: 'neighbours',
        },
        because,
      ),
    ]
  })

const routeRows = (router: Router, { to, via }: Route, row: RowMaker): Flow[] => {
  const match: Match = {
    ...ofRouter(router),
    ...within(destinations[to.version], to.version, to.address, to.length),
  }
  const priority = 101 + to.length
  const hop = ({ network, address }: NextHop): Then => ({
    actions: [...hopIs(address), load(registers.network, network)],
    goto: 'neighbours',
  })
  const textOf = ({ address }: NextHop) => `by ${formatAddress(address)}`
  const [only] = via
  if (only === undefined)
    return [row('route', priority, match, {}, `router ${router.name} has a blackhole there`)]
  if (via.length === 1) return [row('route', priority, match, hop(only), textOf(only))]
  const number = (hash32(`${router.name} ${formatCidr(to)}`) & 0xffffff) << 8
  const slot: Subfield = { field: 'reg11', offset: 0, size: 8 }
  return [
    row(
      'route',
      priority,
      match,
      {
        actions: [
          load(registers.route, number >>> 0),
          {
            kind: 'multipath',
            hash: { fields: 'symmetric_l3', basis: 0 },
            algorithm: 'hrw',
            linkCount: via.length,
            argument: 0,
            to: slot,
          } as Action,
        ],
        goto: 'nextHops',
      },
      `by one of ${via.map(({ address }) => formatAddress(address)).join(', ')}`,
    ),
    ...via.map((each, index) =>
      row(
        'nextHops',
        100,
        { reg11: (number | index) >>> 0, eth_type: ethTypes[to.version] },
        hop(each),
        textOf(each),
      ),
    ),
  ]
}

/** Behind the rules the router is the sender; the port that a packet came in by may be the one where it leaves. */
const leavingRows = (router: Router, { network }: RouterInterface, row: RowMaker): Flow[] => {
  const leave: Action[] = [
    { kind: 'set_field', field: 'eth_src', value: macNumber(router.mac) },
    load(registers.router, 0),
  ]
  const again: Action = { kind: 'resubmit', table: tableId.forward }
  const of = (turnsBack: 0 | 1): Match => ({
    ...inNetwork(network.number),
    reg9: bitsEqual([registers.router, router.domain], [registers.turnsBack, turnsBack]),
  })
  const because = `from router ${router.name}`
  return [
    row('forward', 64_000, of(0), { actions: [...leave, again] }, because),
    row(
      'forward',
      64_000,
      of(1),
      { actions: [...leave, load(whole('in_port', 32), 0xffffffff), again] },
      `${because}, by the port where it came in`,
    ),
  ]
}

/** Where hosts are reached, in every switch. */
export const neighbourSection = (name: string, hosts: readonly Host[]): Section =>
  section(name, { flows: holders(hosts).map(([ip, host]) => neighbourRow(host, ip)) })

/** The same at their own switch, for packets that came in by the port where they are. */
export const turningSection = (name: string, hosts: readonly Host[]): Section =>
  section(name, { flows: holders(hosts).map(([ip, host]) => neighbourRow(host, ip, host.at.port)) })

/** Hosts at one port may share an address: the last to be known has it. */
const holders = (hosts: readonly Host[]): readonly (readonly [Host['ips'][number], Host])[] => [
  ...new Map(
    hosts.flatMap(host => host.ips.map(ip => [`${host.network} ${ip}`, [ip, host] as const])),
  ).values(),
]

const neighbourRow = (host: Host, ip: Host['ips'][number], in_port?: number): Flow => {
  const address = parseAddress(`${ip}/${ip.includes(':') ? 128 : 32}`)!
  return flow(
    'neighbours',
    in_port === undefined ? 100 : 110,
    { ...inNetwork(host.network), ...hopMatch(address), ...(in_port !== undefined && { in_port }) },
    {
      actions: [
        { kind: 'dec_ttl' },
        { kind: 'set_field', field: 'eth_dst', value: macNumber(host.mac) },
        ...(in_port === undefined ? [] : [load(registers.turnsBack, 1)]),
      ],
      goto: 'track',
    },
    `${ip} is ${host.mac}`,
    { kind: 'host', name: hostKey(host.network, host.mac) },
  )
}
