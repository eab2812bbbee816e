/**
 * Follows a packet through the compiled programs of all switches: what would happen to it, which rule
 * decides, and by which way it goes. Nothing is sent; the same evaluator runs in the simulated switches.
 */

import type { Dpid } from '../base/addresses.js'
import { macNumber } from '../base/addresses.js'
import { Conntrack } from '../pipeline/conntrack.js'
import {
  evaluate,
  type Outcome,
  type RunGroup,
  type RunRow,
  rowOfFlow,
  type Step,
  type SwitchView,
} from '../pipeline/evaluate.js'
import { FlowTable } from '../pipeline/flow-table.js'
import type { Fields, Packet } from '../pipeline/packet.js'
import type { Origin, Section } from '../pipeline/program.js'
import { registers } from '../pipeline/registers.js'
import { tableId, tableName } from '../pipeline/tables.js'
import { readUserdata } from '../pipeline/userdata.js'
import { type PortRef, portKey, type Topology } from '../topology/model.js'

export type Verdict = 'delivered' | 'dropped' | 'rejected' | 'lost'

export interface TraceStep {
  readonly table: string
  readonly priority?: number
  readonly because: string
  readonly origin?: Origin
}

export interface Hop {
  readonly dpid: Dpid
  readonly name: string
  readonly inPort: number
  readonly outPorts: readonly number[]
  readonly steps: readonly TraceStep[]
}

export interface Explanation {
  readonly verdict: Verdict
  /** The row that decided over the connection: a rule, or the default. */
  readonly rule?: {
    readonly policy: string
    readonly name: string
    readonly file?: string
    readonly line?: number
  }
  /** One sentence for people. */
  readonly because: string
  readonly hops: readonly Hop[]
  /** Where it comes out of an edge port. */
  readonly deliveredTo: readonly PortRef[]
}

export type ProgramOf = (dpid: Dpid) => readonly Section[] | undefined

/** More switches than any loop-free way has. */
const maxHops = 256

export const explain = (
  topology: Topology,
  programOf: ProgramOf,
  start: PortRef,
  fields: Fields,
): Explanation => {
  const hops: Hop[] = []
  const deliveredTo: PortRef[] = []
  const queue: { at: PortRef; fields: Fields }[] = [{ at: start, fields }]
  let last: Outcome | undefined
  let rejected = false
  let counted = false
  for (let next = queue.shift(); next && hops.length < maxHops; next = queue.shift()) {
    const self = topology.switches.get(next.at.dpid)
    const program = programOf(next.at.dpid)
    if (self === undefined || program === undefined) continue
    const run = (fields: Fields) =>
      evaluate(viewOf(program, topology, next!.at.dpid), packetOf(fields), next!.at.port)
    const asking = run(next.fields)
    const admits = admittingRule(asking)
    counted ||= admits !== undefined
    // As the controller gives it back when there is room.
    const outcome =
      admits === undefined ? asking : run({ ...next.fields, [registers.admitted.field]: admits })
    last = outcome
    rejected ||= outcome.toController.some(up => readUserdata(up.userdata)?.reason === 'reject')
    hops.push({
      dpid: self.dpid,
      name: self.name,
      inPort: next.at.port,
      outPorts: outcome.outputs.map(output => output.port),
      steps: outcome.steps.map(stepOf),
    })
    for (const output of outcome.outputs) {
      const out = { dpid: self.dpid, port: output.port }
      const link = topology.links.get(portKey(out))
      if (link) queue.push({ at: link.to, fields: carried(output.fields) })
      else deliveredTo.push(out)
    }
  }
  const rule = ruleOf(hops)
  const verdict: Verdict = rejected
    ? 'rejected'
    : deliveredTo.length > 0
      ? 'delivered'
      : last
        ? 'dropped'
        : 'lost'
  return {
    verdict,
    ...(rule && { rule }),
    because: sentence(verdict, hops, rule) + (counted ? whileThereIsRoom : ''),
    hops,
    deliveredTo,
  }
}

/** The rule that asks the controller whether there is room among the connections that it counts. */
const admittingRule = (outcome: Outcome): number | undefined => {
  for (const { userdata } of outcome.toController) {
    const punt = readUserdata(userdata)
    if (punt?.reason === 'admit') return punt.value
  }
  return undefined
}

const whileThereIsRoom = ', while it is within what the rule counts'

const packetOf = (fields: Fields): Packet => ({
  fields: { vlan_vid: 0, ...fields },
  l3: 14,
  payload: 14,
})

/** What of a packet crosses a wire: its headers, no registers and no connection state. */
const carried = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).filter(([name]) => !/^(reg|ct_|metadata|in_port|tun_|conj)/.test(name)),
  ) as Fields

interface Loaded {
  readonly tables: ReadonlyMap<number, FlowTable<RunRow>>
  readonly groups: ReadonlyMap<number, RunGroup>
}

const loadedBySections = new WeakMap<readonly Section[], Loaded>()

const load = (program: readonly Section[]): Loaded => {
  let loaded = loadedBySections.get(program)
  if (loaded) return loaded
  const tables = new Map<number, FlowTable<RunRow>>()
  const groups = new Map<number, RunGroup>()
  for (const section of program) {
    for (const group of section.groups) groups.set(group.id, group)
    for (const flow of section.flows) {
      const id = tableId[flow.table]
      let table = tables.get(id)
      if (table === undefined) {
        table = new FlowTable()
        tables.set(id, table)
      }
      table.add(rowOfFlow(flow))
    }
  }
  loaded = { tables, groups }
  loadedBySections.set(program, loaded)
  return loaded
}

const viewOf = (program: readonly Section[], topology: Topology, dpid: Dpid): SwitchView => {
  const { tables, groups } = load(program)
  const self = topology.switches.get(dpid)
  return {
    table: id => tables.get(id),
    group: id => groups.get(id),
    isLive: port => self?.ports.get(port)?.isUp ?? false,
    conntrack: new Conntrack(),
  }
}

const stepOf = (step: Step): TraceStep => {
  const table = tableName(step.table) ?? String(step.table)
  const { row } = step
  if (row === undefined) return { table, because: 'no row matches: dropped' }
  return {
    table,
    priority: row.priority,
    because: row.flow?.because ?? '',
    ...(row.flow && { origin: row.flow.origin }),
  }
}

const ruleOf = (hops: readonly Hop[]): Explanation['rule'] => {
  for (const hop of hops)
    for (const step of [...hop.steps].reverse())
      if (step.origin?.kind === 'policy') {
        const { file, line } = step.origin
        const [policy = '', ...name] = step.origin.name.split('/')
        return {
          policy,
          name: name.join('/'),
          ...(file !== undefined && { file }),
          ...(line !== undefined && { line }),
        }
      }
  return undefined
}

const sentence = (verdict: Verdict, hops: readonly Hop[], rule: Explanation['rule']): string => {
  const place = rule?.file === undefined ? '' : ` (${rule.file}:${rule.line ?? 1})`
  if (rule) return `${verdict} by ${rule.name}${place}`
  const last = hops.at(-1)
  const step = last?.steps.at(-1)
  if (verdict === 'delivered') return `delivered over ${hops.map(hop => hop.name).join(', ')}`
  return last
    ? `${verdict} in table ${step?.table} of ${last.name}: ${step?.because}`
    : 'nowhere to begin'
}

/** What a person asks, as the fields of the packet that would open the connection. */
export interface Question {
  readonly sourceMac: Parameters<typeof macNumber>[0]
  readonly destinationMac: Parameters<typeof macNumber>[0]
  readonly source: number | bigint
  readonly destination: number | bigint
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'sctp' | number
  readonly sourcePort: number
  readonly destinationPort: number
}

export const fieldsOf = (question: Question): Fields => {
  const isIpv4 = typeof question.source === 'number'
  const fields: Fields = {
    eth_src: macNumber(question.sourceMac),
    eth_dst: macNumber(question.destinationMac),
    eth_type: isIpv4 ? 0x0800 : 0x86dd,
    nw_ttl: 64,
    ip_frag: 0,
    ...(isIpv4
      ? { ip_src: question.source, ip_dst: question.destination }
      : { ipv6_src: question.source, ipv6_dst: question.destination }),
  }
  return { ...fields, ...transportFields(question, isIpv4) }
}

const transportFields = (question: Question, isIpv4: boolean): Fields => {
  const { sourcePort, destinationPort } = question
  switch (question.protocol) {
    case 'tcp':
    case 6:
      return { ip_proto: 6, tcp_src: sourcePort, tcp_dst: destinationPort, tcp_flags: 2 }
    case 'udp':
    case 17:
      return { ip_proto: 17, udp_src: sourcePort, udp_dst: destinationPort }
    case 'sctp':
    case 132:
      return { ip_proto: 132, sctp_src: sourcePort, sctp_dst: destinationPort }
    case 'icmp':
    case 1:
    case 58:
      return isIpv4
        ? { ip_proto: 1, icmp_type: 8, icmp_code: 0 }
        : { ip_proto: 58, icmpv6_type: 128, icmpv6_code: 0 }
    default:
      return { ip_proto: question.protocol }
  }
}
