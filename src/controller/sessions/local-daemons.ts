/**
 * Open vSwitch daemons on this machine, asked the way `ovs-appctl` does: JSON-RPC on the daemon's control socket
 * (ovs-appctl(8)). The table of connections can be read in no other way: neither OpenFlow nor OVSDB tells it.
 */
import { join } from 'node:path'
import type { Env } from '../../base/env.js'
import { formatJson } from '../../ovsdb/json.js'
import { JsonStream } from '../../ovsdb/json-stream.js'

const patienceMillis = 5_000
/** A million connections of 200 octets. */
const limits = { size: 256 * 1024 * 1024, depth: 8 }

/** Control sockets of ovs-vswitchd among files, folders, and their folders; what is not there is left out. */
export const controlSockets = async (
  { disk }: Pick<Env, 'disk'>,
  places: readonly string[],
): Promise<string[]> => {
  const found = await Promise.all(
    places.map(async place => {
      const stat = await disk.stat(place)
      if (stat === undefined) return []
      if (!stat.isFolder) return [place]
      const names = await disk.list(place)
      const inner = await Promise.all(names.map(name => socketsIn({ disk }, join(place, name))))
      return [...socketsAmong(place, names), ...inner.flat()]
    }),
  )
  return found.flat()
}

const socketsIn = async ({ disk }: Pick<Env, 'disk'>, folder: string): Promise<string[]> =>
  (await disk.stat(folder))?.isFolder ? socketsAmong(folder, await disk.list(folder)) : []

const socketsAmong = (folder: string, names: readonly string[]): string[] =>
  names.filter(name => /^(ovs-vswitchd\.\d+|vsw)\.ctl$/.test(name)).map(name => join(folder, name))

/** Daemons of this machine, by the bridges that they have. */
export class LocalDaemons {
  readonly #env: Env
  readonly #places: readonly string[]

  /** @param places control sockets of ovs-vswitchd, and folders that hold them */
  constructor(env: Env, places: readonly string[]) {
    this.#env = env
    this.#places = places
  }

  /** @throws when no daemon of this machine has the bridge, several have, or it refuses */
  async ask(bridge: string, method: string, params: readonly string[]): Promise<string> {
    const found: string[] = []
    for (const socket of await controlSockets(this.#env, this.#places))
      if (await this.#has(socket, bridge)) found.push(socket)
    const [socket] = found
    if (socket === undefined)
      throw new Error(
        `no ovs-vswitchd of this machine that can be reached has a bridge ${bridge} (see "sluice run --openvswitch")`,
      )
    if (found.length > 1)
      throw new Error(`${found.length} daemons of this machine have a bridge ${bridge}`)
    return askDaemon(this.#env, socket, method, params)
  }

  async #has(socket: string, bridge: string): Promise<boolean> {
    try {
      return (await askDaemon(this.#env, socket, 'ofproto/list')).split('\n').includes(bridge)
    } catch (error) {
      this.#env.log.debug({ socket, err: error }, 'a daemon does not tell its bridges')
      return false
    }
  }
}

/** @throws when nobody answers there, or the daemon refuses */
export const askDaemon = async (
  { net, timers }: Pick<Env, 'net' | 'timers'>,
  path: string,
  method: string,
  params: readonly string[] = [],
): Promise<string> => {
  const connection = await net.connect({ path })
  const stream = new JsonStream(limits)
  try {
    return await new Promise<string>((resolve, reject) => {
      const cancel = timers.after(patienceMillis, () =>
        reject(new Error(`${path} does not answer ${method}`)),
      )
      const done = (settle: () => void) => {
        cancel()
        settle()
      }
      connection.onClose(error =>
        done(() => reject(error ?? new Error(`${path} hung up before it answered ${method}`))),
      )
      connection.onBytes(chunk => {
        try {
          stream.push(chunk, message => done(() => settleReply(message, method, resolve, reject)))
        } catch (error) {
          done(() => reject(error))
        }
      })
      connection.send(new TextEncoder().encode(formatJson({ id: 0, method, params })))
    })
  } finally {
    connection.destroy()
  }
}

const settleReply = (
  message: unknown,
  method: string,
  resolve: (text: string) => void,
  reject: (error: Error) => void,
): void => {
  const { result, error } = message as { result?: unknown; error?: unknown }
  if (typeof result === 'string') resolve(result)
  else reject(new Error(`${method} was refused: ${String(error).slice(0, 500)}`))
}
