/** Packets that rules send up: logged, rejected, counted, watched, or taken for invalid by conntrack. */
import { addressed, rejectionOf } from '../../pipeline/answers.js'
import type { Fields } from '../../pipeline/packet.js'
import { networkEntered } from '../../pipeline/registers.js'
import type { PortRef } from '../../topology/model.js'
import type { TopologyService } from '../../topology/topology.js'
import type { PuntedPacket, PuntHandlers } from '../function.js'
import type { RejectCode } from './text/rule.js'

/** What is done about them elsewhere. */
export interface FirewallPuntOutput {
  send(at: PortRef, frame: Uint8Array): void
  /** What the rule tells whom it rejects, where it says. */
  answerOf(ruleId: number): RejectCode | undefined
  /** Whether the rule has not said too much yet. */
  mayLog(ruleId: number): boolean
  ruleHit(reason: 'log' | 'reject', ruleId: number, at: PortRef, fields: Fields): void
  /** The first packet of a connection that was accepted; it has gone on. */
  learnt(fields: Fields): void
  /** A connection asks for a place among those that its rule counts. */
  asked(packet: PuntedPacket): void
  /** A connection that has a place says that it has opened. */
  opened(packet: PuntedPacket): void
  /** A SYN that conntrack took for invalid, and that was dropped. */
  invalid(at: PortRef, frame: Uint8Array): void
}

export const firewallPunts = (
  topology: Pick<TopologyService, 'isBroadcast' | 'tagged' | 'wayBack'>,
  output: FirewallPuntOutput,
): PuntHandlers => {
  const reject = ({ at, value, frame, match, fields }: PuntedPacket): void => {
    output.ruleHit('reject', value, at, fields)
    const network = networkEntered(match)
    const back = topology.wayBack(at, match, frame)
    const answer = rejectionOf(
      frame,
      address => topology.isBroadcast(network, address),
      output.answerOf(value),
    )
    if (answer === undefined || back === undefined) return
    output.send(back.at, topology.tagged(back.at, back.network, addressed(answer, back)))
  }
  return {
    log: {
      kind: 'logs',
      receive: ({ at, value, fields }) => {
        if (output.mayLog(value)) output.ruleHit('log', value, at, fields)
      },
    },
    reject: { kind: 'rejections', receive: reject },
    admit: { kind: 'openings', receive: packet => output.asked(packet) },
    opened: { kind: 'openings', receive: packet => output.opened(packet) },
    learn: { kind: 'packets', receive: ({ fields }) => output.learnt(fields) },
    invalid: { kind: 'packets', receive: ({ at, frame }) => output.invalid(at, frame) },
  }
}
