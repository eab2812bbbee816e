/** What `sluice path` says besides the ways between two hosts: what traffic really does where that differs. */
import type { Dpid } from '../base/addresses.js'
import type { RoutedIntent } from '../topology/intents/intent.js'
import type { Host, Topology } from '../topology/model.js'
import { theHost } from '../topology/names.js'
import type { TopologyService } from '../topology/topology.js'

export const pathNotes = (
  service: TopologyService,
  from: string,
  to: string,
): readonly string[] => {
  const topology = service.current
  const [sender, receiver] = [from, to].map(name => theHost(topology, name))
  if (sender === undefined || receiver === undefined) return []
  if (sender.network !== receiver.network) {
    const names = [sender, receiver].map(({ network }) => networkName(topology, network))
    return [
      `${from} is in network ${names[0]}, ${to} in ${names[1]}: no traffic passes from one to the other`,
    ]
  }
  return topology.intents.flatMap(({ name }) => {
    const result = service.intent(name)?.result
    if (result === undefined || !('route' in result)) return []
    const path = ledBy(result.route, sender, receiver)
    return path === undefined ? [] : [`intent ${name} leads it: ${wayText(topology, path)}`]
  })
}

const networkName = ({ networks }: Topology, number: number): string =>
  networks.find(each => each.number === number)?.name ?? String(number)

/** The switches that an intent leads the pair over; empty where it only says how to come nearer. */
const ledBy = (
  { lanes, trees }: RoutedIntent,
  sender: Host,
  receiver: Host,
): readonly Dpid[] | undefined => {
  const lane = lanes.find(({ pairs }) => pairs.some(([a, b]) => a === sender && b === receiver))
  if (lane) return lane.path.map(({ dpid }) => dpid)
  const tree = trees.find(({ receivers }) => receivers.includes(receiver))
  if (tree === undefined) return undefined
  const next = new Map(tree.branches.map(branch => [branch.dpid, branch.next]))
  const path = [sender.at.dpid]
  while (path.at(-1) !== tree.egress) {
    const further = next.get(path.at(-1)!)
    if (further === undefined || path.includes(further)) return undefined
    path.push(further)
  }
  return path
}

const wayText = ({ switches }: Topology, path: readonly Dpid[]): string =>
  path.map(dpid => switches.get(dpid)?.name ?? dpid).join(' ')
