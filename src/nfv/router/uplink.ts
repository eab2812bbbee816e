/** What may not come from outside: everything that says it is from a subnet of ours. */
import { formatCidr } from '../../base/addresses.js'
import { type Flow, flow, type Section, section } from '../../pipeline/program.js'
import { subnetOf } from './addresses.js'
import type { Router } from './model.js'
import { inNetwork, originOf, sources, within } from './rows.js'

/**
 * The guard of an uplink, at its switch: it sends from everywhere except the subnets of the router's other networks.
 *
 * @param networks numbers of those that the port is of
 */
export const uplinkSection = (
  port: number,
  networks: readonly number[],
  routers: readonly Router[],
): Section =>
  section('router/uplink', {
    flows: routers.flatMap(router =>
      router.interfaces
        .filter(({ network }) => networks.includes(network.number))
        .flatMap(({ network }) => guardRows(port, network.number, router)),
    ),
  })

const guardRows = (port: number, network: number, router: Router): Flow[] => {
  const inside = router.interfaces.filter(each => each.network.number !== network)
  const subnets = new Map(
    inside.flatMap(({ addresses }) =>
      addresses.map(subnetOf).map(subnet => [formatCidr(subnet), subnet] as const),
    ),
  )
  return [...subnets].map(([text, { version, address, length }]) =>
    flow(
      'guard',
      205,
      {
        in_port: port,
        ...inNetwork(network),
        ...within(sources[version], version, address, length),
      },
      {},
      `${text} is inside: nobody sends from it by the uplink`,
      originOf(router),
    ),
  )
}
