/** Where a lab runs: simulated switches, Open vSwitch in namespaces, or Mininet. The same story on each. */

import type { LinkSpec } from './lab-spec.js'
import type { StageName } from './stage-names.js'

export type Protocol = 'tcp' | 'udp' | 'icmp'

/** open: it came through and back · refused: somebody said no · silent: nobody said anything */
export type TryResult = 'open' | 'refused' | 'silent'

export interface SessionState {
  readonly sent: number
  readonly received: number
  /** The highest number that came back; all came back when it is `received`. */
  readonly highest: number
  /** 0 where it is not known. */
  readonly localPort: number
  /** Milliseconds since something last came back. */
  readonly quietMillis: number
  readonly isOpen: boolean
}

export interface Stage {
  readonly name: StageName
  /** Builds the network; switches connect to the controller on this port of 127.0.0.1. */
  up(openflowPort: number): Promise<void>
  /** Opens a connection, or sends a packet that asks for an answer. */
  attempt(from: string, to: string, protocol: Protocol, port: number): Promise<TryResult>
  /** Begins to send numbered messages every 10 ms that the other side echoes. */
  openSession(
    name: string,
    from: string,
    to: string,
    protocol: Protocol,
    port: number,
  ): Promise<void>
  sessionState(name: string): Promise<SessionState>
  closeSession(name: string): Promise<void>
  ping(
    from: string,
    to: string,
    count: number,
    intervalMillis: number,
  ): Promise<{ sent: number; received: number }>
  /**
   * Opens so many connections, each from a port of its own; how many were answered.
   */
  flows(
    from: string,
    to: string,
    protocol: 'tcp' | 'udp',
    port: number,
    count: number,
  ): Promise<number>
  /** A switch loses its power: its cables are dark, and it speaks with nobody; or it has power again. */
  setPower(name: string, isOn: boolean): Promise<void>
  /** Datagrams that a host has had at the ports of the story, by `udp ADDRESS PORT` of their sender. */
  heard(host: string): Promise<Readonly<Record<string, number>>>
  /** Sends frames as they are, whoever they claim to be from. */
  sendFrames(from: string, frames: readonly Uint8Array[]): Promise<void>
  /** Unplugs a host, and plugs it in at its other place. */
  move(host: string): Promise<void>
  setLink(link: LinkSpec, isUp: boolean): Promise<void>
  /** The words that run a command inside a host, or undefined where there is no such thing. */
  enter(host: string): readonly string[] | undefined
  /** A restarted controller may listen on another port. */
  retarget(openflowPort: number): void
  down(): Promise<void>
}
