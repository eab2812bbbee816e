/**
 * What switches do for DHCP, in networks that have it.
 *
 *     guard  ── answers of a server at a port that is not declared for one ──> dropped; a few are told
 *     answer ── questions to everybody or to our server ──> the controller, through a meter of the port
 *            └─ ARP and echo for the server's own address, where no router of ours has it ──> back by the port
 */
import { formatIpv4, macNumber } from '../../base/addresses.js'
import type { Action, Match, Subfield } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import {
  type Flow,
  flow,
  meterNumber,
  type Origin,
  type Section,
  section,
} from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { packetMeter } from '../../topology/forwarding/meters.js'
import type { Network, Port } from '../../topology/model.js'
import type { Served } from './scope.js'
import './tables.js'

const base: Origin = { kind: 'function', name: 'dhcp' }
const originOf = ({ name }: Network): Origin => ({ kind: 'function', name: `dhcp/${name}` })

/** Of one port, a second; as many more may come at once. */
const questionsPerSecond = 200
/** Of all ports of a switch. */
const foreignPerSecond = 5

const everybody = 0xffffffff

const portMeter = (port: number): number => meterNumber('dhcp', port)
const foreignMeter = meterNumber('dhcp', 0)

const inNetwork = (network: number): Match => ({ reg0: bitsEqual([registers.network, network]) })
const udp: Match = { eth_type: etherTypes.ipv4, ip_proto: ipProtocols.udp }
const udp6: Match = { eth_type: etherTypes.ipv6, ip_proto: ipProtocols.udp }
/** RFC 8415 section 7.1: all relay agents and servers of the link. */
const allServers = (0xff02n << 112n) | 0x10002n
const whole = (field: Subfield['field'], size: number): Subfield => ({ field, offset: 0, size })

/** In every switch with hosts. */
export const baseSection: Section = section('dhcp/base', {
  meters: [
    packetMeter(
      foreignMeter,
      foreignPerSecond,
      foreignPerSecond,
      'answers of DHCP servers that nobody has declared, that are told each second',
      base,
    ),
  ],
})

/** Questions that come in at an edge port, and answers that may not. */
export const portSection = (
  port: Port,
  served: readonly Served[],
  served6: readonly Network[],
  isServer: boolean,
  /** Networks with other servers that people have declared: they hear what is asked of everybody, too. */
  shared: ReadonlySet<number> = new Set(),
): Section => {
  const questions = served.flatMap(({ network, server }) =>
    [everybody, server.ip].map(ip_dst =>
      flow(
        'answer',
        140,
        { ...inNetwork(network.number), in_port: port.number, ...udp, ip_dst, udp_dst: 67 },
        {
          actions: [punt('dhcp', network.number, portMeter(port.number))],
          ...(ip_dst === everybody && shared.has(network.number) && { goto: 'track' }),
        },
        `the DHCP server of network ${network.name} answers`,
        originOf(network),
      ),
    ),
  )
  const foreign = served.map(({ network }) =>
    flow(
      'guard',
      225,
      { ...inNetwork(network.number), in_port: port.number, ...udp, udp_src: 67, udp_dst: 68 },
      { actions: [punt('dhcpForeign', network.number, foreignMeter)] },
      `network ${network.name} has its own DHCP server, and ${port.name} is not declared for another`,
      originOf(network),
    ),
  )
  const both = served6.flatMap(network => {
    const own = { ...inNetwork(network.number), in_port: port.number, ...udp6 }
    return [
      flow(
        'answer',
        140,
        { ...own, ipv6_dst: allServers, udp_dst: 547 },
        {
          actions: [punt('dhcp6', network.number, portMeter(port.number))],
          ...(shared.has(network.number) && { goto: 'track' }),
        },
        `the DHCP server of network ${network.name} answers`,
        originOf(network),
      ),
      ...(isServer
        ? []
        : [
            flow(
              'guard',
              225,
              { ...own, udp_src: 547, udp_dst: 546 },
              { actions: [punt('dhcpForeign', network.number, foreignMeter)] },
              `network ${network.name} has its own DHCP server, and ${port.name} is not declared for another`,
              originOf(network),
            ),
          ]),
    ]
  })
  return section(`dhcp/port/${port.number}`, {
    flows: [...questions, ...(isServer ? [] : foreign), ...both],
    meters: [
      packetMeter(
        portMeter(port.number),
        questionsPerSecond,
        questionsPerSecond,
        `questions for addresses from ${port.name} that the controller answers each second`,
        base,
      ),
    ],
  })
}

const punt = (
  reason: 'dhcp' | 'dhcp6' | 'dhcpForeign',
  network: number,
  meter: number,
): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata(reason, network),
  meter,
})

/** The server's own address, where no router of ours has it. */
export const stationSection = ({ network, server }: Served): Section => {
  const mac = macNumber(server.mac)
  const text = formatIpv4(server.ip)
  const because = `${text} is the DHCP server of network ${network.name}`
  const own = inNetwork(network.number)
  const row = (
    table: 'guard' | 'claims' | 'answer',
    priority: number,
    match: Match,
    then: Parameters<typeof flow>[3],
  ): Flow => flow(table, priority, { ...own, ...match }, then, because, originOf(network))
  const back: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
  ]
  const arp: Action[] = [
    ...back,
    { kind: 'set_field', field: 'arp_op', value: 2 },
    { kind: 'move', from: whole('arp_sha', 48), to: whole('arp_tha', 48) },
    { kind: 'move', from: whole('arp_spa', 32), to: whole('arp_tpa', 32) },
    { kind: 'set_field', field: 'arp_sha', value: mac },
    { kind: 'set_field', field: 'arp_spa', value: server.ip },
  ]
  const echo: Action[] = [
    ...back,
    { kind: 'move', from: whole('ip_src', 32), to: whole('ip_dst', 32) },
    { kind: 'set_field', field: 'ip_src', value: server.ip },
    { kind: 'set_field', field: 'icmp_type', value: 0 },
    { kind: 'set_nw_ttl', ttl: 64 },
  ]
  const ping = {
    eth_dst: mac,
    eth_type: etherTypes.ipv4,
    ip_proto: ipProtocols.icmp,
    ip_dst: server.ip,
    icmp_type: 8,
    icmp_code: 0,
  }
  return section(`dhcp/server/${network.name}`, {
    flows: [
      row('guard', 210, { eth_src: mac }, {}),
      row('claims', 200, { eth_type: etherTypes.arp, arp_spa: server.ip }, {}),
      row(
        'answer',
        130,
        { eth_type: etherTypes.arp, arp_op: 1, arp_tpa: server.ip },
        { actions: arp, goto: 'reply' },
      ),
      row('answer', 127, ping, { actions: echo, goto: 'reply' }),
      row('answer', 79, { eth_dst: mac }, {}),
    ],
  })
}
