/** What a port admits: an edge port its hosts, a fabric port what other switches send. */
import { etherTypes } from '../../pipeline/packet.js'
import { flow, meterNumber, type Origin, type Section, section } from '../../pipeline/program.js'
import { load, registers } from '../../pipeline/registers.js'
import type { Network, Port, Switch } from '../model.js'
import { discover, discoverMeter, groupBit, teachRows } from './rows.js'

/** Discovery frames a second from one edge port. */
const discoversPerSecond = 10

/** Packets a second from one edge port that may teach the controller. */
const teachesPerSecond = 200

/** The meter of an edge port. */
export const teachMeter = (port: number): number => meterNumber('teach', port)

/**
 * The conntrack zone of a network on a switch. Bridges of one ovs-vswitchd share one connection table, so
 * the switch is part of it: 6 bits of network, 10 bits of switch.
 */
export const zoneOf = (switchIndex: number, network: number): number =>
  ((network & 0x3f) << 10) | (switchIndex & 0x3ff)

export const portSection = (
  self: Switch,
  port: Port,
  isOnTree: boolean,
  networks: readonly Network[],
): Section => {
  const origin: Origin = { kind: 'switch', name: `${self.name}:${port.name}` }
  const network = networks[0]!
  const enter = [
    load(registers.network, network.number),
    load(registers.zone, zoneOf(self.index, network.number)),
  ]
  if (port.kind === 'edge') return edgeSection(port, enter, origin)
  const fromFabric = load(registers.fromFabric, 1)
  const rows = [
    flow(
      'admit',
      410,
      { in_port: port.number, eth_type: etherTypes.lldp },
      { actions: [discover()] },
      `discovery frames of fabric port ${port.name} prove its link`,
      origin,
    ),
    flow(
      'admit',
      100,
      { in_port: port.number, vlan_vid: 0 },
      { actions: [...enter, fromFabric], goto: 'arrive' },
      `fabric port ${port.name}`,
      origin,
    ),
  ]
  if (!isOnTree)
    rows.push(
      flow(
        'admit',
        300,
        { in_port: port.number, eth_dst: groupBit },
        {},
        `broadcast does not come by ${port.name}, which is not on the tree`,
        origin,
      ),
    )
  return section(`port/${port.number}`, { flows: rows })
}

const edgeSection = (port: Port, enter: ReturnType<typeof load>[], origin: Origin): Section => {
  const meter = teachMeter(port.number)
  return section(`port/${port.number}`, {
    flows: [
      flow(
        'admit',
        410,
        { in_port: port.number, eth_type: etherTypes.lldp },
        { actions: [discover(discoverMeter(port.number))] },
        `discovery frames of edge port ${port.name} may tell of a new switch`,
        origin,
      ),
      flow(
        'admit',
        100,
        { in_port: port.number, vlan_vid: 0 },
        { actions: enter, goto: 'guard' },
        `edge port ${port.name}`,
        origin,
      ),
      ...teachRows(port.number, meter, origin),
    ],
    meters: [
      {
        id: discoverMeter(port.number),
        unit: 'pktps',
        bands: [{ type: 'drop', rate: discoversPerSecond, burstSize: 10 }],
        because: `discovery frames from ${port.name} that may reach the controller each second`,
        origin,
      },
      {
        id: meter,
        unit: 'pktps',
        bands: [{ type: 'drop', rate: teachesPerSecond, burstSize: 50 }],
        because: `packets from ${port.name} that may teach the controller each second`,
        origin,
      },
    ],
  })
}
