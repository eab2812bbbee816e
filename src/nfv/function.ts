/**
 * What a network function is to the rest of sluice. The reconciler knows sections and what is said of them here; it
 * never asks whose they are.
 */
import type { Clock, Random, Timers } from '../base/env.js'
import type { Kind } from '../base/kind.js'
import type { Message } from '../openflow/index.js'
import type { Match } from '../openflow/values.js'
import type { Fields } from '../pipeline/packet.js'
import type { Flow, Section } from '../pipeline/program.js'
import type { PuntReason } from '../pipeline/userdata.js'
import type { PortRef, Switch, Topology } from '../topology/model.js'
import type { NetworkEvent, TopologyService } from '../topology/topology.js'

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

/** What a function works with. */
export interface FunctionHost {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly topology: TopologyService
  /** Asks for a compile at the end of this turn. */
  changed(): void
  tell(event: NetworkEvent): void
  /** Sends a frame out of a port as it is. */
  send(at: PortRef, frame: Uint8Array): void
  /** Gives a frame back to the pipeline of a switch, as if it came in at the port now. */
  reinject(at: PortRef, frame: Uint8Array): void
  /** Resolves when what is known now is in the switches, or they do not say so in time. */
  programmed(): Promise<void>
}

/** A function while it runs. */
export interface RunningFunction {
  readonly punts?: PuntHandlers
  readonly views?: readonly View[]
  /** What its switches should hold: nothing is sent, and nothing else is looked at. */
  compile(topology: Topology): SectionsOf
  /** Takes over all objects of one of its kinds; they replace those of before. */
  declare?(kind: string, objects: readonly DeclaredObject[]): void
  state?(kind: string, name: string): ObjectState | undefined
  /** Something of the network is another: a compile is asked for already. */
  networkChanged?(): void
  start?(): void
  stop?(): void
}

/** A network function: what holds for its rows, what people declare of it, and how it is made. */
export interface NetworkFunction extends FunctionRows {
  readonly kinds?: readonly Kind[]
  readonly create?: (host: FunctionHost) => RunningFunction
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
] as const
/** packets teach or look for somebody; questions were answered by the switch; openings are connections that are counted; probes are frames of discovery; routed are what a router cannot pass on by itself */
export type PuntKind = (typeof puntKinds)[number]

/** What is done with packets that come up for one reason. */
export interface PuntHandler {
  readonly kind: PuntKind
  readonly receive: (packet: PuntedPacket) => void
}

/** The reasons of one owner. */
export type PuntHandlers = { readonly [reason in PuntReason]?: PuntHandler }
