/**
 * The rows of address translation.
 *
 *     answer ── to an address that is translated ─> inward ── published ─> lead ──ct(D)──> led ── translated ─────┐
 *                                                     └── else ──ct(F, nat)──> back ── an answer: its own address ─┤
 *                                                                               └── for the router itself: answer  v
 *                                                                                                        sources, route ...
 *     track ── by the uplink ─> outward ── number of what its source becomes ──> track ──ct(F, nat)──> session, rules
 *     commit ─> translate ──ct(commit, F, nat(src))──> accepted ─> forward ─> settle ── has the source it should have
 *                                                                     └── an answer of who is published ──ct(D)──> undo
 *
 * F is the zone of the router, where rules see real addresses: of what is published, those behind it; of what leaves, those
 * before. The label of a connection in F holds the number of what its source has become, that in D where it leads: so
 * `settle`, `back`, `led` and `undo` pass only what is translated as it should be now. Where Open vSwitch cannot translate,
 * it says nothing and sends on what it was given: that has no such label, and goes no further. All of it stands at the
 * switch that holds the uplink; what leads to who is published also where clients inside are.
 */
import { macNumber } from '../../base/addresses.js'
import type { Action, CtAction, Match, NatAction, Subfield } from '../../openflow/values.js'
import { ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  type Meter,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, label, load, registers } from '../../pipeline/registers.js'
import { type TableName, tableId } from '../../pipeline/tables.js'
import { publishedZoneOf } from '../../pipeline/zones.js'
import { isTracked, state } from '../firewall/flows/tables.js'
import {
  type AddressSet,
  cidrsV4,
  cidrsV6,
  isEveryAddress,
} from '../firewall/meaning/address-set.js'
import { masksOf } from '../firewall/meaning/ports.js'
import type { ResolvedNat, Term } from '../firewall/meaning/resolved.js'
import {
  arpRow,
  destinations,
  ethTypes,
  neighbourRows,
  ofRouter,
  punt,
  quotedOctets,
  routedBy,
  sources,
  within,
} from '../router/rows.js'
import type { Becomes, Edge, Hairpin, Lead, LeadChoice, Translations, Version } from './model.js'
import { textOf } from './model.js'
import { tellUntranslated, untranslatedMeter } from './tables.js'

const base: Origin = { kind: 'base', name: 'nat' }
const versions = [4, 6] as const
const snat = { value: 0x60, mask: 0x60 }
const dnat = { value: 0xa0, mask: 0xa0 }
const notNew = state(['trk'], ['new'])
const anyPiece = { value: 1, mask: 1 }
/** Of a datagram in pieces: the first one, and others. */
const [firstPiece, laterPiece] = [1, 3]
const tcp = ipProtocols.tcp
/** The port at which Open vSwitch reads FTP. */
const ftp = 21

type Then = { readonly actions?: readonly Action[]; readonly goto?: TableName }
type Row = readonly [table: TableName, priority: number, match: Match, then: Then, because: string]

const again = (table: TableName): Action => ({ kind: 'resubmit', table: tableId[table] })
const numbered = (field: Subfield, number: number): Match => ({
  [field.field]: bitsEqual([field, number]),
})

/** With state bits that `state` does not know. @param off snat or dnat, that must not be */
const without = (match: { value: unknown; mask: unknown }, off: number) => ({
  value: Number(match.value),
  mask: Number(match.mask) | off,
})
const newOnly = state(['new', 'trk'], ['rel', 'inv'])

/** What a session is stamped with: by registers, so that these rows stay when rules change. */
const stamps: readonly Action[] = [
  { kind: 'move', from: registers.generation, to: label.generation },
  { kind: 'move', from: registers.rule, to: label.rule },
  { kind: 'move', from: registers.elsewhere, to: label.elsewhere },
]
const ledStamp: Action = { kind: 'move', from: registers.led, to: label.led }

const commit = (more: Partial<CtAction>, exec: readonly Action[] = stamps): Action => ({
  kind: 'ct',
  commit: true,
  zone: registers.zone,
  exec,
  table: tableId.accepted,
  ...more,
})

const meter: Meter = {
  id: untranslatedMeter,
  unit: 'pktps',
  bands: [{ type: 'drop', rate: 100, burstSize: 100 }],
  because: 'packets that cannot be translated and are told of each second',
  origin: base,
}

const ndTypes = [133, 134, 135, 136, 137]
/** ICMP errors: what they are about is inside. */
const errors: Readonly<Record<Version, readonly Match[]>> = {
  4: [3, 4, 5, 11, 12].map(icmp_type => ({ ip_proto: ipProtocols.icmp, icmp_type })),
  6: [1, 2, 3, 4].map(icmpv6_type => ({ ip_proto: ipProtocols.icmpv6, icmpv6_type })),
}

/** A rule lets a helper read it. */
const helped: Match = { reg0: bitsEqual([registers.helper, 1]) }

const published = { kind: 'ct', zone: registers.publishedZone, nat: { kind: 'nat' } } as const

// biome-ignore format: a table
const fixed: readonly Row[] = [
  ...ndTypes.map((icmpv6_type): Row => ['inward', 65_000, { eth_type: ethTypes[6], ip_proto: ipProtocols.icmpv6, icmpv6_type }, { actions: [again('answer')] }, 'neighbour discovery is for the router itself']),
  ['inward', 0, {}, {}, 'only IP is translated'],
  ...versions.flatMap((version): Row[] => [0, 1].map(nw_ttl => ['lead', 100, { eth_type: ethTypes[version], nw_ttl }, { actions: [punt('expired', 0, quotedOctets)] }, 'its time to live is over at this router'])),
  ...versions.map((version): Row => ['lead', 50, { eth_type: ethTypes[version] }, { actions: [{ ...published, table: tableId.led }] }, 'where its connection leads']),
  ['lead', 0, {}, {}, 'only IP is published'],
  ...versions.map((version): Row => ['led', 110, { eth_type: ethTypes[version], ct_state: { value: 0x10, mask: 0x10 }, reg9: bitsEqual([registers.settled, 1]), ...numbered(registers.published, 0) }, { actions: [again('inward')] }, 'an error about nothing that is published']),
  ['led', 100, { ct_state: { value: 0x10, mask: 0x10 } }, {}, 'belongs to no connection and opens none'],
  ['led', 0, {}, { actions: [tellUntranslated('led')] }, 'its destination is not translated as it should be: no further'],
  ...versions.map((version): Row => ['back', 95, { eth_type: ethTypes[version], ct_state: state(['new', 'rel', 'trk'], ['inv']), reg9: bitsEqual([registers.settled, 0]) }, { actions: [load(registers.settled, 1), { kind: 'ct', commit: true, zone: registers.zone, nat: { kind: 'nat' }, table: tableId.back }] }, 'a translated connection has agreed upon it']),
  ...versions.flatMap((version): Row[] => [0, 1].map(nw_ttl => ['back', 60, { eth_type: ethTypes[version], nw_ttl }, { actions: [punt('expired', 0, quotedOctets)] }, 'its time to live is over at this router'])),
  ['back', 0, {}, { actions: [tellUntranslated('back')] }, 'of a connection that is translated otherwise now'],
  ['outward', 0, {}, { actions: [again('track')] }, 'its source stays as it is'],
  ['publishedZone', 0, {}, {}, 'no switch without a zone'],
  ...versions.flatMap((version): Row[] => [
    ['translate', 60, { eth_type: ethTypes[version], ct_state: state(['new', 'rel', 'trk']) }, { actions: [commit({ nat: { kind: 'nat' } })] }, 'agreed upon by a translated connection'],
    ['translate', 45, { eth_type: ethTypes[version], ct_state: notNew }, { actions: [commit({})] }, 'it has what it has'],
    ['translate', 22, { eth_type: ethTypes[version], ct_state: isTracked, ip_proto: tcp, ct_nw_proto: tcp, ct_tp_dst: ftp, ...helped, ...numbered(registers.translated, 0) }, { actions: [commit({ alg: ftp }, [...stamps, ledStamp])] }, 'remember it, and what it agrees upon'],
    ['translate', 20, { eth_type: ethTypes[version], ...numbered(registers.translated, 0) }, { actions: [commit({}, [...stamps, ledStamp])] }, 'its source stays as it is'],
  ]),
  ['translate', 0, {}, { actions: [tellUntranslated('translate')] }, 'of a connection that is translated otherwise now'],
  ['undo', 0, {}, { actions: [tellUntranslated('undo')] }, 'what it came to is published otherwise now'],
  ['settle', 100, { ct_state: state(['rpl', 'trk']) }, { goto: 'forward' }, 'an answer'],
  ['settle', 40, { ct_state: without(state(['trk']), 0x40), ...numbered(registers.translated, 0) }, { goto: 'forward' }, 'its source stays as it is'],
  ['settle', 0, {}, { actions: [tellUntranslated('settle')] }, 'its source is not translated as it should be: no further'],
]

const baseSection: Section = section('nat/base', {
  flows: fixed.map(([table, priority, match, then, because]) =>
    flow(table, priority, match, then, because, base),
  ),
  meters: [meter],
})

/** The row of a statement, which it names with its place. */
const rowOf = (
  statement: ResolvedNat,
  table: TableName,
  priority: number,
  match: Match,
  then: Then,
  because: string,
): Flow =>
  flow(table, priority, match, then, because, {
    kind: 'function',
    name: `nat/${statement.policy}`,
    file: statement.file,
    line: statement.line,
  })

/** What stands at every switch with hosts: published addresses, and what clients and servers of one network need. */
export const leadSection = (translations: Translations): Section => {
  const { edge, leads, hairpins } = translations
  const row = rowsOf(edge)
  const translated = translatedAddresses(translations)
  const known = new Map(leads.flatMap(({ lead }) => (lead ? [[lead.number, lead]] : [])))
  const byAddress = new Map<string, LeadChoice[]>()
  for (const choice of leads) {
    const key = `${choice.version} ${choice.at}`
    byAddress.set(key, [...(byAddress.get(key) ?? []), choice])
  }
  return section('nat/leads', {
    flows: [
      ...translated.flatMap(one => addressRows(edge, one)),
      ...claimedRows(edge, translated),
      ...leads.flatMap((choice, index) => choiceRows(choice, 40_000 - index)),
      ...[...byAddress.values()].flatMap(choices =>
        addressChoices(choices, isSource(translations, choices[0]!)),
      ),
      ...[...known.values()].flatMap(lead => leadRows(lead, row)),
      ...versions.flatMap(version => undoRows(edge, version)),
      ...networksOf(hairpins).map(network => settleRow(edge, network, row)),
      ...becomings(hairpins.map(({ becomes }) => becomes)).flatMap(each => becomesRows(each, row)),
    ],
  })
}

/** What stands at the switch that holds the uplink. */
export const sourceSection = (translations: Translations): Section => {
  const { edge, sources: choices, hairpins } = translations
  const row = rowsOf(edge)
  const there = new Set(hairpins.map(({ becomes }) => becomes.number))
  return section('nat/sources', {
    flows: [
      row(
        'track',
        65_070,
        {
          reg0: bitsEqual([registers.network, edge.network]),
          reg9: bitsEqual([registers.router, edge.domain]),
          reg10: bitsEqual([registers.outward, 0], [registers.found, 0]),
        },
        { actions: [load(registers.outward, 1), again('outward')] },
        'leaves by the uplink: what its source becomes',
      ),
      ...choices.flatMap(({ version, from, to, becomes, statement }, index) =>
        cidrsOf(from, version).flatMap(source =>
          cidrsOf(to, version).map(destination =>
            rowOf(
              statement,
              'outward',
              60_000 - index,
              {
                ...within(sources[version], version, source.address, source.length),
                ...within(destinations[version], version, destination.address, destination.length),
              },
              {
                actions: [
                  ...(becomes ? [load(registers.translated, becomes.number)] : []),
                  again('track'),
                ],
              },
              statement.text,
            ),
          ),
        ),
      ),
      ...(networksOf(hairpins).includes(edge.network) ? [] : [settleRow(edge, edge.network, row)]),
      ...becomings(choices.flatMap(({ becomes }) => becomes ?? []))
        .filter(({ number }) => !there.has(number))
        .flatMap(each => becomesRows(each, row)),
    ],
  })
}

/**
 * Of a switch: for servers that are there and clients of their own network, by a published address. The source is translated
 * where the packet leaves, so that answers come to the switch that knows of it.
 */
export const hairpinSection = (
  edge: Edge,
  switchIndex: number,
  hairpins: readonly Hairpin[],
): Section => {
  const row = rowsOf(edge)
  return section(`nat/hairpins/${switchIndex}`, {
    flows: hairpins.map(({ network, version, target, subnet, becomes }) =>
      row(
        'track',
        65_071,
        {
          reg0: bitsEqual([registers.network, network]),
          reg9: bitsEqual([registers.router, edge.domain]),
          reg10: bitsEqual([registers.outward, 0], [registers.found, 0]),
          ...within(sources[version], version, subnet.address, subnet.length),
          [destinations[version]]: target,
        },
        {
          actions: [
            load(registers.outward, 1),
            load(registers.translated, becomes.number),
            again('track'),
          ],
        },
        'client and server are in one network: answers are to come back by the router',
      ),
    ),
  })
}

/** Of each switch: its zone of what is published. */
export const zoneSection = (switchIndex: number): Section =>
  section(`nat/zone/${switchIndex}`, {
    flows: [
      flow(
        'publishedZone',
        10,
        {},
        { actions: [load(registers.publishedZone, publishedZoneOf(switchIndex))] },
        'the zone of what is published, at this switch',
        base,
      ),
    ],
  })

export { baseSection }

type RowMaker = (
  table: TableName,
  priority: number,
  match: Match,
  then: Then,
  because: string,
) => Flow

const rowsOf =
  ({ router }: Edge): RowMaker =>
  (table, priority, match, then, because) =>
    flow(table, priority, match, then, because, { kind: 'function', name: `nat/${router}` })

interface Prefix {
  readonly version: Version
  readonly address: number | bigint
  readonly length: number
  /** The router has it itself, and answers for it. */
  readonly isOwn: boolean
  readonly isInSubnet: boolean
}

const cidrsOf = (
  set: AddressSet,
  version: Version,
): readonly Omit<Prefix, 'isOwn' | 'isInSubnet' | 'version'>[] =>
  isEveryAddress(set)
    ? [{ address: version === 4 ? 0 : 0n, length: 0 }]
    : version === 4
      ? cidrsV4(set.v4)
      : cidrsV6(set.v6)

/** Addresses whose packets are not what they seem: each once. */
export const translatedAddresses = ({
  edge,
  sources: choices,
  leads,
  hairpins,
}: Translations): readonly Prefix[] => {
  const found = new Map<string, Prefix>()
  const add = (version: Version, first: number | bigint, last: number | bigint) => {
    const cidrs =
      version === 4
        ? cidrsV4([{ first: Number(first), last: Number(last) }])
        : cidrsV6([{ first: BigInt(first), last: BigInt(last) }])
    for (const { address, length } of cidrs) {
      const all = edge.gateways.flatMap(({ addresses }) => addresses)
      const isOwn = all.some(each => each.version === version && each.address === address)
      const wan = edge.gateways.find(({ network }) => network === edge.network)!.addresses
      const isInSubnet = wan.some(each => each.version === version && isIn(address, each))
      found.set(`${version} ${address}/${length}`, { version, address, length, isOwn, isInSubnet })
    }
  }
  for (const { becomes } of choices)
    if (becomes) add(becomes.version, becomes.addresses.first, becomes.addresses.last)
  for (const { becomes } of hairpins)
    add(becomes.version, becomes.addresses.first, becomes.addresses.last)
  for (const { version, at } of leads) add(version, at, at)
  return [...found.values()]
}

const isIn = (
  value: number | bigint,
  { version, address, length }: { version: 4 | 6; address: number | bigint; length: number },
): boolean => {
  const shift = BigInt((version === 4 ? 32 : 128) - length)
  return BigInt(value) >> shift === BigInt(address) >> shift
}

/** Packets to it are taken before the router answers, and back where they are for the router after all. */
const addressRows = (edge: Edge, { version, address, length, isOwn }: Prefix): Flow[] => {
  const row = rowsOf(edge)
  const to = within(destinations[version], version, address, length)
  const text = `${textOf(version, address)}${length === (version === 4 ? 32 : 128) ? '' : `/${length}`}`
  const rows = [
    row(
      'answer',
      132,
      { ...to, eth_dst: macNumber(edge.mac), ...numbered(registers.inward, 0) },
      {
        actions: [
          ...routedBy(edge),
          { kind: 'move', from: { field: 'reg0', offset: 0, size: 6 }, to: registers.entered },
          load(registers.inward, 1),
          again('publishedZone'),
        ],
        goto: 'inward',
      },
      `${text} stands for others`,
    ),
    row(
      'back',
      90,
      to,
      {
        actions: [
          load(registers.router, 0),
          load(registers.entered, 0),
          load(registers.undone, 0),
          again('answer'),
        ],
      },
      `to ${text} itself`,
    ),
  ]
  if (isOwn) return rows
  const from = within(sources[version], version, address, length)
  rows.push(
    row(
      'sources',
      200,
      { ...ofRouter(edge), ...from },
      {},
      'nobody sends from what stands for others',
    ),
    row('route', 950, { ...ofRouter(edge), ...to }, {}, `nothing of ${text} is published so`),
  )
  return rows
}

/** Addresses of the uplink's subnet that are nobody's: the router answers for them there. */
const claimedRows = (edge: Edge, prefixes: readonly Prefix[]): Flow[] => {
  const row = rowsOf(edge)
  const router = { mac: edge.mac, name: edge.router }
  const at = { network: { number: edge.network } }
  const own = new Set(edge.gateways.flatMap(({ addresses }) => addresses.map(a => a.address)))
  const claimed = new Map<number | bigint, Version>()
  for (const { version, address, length, isInSubnet } of prefixes)
    if (isInSubnet)
      for (const value of each(version, address, length))
        if (!own.has(value)) claimed.set(value, version)
  return [...claimed].flatMap(([value, version]) =>
    version === 4
      ? [arpRow(router, at, { version, value, length: 32 }, row)]
      : neighbourRows(router, at, BigInt(value), row),
  )
}

function* each(version: Version, address: number | bigint, length: number) {
  const count = 2 ** ((version === 4 ? 32 : 128) - length)
  for (let index = 0; index < count; index++)
    yield version === 4 ? Number(address) + index : BigInt(address) + BigInt(index)
}

/** Ports and protocols of a term, as matches. */
const termMatches = (term: Term, version: Version): readonly Match[] => {
  if (term.version !== undefined && term.version !== version) return []
  const { protocol, source, destination } = term
  if (protocol === undefined) return [{}]
  const name = { 6: 'tcp', 17: 'udp' }[protocol]
  if (name !== undefined)
    return destination === undefined
      ? [{ ip_proto: protocol }]
      : masksOf(destination).map(({ value, mask }) => ({
          ip_proto: protocol,
          [`${name}_dst`]: mask === 0xffff ? value : { value, mask },
        }))
  const icmp = { 1: ['icmp_type', 'icmp_code'], 58: ['icmpv6_type', 'icmpv6_code'] }[protocol]
  if (icmp === undefined) return [{ ip_proto: protocol }]
  const types = source?.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index),
  )
  return types === undefined
    ? [{ ip_proto: protocol }]
    : types.map(type => ({ ip_proto: protocol, [icmp[0]!]: type }))
}

/** The first statement that speaks of a packet has it. */
const choiceRows = (choice: LeadChoice, priority: number): Flow[] => {
  const { version, at, from, terms, lead, statement } = choice
  return cidrsOf(from, version).flatMap(({ address, length }) =>
    terms.flatMap(term =>
      termMatches(term, version).map(match =>
        rowOf(
          statement,
          'inward',
          priority,
          {
            ...within(sources[version], version, address, length),
            eth_type: ethTypes[version],
            [destinations[version]]: at,
            ...match,
          },
          lead
            ? { actions: [load(registers.published, lead.number)], goto: 'lead' }
            : {
                actions: [load(registers.router, 0), load(registers.entered, 0), again('answer')],
              },
          statement.text,
        ),
      ),
    ),
  )
}

/** Whether answers come to it as well. */
const isSource = (
  { sources: choices, hairpins }: Translations,
  { version, at }: LeadChoice,
): boolean =>
  [...choices, ...hairpins].some(
    ({ becomes }) =>
      becomes?.version === version && becomes.addresses.first <= at && becomes.addresses.last >= at,
  )

const isOfPorts = ({ protocol, destination }: Term): boolean =>
  protocol === ipProtocols.udp && destination !== undefined

/**
 * What of an address shows no ports, and what may be an answer all the same: errors may be about what is published; pieces of
 * datagrams show ports behind ct() only, and there only the first one: where several are published, later ones of a
 * datagram that opens a connection cannot be told apart, and it is lost. So these, and all packets where the address with
 * all its ports is both published and a source, are first looked up as answers.
 */
const addressChoices = (choices: readonly LeadChoice[], isSource: boolean): Flow[] => {
  const { version, at, statement } = choices[0]!
  const to: Match = { eth_type: ethTypes[version], [destinations[version]]: at }
  const asAnswer: Then = { actions: [load(registers.undone, 1), again('inward')] }
  const unasked = bitsEqual([registers.undone, 0], [registers.elsewhere, 0])
  const row = (
    table: TableName,
    priority: number,
    match: Match,
    then: Then,
    because: string,
    of = statement,
  ) => rowOf(of, table, priority, { ...to, ...match }, then, because)
  const about = errors[version].map(match =>
    row(
      'inward',
      49_000,
      { ...match, reg9: bitsEqual([registers.settled, 0]) },
      { actions: [load(registers.settled, 1)], goto: 'lead' },
      'an error: its connection may be to what is published',
    ),
  )
  const isWide = (term: Term) =>
    term.destination === undefined || (term.protocol !== tcp && term.protocol !== ipProtocols.udp)
  const wide = choices.filter(({ terms }) => terms.some(isWide))
  const byPort = choices.filter(({ terms }) => terms.some(isOfPorts))
  const opening = without(newOnly, 0x80)
  const unsettled = bitsEqual([registers.settled, 0])
  const open = (match: Match, lead: Lead, priority: number, of: ResolvedNat) =>
    row(
      'back',
      priority,
      { ...match, ct_state: opening, reg9: unsettled },
      { actions: opens(lead) },
      'a datagram in pieces opens it',
      of,
    )
  const firsts = byPort.flatMap(({ terms, lead, statement: of }) =>
    lead === undefined
      ? []
      : terms.filter(isOfPorts).flatMap(({ destination }) =>
          masksOf(destination!).map(({ value, mask }) =>
            open(
              {
                ip_frag: firstPiece,
                ct_nw_proto: ipProtocols.udp,
                ct_tp_dst: mask === 0xffff ? value : { value, mask },
              },
              lead,
              94,
              of,
            ),
          ),
        ),
  )
  const leads = new Map(byPort.flatMap(({ lead }) => (lead ? [[lead.number, lead]] : [])))
  const [only] = leads.values()
  const later =
    leads.size === 1 && only ? [open({ ip_frag: laterPiece }, only, 93, byPort[0]!.statement)] : []
  const whole = choices.find(({ lead, terms }) => lead && terms.some(each => !('protocol' in each)))
  const rest = whole?.lead ? [open({ ip_frag: anyPiece }, whole.lead, 92, whole.statement)] : []
  const pieces =
    firsts.length + rest.length > 0
      ? [
          row(
            'inward',
            50_000,
            { ip_frag: anyPiece, reg9: unasked },
            asAnswer,
            'a piece of a datagram: only the first shows its ports',
          ),
        ]
      : []
  if (!isSource || wide.length === 0) return [...about, ...pieces, ...firsts, ...later, ...rest]
  return [
    ...about,
    ...pieces,
    ...firsts,
    ...later,
    ...rest,
    row('inward', 48_000, { reg9: unasked }, asAnswer, 'it may be an answer'),
    row(
      'back',
      91,
      { reg9: bitsEqual([registers.undone, 1]) },
      {
        actions: [load(registers.undone, 0), load(registers.elsewhere, 1), again('inward')],
      },
      'no answer: where it leads',
    ),
  ]
}

const natTo = (
  version: Version,
  first: number | bigint,
  last: number | bigint,
): Partial<NatAction> => ({
  addressMin: textOf(version, first),
  ...(last !== first && { addressMax: textOf(version, last) }),
})

/** A new connection to what is published; what could not be translated comes back without the number. */
const opens = ({ number, version, target, port }: Lead): readonly Action[] => [
  load(registers.settled, 1),
  load(registers.published, number),
  {
    kind: 'ct',
    commit: true,
    zone: registers.publishedZone,
    nat: {
      kind: 'nat',
      type: 'dst',
      ...natTo(version, target, target),
      ...(port !== undefined && { portMin: port }),
    },
    exec: [load(label.published, number)],
    table: tableId.led,
  },
]

const leadRows = (lead: Lead, row: RowMaker): Flow[] => {
  const { number, version, at, target, port } = lead
  const text = `${textOf(version, at)} leads to ${textOf(version, target)}${port === undefined ? '' : `, port ${port}`}`
  const ofConnection: Match = { ct_label: bitsEqual([label.published, number]) }
  const goOn = [
    load(registers.settled, 0),
    load(registers.undone, 0),
    load(registers.elsewhere, 0),
    load(registers.led, 1),
  ]
  return [
    row(
      'led',
      90,
      { ct_state: dnat, ...ofConnection, ...numbered(registers.published, number) },
      { actions: [...goOn, again('sources')] },
      text,
    ),
    row(
      'led',
      85,
      { ct_state: dnat, ...ofConnection, ...numbered(registers.published, 0) },
      { actions: [...goOn, load(registers.published, number), again('sources')] },
      text,
    ),
    row(
      'led',
      80,
      {
        eth_type: ethTypes[version],
        ct_state: without(newOnly, 0x80),
        reg9: bitsEqual([registers.settled, 0]),
        ...numbered(registers.published, number),
      },
      { actions: opens(lead) },
      `a new connection: ${text}`,
    ),
    row('undo', 50, { ct_state: snat, ...ofConnection }, { goto: 'forward' }, text),
  ]
}

/** Answers of who is published, before they leave. */
const undoRows = (edge: Edge, version: Version): Flow[] => [
  rowsOf(edge)(
    'forward',
    64_500,
    {
      eth_type: ethTypes[version],
      reg9: bitsEqual([registers.router, edge.domain], [registers.undone, 0]),
      ct_label: bitsEqual([label.led, 1]),
      ...numbered(registers.led, 0),
    },
    {
      actions: [
        load(registers.undone, 1),
        again('publishedZone'),
        { ...published, table: tableId.undo },
      ],
    },
    'an answer of who is published: it comes from the address that was asked',
  ),
]

const settleRow = (edge: Edge, network: number, row: RowMaker): Flow =>
  row(
    'forward',
    64_400,
    {
      reg0: bitsEqual([registers.network, network]),
      reg9: bitsEqual([registers.router, edge.domain], [registers.settled, 0]),
      ...numbered(registers.outward, 1),
    },
    { actions: [load(registers.settled, 1), again('settle')] },
    'whether it has the source that it should have',
  )

const becomings = (list: readonly Becomes[]): readonly Becomes[] => [
  ...new Map(list.map(becomes => [becomes.number, becomes])).values(),
]

const networksOf = (hairpins: Translations['hairpins']): number[] => [
  ...new Set(hairpins.map(({ network }) => network)),
]

const becomesRows = (becomes: Becomes, row: RowMaker): Flow[] => {
  const { number, version, addresses, ports } = becomes
  const { first, last } = addresses
  const text = `from ${textOf(version, first)}${first === last ? '' : ` to ${textOf(version, last)}`}`
  const nat: NatAction = {
    kind: 'nat',
    type: 'src',
    ...natTo(version, first, last),
    ...(ports.to > 0 && { portMin: ports.from, portMax: ports.to }),
  }
  const isIts = numbered(registers.translated, number)
  const ofLabel = (value: number): Match => ({ ct_label: bitsEqual([label.translated, value]) })
  const exec = [...stamps, ledStamp, load(label.translated, number)]
  const fresh: Match = {
    eth_type: ethTypes[version],
    ct_state: without(newOnly, 0x40),
    ...isIts,
    ...ofLabel(0),
  }
  return [
    row(
      'translate',
      52,
      { ...fresh, ip_proto: tcp, ct_nw_proto: tcp, ct_tp_dst: ftp, ...helped },
      { actions: [commit({ nat, alg: ftp }, exec)] },
      `${text}, and what it agrees upon`,
    ),
    row('translate', 50, fresh, { actions: [commit({ nat }, exec)] }, text),
    row(
      'translate',
      50,
      { eth_type: ethTypes[version], ct_state: newOnly, ...isIts, ...ofLabel(number) },
      { actions: [commit({}, [...stamps, ledStamp])] },
      `${text} already`,
    ),
    row('settle', 50, { ct_state: snat, ...isIts, ...ofLabel(number) }, { goto: 'forward' }, text),
    row(
      'back',
      50,
      ofLabel(number),
      {
        actions: [
          load(registers.settled, 0),
          load(registers.undone, 0),
          load(registers.found, 1),
          again('sources'),
        ],
      },
      `an answer to what is sent ${text}`,
    ),
  ]
}
