/**
 * Open vSwitch daemons on this machine, asked the way `ovs-appctl` does: JSON-RPC on the daemon's control socket
 * (ovs-appctl(8)). The table of connections can be read in no other way: neither OpenFlow nor OVSDB tells it.
 */
import { join } from 'node:path'
import type { Env } from '../base/env/env.js'
import { wordsOf } from '../base/system-errors.js'
import { formatJson } from './json.js'
import { JsonStream } from './json-stream.js'

const patienceMillis = 5_000
/** A million connections of 200 octets. */
const limits = { size: 256 * 1024 * 1024, depth: 8 }

export interface ControlSockets {
  readonly sockets: readonly string[]
  /** Folders that cannot be looked into, with the reason, a sentence each. */
  readonly unread: readonly string[]
}

/** Control sockets of ovs-vswitchd among files, folders, and their folders; what is not there is left out. */
export const controlSockets = async (
  { disk }: Pick<Env, 'disk'>,
  places: readonly string[],
): Promise<ControlSockets> => {
  const sockets: string[] = []
  const unread: string[] = []
  const look = async (place: string, isNamed: boolean): Promise<void> => {
    try {
      const stat = await disk.stat(place)
      if (stat === undefined) return
      if (!stat.isFolder) {
        if (isNamed) sockets.push(place)
        return
      }
      const names = await disk.list(place)
      sockets.push(...socketsAmong(place, names))
      if (isNamed) for (const name of names) await look(join(place, name), false)
    } catch (error) {
      unread.push(`${place}: ${wordsOf(error)}`)
    }
  }
  for (const place of places) await look(place, true)
  return { sockets, unread }
}

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
    const { sockets, unread } = await controlSockets(this.#env, this.#places)
    for (const socket of sockets) if (await this.#has(socket, bridge)) found.push(socket)
    const [socket] = found
    if (socket === undefined)
      throw new Error(
        `no ovs-vswitchd of this machine that can be reached has a bridge ${bridge} (see "sluice run --openvswitch")${unread.map(each => `; ${each}`).join('')}`,
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
