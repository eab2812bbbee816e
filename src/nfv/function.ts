/**
 * What a network function is to the rest of sluice. The reconciler knows sections and what is said of them here; it
 * never asks whose they are.
 */
import type { Dpid, Ip } from '../base/addresses.js'
import type { Env } from '../base/env/env.js'
import type { NetworkEvent } from '../base/events.js'
import type { Kind, KindMember } from '../base/kind.js'
import type { Store } from '../base/store.js'
import type { Message, Reply } from '../openflow/index.js'
import type { Action, Match } from '../openflow/values.js'
import type { Connection } from '../pipeline/connection.js'
import type { Fields } from '../pipeline/packet.js'
import type { Flow, OwnerKind, Refusal, Section } from '../pipeline/program.js'
import type { PuntReason } from '../pipeline/userdata.js'
import type { PortRef, Switch, Topology } from '../topology/model.js'
import type { TopologyService } from '../topology/topology.js'
import type { ResolvedNat } from './firewall/meaning/resolved.js'
import type { Lack } from './lack.js'
import type { Families, Sample } from './metrics.js'
import type { Rights, Routes } from './requests.js'

/** What is about to change on one switch, as far as functions look at it. */
export interface RowChange {
  readonly addFlows: readonly Flow[]
  readonly deleteFlows: readonly (Pick<Flow, 'priority' | 'match'> & { readonly tableId: number })[]
}

/** What holds for all rows of a function on a switch. */
export interface FunctionRows {
  /** The names of its sections begin with this and a slash. */
  readonly name: string
  /**
   * Its rows on a switch change all together or not at all: when the switch refuses one, the rows of before stay.
   *
   * @returns whether a row with this cookie is one of them
   */
  readonly isAtomic?: (cookie: bigint) => boolean
  /** Whether a row of somebody else may only come together with the rows of the function. */
  readonly isPrecededBy?: (flow: Flow) => boolean
  /** What is sent before a change of a switch. @param wanted all sections of the switch after it */
  readonly before?: (change: RowChange, wanted: readonly Section[]) => readonly Message[]
  /** Whether the function itself puts and takes rows with this cookie while it runs: they are no part of a program. */
  readonly isRuntime?: (cookie: bigint) => boolean
}

/** A declared object, as its kind has checked it. */
export interface DeclaredObject {
  readonly name: string
  readonly spec: unknown
}

/** pending: it waits for something that may come · degraded: in force, less than asked for · failed: somebody has to change it */
export interface ObjectState {
  readonly state: 'installed' | 'degraded' | 'pending' | 'failed'
  readonly reason?: string
}

/** Something that people look at: `GET /api/v1/NAME`, `sluice get NAME`. */
export interface View {
  readonly name: string
  readonly summary: string
  /** Headings, and the member of an item below each. */
  readonly columns: readonly (readonly [heading: string, member: string])[]
  readonly items: () => readonly Readonly<Record<string, unknown>>[]
}

/** What the operator said at the start that functions may ask about. */
export interface Given {
  /** The data folder: what is below it is nobody's business but the controller's. */
  readonly data: string
  /** Rule files and folders whose edits are put in force as they come. */
  readonly rules: readonly string[]
  /** Folders below which policies may name rule files to be watched, besides those of `rules`. */
  readonly ruleFolders: readonly string[]
  /** This start has found that the store was lost: what could not be noted on a full disk is so all the same. */
  readonly isLost: boolean
  /** What is missing or wrong at the start, and was never in force, leaves everything open. */
  readonly opens: boolean
  /** Switches that hold rows of another store are taken. */
  readonly adopts: boolean
}

/** A connected switch. */
export interface ConnectedSwitch {
  readonly dpid: Dpid
  /** @throws {ConnectionLost} when it goes before it answers @throws {SwitchError} when it refuses */
  request(message: Message): Promise<Reply>
  /** Sends messages to which there is no answer. */
  tell(messages: readonly Message[]): void
  /**
   * Runs a frame through the pipeline as if it came in at the port now.
   *
   * @param marks what is true of it before the first table
   */
  reinject(port: number, frame: Uint8Array, ...marks: readonly Action[]): void
}

/** A row that a switch says is gone. */
export interface EndedRow {
  readonly tableId: number
  readonly priority: number
  readonly cookie: bigint
  readonly match: Match
  readonly idleTimeout: number
}

/** What a function works with. */
export interface FunctionHost extends Env {
  readonly store: Store
  readonly topology: TopologyService
  /** Absent where nobody started a program, as in a test. */
  readonly given?: Given
  /** Control sockets of ovs-vswitchd on this machine, and folders that hold them. */
  readonly openvswitch: readonly string[]
  /** The revision that will hold what is known now. */
  readonly nextRevision: number
  switch(dpid: string): ConnectedSwitch | undefined
  switches(): readonly ConnectedSwitch[]
  /** Asks for a compile at the end of this turn. */
  changed(): void
  tell(event: NetworkEvent): void
  /** Sends a frame out of a port as it is. */
  send(at: PortRef, frame: Uint8Array): void
  /** Gives a frame back to the pipeline of a switch, as if it came in at the port now. */
  reinject(at: PortRef, frame: Uint8Array): void
  /** Conntrack took a TCP segment for invalid: its sender may leave checksums to a network card. */
  invalid(at: PortRef, frame: Uint8Array): void
  /** Resolves when what is known now is in the switches, or they do not say so in time. */
  programmed(): Promise<void>
  /** Whether every connected switch has confirmed a revision by then, or one switch has without refusing anything. */
  confirmed(revision: number, timeoutMillis: number, dpid?: Dpid): Promise<boolean>
  /** Switches that should have a revision and do not. @param owners whose refused flows count */
  lacking(revision: number, owners: ReadonlySet<OwnerKind>): readonly Lack[]
  /** Whether what only its database can set has been set at a switch; undefined when that is not reached. */
  setupOf(dpid: Dpid): 'right' | 'pending' | undefined
  /** Translation of addresses that people ask for, in the order of asking. */
  nat(): readonly ResolvedNat[]
}

/** How long connections may be silent in zones of a switch: what only its database can set. */
export interface ZoneTimeouts {
  readonly isAny: boolean
  /** @param switchIndex the number that the topology gave the switch */
  of(switchIndex: number): readonly { readonly zone: number; readonly seconds: number }[]
}

/** What a function that judges connections says of them, for `trace`. */
export interface Judge {
  /** What its rules say of a packet, beside the way that it takes; undefined when they are not asked about such packets. */
  explain(fields: Fields): Explained | undefined
  /** A connection in the words of the function's language. @throws {Error} with the right form when they are none */
  connection(source: Ip, destination: Ip, words: string): Connection
}

export interface Explained {
  /** What it allows only so many of, or only so fast. */
  readonly within?: string
  readonly [member: string]: unknown
}

/** A function while it runs. */
export interface RunningFunction {
  readonly punts?: PuntHandlers
  readonly views?: readonly View[]
  /** Its part of the API. */
  readonly routes?: readonly Routes[]
  /** Paths of other systems, each set for an address of its own. */
  readonly sites?: Readonly<Record<string, Routes>>
  /** Nothing that it cannot read may pass. */
  readonly isJudging?: boolean
  readonly judge?: Judge
  /** Another object whenever they are others. */
  readonly zoneTimeouts?: ZoneTimeouts
  /** Translation of addresses that people ask of it, in the order of asking. */
  nat?(): readonly ResolvedNat[]
  /**
   * What its switches should hold: nothing is sent, and nothing else is looked at.
   *
   * @param revision that holds it
   */
  compile(topology: Topology, revision: number): SectionsOf
  /** Takes over all objects of one of its kinds; they replace those of before. */
  declare?(kind: string, objects: readonly DeclaredObject[]): void
  state?(kind: string, name: string): ObjectState | undefined
  /** Something of the network is another: a compile is asked for already. */
  networkChanged?(): void
  /** What switches know of connections may be out of date; a compile follows. */
  connectionsUncertain?(): void
  switchConnected?(self: ConnectedSwitch): void
  switchClosed?(dpid: Dpid): void
  switchForgotten?(dpid: Dpid): void
  /** The operator took a switch with rows of another store. */
  switchAdopted?(): void
  /** A row that the function had put while it runs is gone. */
  rowEnded?(dpid: Dpid, row: EndedRow): void
  /** Rows are about to go, with what they have counted; waited for. Never rejects. */
  beforeRowsGo?(dpid: Dpid, cookies: ReadonlySet<bigint>): Promise<void>
  /** A switch would not take a row; of anybody's. */
  refused?(dpid: Dpid, refusal: Refusal): void
  /** Why it does not do what is asked of it, a sentence each. */
  notReady?(): readonly string[]
  samples?(): Iterable<Sample>
  /** What people have written that may name switches. */
  texts?(): Iterable<string>
  /** Waited for before the first switch is let in. */
  prepare?(): Promise<void>
  start?(): void
  stop?(): void | Promise<void>
}

/** A network function: what holds for its rows, what people declare of it, and how it is made. */
export interface NetworkFunction extends FunctionRows {
  readonly kinds?: readonly Kind[]
  /** What people say to it in objects of other kinds. */
  readonly members?: readonly KindMember[]
  /** Other kinds of which it is handed all objects, too. */
  readonly reads?: readonly string[]
  /** Who may use its routes. */
  readonly rights?: Rights
  readonly metrics?: Families
  /** It brings what stands between `track` and `forward`; without such a function packets go from one to the other. */
  readonly tracks?: boolean
  readonly create?: (host: FunctionHost) => RunningFunction | Promise<RunningFunction>
}

/** The sections of a function for one switch: the same array as long as they are the same. */
export type SectionsOf = (self: Switch) => readonly Section[]

/** Whether the sections of a function are the same in two programs. */
export const haveSameSections = (
  { name }: FunctionRows,
  a: readonly Section[],
  b: readonly Section[],
): boolean => {
  const isOwn = (section: Section) => section.name.startsWith(`${name}/`)
  const [own, other] = [a.filter(isOwn), b.filter(isOwn)]
  return own.length === other.length && own.every((section, index) => section === other[index])
}

/** Whether one of the functions puts and takes rows with this cookie while it runs. */
export const isRuntimeOf =
  (functions: readonly FunctionRows[]) =>
  (cookie: bigint): boolean =>
    functions.some(({ isRuntime }) => isRuntime?.(cookie))

/** A packet that a flow has sent up. */
export interface PuntedPacket {
  readonly at: PortRef
  /** What the flow says beside the reason: a rule, or a network. */
  readonly value: number
  readonly frame: Uint8Array
  /** What the switch knows of it beside its octets. */
  readonly match: Match
  /** Read when it is first asked for, once. */
  readonly fields: Fields
}

/** Which of a switch's allowances pays for a packet: a flood of one kind takes nothing from the others. */
export const puntKinds = [
  'packets',
  'questions',
  'logs',
  'rejections',
  'openings',
  'probes',
  'routed',
  'addresses',
  'names',
] as const
/** packets teach or look for somebody; questions were answered by the switch; openings are connections that are counted; probes are frames of discovery; routed are what a router cannot pass on by itself; addresses and names are asked for by DHCP and DNS */
export type PuntKind = (typeof puntKinds)[number]

/** What is done with packets that come up for one reason. */
export interface PuntHandler {
  readonly kind: PuntKind
  readonly receive: (packet: PuntedPacket) => void
}

/** The reasons of one owner. */
export type PuntHandlers = { readonly [reason in PuntReason]?: PuntHandler }
