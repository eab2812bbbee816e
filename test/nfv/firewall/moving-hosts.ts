/**
 * A model of a few switches with all their compiled rows, two hosts that move between them, and one connection of
 * theirs. Every event makes a new state; states are compared by their text. Who has a right to what is not
 * looked up in the rows: it is known from what was done.
 */

import type { Ip, Mac } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { Concern, OwnAddresses } from '../../../src/nfv/firewall/flows/switch-rows.js'
import type { RunGroup } from '../../../src/pipeline/choice.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { Conntrack } from '../../../src/pipeline/conntrack.js'
import { evaluate, type RunRow, rowOfFlow } from '../../../src/pipeline/evaluate.js'
import { FlowTable } from '../../../src/pipeline/flow-table.js'
import type { Fields, Packet } from '../../../src/pipeline/packet.js'
import type { Section } from '../../../src/pipeline/program.js'
import { tableId } from '../../../src/pipeline/tables.js'
import { slotOf, zoneOf } from '../../../src/pipeline/zones.js'
import { createForwarding } from '../../../src/topology/forwarding/compile.js'
import {
  emptyTopology,
  type Host,
  type Port,
  portKey,
  type Switch,
  type Topology,
} from '../../../src/topology/model.js'
import { dpidOf, linksOf, switchesOf } from '../../topology/networks.js'
import { fieldsOf, laterFieldsOf, turned } from './one-switch.js'
import { rulesOf } from './random-policy.js'

export type End = 'a' | 'b'
const ends = ['a', 'b'] as const
const other = { a: 'b', b: 'a' } as const
const macOf = { a: 0x02000000000a, b: 0x02000000000b } as const
const ipOf = { a: '10.0.0.1', b: '10.0.0.2' } as const
const portOf = { a: 21, b: 22 } as const

/** all: everybody may open; some: `a` may open to `b`; none. */
export type Policy = 'all' | 'some' | 'none'
const texts: Readonly<Record<Policy, string>> = {
  all: 'default allow\n',
  some: 'default drop\nit: allow udp 53, tcp 80 from 10.0.0.1 to 10.0.0.2\n',
  none: 'default drop\n',
}

/** What the controller wants of switches, or a switch holds; switches are counted from 1. */
interface Version {
  readonly told: Readonly<Record<End, number>>
  readonly policy: Policy
  readonly generation: number
  readonly epoch: number
}

/** What a switch knows of the connection. */
interface Entry {
  readonly openedBy: End
  readonly label: bigint
  readonly mark: number
  readonly hasReply: boolean
}

interface Frame {
  readonly from: End
  readonly at: number
  readonly inPort: number
  readonly fields: Fields
  /** Of what begins a direction: never the number that the connection of before began with. */
  readonly sequence?: number
  /** What the switch held where the frame came in. */
  readonly sentUnder: Policy
}

export interface State {
  readonly at: Readonly<Record<End, number>>
  readonly wanted: Version
  /** By switch; undefined: it has lost all. */
  readonly held: readonly (Version | undefined)[]
  readonly entries: readonly (Entry | undefined)[]
  /** On its way between two switches. */
  readonly flying?: Frame
  /** A packet of `a` was let through while it was allowed to open. */
  readonly hasAsked: boolean
}

export interface Outcome {
  readonly state: State
  readonly isDelivered: boolean
  /** What must never happen, in words. */
  readonly wrong?: string
}

export interface World {
  readonly protocol: 6 | 17
  readonly switches: number
  /** Rows as they are loaded: for trying others. */
  readonly change?: (sections: readonly Section[]) => readonly Section[]
  /** Something between the switches takes tags off that name no network. */
  readonly isStripping?: boolean
}

interface Loaded {
  readonly tables: ReadonlyMap<number, FlowTable<RunRow>>
  readonly groups: ReadonlyMap<number, RunGroup>
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each))

export class Model {
  readonly #world: World
  readonly #topology: Topology
  readonly #connection: Connection
  readonly #compiler = createCompiler()
  readonly #loaded = new Map<string, readonly Loaded[]>()

  constructor(world: World) {
    this.#world = world
    const port = world.protocol === 6 ? 80 : 53
    const [source, destination] = [ipOf.a as Ip, ipOf.b as Ip]
    const { protocol } = world
    this.#connection = { source, destination, protocol, sourcePort: 5000, destinationPort: port }
    // A line, and a ring of three: frames for others pass through.
    const cables = Array.from({ length: world.switches - 1 }, (_, at) => ({ a: at + 1, b: at + 2 }))
    const links = linksOf(world.switches === 3 ? [...cables, { a: 3, b: 1 }] : cables)
    const switches = new Map(
      [...switchesOf(world.switches)].map(([dpid, self]): [typeof dpid, Switch] => {
        const port = (number: number, kind: Port['kind']): [number, Port] => [
          number,
          {
            number,
            name: `p${number}`,
            mac: `02:01:00:00:${dpid.slice(-2)}:${number}` as Mac,
            isUp: true,
            kind,
            speedKbps: 0,
          },
        ]
        const fabric = [...links.values()]
          .filter(({ from }) => from.dpid === dpid)
          .map(({ from }) => port(from.port, 'fabric'))
        const edge = ends.map(end => port(portOf[end], 'edge'))
        return [dpid, { ...self, ports: new Map([...fabric, ...edge]) }]
      }),
    )
    this.#topology = { ...emptyTopology, switches, links }
  }

  /** Both are known, and the connection has run already. */
  begin(policy: 'all' | 'some', a: number, b: number): State {
    const wanted: Version = { told: { a, b }, policy, generation: 1, epoch: 1 }
    let state: State = {
      at: { a, b },
      wanted,
      held: this.#each(() => wanted),
      entries: this.#each(() => undefined),
      hasAsked: false,
    }
    const { protocol } = this.#world
    const isFirst = protocol === 6
    for (const [from, isOpening] of [
      ['a', isFirst],
      ['b', false],
      ['a', false],
    ] as const) {
      const sent = this.send(state, from, isOpening)
      if (!sent.isDelivered) throw new Error(`nothing runs under ${policy}`)
      state = sent.state
    }
    return state
  }

  /** A packet all the way; in the middle of the connection, or the one that opens it. */
  send(state: State, from: End, isOpening = false): Outcome {
    const start = this.#start(state, from, isOpening)
    return this.#run(state, start)
  }

  /** TCP: a SYN of the same ports, or what answers it. */
  reopen(state: State, from: End): Outcome {
    const start = this.#start(state, from, true)
    const flags = from === 'a' ? {} : { tcp_flags: 0x12 }
    return this.#run(state, { ...start, sequence: 1, fields: { ...start.fields, ...flags } })
  }

  /** A packet through the first switch; it lands later. Undefined when it does not leave it. */
  launch(state: State, from: End): Outcome | undefined {
    if (state.flying) return undefined
    const { state: next, delivered, onward } = this.#through(state, this.#start(state, from, false))
    if (delivered || onward === undefined) return undefined
    return { state: { ...next, flying: onward }, isDelivered: false }
  }

  land(state: State): Outcome | undefined {
    const { flying, ...rest } = state
    return flying && this.#run(rest, flying)
  }

  move(state: State, end: End, to: number): State {
    return { ...state, at: { ...state.at, [end]: to } }
  }

  /** The controller sees where an end is. */
  learn(state: State, end: End): State {
    const { wanted, at } = state
    if (wanted.told[end] === at[end]) return state
    const told = { ...wanted.told, [end]: at[end] }
    return { ...state, wanted: { ...wanted, told, epoch: wanted.epoch + 1 } }
  }

  edit(state: State, policy: Policy): State {
    const { wanted } = state
    if (wanted.policy === policy) return state
    return { ...state, wanted: { ...wanted, policy, generation: wanted.generation + 1 } }
  }

  /** A switch gets what is wanted. */
  install(state: State, self: number): State {
    return { ...state, held: state.held.with(self - 1, state.wanted) }
  }

  installAll(state: State): State {
    return { ...state, held: this.#each(() => state.wanted) }
  }

  /** It starts anew, and the controller sees it. */
  lose(state: State, self: number): State {
    const { wanted } = state
    return {
      ...state,
      wanted: { ...wanted, epoch: wanted.epoch + 1 },
      held: state.held.with(self - 1, undefined),
      entries: state.entries.with(self - 1, undefined),
    }
  }

  /** What it knew of the connection is over, and nobody sees it. */
  expire(state: State, self: number): State {
    return { ...state, entries: state.entries.with(self - 1, undefined) }
  }

  /** Everybody holds what is wanted, and what is wanted is so. */
  isQuiet({ at, wanted, held, flying }: State): boolean {
    const isTold = wanted.told.a === at.a && wanted.told.b === at.b
    return isTold && flying === undefined && held.every(each => each === wanted)
  }

  textOf(state: State): string {
    const { at, wanted, held, entries, flying, hasAsked } = state
    return textOf([at, wanted, held, entries, flying, hasAsked])
  }

  #each<T>(make: (self: number) => T): T[] {
    return Array.from({ length: this.#world.switches }, (_, at) => make(at + 1))
  }

  #fields(from: End, isOpening: boolean): Fields {
    const one = from === 'a' ? this.#connection : turned(this.#connection)
    const fields = isOpening ? fieldsOf(one) : laterFieldsOf(one)
    return { ...fields, eth_src: macOf[from], eth_dst: macOf[other[from]] }
  }

  #start(state: State, from: End, isOpening: boolean): Frame {
    const at = state.at[from]
    return {
      from,
      at,
      inPort: portOf[from],
      fields: this.#fields(from, isOpening),
      sentUnder: state.held[at - 1]?.policy ?? 'none',
    }
  }

  #run(state: State, frame: Frame): Outcome {
    let [now, next]: [State, Frame | undefined] = [state, frame]
    for (let hops = 0; next && hops < 8; hops++) {
      const { state: after, delivered, onward, wrong } = this.#through(now, next)
      if (delivered || wrong)
        return { state: after, isDelivered: delivered, ...(wrong && { wrong }) }
      ;[now, next] = [after, onward]
    }
    return { state: now, isDelivered: false }
  }

  /** One switch. */
  #through(
    state: State,
    frame: Frame,
  ): { state: State; delivered: boolean; onward?: Frame; wrong?: string } {
    const held = state.held[frame.at - 1]
    if (held === undefined) return { state, delivered: false }
    const { tables, groups } = this.#load(held)[frame.at - 1]!
    const conntrack = this.#conntrack(frame.at, state.entries[frame.at - 1])
    const view = {
      table: (id: number) => tables.get(id),
      group: (id: number) => groups.get(id),
      isLive: () => true,
      conntrack,
    }
    const { sequence } = frame
    const packet: Packet = {
      fields: { vlan_vid: 0, ...frame.fields },
      l3: 14,
      payload: 34,
      ...(sequence !== undefined && { sequence }),
    }
    const { outputs } = evaluate(view, packet, frame.inPort)
    const entries = state.entries.with(frame.at - 1, entryOf(conntrack))
    const [output] = outputs
    const isAsking = frame.from === 'a' && frame.sentUnder !== 'none' && output !== undefined
    const next: State = { ...state, entries, hasAsked: state.hasAsked || isAsking }
    if (output === undefined) return { state: next, delivered: false }
    const link = this.#topology.links.get(portKey({ dpid: dpidOf(frame.at), port: output.port }))
    if (link === undefined) {
      const to = other[frame.from]
      const delivered = state.at[to] === frame.at && output.port === portOf[to]
      const wrong = delivered ? wrongOf(frame, held.policy, state.hasAsked) : undefined
      return { state: next, delivered, ...(wrong && { wrong }) }
    }
    const onward: Frame = {
      ...frame,
      at: Number.parseInt(link.to.dpid, 16),
      inPort: link.to.port,
      fields: this.#onWire(output.fields),
    }
    return { state: next, delivered: false, onward }
  }

  #onWire(fields: Fields): Fields {
    const kept = Object.entries(fields).filter(
      ([name]) => !/^(reg|ct_|metadata|in_port|pkt_mark)/.test(name),
    )
    const carried: Fields = Object.fromEntries(kept)
    if (!this.#world.isStripping || carried.vlan_vid !== 0x1000) return carried
    const { vlan_pcp: _, ...bare } = carried
    return { ...bare, vlan_vid: 0 }
  }

  #conntrack(self: number, entry: Entry | undefined): Conntrack {
    const conntrack = new Conntrack()
    if (entry === undefined) return conntrack
    const zone = zoneOf(self, slotOf(1))
    const packet = (from: End): Packet => ({
      fields: this.#fields(from, false),
      l3: 14,
      payload: 34,
    })
    const { label, mark } = entry
    conntrack.commit(zone, packet(entry.openedBy), { label, mark })
    if (entry.hasReply) conntrack.track(zone, packet(other[entry.openedBy]))
    return conntrack
  }

  #load(version: Version): readonly Loaded[] {
    const key = textOf(version)
    let loaded = this.#loaded.get(key)
    if (loaded === undefined) {
      loaded = this.#compile(version)
      this.#loaded.set(key, loaded)
    }
    return loaded
  }

  #compile({ told, policy, generation, epoch }: Version): readonly Loaded[] {
    const hosts = ends.map(
      (end): Host => ({
        mac: `02:00:00:00:00:0${end}` as Mac,
        ips: [ipOf[end] as Ip],
        at: { dpid: dpidOf(told[end]), port: portOf[end] },
        network: 1,
        isPinned: false,
      }),
    )
    const topology = { ...this.#topology, hosts: new Map(hosts.map(host => [host.mac, host])) }
    const forwarding = createForwarding().compile(topology)
    const firewall = this.#compiler.compile(rulesOf(texts[policy]), generation, undefined, epoch)
    return this.#each(self => {
      const own = hosts.filter(({ at }) => at.dpid === dpidOf(self)).flatMap(({ ips }) => ips)
      const rules = new Concern().sections(firewall, new OwnAddresses(own))
      const sections = [...forwarding.get(dpidOf(self))!, ...rules]
      return loadedOf(this.#world.change?.(sections) ?? sections)
    })
  }
}

/** What may not be delivered, by what was in force where it came in and where it went out. */
const wrongOf = (frame: Frame, heldThere: Policy, hasAsked: boolean): string | undefined => {
  const both = [frame.sentUnder, heldThere]
  if (both.every(each => each === 'none')) return `a packet of ${frame.from} passed what denies it`
  if (frame.from === 'b' && !hasAsked && both.every(each => each !== 'all'))
    return 'an answer came before anything was asked'
  return undefined
}

const entryOf = (conntrack: Conntrack): Entry | undefined => {
  const [one] = conntrack.list()
  if (one === undefined) return undefined
  const openedBy = one.sourcePort === 5000 ? 'a' : 'b'
  return { openedBy, label: one.label, mark: one.mark, hasReply: one.hasReply }
}

const loadedOf = (sections: readonly Section[]): Loaded => {
  const tables = new Map<number, FlowTable<RunRow>>()
  const groups = new Map<number, RunGroup>()
  for (const section of sections) {
    for (const group of section.groups) groups.set(group.id, group)
    for (const flow of section.flows) {
      const id = tableId[flow.table]
      const table = tables.get(id) ?? new FlowTable<RunRow>()
      tables.set(id, table)
      if (table.add(rowOfFlow(flow))) throw new Error(`two rows with one match: ${flow.because}`)
    }
  }
  return { tables, groups }
}
