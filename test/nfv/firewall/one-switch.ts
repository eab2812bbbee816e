/** One switch that runs the firewall's flows, with `forward` leading out of port 99; for tests of agreement. */
import { type Ip, ipNumber } from '../../../src/base/addresses.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { Conntrack } from '../../../src/pipeline/conntrack.js'
import { evaluate, type Outcome, type RunRow, rowOfFlow } from '../../../src/pipeline/evaluate.js'
import { FlowTable } from '../../../src/pipeline/flow-table.js'
import type { Fields, Packet } from '../../../src/pipeline/packet.js'
import type { Section } from '../../../src/pipeline/program.js'
import { judgedHere } from '../../../src/pipeline/registers.js'
import { tableId } from '../../../src/pipeline/tables.js'
import { readUserdata } from '../../../src/pipeline/userdata.js'
import { slotOf, zoneOf } from '../../../src/pipeline/zones.js'

export const outPort = 99

export interface Answer {
  readonly verdict: 'allow' | 'drop' | 'reject'
  /** The rule in the label of the session, or in the cookie of the row that ended the way. */
  readonly ruleId: number
  readonly logged: readonly number[]
}

export class OneSwitch {
  readonly conntrack = new Conntrack()
  readonly #isAlone: boolean
  readonly #isKnown: boolean
  #tables = new Map<number, FlowTable<RunRow>>()

  /**
   * @param isAlone both ends are here; else the other one is behind another switch
   * @param isKnown a row leads to the destination; else what goes out is for whoever it may be
   */
  constructor(isAlone = true, isKnown = true) {
    this.#isAlone = isAlone
    this.#isKnown = isKnown
  }

  load(sections: readonly Section[]): void {
    this.#tables = new Map()
    const add = (row: RunRow) => {
      const table = this.#tables.get(row.table) ?? new FlowTable<RunRow>()
      this.#tables.set(row.table, table)
      if (table.add(row)) throw new Error(`two rows with the same match: ${row.flow?.because}`)
    }
    for (const { flows } of sections) for (const flow of flows) add(rowOfFlow(flow))
    if (this.#isAlone)
      add({
        table: tableId.rely,
        priority: 100,
        match: {},
        actions: judgedHere,
        cookie: 0n,
        goto: tableId.ports,
      })
    add({
      table: tableId.forward,
      priority: this.#isKnown ? 100 : 0,
      match: {},
      actions: [{ kind: 'output', port: outPort }],
      cookie: 0n,
    })
  }

  /** Of network 1, as `admit` leaves it. @param quoted what an ICMP error is about @param sequence of a TCP segment */
  send(fields: Fields, register: Fields = {}, quoted?: Fields, sequence?: number): Outcome {
    const packet: Packet = {
      fields: { ...fields, reg0: 1, reg7: zoneOf(0, slotOf(1)), ...register },
      l3: 14,
      payload: 34,
      ...(sequence !== undefined && { sequence }),
      ...(quoted && { quoted: { fields: quoted, l3: 0, payload: 20 } }),
    }
    const view = {
      table: (id: number) => this.#tables.get(id),
      group: () => undefined,
      isLive: () => true,
      conntrack: this.conntrack,
    }
    return evaluate(view, packet, 1, [{ kind: 'resubmit', table: tableId.track }])
  }

  /** Opens a connection that nobody has opened before. */
  open(connection: Connection): Answer {
    this.conntrack.flush()
    return answerOf(this.send(fieldsOf(connection)))
  }
}

export const answerOf = (outcome: Outcome): Answer => {
  const punts = outcome.toController.map(punt => readUserdata(punt.userdata)!)
  const isOut = outcome.outputs.some(output => output.port === outPort)
  const isRejected = punts.some(punt => punt.reason === 'reject')
  const step = outcome.steps.findLast(
    one => /^rules|^track/.test(tableNameOf(one.table)) && one.row,
  )
  return {
    verdict: isOut ? 'allow' : isRejected ? 'reject' : 'drop',
    ruleId: Number((step?.row?.cookie ?? 0n) & 0xffffffffn),
    logged: punts.filter(punt => punt.reason === 'log').map(punt => punt.value),
  }
}

const names = new Map(Object.entries(tableId).map(([name, id]) => [id as number, name]))
const tableNameOf = (id: number): string => names.get(id) ?? ''

/** The fields of the packet that opens a connection. */
export const fieldsOf = (connection: Connection): Fields => {
  const { protocol, sourcePort, destinationPort, dscp = 0 } = connection
  const isV4 = !connection.source.includes(':')
  const [source, destination] = [connection.source, connection.destination].map((ip: Ip) =>
    ipNumber(ip),
  )
  const ends = isV4
    ? { eth_type: 0x800, ip_src: source!, ip_dst: destination! }
    : { eth_type: 0x86dd, ipv6_src: source!, ipv6_dst: destination! }
  const fields: Fields = { ...ends, ip_proto: protocol, ip_frag: 0, vlan_vid: 0, ip_dscp: dscp }
  if (protocol === 6)
    return { ...fields, tcp_src: sourcePort, tcp_dst: destinationPort, tcp_flags: 2 }
  if (protocol === 17) return { ...fields, udp_src: sourcePort, udp_dst: destinationPort }
  if (protocol === 1) return { ...fields, icmp_type: sourcePort, icmp_code: destinationPort }
  if (protocol === 58) return { ...fields, icmpv6_type: sourcePort, icmpv6_code: destinationPort }
  return fields
}

const ack = 0x10

/** The fields of a packet of a connection behind the one that opens it. */
export const laterFieldsOf = (connection: Connection): Fields => ({
  ...fieldsOf(connection),
  ...(connection.protocol === 6 && { tcp_flags: ack }),
})

/** As who answers sees it. */
export const turned = (one: Connection): Connection => ({
  ...one,
  source: one.destination,
  destination: one.source,
  sourcePort: one.destinationPort,
  destinationPort: one.sourcePort,
})
