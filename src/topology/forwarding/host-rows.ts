/** What a switch knows of one host: who may speak as it, who answers for it, how to reach it. */
import { macNumber, parseIpv4, parseIpv6 } from '../../base/addresses.js'
import type { Action, Match, Subfield } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import { writeUserdata } from '../../pipeline/userdata.js'
import { type Host, hostKey } from '../model.js'
import { teachMeter } from './meters.js'
import { fabricVlan, tagged } from './tags.js'

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
      actions: tagged(fabricVlan({ number: host.network }), { kind: 'group', group: egressGroup }),
    },
    `${host.mac} is behind ${host.at.dpid}`,
    originOf(host),
  ),
]

/**
 * Rows on the switch that has it, at a port where its frames have this tag.
 *
 * @param isServer its port is declared for DHCP: what it gives away is heard
 */
export const localRows = (host: Host, vlan: number | undefined, isServer: boolean): Flow[] => {
  const destination: Match = { eth_dst: macNumber(host.mac), reg0: inNetwork(host) }
  const origin = originOf(host)
  return [
    ...guardRows(host, origin),
    ...(isServer ? serverRows(host, origin) : []),
    flow('arrive', 100, destination, { goto: 'track' }, `${host.mac} is here`, origin),
    flow(
      'forward',
      100,
      destination,
      { actions: tagged(vlan, { kind: 'output', port: host.at.port }) },
      `${host.mac} is at port ${host.at.port}`,
      origin,
    ),
    ...host.ips.flatMap(ip => ownRows(host, ip, origin)),
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
    const goto = v4 === undefined ? 'answer' : 'track'
    return flow('guard', 130, match, { actions, goto }, because, origin)
  })
}

const hearFrom = (host: Host): Action => ({
  kind: 'controller',
  maxLength: 0xffff,
  userdata: writeUserdata('hear', host.network),
  meter: teachMeter(host.at.port),
})

/** Which frames a port may send as this host; the last row is for frames that are neither IP nor ARP. */
const guardRows = (host: Host, origin: Origin): Flow[] => {
  const mac = macNumber(host.mac)
  const sender: Match = { in_port: host.at.port, eth_src: mac, reg0: inNetwork(host) }
  const arp: Match = { ...sender, eth_type: etherTypes.arp }
  const udp4: Match = { ...sender, eth_type: etherTypes.ipv4, ip_proto: ipProtocols.udp }
  const udp6: Match = { ...sender, eth_type: etherTypes.ipv6, ip_proto: ipProtocols.udp }
  const icmpv6: Match = { ...sender, eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6 }
  const hear = hearFrom(host)
  const row = (
    priority: number,
    match: Match,
    goto: Flow['table'],
    because: string,
    actions: readonly Action[] = [],
  ) => flow('guard', priority, match, { actions, goto }, because, origin)
  // biome-ignore format: a table
  const rows = [
    row(90, { ...arp, arp_spa: 0, arp_sha: mac }, 'answer', `${host.mac} asks whether an address is free`),
    row(130, { ...udp4, ip_src: 0, udp_src: 68, udp_dst: 67 }, 'track', `${host.mac} asks for an address, and tells its name`, [hear]),
    row(90, { ...icmpv6, ipv6_src: 0n }, 'answer', `${host.mac} has no address yet`),
    row(40, sender, 'forward', `${host.mac} speaks neither IP nor ARP`),
  ]
  for (const ip of host.ips) {
    const v4 = parseIpv4(ip)
    const v6 = parseIpv6(ip)
    const because = `${ip} is ${host.mac}`
    if (v4 !== undefined)
      rows.push(
        row(100, { ...arp, arp_spa: v4, arp_sha: mac }, 'answer', because),
        row(100, { ...sender, eth_type: etherTypes.ipv4, ip_src: v4 }, 'track', because),
      )
    if (v6 === undefined) continue
    const from: Match = { ...icmpv6, ipv6_src: v6 }
    // biome-ignore format: a table
    rows.push(
      row(100, { ...sender, eth_type: etherTypes.ipv6, ipv6_src: v6 }, 'answer', because),
      row(130, { ...udp6, ipv6_src: v6, udp_src: 546, udp_dst: 547 }, 'track', `${host.mac} asks for an address, and tells its name`, [hear]),
      row(120, { ...from, icmpv6_type: 135, nd_sll: mac }, 'answer', `${host.mac} asks for a neighbour, and tells its own address`),
      row(120, { ...from, icmpv6_type: 135, nd_sll: 0 }, 'answer', `${host.mac} asks for a neighbour`),
      row(120, { ...icmpv6, icmpv6_type: 136, nd_target: v6, nd_tll: mac }, 'answer', `${host.mac} tells that it has ${ip}`),
      row(120, { ...icmpv6, icmpv6_type: 136, nd_target: v6, nd_tll: 0 }, 'answer', `${host.mac} tells that it has ${ip}`),
    )
  }
  return rows
}

const whole = (field: Subfield['field'], size: number): Subfield => ({ field, offset: 0, size })

/** Questions for the host's addresses are answered by the switch where they are asked. */
export const answerRows = (host: Host): Flow[] =>
  host.ips.flatMap(ip => {
    const v4 = parseIpv4(ip)
    const v6 = parseIpv6(ip)
    if (v4 !== undefined) return [arpAnswer(host, v4)]
    return v6 === undefined ? [] : neighbourAnswer(host, v6)
  })

const arpAnswer = (host: Host, ip: number): Flow => {
  const mac = macNumber(host.mac)
  const actions: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'set_field', field: 'arp_op', value: 2 },
    { kind: 'move', from: whole('arp_sha', 48), to: whole('arp_tha', 48) },
    { kind: 'move', from: whole('arp_spa', 32), to: whole('arp_tpa', 32) },
    { kind: 'set_field', field: 'arp_sha', value: mac },
    { kind: 'set_field', field: 'arp_spa', value: ip },
  ]
  const question: Match = {
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
    nd_target: ip,
    reg0: inNetwork(host),
  }
  const become: Action[] = [
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
      { ...nd, icmpv6_type: 135 },
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

/** What the host says of its own address goes to the others, and is not answered. */
const ownRows = (host: Host, ip: Host['ips'][number], origin: Origin): Flow[] => {
  const v4 = parseIpv4(ip)
  if (v4 === undefined) return []
  const announcement: Match = {
    in_port: host.at.port,
    eth_src: macNumber(host.mac),
    eth_type: etherTypes.arp,
    arp_op: 1,
    arp_tpa: v4,
    reg0: inNetwork(host),
  }
  const because = `${host.mac} announces its own address`
  return [flow('answer', 110, announcement, { goto: 'forward' }, because, origin)]
}
