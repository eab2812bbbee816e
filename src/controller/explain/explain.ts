/**
 * Follows a packet through what the switches hold: what happens to it, which row decides, and by which way it goes.
 * Nothing is sent; the same evaluator runs in the simulated switches.
 */

import { type Dpid, formatMac, ipNumber, type Mac, macNumber } from '../../base/addresses.js'
import { ports } from '../../openflow/values.js'
import { usualHops } from '../../pipeline/build.js'
import type { RunGroup } from '../../pipeline/choice.js'
import type { Connection } from '../../pipeline/connection.js'
import { Conntrack } from '../../pipeline/conntrack.js'
import {
  evaluate,
  type Outcome,
  type Output,
  type RunRow,
  rowOfFlow,
  type Step,
  type SwitchView,
} from '../../pipeline/evaluate.js'
import { FlowTable } from '../../pipeline/flow-table.js'
import { flowText } from '../../pipeline/flow-text.js'
import { etherTypes, type Fields, type Packet } from '../../pipeline/packet.js'
import type { Origin, Section } from '../../pipeline/program.js'
import { registers } from '../../pipeline/registers.js'
import { tableId, tableName } from '../../pipeline/tables.js'
import { type PuntReason, puntOutcome, readUserdata } from '../../pipeline/userdata.js'
import {
  endTowards,
  type ForeignSegment,
  isOnSegment,
  segmentAt,
} from '../../topology/discovery/foreign-segment.js'
import { guardAt } from '../../topology/hosts/guard.js'
import { membershipsOf } from '../../topology/memberships.js'
import {
  type Host,
  hostKey,
  isSamePort,
  type PortRef,
  portKey,
  type Switch,
  type Topology,
} from '../../topology/model.js'
import type { Held, Stray } from './held.js'

/**
 * dropped, rejected: a row does it · not-delivered: nothing leads the packet to whoever it is for · unknown: it
 * comes to something that cannot be known from here
 */
export type Verdict = 'delivered' | 'dropped' | 'rejected' | 'not-delivered' | 'unknown'

export interface TraceStep {
  readonly table: string
  readonly priority?: number
  readonly because: string
  readonly origin?: Origin
  /** A row of somebody else, or one of ours that is not wanted; `because` is its text. */
  readonly stray?: Stray['kind']
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
  /** What else must be known to take the answer for what it is. */
  readonly notes: readonly string[]
  readonly hops: readonly Hop[]
  /** Every port where a copy leaves the network, or where its sender's neighbours hear it. */
  readonly deliveredTo: readonly Delivery[]
}

export interface Delivery extends PortRef {
  readonly switch: string
  /** Who has its MAC there, by name or MAC; absent when that is nobody who is known, or everybody. */
  readonly host?: string
}

/** Where a packet begins. */
export interface Beginning {
  readonly at: PortRef
  readonly fields: Fields
  /** Who sends it; absent: it comes in at the port, whoever sent it. */
  readonly sender?: Host
}

export interface Switches {
  /** What a switch holds now; undefined when it cannot be asked. */
  held(dpid: Dpid): Promise<Held | undefined>
  /** What it should hold. */
  wanted(dpid: Dpid): readonly Section[] | undefined
}

/** A packet as it comes to a switch, and what that switch did with it. */
export interface Run {
  readonly at: PortRef
  readonly fields: Fields
  readonly outcome: Outcome
}

/** More switches than any loop-free way has. */
const maxHops = 256

/** What became of one copy of the packet. */
type End =
  | {
      readonly kind: 'dropped' | 'controller'
      readonly self: Switch
      readonly step: Step | undefined
    }
  | { readonly kind: 'not-delivered' | 'unknown'; readonly because: string }

/** @returns with the answer each run, for whoever holds it against what a switch itself says */
export const explain = async (
  topology: Topology,
  switches: Switches,
  beginning: Beginning,
): Promise<{ readonly answer: Explanation; readonly runs: readonly Run[] }> =>
  new Walk(topology, switches).walk(beginning)

class Walk {
  readonly #topology: Topology
  readonly #switches: Switches
  readonly #hops: Hop[] = []
  readonly #runs: Run[] = []
  readonly #ends: End[] = []
  readonly #notes = new Set<string>()
  readonly #deliveredTo: Delivery[] = []
  readonly #queue: { at: PortRef; fields: Fields }[] = []
  #isRejected = false
  #isCounted = false

  constructor(topology: Topology, switches: Switches) {
    this.#topology = topology
    this.#switches = switches
  }

  async walk({ at, fields, sender }: Beginning) {
    if (sender === undefined || !this.#staysThere(sender, fields)) this.#queue.push({ at, fields })
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      if (this.#hops.length >= maxHops) {
        this.#end('unknown', `after ${maxHops} switches it still goes on: it goes in circles`)
        break
      }
      await this.#enter(next.at, next.fields)
    }
    return { answer: this.#answer(), runs: this.#runs }
  }

  async #enter(at: PortRef, fields: Fields): Promise<void> {
    const self = this.#topology.switches.get(at.dpid)
    const held = self && (await this.#switches.held(at.dpid))
    if (self === undefined || held === undefined) {
      const name = self?.name ?? at.dpid
      const because = `not known: ${name} is not connected, so what it holds cannot be read`
      this.#hops.push({ dpid: at.dpid, name, inPort: at.port, outPorts: [], steps: [] })
      return this.#end('unknown', because)
    }
    const { outcome, admits, asked } = run(held, self, at.port, fields)
    this.#isCounted ||= admits
    this.#runs.push({ at, fields: asked, outcome })
    this.#hops.push({
      dpid: self.dpid,
      name: self.name,
      inPort: at.port,
      outPorts: outcome.outputs.map(output => output.port),
      steps: outcome.steps.map(step => stepOf(step, held)),
    })
    this.#noteStrays(self, held, outcome)
    this.#noteDrift(self, held, at.port, fields, outcome)
    this.#follow(self, at.port, fields, outcome)
  }

  #follow(self: Switch, inPort: number, fields: Fields, outcome: Outcome): void {
    const told = outcome.toController.map(up => readUserdata(up.userdata))
    const punts = told.map(punt => punt?.reason)
    const sought = told.find(punt => punt?.reason === 'seek')
    const [action] = outcome.unmodelled
    if (punts.includes('reject')) this.#isRejected = true
    else if (action !== undefined)
      this.#end('unknown', `${self.name} does "${action}" to it, which is not followed here`)
    else if (sought) this.#spread({ dpid: self.dpid, port: inPort }, sought.value, fields)
    else if (outcome.outputs.length === 0) this.#stop(self, inPort, outcome, punts)
    for (const output of outcome.outputs) this.#leave(self, output.port, carried(output))
  }

  /** What is at the sender's own port hears it without a switch. @returns true when no more is to be done */
  #staysThere(sender: Host, fields: Fields): boolean {
    const { at } = sender
    const segment = segmentAt(this.#topology, at)
    if (segment) {
      this.#cross(segment, sender, fields)
      return true
    }
    const network = networkAt(this.#topology, at, fields)
    const receiver = this.#hostOf(fields, network)
    if (receiver && receiver !== sender && isSamePort(receiver.at, at)) {
      this.#deliver(at, fields, network)
      this.#notes.add(
        `both are at ${this.#placeText(at)}: what joins them there is not ours, and no rule is asked`,
      )
      return true
    }
    return false
  }

  /**
   * A frame is on a segment between two switches: a host there sent it, or a switch did. It comes to whoever has its MAC;
   * to all when that is a group, or nobody who is known.
   */
  #cross(segment: ForeignSegment, from: Host | PortRef, fields: Fields): void {
    const came = 'at' in from ? undefined : from
    const place = came ?? segment.ends[0]
    const network = networkOnSegment(this.#topology, fields)
    const hosts = [...this.#topology.hosts.values()]
    // Where a MAC is, a switch that nobody manages knows once for all tags.
    const mac = fields.eth_dst === undefined ? undefined : formatMac(Number(fields.eth_dst))
    const receiver = this.#hostOf(fields, network) ?? hosts.find(host => host.mac === mac)
    const isThere = (host: Host) => host !== from && isOnSegment(segment, host)
    const ends = segment.ends.filter(end => came === undefined || !isSamePort(end, came))
    if (receiver) {
      if (isOnSegment(segment, receiver)) {
        if (receiver === from) return this.#end('not-delivered', 'it is for its own sender')
        if (receiver.network !== network)
          return this.#end(
            'not-delivered',
            `it comes to ${receiver.name ?? receiver.mac} with a tag that is not of its network`,
          )
        this.#deliver(place, fields, network)
        if (came === undefined)
          this.#notes.add(
            `both are on the segment between ${segment.ends.map(end => this.#placeText(end)).join(' and ')}: no rule is asked`,
          )
        return
      }
      const end = endTowards(this.#topology.links, segment, receiver.at.dpid)
      const on = end ? ends.filter(each => isSamePort(each, end)) : ends
      for (const at of on) this.#queue.push({ at, fields })
      if (on.length === 0)
        this.#end(
          'not-delivered',
          `${receiver.name ?? receiver.mac} is on the side where it comes from`,
        )
      return
    }
    if (hosts.some(host => host.network === network && isThere(host)))
      this.#deliver(place, fields, network)
    for (const at of ends) this.#queue.push({ at, fields })
  }

  #hostOf({ eth_dst: mac }: Fields, network: number | undefined): Host | undefined {
    if (mac === undefined || network === undefined) return undefined
    return this.#topology.hosts.get(hostKey(network, formatMac(Number(mac))))
  }

  #deliver(at: PortRef, fields: Fields, network: number | undefined): void {
    const host = this.#hostOf(fields, network)
    this.#deliveredTo.push({
      ...at,
      switch: this.#topology.switches.get(at.dpid)?.name ?? at.dpid,
      ...(host && { host: host.name ?? host.mac }),
    })
  }

  #placeText({ dpid, port }: PortRef): string {
    return `${this.#topology.switches.get(dpid)?.name ?? dpid}:${port}`
  }

  /** No host of the network has the MAC: the controller sends the frame to all of it, but under guard level strict. */
  #spread(from: PortRef, network: number, fields: Fields): void {
    const why = 'no host with this MAC is known in its network'
    if (guardAt(this.#topology, from, network) === 'strict')
      return this.#end('not-delivered', `${why}: the controller asks for its address only`)
    const { of } = membershipsOf(this.#topology.networks)
    for (const self of this.#topology.switches.values())
      for (const { number: port, isUp, kind } of self.ports.values()) {
        const at = { dpid: self.dpid, port }
        const { untagged, tagged } = of(at)
        const isMember = [untagged, ...tagged.values()].some(each => each?.number === network)
        if (!isUp || !self.isConnected || isSamePort(at, from)) continue
        if (kind === 'edge' && isMember) this.#deliveredTo.push({ ...at, switch: self.name })
        const segment = network === 1 ? this.#segmentOnSide(at, from) : undefined
        if (segment) this.#cross(segment, at, { ...fields, vlan_vid: 0 })
      }
    this.#notes.add(
      `${why}: the controller sends it to all of it, so many copies a second, and asks for its address`,
    )
    if (this.#deliveredTo.length === 0) this.#end('not-delivered', why)
  }

  /** The segment of a port that is the end of it on the side of another port. */
  #segmentOnSide(at: PortRef, from: PortRef): ForeignSegment | undefined {
    const segment = segmentAt(this.#topology, at)
    const end = segment && endTowards(this.#topology.links, segment, from.dpid)
    return end && isSamePort(end, at) ? segment : undefined
  }

  /** Nothing went out. */
  #stop(
    self: Switch,
    inPort: number,
    outcome: Outcome,
    punts: readonly (PuntReason | undefined)[],
  ): void {
    const step = outcome.steps.at(-1)
    const because = step?.row?.flow?.because ?? ''
    const answer = punts.map(reason => reason && puntOutcome(reason)).find(Boolean)
    if (answer) return this.#end('not-delivered', `${because}: ${answer}`)
    if (
      punts.some(
        reason =>
          reason !== 'log' &&
          reason !== 'opened' &&
          reason !== 'learn' &&
          reason !== 'asked' &&
          reason !== 'hear' &&
          reason !== 'invalid',
      )
    )
      return void this.#ends.push({ kind: 'controller', self, step })
    const isBack = step?.row?.actions.some(
      action => action.kind === 'output' && action.port === inPort,
    )
    if (isBack)
      return this.#end(
        'not-delivered',
        `${because}, where it came in: ${self.name} sends nothing back there`,
      )
    const isForHost = step?.row?.actions.some(action => action.kind === 'group') === true
    if (isForHost)
      return this.#end('not-delivered', `no path leads on from ${self.name}: ${because}`)
    this.#ends.push({ kind: 'dropped', self, step })
  }

  #leave(self: Switch, port: number, fields: Fields): void {
    const at = { dpid: self.dpid, port }
    const link = this.#topology.links.get(portKey(at))
    const known = self.ports.get(port)
    if (port === ports.normal)
      return this.#end(
        'unknown',
        `${self.name} forwards it as a learning switch does (NORMAL), and what that has learnt is not known here`,
      )
    if (known === undefined) return this.#end('not-delivered', `${self.name} has no port ${port}`)
    if (!known.isUp) return this.#end('not-delivered', `port ${known.name} of ${self.name} is down`)
    const segment = segmentAt(this.#topology, at)
    if (segment) return this.#cross(segment, at, fields)
    if (link) return void this.#queue.push({ at: link.to, fields })
    if (known.kind === 'fabric')
      return this.#end(
        'not-delivered',
        `port ${known.name} of ${self.name} leads to a switch, and its link is down`,
      )
    this.#deliver(at, fields, networkAt(this.#topology, at, fields))
  }

  #end(kind: 'not-delivered' | 'unknown', because: string): void {
    this.#ends.push({ kind, because })
  }

  #noteStrays(self: Switch, held: Held, { steps }: Outcome): void {
    for (const { row } of steps) {
      const stray = row && held.strayOf(row)
      if (stray?.kind === 'foreign')
        this.#notes.add(`${self.name} holds a row of somebody else that it meets: ${stray.text}`)
      if (stray?.kind === 'drift')
        this.#notes.add(
          `${self.name} holds a row that is not wanted, and it meets it: ${stray.text}`,
        )
      if (row?.meter !== undefined && stray)
        this.#notes.add(`as far as meter ${row.meter} of ${self.name} lets it pass`)
    }
  }

  /** Whether what the switch should hold would do something else. */
  #noteDrift(self: Switch, held: Held, inPort: number, fields: Fields, outcome: Outcome): void {
    if (!held.isConfirmed)
      this.#notes.add(`${self.name} has not confirmed the latest change: this is what it does now`)
    const sections = this.#switches.wanted(self.dpid)
    if (sections === undefined || outcome.steps.some(({ row }) => row && held.strayOf(row))) return
    const wanted = run(load(sections), self, inPort, fields).outcome
    const other = wanted.steps.find(
      ({ row, table }, index) => row && !isSameRow(row, table, outcome.steps[index]),
    )
    if (other?.row?.flow && held.isConfirmed)
      this.#notes.add(`${self.name} lacks a row that is wanted: ${flowText(other.row.flow)}`)
    else if (held.isConfirmed && wanted.outputs.length !== outcome.outputs.length)
      this.#notes.add(`${self.name} holds a group that is not as it is wanted: "sluice get drift"`)
  }

  #answer(): Explanation {
    const rule = ruleOf(this.#hops)
    const verdict = this.#verdict()
    const because = this.#because(verdict, rule)
    return {
      verdict,
      ...(rule && { rule }),
      because: because + (this.#isCounted ? whileThereIsRoom : ''),
      notes: [...this.#notes, ...(verdict === 'delivered' ? this.#unknownToo() : [])],
      hops: this.#hops,
      deliveredTo: this.#deliveredTo,
    }
  }

  /** What becomes of other copies, where that is not known: there may be more ports than are told. */
  #unknownToo(): readonly string[] {
    return this.#ends.flatMap(end =>
      end.kind === 'unknown' ? [`of another copy: ${end.because}`] : [],
    )
  }

  #verdict(): Verdict {
    // One copy may arrive where no switch of ours is on its way, and another be rejected.
    if (this.#deliveredTo.length > 0) return 'delivered'
    if (this.#isRejected) return 'rejected'
    const kinds = new Set(this.#ends.map(({ kind }) => kind))
    if (kinds.has('unknown') || kinds.has('controller')) return 'unknown'
    return kinds.has('not-delivered') ? 'not-delivered' : 'dropped'
  }

  #because(verdict: Verdict, rule: Explanation['rule']): string {
    const by = rule && `by ${rule.name}${placeOf(rule)}`
    const over = this.#hops.map(hop => hop.name).join(', ')
    if (verdict === 'delivered' && this.#isRejected)
      return `delivered where no switch is asked; what comes to ${over} is rejected${by ? ` ${by}` : ''}`
    if (verdict === 'delivered') return by ? `delivered ${by}` : `delivered over ${over}`
    if (verdict === 'rejected') return `rejected ${by ?? `over ${over}`}`
    const end = this.#ends.find(
      ({ kind }) => kind === verdict || (verdict === 'unknown' && kind === 'controller'),
    )
    const why = this.#endText(end, by)
    return rule && end && !isByRule(end) ? `allowed ${by}, but ${why}` : why
  }

  #endText(end: End | undefined, by: string | undefined): string {
    if (end === undefined) return 'it goes nowhere'
    if ('because' in end) return end.because
    const { kind, self, step } = end
    const table = tableName(step?.table ?? 0) ?? `${step?.table}`
    const because = step?.row?.flow?.because ?? 'by a row that is not ours, see below'
    const why = step?.row === undefined ? 'no row matches' : because
    if (kind === 'controller')
      return `${self.name} asks the controller first, in table ${table}: ${why}`
    return by && isByRule(end)
      ? `dropped ${by}`
      : `dropped in table ${table} of ${self.name}: ${why}`
  }
}

/** The network that a frame is of at an edge port, by its tag. */
const networkAt = (
  { networks }: Topology,
  at: PortRef,
  { vlan_vid = 0 }: Fields,
): number | undefined => {
  const { untagged, tagged } = membershipsOf(networks).of(at)
  const vlan = Number(vlan_vid) & 0xfff
  return (vlan === 0 ? untagged : (tagged.get(vlan) ?? untagged))?.number
}

/** The same on a segment between switches; undefined for a tag that means no network. */
const networkOnSegment = ({ networks }: Topology, { vlan_vid = 0 }: Fields): number | undefined => {
  const vlan = Number(vlan_vid) & 0xfff
  if (vlan <= 1 || networks.length === 1) return 1
  return networks.find(({ number }) => number === vlan)?.number
}
const isByRule = (end: End): boolean =>
  end.kind === 'dropped' && end.step?.row?.flow?.origin.kind === 'policy'

const isSameRow = (row: RunRow, table: number, step: Step | undefined): boolean =>
  step?.table === table &&
  step.row?.priority === row.priority &&
  step.row.flow?.because === row.flow?.because

const placeOf = ({ file, line }: NonNullable<Explanation['rule']>): string =>
  file === undefined || file === 'built-in' ? '' : ` (${file}:${line ?? 1})`

/** As the controller gives it back when there is room, where a rule counts. */
const run = (
  held: Loaded,
  self: Switch,
  inPort: number,
  fields: Fields,
): { readonly outcome: Outcome; readonly admits: boolean; readonly asked: Fields } => {
  const once = (fields: Fields) => evaluate(viewOf(held, self), packetOf(fields), inPort)
  const asking = once(fields)
  const rule = admittingRule(asking)
  if (rule === undefined) return { outcome: asking, admits: false, asked: fields }
  const asked = { ...fields, [registers.admitted.field]: rule }
  return { outcome: once(asked), admits: true, asked }
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

/** What of a packet crosses a wire: its headers, no registers and no connection state; behind two tags nobody reads. */
const carried = ({ fields, under }: Pick<Output, 'fields' | 'under'>): Fields => {
  const isRead = (name: string) =>
    under === undefined
      ? !/^(reg|ct_|metadata|in_port|tun_|conj)/.test(name)
      : /^(eth|vlan)_/.test(name)
  return {
    ...(Object.fromEntries(Object.entries(fields).filter(([name]) => isRead(name))) as Fields),
    ...(under && { eth_type: etherTypes.vlan }),
  }
}

/** Rows and groups, ready to run packets through. */
type Loaded = Pick<Held, 'tables' | 'groups'>

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

const viewOf = ({ tables, groups }: Loaded, self: Switch): SwitchView => ({
  table: id => tables.get(id),
  group: id => groups.get(id),
  isLive: port => self.ports.get(port)?.isUp ?? false,
  ports: () => [...self.ports.values()].filter(port => port.isUp).map(port => port.number),
  conntrack: new Conntrack(),
})

const stepOf = (step: Step, held: Held): TraceStep => {
  const table = tableName(step.table) ?? String(step.table)
  const { row } = step
  if (row === undefined) return { table, because: 'no row matches: dropped' }
  const stray = held.strayOf(row)
  return {
    table,
    priority: row.priority,
    because: row.flow?.because ?? stray?.text ?? 'the place of a connection that a rule counts',
    ...(row.flow && { origin: row.flow.origin }),
    ...(stray && { stray: stray.kind }),
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

/** Between which machines a packet goes, and with which tag. */
export interface Frame {
  readonly sourceMac: Mac
  /** Absent when the sender has nobody to send it to. */
  readonly destinationMac?: Mac
  readonly tag: number | undefined
}

/** The fields of the packet that opens a connection. */
export const fieldsOf = (
  connection: Connection,
  { sourceMac, destinationMac, tag }: Frame,
): Fields => {
  const source = ipNumber(connection.source)
  const destination = ipNumber(connection.destination)
  return {
    eth_src: macNumber(sourceMac),
    ...(destinationMac !== undefined && { eth_dst: macNumber(destinationMac) }),
    ...(tag !== undefined && { vlan_vid: 0x1000 | tag, vlan_pcp: 0 }),
    nw_ttl: connection.protocol === 58 ? usualHops(connection.sourcePort) : 64,
    ip_frag: 0,
    ...(connection.dscp !== undefined && { ip_dscp: connection.dscp }),
    ...(typeof source === 'number'
      ? { eth_type: 0x0800, ip_src: source, ip_dst: destination }
      : { eth_type: 0x86dd, ipv6_src: source, ipv6_dst: destination }),
    ...transportFields(connection),
  }
}

const transportFields = ({ protocol, sourcePort, destinationPort }: Connection): Fields => {
  switch (protocol) {
    case 6:
      return { ip_proto: 6, tcp_src: sourcePort, tcp_dst: destinationPort, tcp_flags: 2 }
    case 17:
      return { ip_proto: 17, udp_src: sourcePort, udp_dst: destinationPort }
    case 132:
      return { ip_proto: 132, sctp_src: sourcePort, sctp_dst: destinationPort }
    case 1:
      return { ip_proto: 1, icmp_type: sourcePort, icmp_code: destinationPort }
    case 58:
      return { ip_proto: 58, icmpv6_type: sourcePort, icmpv6_code: destinationPort }
    default:
      return { ip_proto: protocol }
  }
}
