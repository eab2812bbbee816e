/**
 * `trace --verify`: the same packet asked of the switches themselves, by `ofproto/trace` of their daemons on this
 * machine (ovs-vswitchd(8)), and held against what we say of it, row by row and port by port.
 */
import { formatMatch } from '../../openflow/index.js'
import { ctState } from '../../openflow/values.js'
import type { LocalDaemons } from '../../ovsdb/local-daemons.js'
import type { Fields } from '../../pipeline/packet.js'
import type { Topology } from '../../topology/model.js'
import type { Run } from './explain.js'

export interface Mismatch {
  readonly switch: string
  /** As `ofproto/trace` takes it. */
  readonly packet: string
  /** `table priority` of each row, in order. */
  readonly sluice: readonly string[]
  readonly openvswitch: readonly string[]
  readonly sluicePorts: readonly number[]
  readonly openvswitchPorts: readonly number[]
}

export interface Verification {
  /** Switches that were asked. */
  readonly asked: readonly string[]
  /** Those that could not be asked, and why: nothing is known of them. */
  readonly unasked: readonly { readonly switch: string; readonly reason: string }[]
  readonly mismatches: readonly Mismatch[]
}

/** Each run is asked of its switch. */
export const verify = async (
  daemons: LocalDaemons,
  topology: Topology,
  runs: readonly Run[],
): Promise<Verification> => {
  const asked: string[] = []
  const unasked: { switch: string; reason: string }[] = []
  const mismatches: Mismatch[] = []
  for (const run of runs) {
    const name = topology.switches.get(run.at.dpid)?.name ?? run.at.dpid
    try {
      const mismatch = await compare(daemons, name, run)
      asked.push(name)
      if (mismatch) mismatches.push(mismatch)
    } catch (error) {
      unasked.push({ switch: name, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return { asked, unasked, mismatches }
}

const compare = async (
  daemons: LocalDaemons,
  name: string,
  run: Run,
): Promise<Mismatch | undefined> => {
  const packet = packetText(run)
  const states = run.outcome.ctStates.flatMap(state => ['--ct-next', stateText(state)])
  const text = await daemons.ask(name, 'ofproto/trace', [name, packet, ...states])
  const seen = readTrace(text, run.at.port)
  const sluice = run.outcome.steps.map(({ table, row }) => `${table} ${row?.priority ?? 'none'}`)
  const sluicePorts = run.outcome.outputs.map(({ port }) => port)
  const isSame =
    sluice.join() === seen.rows.join() &&
    (seen.hasChoice || sorted(sluicePorts) === sorted(seen.outputs))
  if (isSame) return undefined
  return {
    switch: name,
    packet,
    sluice,
    openvswitch: seen.rows,
    sluicePorts,
    openvswitchPorts: seen.outputs,
  }
}

const sorted = (numbers: readonly number[]): string => numbers.toSorted((a, b) => a - b).join()

/** The packet, with the original tuple from the start: a trace does not fill it in when it goes on behind conntrack. */
const packetText = ({ at, fields, outcome }: Run): string => {
  const tuple = outcome.ctStates.length > 0 ? originalTuple(outcome.steps.at(-1)!.fields) : {}
  return formatMatch({ ...fields, ...tuple, in_port: at.port })
}

const originalTuple = (fields: Fields): Fields =>
  fields.ct_nw_proto === undefined
    ? {}
    : {
        ct_state: ctState.trk | ctState.new,
        ...Object.fromEntries(
          Object.entries(fields).filter(([name]) => /^ct_(nw|ipv6|tp)_/.test(name)),
        ),
      }

const stateText = (state: number): string =>
  Object.entries(ctState)
    .filter(([, bit]) => state & bit)
    .map(([name]) => name)
    .join()

export interface SwitchAnswer {
  /** `table priority` of each row that matched, in order; `table none` where none did. */
  readonly rows: readonly string[]
  readonly outputs: readonly number[]
  /** A group or a bundle that chooses by hash: a trace tells no port. */
  readonly hasChoice: boolean
  /** Userdata of what goes to the controller, in hex digits. */
  readonly controller: readonly string[]
}

const local = 0xfffffffe

/** What `ofproto/trace` prints. */
export const readTrace = (text: string, inPort: number): SwitchAnswer => {
  const rows: string[] = []
  const outputs: number[] = []
  const controller: string[] = []
  const lines = text.split('\n')
  for (const [index, line] of lines.entries()) {
    const row = /^\s*(\d+)\. (?:.*, )?priority (\d+)(?:,|$)/.exec(line)
    if (row) rows.push(`${row[1]} ${row[2]}`)
    const miss = /^\s*(\d+)\. No match/.exec(line)
    if (miss) rows.push(`${miss[1]} none`)
    const output = /^\s+(?:output:)?(\d+|LOCAL|IN_PORT)$/.exec(line)?.[1]
    const isTaken = !/^\s*>> /.test(lines[index + 1] ?? '')
    if (output && isTaken) outputs.push(portOf(output, inPort))
    const up = /^\s+controller\(.*userdata=([0-9a-f.]+)/.exec(line)
    if (up) controller.push(up[1]!.replaceAll('.', ''))
  }
  return { rows, outputs, hasChoice: /hash\(|bundle\(/.test(text), controller }
}

const portOf = (text: string, inPort: number): number =>
  text === 'LOCAL' ? local : text === 'IN_PORT' ? inPort : Number(text)
