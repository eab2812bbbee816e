/**
 * The pipeline, table by table: the map that everything compiled follows.
 *
 *                    fabric port                 for a host here
 *     frame ──> admit ─────────────> arrive ──────────────────┐
 *        ┌────────┘ edge port          │ for another switch   │
 *        v                             │                      v
 *      guard ─> claims ─> answer ──────│── (route) ────────> track ── not IP ──┐
 *        │        │         │          │                      │ ct()           │
 *      (teach the         (ARP reply   │                      v                │
 *      controller)         goes back)  │       new, stale   session ── known ──┤
 *                                      │      ┌───────────────┘ │ opened       │
 *                                      │    ports               │ elsewhere    │
 *                                      │      v                 │              │
 *                                      │   rules0..3 ─ allow ─> commit         │
 *                                      │      │                 │              │
 *                                      │   drop, reject         v              │
 *                                      │                     accepted          │
 *                                      v                        v              v
 *                                   forward <───────────────────┴──────────────┘
 *                                      └──> a port here, or the group of the egress switch:
 *                                              one way ──> that port, or a way around it
 *                                              several ──> transit ──> one of them, by a hash
 *
 * Ids leave gaps for tables to come. Within a table the first row that matches wins.
 */

export interface Table {
  readonly id: number
  readonly name: string
  readonly job: string
  /** What happens to a packet that no row matches; always an explicit row of priority 0. */
  readonly miss: string
}

// biome-ignore format: a table
const rows = [
  ['admit',    0,  'what kind of port is this; discovery frames to the controller; reserved addresses dropped; which network', 'drop: port not admitted'],
  ['arrive',   5,  'frames from another switch: those for a host of this switch go to track, the others pass through',       'forward'],
  ['guard',    10, 'edge ports: a MAC that is known at the port passes, under guard level strict only with its own addresses; others teach the controller through a meter', 'to the controller: sender unknown'],
  ['claims',   14, 'edge ports: what ARP and neighbour discovery say of addresses: what is known passes, the rest teaches the controller', 'answer'],
  ['answer',   20, 'broadcast questions (ARP, neighbour solicitations) for known hosts elsewhere are answered inside the switch', 'track'],
  ['advertise', 22, 'completes the answer to a neighbour solicitation: only what answer sends comes here',                   'drop'],
  ['reply',    24, 'sends answers back, with the tag that frames of the network have at that port: only what answer and advertise send comes here', 'back by the port that asked'],
  ['track',    30, 'conntrack, in the zone of the network; frames that are not IP go to forward',                            'forward'],
  ['services', 35, 'ports of services that have a timeout; passed by when none has',                                         'session, in the zone of the network'],
  ['zones',    36, 'conntrack, in one zone after the other, until one knows the connection: each timeout has a zone of its own', 'session, in the zone of the network'],
  ['session',  40, 'known and current: pass; stale or new: ask the rules; invalid: drop; judged at another switch: remember',   'rules0'],
  ['reopen',   41, 'a SYN of ports whose old connection conntrack still holds, and the answer to it: ask the rules, forget what is over', 'drop'],
  ['rely',     42, 'what the switch of its destination judges passes; for a host here, or for all, there is no other switch',   'forward'],
  ['ports',    45, 'destination port to bits in a register: one for each set of ports that many rules share',                 'rules0'],
  ['sourcePorts', 46, 'the same for the source port; passed by when no rule needs it',                                        'rules0'],
  ['rules0',   50, 'rules of tier admin, first match wins',                                                                    'rules1'],
  ['rules1',   51, 'rules of tier main',                                                                                       'rules2'],
  ['rules2',   52, 'rules of tier application',                                                                                'rules3'],
  ['rules3',   53, 'rules of tier baseline',                                                                                   'the default policy'],
  ['counted',  55, 'connections that their rule has admitted; admission looks a packet up here, no packet goes here',  'no place'],
  ['admission', 56, 'rules that count: an admitted connection goes on, others ask the controller through a meter of the rule',   'drop'],
  ['pieces',   58, 'pieces of a datagram that rules were asked about: they go on together, or are dropped together',             'drop'],
  ['commit',   60, 'write the session: generation, rule and chain into ct_label',                                             'drop'],
  ['accepted', 70, 'what was accepted, and is remembered now; pieces of datagrams that never were whole are dropped',          'drop'],
  ['forward',  90, '(network, destination MAC) to a port here or to the group of the egress switch; broadcast along the tree', 'to the controller: destination unknown'],
  ['transit',  95, 'frames that several ways lead on: UDP goes by its ports too, what else there is by the group that shares', 'drop'],
  ['owner',    99, 'no packet comes here: the cookie of its only row carries the network id of the store that programs this switch', 'drop'],
] as const

/** Names of tables that network functions bring: each adds its own, by declaration merging, where it calls `declareTables`. */
// biome-ignore lint/suspicious/noEmptyInterface: functions fill it
export interface FunctionTables {}

export type TableName = (typeof rows)[number][0] | keyof FunctionTables

const known: Table[] = []
const ids: Record<string, number> = {}
const nameById = new Map<number, TableName>()

/**
 * Puts the tables of a network function into the map, once, when its module is loaded.
 *
 * @throws {RangeError} when a number or a name is taken
 */
export const declareTables = (
  more: readonly (readonly [name: TableName, id: number, job: string, miss: string])[],
): void => {
  for (const [name, id, job, miss] of more) {
    const other = nameById.get(id)
    if (other !== undefined || name in ids)
      throw new RangeError(`table ${name} (${id}) is taken: ${other ?? name} is there`)
    known.push({ name, id, job, miss })
    ids[name] = id
    nameById.set(id, name)
  }
  known.sort((a, b) => a.id - b.id)
}

declareTables(rows)

/** In their order. */
export const tables: readonly Table[] = known

/** The number of each table, by name. */
export const tableId = ids as { readonly [name in TableName]: number }

export const tableName = (id: number): TableName | undefined => nameById.get(id)
