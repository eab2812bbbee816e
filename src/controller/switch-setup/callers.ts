/** Addresses that switches call (`ovs-vsctl set-manager tcp:HOST:PORT`), and which switch a call is from. */
import type { Address, Env, Listener } from '../../base/env/env.js'
import { type HandshakeLimits, Handshakes } from '../../base/handshakes.js'
import { limitedLog } from '../../base/log/limited-log.js'
import { OvsdbClient } from '../../ovsdb/client.js'
import { isObject } from '../../ovsdb/rpc.js'
import { database } from './tables.js'

export interface Expected {
  /** external_ids:system-id; absent: any switch that calls. */
  readonly systemId: string | undefined
  accept(client: OvsdbClient): void
  /** Nobody can call, or can again. */
  setTrouble(reason: string | undefined): void
}

/** Calls of which we do not know yet whose they are. */
export const callerLimits: HandshakeLimits = {
  deadlineMillis: 5_000,
  maxWaiting: 64,
  what: 'system-id',
}
/** Octets of one message of theirs: enough for the external_ids of a switch. */
const unknownSize = 256 * 1024

export class Callers {
  readonly #env: Env
  readonly #address: Address
  readonly #expected = new Set<Expected>()
  readonly #unknown: Handshakes
  #listener: Listener | undefined
  #isClosed = false

  constructor(env: Env, address: Address, limits: HandshakeLimits = callerLimits) {
    // Whatever a caller does at will is logged a few times a second.
    this.#env = { ...env, log: limitedLog(env.log, env.clock) }
    this.#address = address
    this.#unknown = new Handshakes(env.timers, limits, (remote, reason) =>
      this.#env.log.warn({ remote, reason }, 'a caller was turned away'),
    )
  }

  get isUnused(): boolean {
    return this.#expected.size === 0
  }

  async listen(): Promise<void> {
    try {
      const listener = await this.#env.net.listen(this.#address, connection => {
        const client = new OvsdbClient(this.#env, connection, { limits: { size: unknownSize } })
        const { remote } = client
        this.#unknown.began(remote, connection)
        client.once('closed', reason => this.#unknown.closed(remote, reason))
        this.#place(client).catch((error: unknown) => {
          client.close('no declared switch is this one')
          const reason = error instanceof Error ? error.message : String(error)
          this.#unknown.closed(remote, reason)
        })
      })
      if (this.#isClosed) await listener.close()
      else this.#listener = listener
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      for (const each of this.#expected) each.setTrouble(reason)
    }
  }

  add(expected: Expected): void {
    this.#expected.add(expected)
  }

  remove(expected: Expected): void {
    this.#expected.delete(expected)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#listener?.close()
  }

  async #place(client: OvsdbClient): Promise<void> {
    const all = [...this.#expected]
    const anybody = all.find(each => each.systemId === undefined)
    if (all.every(each => each.systemId === undefined) && anybody)
      return this.#known(client, anybody)
    const id = await systemId(client)
    const found = all.find(each => each.systemId === id) ?? anybody
    if (found === undefined) throw new Error(`system-id ${id ?? '(none)'} is not declared here`)
    this.#known(client, found)
  }

  #known(client: OvsdbClient, expected: Expected): void {
    this.#unknown.ended(client.remote)
    client.takeWholeSizes()
    expected.accept(client)
  }
}

const systemId = async (client: OvsdbClient): Promise<string | undefined> => {
  const [result] = await client.transact(database, [
    { op: 'select', table: 'Open_vSwitch', where: [], columns: ['external_ids'] },
  ])
  const row = result?.rows?.[0]
  const map = isObject(row) ? row.external_ids : undefined
  const pairs = Array.isArray(map) && map[0] === 'map' ? (map[1] as unknown) : []
  if (!Array.isArray(pairs)) return undefined
  const pair = pairs.find(each => Array.isArray(each) && each[0] === 'system-id') as unknown[]
  return typeof pair?.[1] === 'string' ? pair[1] : undefined
}
