/**
 * What a switch knows of one host: who may speak as it, who answers for it, how to reach it.
 *
 *     guard     its port and MAC; under guard level strict, its port, MAC and each address
 *     claims    what ARP and neighbour discovery may say of its addresses
 *     answer    broadcast questions for it, unless they come in where it is
 *     forward   frames to its MAC
 */

import { macNumber, parseIpv4, parseIpv6 } from '../../base/addresses.js'
import type { Action, Match, Subfield } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../pipeline/program.js'
import { bitsEqual, judgedHere, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import type { GuardLevel } from '../hosts/guard-level.js'
import { type Host, hostKey } from '../model.js'
import { onLink } from './link-messages.js'
import { askMeter, teachMeter } from './meters.js'
import { groupBit } from './rows.js'
import { tagged, toSwitch } from './tags.js'

const originOf = (host: Host): Origin => ({
  kind: 'host',
  name: hostKey(host.network, host.mac),
})

const inNetwork = (host: Host): NonNullable<Match['reg0']> =>
  bitsEqual([registers.network, host.network])

/** Rows on a switch that does not have the host; `egressGroup` leads to the one that has. */
export const remoteRows = (host: Host, egressGroup: number): Flow[] => [
  flow(
    'forward',
    100,
    { eth_dst: macNumber(host.mac), reg0: inNetwork(host) },
    {
      actions: toSwitch({ number: host.network }, { kind: 'group', group: egressGroup }),
    },
    `${host.mac} is behind ${host.at.dpid}`,
    originOf(host),
  ),
]

export interface HostPlace {
  /** The tag of its frames at its port. */
  readonly vlan: number | undefined
  readonly guard: GuardLevel
  /** Its port is declared for DHCP: what it gives away is heard. */
  readonly isServer: boolean
  /** Addresses for which it is asked. */
  readonly answered: Host['ips']
}

/** Rows on the switch that has it. */
export const localRows = (host: Host, { vlan, guard, isServer, answered }: HostPlace): Flow[] => {
  const destination: Match = { eth_dst: macNumber(host.mac), reg0: inNetwork(host) }
  const origin = originOf(host)
  return [
    ...guardRows(host, guard, origin),
    ...host.ips.flatMap(ip => claimRows(host, ip, origin)),
    ...(isServer ? serverRows(host, origin) : []),
    flow('arrive', 100, destination, { goto: 'track' }, `${host.mac} is here`, origin),
    flow(
      'rely',
      100,
      destination,
      { actions: judgedHere, goto: 'ports' },
      `${host.mac} is here: no other switch judges`,
      origin,
    ),
    flow(
      'forward',
      100,
      destination,
      { actions: tagged(vlan, { kind: 'output', port: host.at.port }) },
      `${host.mac} is at port ${host.at.port}`,
      origin,
    ),
    ...answered.flatMap(ip => sharedPortRows(host, ip, origin)),
  ]
}

const serverRows = (host: Host, origin: Origin): Flow[] => {
  const sender: Match = {
    in_port: host.at.port,
    eth_src: macNumber(host.mac),
    ip_proto: ipProtocols.udp,
    reg0: inNetwork(host),
  }
  const because = `${host.mac} gives away addresses`
  const actions = [hearFrom(host)]
  return host.ips.map(ip => {
    const v4 = parseIpv4(ip)
    const match: Match =
      v4 === undefined
        ? { ...sender, eth_type: etherTypes.ipv6, ipv6_src: parseIpv6(ip)!, udp_src: 547 }
        : { ...sender, eth_type: etherTypes.ipv4, ip_src: v4, udp_src: 67 }
    return flow('guard', 130, match, { actions, goto: 'claims' }, because, origin)
  })
}

const hearFrom = (host: Host): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('hear', host.network),
  meter: teachMeter(host.at.port),
})

const senderOf = (host: Host): Match => ({
  in_port: host.at.port,
  eth_src: macNumber(host.mac),
  reg0: inNetwork(host),
})

/** Which frames a port may send from this MAC. */
const guardRows = (host: Host, guard: GuardLevel, origin: Origin): Flow[] => {
  const sender = senderOf(host)
  const row = (priority: number, match: Match, because: string) =>
    flow('guard', priority, { ...sender, ...match }, { goto: 'claims' }, because, origin)
  const rows = [row(60, {}, `${host.mac} is at port ${host.at.port}`)]
  if (guard !== 'strict') return rows
  const v4 = { eth_type: etherTypes.ipv4 }
  const v6 = { eth_type: etherTypes.ipv6 }
  // biome-ignore format: a table
  rows.push(
    row(100, { ...v4, ip_proto: ipProtocols.udp, ip_src: 0, udp_src: 68, udp_dst: 67 }, `${host.mac} asks for an address`),
    row(100, { ...v6, ip_proto: ipProtocols.icmpv6, ipv6_src: 0n }, `${host.mac} has no address yet`),
  )
  for (const ip of host.ips) {
    const value = parseIpv4(ip)
    const source =
      value === undefined ? { ...v6, ipv6_src: parseIpv6(ip)! } : { ...v4, ip_src: value }
    rows.push(row(100, source, `${ip} is ${host.mac}`))
  }
  return rows
}

/** What the host may say of an address. */
const claimRows = (host: Host, ip: Host['ips'][number], origin: Origin): Flow[] => {
  const mac = macNumber(host.mac)
  const sender = senderOf(host)
  const row = (match: Match, because: string) =>
    flow('claims', 100, { ...sender, ...match }, { goto: 'answer' }, because, origin)
  const v4 = parseIpv4(ip)
  if (v4 !== undefined)
    return [row({ eth_type: etherTypes.arp, arp_spa: v4, arp_sha: mac }, `${ip} is ${host.mac}`)]
  const icmpv6 = { eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6, ...onLink }
  const v6 = parseIpv6(ip)!
  // biome-ignore format: a table
  return [
    row({ ...icmpv6, ipv6_src: v6, icmpv6_type: 135, nd_sll: mac }, `${host.mac} asks for a neighbour, and tells its own address`),
    row({ ...icmpv6, icmpv6_type: 136, nd_target: v6, nd_tll: mac }, `${host.mac} tells that it has ${ip}`),
  ]
}

const whole = (field: Subfield['field'], size: number): Subfield => ({ field, offset: 0, size })

/**
 * Questions to all for the host's addresses are answered by the switch where they are asked. Questions to its MAC go to
 * the host itself: who asks so wants to know whether it is there.
 *
 * @param ips those that it answers for
 */
export const answerRows = (host: Host, ips: Host['ips']): Flow[] =>
  ips.flatMap(ip => {
    const v4 = parseIpv4(ip)
    const v6 = parseIpv6(ip)
    if (v4 !== undefined) return [arpAnswer(host, v4)]
    return v6 === undefined ? [] : neighbourAnswer(host, v6)
  })

/** The controller hears that somebody was told of a host, so that it can ask whether that is still so. */
const tellAsked = (host: Host): Action[] =>
  host.isPinned
    ? []
    : [
        {
          kind: 'controller',
          maxLength: 0xffff,
          userdata: writeUserdata('asked', host.network),
          meter: askMeter,
        },
      ]

const arpAnswer = (host: Host, ip: number): Flow => {
  const mac = macNumber(host.mac)
  const actions: Action[] = [
    ...tellAsked(host),
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'set_field', field: 'arp_op', value: 2 },
    { kind: 'move', from: whole('arp_sha', 48), to: whole('arp_tha', 48) },
    { kind: 'move', from: whole('arp_spa', 32), to: whole('arp_tpa', 32) },
    { kind: 'set_field', field: 'arp_sha', value: mac },
    { kind: 'set_field', field: 'arp_spa', value: ip },
  ]
  const question: Match = {
    eth_dst: groupBit,
    eth_type: etherTypes.arp,
    arp_op: 1,
    arp_tpa: ip,
    reg0: inNetwork(host),
  }
  const then = { actions, goto: 'reply' } as const
  return flow('answer', 100, question, then, `${host.mac} has this address`, originOf(host))
}

/**
 * A solicitation becomes a solicited advertisement that overrides (RFC 4861 section 4.4). Its type is changed
 * first, since only an advertisement has a target's address to set.
 */
const neighbourAnswer = (host: Host, ip: bigint): Flow[] => {
  const mac = macNumber(host.mac)
  const nd: Match = {
    eth_type: etherTypes.ipv6,
    ip_proto: ipProtocols.icmpv6,
    ...onLink,
    nd_target: ip,
    reg0: inNetwork(host),
  }
  const become: Action[] = [
    ...tellAsked(host),
    { kind: 'set_field', field: 'icmpv6_type', value: 136 },
    { kind: 'set_field', field: 'nd_options_type', value: 2 },
    { kind: 'set_field', field: 'nd_reserved', value: 0x60000000 },
  ]
  const fill: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'move', from: whole('ipv6_src', 128), to: whole('ipv6_dst', 128) },
    { kind: 'set_field', field: 'ipv6_src', value: ip },
    { kind: 'set_field', field: 'nd_tll', value: mac },
  ]
  const because = `${host.mac} has this address`
  return [
    flow(
      'answer',
      100,
      { ...nd, eth_dst: groupBit, icmpv6_type: 135 },
      { actions: become, goto: 'advertise' },
      because,
      originOf(host),
    ),
    flow(
      'advertise',
      100,
      { ...nd, icmpv6_type: 136 },
      { actions: fill, goto: 'reply' },
      because,
      originOf(host),
    ),
  ]
}

/** Where it is itself, questions for it and what it announces go on: the host hears them, and others there may have it too. */
const sharedPortRows = (host: Host, ip: Host['ips'][number], origin: Origin): Flow[] => {
  const v4 = parseIpv4(ip)
  const question: Match =
    v4 === undefined
      ? {
          eth_type: etherTypes.ipv6,
          ip_proto: ipProtocols.icmpv6,
          icmpv6_type: 135,
          ...onLink,
          nd_target: parseIpv6(ip)!,
        }
      : { eth_type: etherTypes.arp, arp_op: 1, arp_tpa: v4 }
  const match: Match = { in_port: host.at.port, ...question, reg0: inNetwork(host) }
  return [flow('answer', 110, match, { goto: 'track' }, `${ip} is at the port that asks`, origin)]
}
