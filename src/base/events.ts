/**
 * The kinds of events: what each means, how loud it is in the log, and what belongs to it. An event that is not in the
 * table, or that has a member which the table does not give it, does not compile; docs/events.md is written from it.
 */

import type { Dpid } from './addresses.js'

/** What a member holds: `port` is a switch and a port of it; with `?` it may be absent. */
interface Types {
  readonly text: string
  readonly number: number
  readonly yes: boolean
  readonly texts: readonly string[]
  readonly dpid: Dpid
  readonly port: { readonly dpid: Dpid; readonly port: number }
  readonly any: unknown
}

type Word = keyof Types | `${keyof Types}?`

export interface EventKind {
  readonly level: 'info' | 'warn' | 'error'
  /** Members by name. */
  readonly has: Readonly<Record<string, Word>>
  /** A sentence, with the members that need a word. */
  readonly means: string
}

type OfWord<W extends Word> = W extends `${infer T extends keyof Types}?`
  ? Types[T]
  : W extends keyof Types
    ? Types[W]
    : never

/** The members of an event as its row of the table gives them. */
type Members<Has extends Readonly<Record<string, Word>>> = {
  readonly [Name in keyof Has as Has[Name] extends `${string}?` ? never : Name]: OfWord<Has[Name]>
} & {
  readonly [Name in keyof Has as Has[Name] extends `${string}?` ? Name : never]?:
    | OfWord<Has[Name]>
    | undefined
}

type EventOf<Table> = {
  [Kind in keyof Table]: Table[Kind] extends { readonly has: infer Has }
    ? Has extends Readonly<Record<string, Word>>
      ? { readonly kind: Kind } & Members<Has>
      : never
    : never
}[keyof Table]

const place = { dpid: 'dpid', port: 'number' } as const
const packet = {
  source: 'text?',
  destination: 'text?',
  protocol: 'number?',
  sourcePort: 'number?',
  destinationPort: 'number?',
} as const
const host = { mac: 'text', ips: 'texts', ...place, reason: 'text?' } as const
const link = { from: 'port', to: 'port', reason: 'text?' } as const
/** Of what is told now and then only. */
const limited = { timesMore: 'number?' } as const

// biome-ignore format: a table
const base = {
  'switch-connected':    { level: 'info',  has: { dpid: 'dpid', name: 'text', ports: 'number' }, means: 'a switch is connected, with so many ports' },
  'switch-disconnected': { level: 'info',  has: { dpid: 'dpid', name: 'text', reason: 'text' }, means: 'its connection has ended; it keeps its flows' },
  'switch-forgotten':    { level: 'info',  has: { dpid: 'dpid', name: 'text', reason: 'text' }, means: 'a switch that is gone is not known any more, nor its ports, links and hosts' },
  'switch-not-adopted':  { level: 'error', has: { dpid: 'dpid', name: 'text', reason: 'text' }, means: 'a switch holds rows of another store, and is left alone' },
  'switch-adopted':      { level: 'info',  has: { dpid: 'dpid', reason: 'text' }, means: 'somebody told the controller to take it; `reason` is why it was left alone' },
  'switch-setup':        { level: 'info',  has: { switch: 'text', state: 'text', reason: 'text?' }, means: 'a declared `Switch` is in another state' },
  'switch-repaired':     { level: 'info',  has: { switch: 'text', operations: 'any' }, means: 'somebody had changed what is declared of a switch in its database; it is as declared again' },
  'mastership-lost':     { level: 'warn',  has: { dpid: 'dpid', role: 'text', reason: 'text' }, means: 'another controller made itself master of a switch' },
  'generation-raised':   { level: 'info',  has: { dpid: 'dpid', generation: 'text' }, means: 'the switch had seen a master with a higher generation' },
  'name-ambiguous':      { level: 'warn',  has: { name: 'text', dpid: 'dpid', means: 'dpid', reason: 'text' }, means: 'a switch came with a name that another one has' },
  'connection-refused':  { level: 'info',  has: { remote: 'text', reason: 'text', dpid: 'dpid?', more: 'number' }, means: 'a connection of a switch was not let in; `more` were not told before' },
  'packets-limited':     { level: 'info',  has: { dpid: 'dpid', dropped: 'any' }, means: 'a switch sent up more packets than are looked at' },

  'port-up':             { level: 'info',  has: { ...place, name: 'text' }, means: 'a port came, or came up' },
  'port-down':           { level: 'info',  has: { ...place, name: 'text' }, means: 'a port went, or went down' },
  'port-decided':        { level: 'info',  has: { ...place, name: 'text', as: 'text' }, means: 'what a port is for: `edge`, `fabric`, ...' },
  'port-shut':           { level: 'info',  has: { ...place, reason: 'text' }, means: 'a port carries nothing for now' },
  'ports-limited':       { level: 'info',  has: { dpid: 'dpid', count: 'number', taken: 'number', ...limited }, means: 'a switch has more ports than are used' },

  'link-up':             { level: 'info',  has: link, means: 'a link was found, in this direction' },
  'link-down':           { level: 'info',  has: link, means: 'a link is lost' },
  'link-one-way':        { level: 'info',  has: link, means: 'probes come through, and nothing comes back' },
  'link-miswired':       { level: 'info',  has: link, means: 'probes and answers take different cables' },
  'link-damped':         { level: 'info',  has: link, means: 'a link came and went too often, and is left out for a while' },
  'link-released':       { level: 'info',  has: link, means: 'it has stayed, and counts again' },
  'probe-refused':       { level: 'info',  has: { ...place, reason: 'text', ...limited }, means: 'a discovery frame is not ours, or not from now, or came where a host is' },

  'host-learnt':         { level: 'info',  has: host, means: 'a host was found' },
  'host-changed':        { level: 'info',  has: host, means: 'it has other addresses, or another port of its switch' },
  'host-moved':          { level: 'info',  has: host, means: 'it is at another switch' },
  'host-gone':           { level: 'info',  has: host, means: 'it is not known any more' },
  'host-refused':        { level: 'info',  has: { mac: 'text', ...place, reason: 'text', ...limited }, means: 'what somebody said of themselves is not believed' },
  'checksum-offload':    { level: 'warn',  has: { ...place, mac: 'text', reason: 'text' }, means: 'a host leaves checksums to a network card that is not there' },

  'flow-refused':        { level: 'info',  has: { dpid: 'dpid', origin: 'any', error: 'text', request: 'text' }, means: 'a switch would not take a flow, group or meter; `error` is OpenFlow\'s name for why' },
  'foreign-flow':        { level: 'warn',  has: { dpid: 'dpid', table: 'text?', text: 'text', reason: 'text', more: 'number?' }, means: 'somebody else put a row into a table of ours, with its `text`: packets that it matches may pass by the rules. Of many at once five are told, and `more` says how many there are; `sluice get drift` lists all' },
  'drift-repaired':      { level: 'info',  has: { dpid: 'dpid', missing: 'number', excess: 'number', changed: 'number' }, means: 'a switch held something else than it had confirmed, and does not any more' },
  'trace-mismatch':      { level: 'error', has: { question: 'text', switch: 'text', packet: 'text', sluice: 'texts', openvswitch: 'texts', sluicePorts: 'any', openvswitchPorts: 'any' }, means: '`trace --verify` and the switch itself do not say the same' },

  'store-damaged':       { level: 'error', has: { reason: 'text' }, means: 'a file of the store was damaged, and is mended' },
  'store-lost':          { level: 'error', has: { reason: 'text' }, means: 'there was a store here, and it is gone with all policies: everything is denied' },
  'store-read-only':     { level: 'error', has: { reason: 'text?' }, means: 'the store cannot be written, and why' },
  'store-writable':      { level: 'info',  has: {}, means: 'it can again' },
  'audit-lost':          { level: 'error', has: { reason: 'text' }, means: 'the audit log cannot be written, and why' },
  'audit-writable':      { level: 'info',  has: {}, means: 'it can again' },
  'audit-dropped':       { level: 'warn',  has: { first: 'number', last: 'number' }, means: 'the oldest file of the audit log, with the lines `first` to `last`, was deleted to make room' },
  'token-refused':       { level: 'warn',  has: { remote: 'text', method: 'text', path: 'text', more: 'number?' }, means: 'somebody at `remote` gave a token that is wrong; a few are told, and `more` says how many were left out before' },
  'request-refused':     { level: 'warn',  has: { remote: 'text', name: 'text?', method: 'text', path: 'text', result: 'text', more: 'number?' }, means: 'a request was refused, and the audit log does not have it: nobody was proven to ask, or `name` is refused too often; `more` were left out before' },

  'policy-applied':      { level: 'info',  has: { policies: 'texts', by: 'text?', who: 'text?', why: 'text?' }, means: 'policies are in force as they are asked for now; `by` is who was proven to ask, `who` what was said' },
  'policy-deleted':      { level: 'info',  has: { policy: 'text', by: 'text?', who: 'text?', why: 'text?' }, means: 'a policy is out of force' },
  'rules-refused':       { level: 'error', has: { file: 'text', complaints: 'texts' }, means: 'a rule file is not in force as it stands' },
  'rule-file-passed-by': { level: 'info',  has: { file: 'text', reason: 'text' }, means: 'a file in a folder of rule files is not read' },
  'rule-logged':         { level: 'info',  has: { rule: 'text', policy: 'text?', file: 'text?', line: 'number?', text: 'text?', verdict: 'text', isAudit: 'yes?', ...place, ...packet }, means: 'a rule that logs has decided over a connection' },
  'rule-rejected':       { level: 'info',  has: { rule: 'text', policy: 'text?', file: 'text?', line: 'number?', text: 'text?', verdict: 'text', isAudit: 'yes?', ...place, ...packet }, means: 'a rule has refused a connection and told its sender' },
  'rule-limited':        { level: 'info',  has: { rule: 'text', policy: 'text', file: 'text', line: 'number', beyond: 'text', more: 'number', ...packet }, means: 'a connection is one more than its rule allows; `more` were not told before' },
} as const satisfies Readonly<Record<string, EventKind>>

/** What network functions tell: each adds its table, by declaration merging, where it calls `declareEvents`. */
// biome-ignore lint/suspicious/noEmptyInterface: functions fill it
export interface FunctionEvents {}

type Tables = { readonly base: typeof base } & FunctionEvents

/** Something that happened. */
export type NetworkEvent = { [Owner in keyof Tables]: EventOf<Tables[Owner]> }[keyof Tables]

/** The event of one kind. */
export type EventNamed<Kind extends NetworkEvent['kind']> = Extract<
  NetworkEvent,
  { readonly kind: Kind }
>

const known = new Map<string, EventKind>()

/** By kind, those of functions too. */
export const eventKinds: ReadonlyMap<string, EventKind> = known

/**
 * Adds the events of a network function, once, when its module is loaded.
 *
 * @throws {RangeError} when a kind is there already
 */
export const declareEvents = (table: Readonly<Record<string, EventKind>>): void => {
  for (const [kind, each] of Object.entries(table)) {
    if (known.has(kind)) throw new RangeError(`events of kind ${kind} are declared twice`)
    known.set(kind, each)
  }
}

declareEvents(base)
