/** Where connections to switches come from: those that call us, and those that we call. */
import type { Dpid } from '../../base/addresses.js'
import type { Address, Cancel, Connection, Env, TlsOptions } from '../../base/env/env.js'
import { limitedLog } from '../../base/log/limited-log.js'
import { type ConnectionLimits, connectionLimits, SwitchConnection } from './connection.js'

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsOptions
  readonly limits?: Partial<ServerLimits>
}

export interface ServerLimits {
  readonly connection: ConnectionLimits
  /** Connections whose switch has not said who it is. The oldest goes when there are more. */
  readonly maxHalfOpen: number
  readonly maxHalfOpenPerSource: number
  readonly maxConnections: number
  /** In this time the first of two switches with one dpid must answer to keep it. */
  readonly aliveMillis: number
  /** So long is a switch not let in again that sent a reply without an end. */
  readonly endlessWaitMillis: number
}

export const serverLimits: ServerLimits = {
  connection: connectionLimits,
  maxHalfOpen: 4_096,
  maxHalfOpenPerSource: 2_048,
  maxConnections: 8_192,
  aliveMillis: 1_000,
  endlessWaitMillis: 30_000,
}

export interface RefusedInfo {
  readonly remote: string
  readonly reason: string
  readonly dpid?: Dpid
}

export interface SwitchHandlers {
  /** A switch has said what it is: features, description, ports. We are its slave. */
  onSwitch(connection: SwitchConnection): void
  /** A connection ended before that, or was not let in. */
  onRefused?(info: RefusedInfo): void
  /** False when this switch may not come with this certificate. */
  mayConnect?(dpid: Dpid, peerName: string | undefined): boolean
}

export interface SwitchListener {
  /** Where it listens, with the port that was chosen when 0 was asked for. */
  readonly address: Address
  /** Puts new certificates to use for connections from now on. */
  reload(tls: TlsOptions): void
  /** Stops listening and closes all connections. */
  close(): Promise<void>
}

/**
 * Waits for switches to connect.
 *
 * @throws when the address cannot be bound
 */
export const listenForSwitches = async (
  env: Env,
  options: ListenOptions,
  handlers: SwitchHandlers,
): Promise<SwitchListener> => {
  const door = new Door(env, { ...serverLimits, ...options.limits }, handlers)
  const { host, port, tls } = options
  const listener = await env.net.listen(
    { host, port, ...(tls && { tls }) },
    connection => door.open(connection),
    (remote, reason) => door.refused({ remote, reason }),
  )
  return {
    address: listener.address,
    reload: fresh => listener.reload(fresh),
    async close() {
      door.close()
      await listener.close()
    },
  }
}

const firstWaitMillis = 500
const longestWaitMillis = 8_000

/** Connects to a switch and again whenever the connection is lost, until closed. */
export const connectToSwitch = (
  env: Env,
  address: Address,
  handlers: SwitchHandlers,
  limits: Partial<ServerLimits> = {},
): { close(): void } => {
  const door = new Door(env, { ...serverLimits, ...limits }, handlers)
  let cancel: Cancel = () => undefined
  let isClosed = false
  let waitMillis = firstWaitMillis
  const again = () => {
    if (isClosed) return
    cancel = env.timers.after(waitMillis, dial)
    waitMillis = Math.min(2 * waitMillis, longestWaitMillis)
  }
  const dial = () => {
    env.net.connect(address).then(
      connection => {
        if (isClosed) return connection.destroy()
        const opened = door.open(connection)
        if (opened === undefined) return again()
        opened.once('closed', () => {
          if (opened.role !== 'equal') waitMillis = firstWaitMillis
          again()
        })
      },
      (error: unknown) => {
        env.log.debug({ err: error }, 'the switch cannot be reached')
        again()
      },
    )
  }
  dial()
  return {
    close() {
      isClosed = true
      cancel()
      door.close()
    },
  }
}

/** Lets connections in, and knows which switch has which. */
class Door {
  readonly #env: Env
  readonly #limits: ServerLimits
  readonly #handlers: SwitchHandlers
  readonly #byDpid = new Map<Dpid, SwitchConnection>()
  /** In the order they came, so that the oldest is first. */
  readonly #halfOpen = new Set<SwitchConnection>()
  /** How many of them each address has. */
  readonly #halfOpenBySource = new Map<string, number>()
  readonly #all = new Set<SwitchConnection>()
  /** Who sent replies without an end, and until when they are not let in again. */
  readonly #shut = new Map<string, number>()

  constructor(env: Env, limits: ServerLimits, handlers: SwitchHandlers) {
    // Whatever a peer does at will is logged a few times a second.
    this.#env = { ...env, log: limitedLog(env.log, env.clock) }
    // Connections that have said nothing may not take the descriptors that others need.
    const share = Math.floor(env.net.maxDescriptors / 4)
    this.#limits = {
      ...limits,
      maxHalfOpen: Math.min(limits.maxHalfOpen, share),
      maxHalfOpenPerSource: Math.min(limits.maxHalfOpenPerSource, share),
    }
    this.#handlers = handlers
  }

  open(connection: Connection): SwitchConnection | undefined {
    const reason = this.#reasonToRefuse(connection)
    if (reason !== undefined) {
      connection.onBytes(() => undefined)
      connection.onClose(() => undefined)
      connection.destroy()
      this.refused({ remote: connection.remote, reason })
      return undefined
    }
    const opened = new SwitchConnection(
      this.#env,
      connection,
      { admit: each => this.#admit(each), ready: each => this.#handlers.onSwitch(each) },
      this.#limits.connection,
    )
    this.#all.add(opened)
    this.#halfOpen.add(opened)
    this.#countSource(opened, 1)
    opened.once('closed', why => this.#closed(opened, why))
    if (this.#halfOpen.size > this.#limits.maxHalfOpen)
      for (const oldest of this.#halfOpen) {
        oldest.close('too many connections wait for their handshake')
        break
      }
    return opened
  }

  #reasonToRefuse({ remote }: Connection): string | undefined {
    if (this.#all.size >= this.#limits.maxConnections) return 'too many connections'
    const count = this.#halfOpenBySource.get(sourceOf(remote)) ?? 0
    return count >= this.#limits.maxHalfOpenPerSource
      ? 'too many unfinished connections from this address'
      : undefined
  }

  #countSource({ remote }: SwitchConnection, change: 1 | -1): void {
    const source = sourceOf(remote)
    const count = (this.#halfOpenBySource.get(source) ?? 0) + change
    if (count > 0) this.#halfOpenBySource.set(source, count)
    else this.#halfOpenBySource.delete(source)
  }

  /** True when it was half open. */
  #notHalfOpen(connection: SwitchConnection): boolean {
    const was = this.#halfOpen.delete(connection)
    if (was) this.#countSource(connection, -1)
    return was
  }

  /** The first to come with a dpid keeps it as long as it answers. */
  async #admit(connection: SwitchConnection): Promise<string | undefined> {
    const { dpid } = connection
    if (this.#handlers.mayConnect?.(dpid, connection.peerName) === false)
      return `${dpid} may not connect with this certificate`
    if (this.#isShut(connection)) return `${dpid} sent a reply without an end and waits`
    const first = this.#byDpid.get(dpid)
    if (first !== undefined && first !== connection) {
      if (await first.isAlive(this.#limits.aliveMillis)) return `${dpid} is connected already`
      first.close('replaced: it did not answer, and its switch connected again')
      const quicker = this.#byDpid.get(dpid)
      if (quicker !== undefined && !quicker.isClosed) return `${dpid} is connected already`
    }
    if (connection.isClosed) return 'closed meanwhile'
    this.#notHalfOpen(connection)
    this.#byDpid.set(dpid, connection)
    return undefined
  }

  #shutOut(connection: SwitchConnection): void {
    const now = this.#env.clock.nowMillis()
    // In the order of their ends, since all wait equally long.
    for (const [who, untilMillis] of this.#shut) {
      if (untilMillis > now && this.#shut.size < maxShut) break
      this.#shut.delete(who)
    }
    const who = whoIs(connection)
    this.#shut.delete(who)
    this.#shut.set(who, now + this.#limits.endlessWaitMillis)
  }

  #isShut(connection: SwitchConnection): boolean {
    return (this.#shut.get(whoIs(connection)) ?? 0) > this.#env.clock.nowMillis()
  }

  #closed(connection: SwitchConnection, reason: string): void {
    this.#all.delete(connection)
    const wasHalfOpen = this.#notHalfOpen(connection)
    if (connection.isEndless) this.#shutOut(connection)
    const dpid = dpidOf(connection)
    const wasIn = dpid !== undefined && this.#byDpid.get(dpid) === connection
    if (wasIn) this.#byDpid.delete(dpid)
    if (wasHalfOpen || !wasIn)
      this.refused({ remote: connection.remote, reason, ...(dpid && { dpid }) })
  }

  /** A connection was not let in, here or before it came here. */
  refused(info: RefusedInfo): void {
    this.#env.log.info({ ...info }, 'a connection was not let in')
    this.#handlers.onRefused?.(info)
  }

  close(): void {
    for (const each of [...this.#all]) each.close('the controller stops')
  }
}

const dpidOf = (connection: SwitchConnection): Dpid | undefined => {
  try {
    return connection.dpid
  } catch {
    // It closed before it said who it is.
    return undefined
  }
}

const maxShut = 1_000

/** Others behind the same address have a dpid of their own. */
const whoIs = (connection: SwitchConnection): string =>
  `${sourceOf(connection.remote)} ${dpidOf(connection)}`

const sourceOf = (remote: string): string => remote.replace(/:\d+$/, '')
