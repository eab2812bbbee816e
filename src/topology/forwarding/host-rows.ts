/** What a switch knows of one host: who may speak as it, who answers for it, how to reach it. */
import { macNumber, parseIpv4, parseIpv6 } from '../../base/addresses.js'
import { type Action, type Match, ports, type Subfield } from '../../openflow/values.js'
import { etherTypes, ipProtocols } from '../../pipeline/packet.js'
import { type Flow, flow, type Origin } from '../../pipeline/program.js'
import { bitsEqual, registers } from '../../pipeline/registers.js'
import type { Host, Network, Switch } from '../model.js'
import { groupBit } from './rows.js'

/** Rows of `host` on switch `self`; `egressGroup` leads to the switch that has it. */
export const hostRows = (self: Switch, host: Host, egressGroup: number): Flow[] => {
  const origin: Origin = { kind: 'host', name: host.mac }
  const network = bitsEqual([registers.network, host.network])
  const mac = macNumber(host.mac)
  const isHere = host.at.dpid === self.dpid
  const rows = host.ips.flatMap(ip => {
    const v4 = parseIpv4(ip)
    return v4 === undefined ? [] : answerRows(host, v4, isHere, network, origin)
  })
  if (!isHere) {
    rows.push(
      flow(
        'forward',
        100,
        { eth_dst: mac, reg0: network },
        { actions: [{ kind: 'group', group: egressGroup }] },
        `${host.mac} is behind ${host.at.dpid}`,
        origin,
      ),
    )
    return rows
  }
  const out: Action[] = [{ kind: 'output', port: host.at.port }]
  rows.push(
    ...guardRows(host, origin),
    flow(
      'arrive',
      100,
      { eth_dst: mac, reg0: network },
      { goto: 'track' },
      `${host.mac} is here`,
      origin,
    ),
    flow(
      'forward',
      100,
      { eth_dst: mac, reg0: network },
      { actions: out },
      `${host.mac} is at port ${host.at.port}`,
      origin,
    ),
  )
  return rows
}

/** Which frames a port may send as this host; the last row is for frames that are neither IP nor ARP. */
const guardRows = (host: Host, origin: Origin): Flow[] => {
  const mac = macNumber(host.mac)
  const sender: Match = { in_port: host.at.port, eth_src: mac }
  const arp: Match = { ...sender, eth_type: etherTypes.arp }
  const row = (priority: number, match: Match, goto: Flow['table'], because: string) =>
    flow('guard', priority, match, { goto }, because, origin)
  // biome-ignore format: a table
  const rows = [
    row(90, { ...arp, arp_spa: 0, arp_sha: mac }, 'answer', `${host.mac} asks whether an address is free`),
    row(90, { ...sender, eth_type: etherTypes.ipv4, ip_proto: ipProtocols.udp, ip_src: 0, udp_src: 68, udp_dst: 67 }, 'track', `${host.mac} asks for an address`),
    row(90, { ...sender, eth_type: etherTypes.ipv6, ip_proto: ipProtocols.icmpv6, ipv6_src: 0n }, 'answer', `${host.mac} has no address yet`),
    row(40, sender, 'forward', `${host.mac} speaks neither IP nor ARP`),
  ]
  for (const ip of host.ips) {
    const v4 = parseIpv4(ip)
    const v6 = parseIpv6(ip)
    if (v4 !== undefined)
      rows.push(
        row(100, { ...arp, arp_spa: v4, arp_sha: mac }, 'answer', `${ip} is ${host.mac}`),
        row(
          100,
          { ...sender, eth_type: etherTypes.ipv4, ip_src: v4 },
          'track',
          `${ip} is ${host.mac}`,
        ),
      )
    if (v6 !== undefined)
      rows.push(
        row(
          100,
          { ...sender, eth_type: etherTypes.ipv6, ipv6_src: v6 },
          'answer',
          `${ip} is ${host.mac}`,
        ),
      )
  }
  return rows
}

const whole = (field: Subfield['field'], size: number): Subfield => ({ field, offset: 0, size })

/** ARP questions for the host's address are answered by the switch where they are asked. */
const answerRows = (
  host: Host,
  ip: number,
  isHere: boolean,
  network: Match['reg0'] & object,
  origin: Origin,
): Flow[] => {
  const mac = macNumber(host.mac)
  const question: Match = { eth_type: etherTypes.arp, arp_op: 1, arp_tpa: ip, reg0: network }
  const reply: Action[] = [
    { kind: 'move', from: whole('eth_src', 48), to: whole('eth_dst', 48) },
    { kind: 'set_field', field: 'eth_src', value: mac },
    { kind: 'set_field', field: 'arp_op', value: 2 },
    { kind: 'move', from: whole('arp_sha', 48), to: whole('arp_tha', 48) },
    { kind: 'move', from: whole('arp_spa', 32), to: whole('arp_tpa', 32) },
    { kind: 'set_field', field: 'arp_sha', value: mac },
    { kind: 'set_field', field: 'arp_spa', value: ip },
    { kind: 'output', port: ports.inPort },
  ]
  const rows = [
    flow('answer', 100, question, { actions: reply }, `${host.mac} has this address`, origin),
  ]
  if (isHere)
    rows.push(
      flow(
        'answer',
        110,
        { in_port: host.at.port, eth_src: mac, ...question },
        { goto: 'forward' },
        `${host.mac} announces its own address`,
        origin,
      ),
    )
  return rows
}

/** Broadcast and multicast of a network go to its tree. */
export const floodRow = (network: Network, group: number, origin: Origin): Flow =>
  flow(
    'forward',
    20,
    { eth_dst: groupBit, reg0: bitsEqual([registers.network, network.number]) },
    { actions: [{ kind: 'group', group }] },
    `broadcast in network ${network.name} follows its tree`,
    origin,
  )
