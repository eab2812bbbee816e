/** What people look at: routers, their routes, and who is behind an address. */
import { formatCidr } from '../../base/addresses.js'
import type { TopologyService } from '../../topology/topology.js'
import type { View } from '../function.js'
import { formatAddress, subnetOf } from './addresses.js'
import type { Router } from './model.js'
import type { NeighbourSearch } from './neighbours.js'

export const routerViews = (
  topology: TopologyService,
  search: NeighbourSearch,
  routers: () => readonly Router[],
): readonly View[] => {
  const nameOf = (number: number) =>
    topology.current.networks.find(each => each.number === number)?.name ?? String(number)
  return [
    {
      name: 'routes',
      summary: 'where routers lead: their own subnets, and declared routes',
      columns: [
        ['ROUTER', 'router'],
        ['TO', 'to'],
        ['VIA', 'via'],
        ['NETWORK', 'network'],
        ['STATE', 'state'],
      ],
      items: () =>
        routers().flatMap(({ name, interfaces, routes }) => [
          ...interfaces.flatMap(({ network, addresses }) =>
            addresses.map(address => ({
              router: name,
              to: formatCidr(subnetOf(address)),
              via: 'connected',
              network: network.name,
              state: 'in force',
            })),
          ),
          ...routes.flatMap(({ to, via }) =>
            via.length === 0
              ? [{ router: name, to: formatCidr(to), via: 'blackhole', state: 'in force' }]
              : via.map(({ network, address }) => {
                  const ip = formatAddress(address)
                  const isKnown = topology.holdersOf(network, ip).length > 0
                  return {
                    router: name,
                    to: formatCidr(to),
                    via: ip,
                    network: nameOf(network),
                    state: isKnown ? 'in force' : 'next hop not known yet',
                  }
                }),
          ),
        ]),
    },
    {
      name: 'neighbours',
      summary: 'who has which address in networks that routers join',
      columns: [
        ['NETWORK', 'network'],
        ['ADDRESS', 'ip'],
        ['MAC', 'mac'],
        ['AT', 'at'],
        ['STATE', 'state'],
      ],
      items: () => {
        const joined = new Set(topology.current.gateways.map(({ network }) => network))
        const { hosts, switches } = topology.current
        return [
          ...[...hosts.values()]
            .filter(({ network }) => joined.has(network))
            .flatMap(({ network, ips, mac, at }) =>
              ips.map(ip => ({
                network: nameOf(network),
                ip,
                mac,
                at: `${switches.get(at.dpid)?.name ?? at.dpid}:${at.port}`,
                state: 'known',
              })),
            ),
          ...search.list().map(({ network, ip, waiting }) => ({
            network: nameOf(network),
            ip,
            state: `asked for, ${waiting} packets wait`,
          })),
        ]
      },
    },
  ]
}
