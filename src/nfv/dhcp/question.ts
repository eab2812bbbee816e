/** A question to the server, and what it says. */
import type { DhcpMessage } from '../../topology/dhcp-message.js'
import type { PortRef } from '../../topology/model.js'
import type { OptionValue } from './options.js'
import type { Served } from './scope.js'

export interface Question {
  readonly message: DhcpMessage
  readonly served: Served
  readonly at: PortRef
  /** The MAC of who sent the frame. */
  readonly sender: number
}

export interface Answer {
  readonly kind: 'offer' | 'ack' | 'nak'
  /** 0: none is given. */
  readonly ip: number
  /** 0: of an answer that gives no address. */
  readonly seconds: number
  readonly reason?: string
  /** What clients of the subnet are told. */
  readonly options: readonly OptionValue[]
}
