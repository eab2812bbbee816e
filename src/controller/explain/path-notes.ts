/** What `sluice path` says besides the ways between two hosts: what traffic really does where that differs. */

import { type Dpid, ipNumber, macNumber } from '../../base/addresses.js'
import type { FieldValue, Masked, Match } from '../../openflow/values.js'
import { masked } from '../../pipeline/flow-table.js'
import type { RoutedIntent } from '../../topology/intents/lanes.js'
import type { Host, Topology } from '../../topology/model.js'
import { theHost } from '../../topology/names.js'
import type { PathHop, PathsAnswer } from '../../topology/paths/answer.js'
import type { TopologyService } from '../../topology/topology.js'
import type { Controller } from '../controller.js'
import { readHeld } from './held.js'

export const pathNotes = async (
  controller: Controller,
  { from, to, paths: [best] }: PathsAnswer,
): Promise<readonly string[]> => {
  const topology = controller.topology.current
  const [sender, receiver] = [from, to].map(name => theHost(topology, name))
  const pair = pairNotes(controller.topology, from, to, sender, receiver)
  const hops = (best?.hops ?? []).map(hop => hopNotes(controller, hop, sender, receiver))
  return [...pair, ...(await Promise.all(hops)).flat()]
}

/** Rows of others that may meet the traffic at one switch, read from the switch. */
const hopNotes = async (
  controller: Controller,
  { switch: name, dpid, inPort }: PathHop,
  sender: Host | undefined,
  receiver: Host | undefined,
): Promise<readonly string[]> => {
  const held = await readHeld(controller, dpid)
  if (held === undefined) return [`${name} is not connected: what it does is not known`]
  const notes: string[] = []
  for (const row of held.strays())
    if (mayMeet(row.match, inPort, sender, receiver)) {
      const stray = held.strayOf(row)!
      const whose = stray.kind === 'foreign' ? 'a row of somebody else' : 'a row that is not wanted'
      notes.push(`${name} holds ${whose}, which decides where it matches: ${stray.text}`)
    }
  return notes
}

/** False when the row is of another port or of other machines. */
const mayMeet = (
  match: Match,
  inPort: number | undefined,
  sender: Host | undefined,
  receiver: Host | undefined,
): boolean =>
  (inPort === undefined || fits(match.in_port, [inPort])) &&
  fitsHost(match, 'src', sender) &&
  fitsHost(match, 'dst', receiver)

const fitsHost = (match: Match, end: 'src' | 'dst', host: Host | undefined): boolean =>
  host === undefined ||
  (fits(match[`eth_${end}`], [macNumber(host.mac)]) &&
    fits(match[`ip_${end}`], host.ips.filter(ip => !ip.includes(':')).map(ipNumber)) &&
    fits(match[`ipv6_${end}`], host.ips.filter(ip => ip.includes(':')).map(ipNumber)))

/** Whether one of the values is what a match asks for; one that asks for nothing takes all. */
const fits = (wanted: FieldValue | Masked | undefined, values: readonly FieldValue[]): boolean => {
  if (wanted === undefined) return true
  const { value, mask } = typeof wanted === 'object' ? wanted : { value: wanted, mask: undefined }
  return values.some(each => masked(each, mask) === masked(value, mask))
}

const pairNotes = (
  service: TopologyService,
  from: string,
  to: string,
  sender: Host | undefined,
  receiver: Host | undefined,
): readonly string[] => {
  const topology = service.current
  if (sender === undefined || receiver === undefined) return []
  if (sender.network !== receiver.network) {
    const names = [sender, receiver].map(({ network }) => networkName(topology, network))
    const [near, far] = [sender, receiver].map(host =>
      topology.gateways.find(({ network }) => network === host.network),
    )
    if (near !== undefined && near.router === far?.router)
      return [
        `${from} is in network ${names[0]}, ${to} in ${names[1]}: router ${near.router} passes traffic from one to the other, at the switch where it comes in`,
      ]
    return [
      `${from} is in network ${names[0]}, ${to} in ${names[1]}: no traffic passes from one to the other but by a router`,
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
