/**
 * Carries OpenFlow from a unix socket to the controller's TCP port, so that ovs-vswitchd reaches a controller
 * on the loopback of another namespace. It knows no state: when the controller dies the connection
 * ends, and Open vSwitch tries again.
 */

import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Relay {
  readonly path: string
  /** Sees what goes to the switch. */
  onToSwitch: ((chunk: Buffer) => void) | undefined
  readonly #server: Server
  readonly #open = new Set<Socket>()
  #port: number

  private constructor(path: string, port: number) {
    this.path = path
    this.#port = port
    this.#server = createServer(socket => this.#carry(socket))
  }

  static async start(path: string, port: number): Promise<Relay> {
    rmSync(path, { force: true })
    const relay = new Relay(path, port)
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject)
      relay.#server.listen(path, resolve)
    })
    return relay
  }

  /** The controller has come back elsewhere. */
  retarget(port: number): void {
    this.#port = port
  }

  /** Breaks what is open; the switch connects anew. */
  drop(): void {
    for (const socket of this.#open) socket.destroy()
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
    rmSync(this.path, { force: true })
  }

  #carry(socket: Socket): void {
    const far = connect({ host: '127.0.0.1', port: this.#port, noDelay: true })
    for (const [from, to] of [
      [socket, far],
      [far, socket],
    ] as const) {
      this.#open.add(from)
      from.on('data', chunk => {
        if (to === socket) this.onToSwitch?.(chunk)
        if (!to.write(chunk)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
      // The other end notices by the close that follows.
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#open.delete(from)
        to.destroy()
      })
    }
  }
}
