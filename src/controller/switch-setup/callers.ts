/** Addresses that switches call (`ovs-vsctl set-manager tcp:HOST:PORT`), and which switch a call is from. */
import type { Address, Env, Listener } from '../../base/env.js'
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
const maxUnknown = 64

export class Callers {
  readonly #env: Env
  readonly #address: Address
  readonly #expected = new Set<Expected>()
  #listener: Listener | undefined
  #unknownCount = 0
  #isClosed = false

  constructor(env: Env, address: Address) {
    this.#env = env
    this.#address = address
  }

  get isUnused(): boolean {
    return this.#expected.size === 0
  }

  async listen(): Promise<void> {
    try {
      const listener = await this.#env.net.listen(this.#address, connection => {
        if (this.#unknownCount >= maxUnknown) return connection.destroy()
        const client = new OvsdbClient(this.#env, connection)
        this.#unknownCount++
        this.#place(client)
          .catch((error: unknown) => {
            this.#env.log.warn({ err: error, remote: client.remote }, 'a caller was turned away')
            client.close('no declared switch is this one')
          })
          .finally(() => {
            this.#unknownCount--
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
    if (all.every(each => each.systemId === undefined) && anybody) return anybody.accept(client)
    const id = await systemId(client)
    const found = all.find(each => each.systemId === id) ?? anybody
    if (found === undefined) throw new Error(`system-id ${id ?? '(none)'} is not declared here`)
    found.accept(client)
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
