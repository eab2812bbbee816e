/**
 * Where switches come from: addresses that they call, and switches that we call (`set-controller ptcp:`).
 * Plain connections stay on loopback; anywhere else both sides show certificates, and a certificate may be bound
 * to the switches that may come with it. `reload` puts changed certificate files to use; open connections stay.
 */

import type { Address, Env, TlsOptions } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import { formatEndpoint, isLoopback, parseEndpoint } from '../../base/places.js'
import { RateLimit } from '../../base/rate-limit.js'
import {
  connectToSwitch,
  listenForSwitches,
  type RefusedInfo,
  type SwitchConnection,
  type SwitchHandlers,
  type SwitchListener,
} from '../../openflow/index.js'
import { secretFiles } from '../secret-files.js'

/** Paths of PEM files. */
export interface TlsFiles {
  readonly key: string
  readonly certificate: string
  /** Who signs the certificates of switches. */
  readonly authority: string
}

export interface SouthboundOptions {
  /** `HOST:PORT`, each. */
  readonly listen: readonly string[]
  /** `tcp:HOST:PORT` or `ssl:HOST:PORT`, each. */
  readonly connect: readonly string[]
  readonly tls?: TlsFiles
  /** The name that the certificate of a switch must carry, by dpid. Switches that are not named may come with any. */
  readonly names?: Readonly<Record<string, string>>
}

export interface Southbound {
  /** Where it listens, in the order asked for. */
  readonly addresses: readonly string[]
  /** @throws {Failure} when a file cannot be read; what was in use stays in use */
  reload(): Promise<void>
  stop(): Promise<void>
}

export interface SouthboundEvents {
  switchConnected(connection: SwitchConnection): Promise<void>
  /** A connection was not let in, or ended before its switch had said what it is. */
  refused(info: RefusedInfo & { readonly more: number }): void
}

/** Events a second about connections that were not let in: a flood of them is told by its number. */
const refusalsPerSecond = 5

/** @throws {Failure} `bad-request`, `unsafe-address`, `unsafe-file`, `address-in-use` */
export const openSouthbound = async (
  env: Env,
  options: SouthboundOptions,
  events: SouthboundEvents,
): Promise<Southbound> => {
  const tls = options.tls && (await readTls(env, options.tls))
  const listens = options.listen.map(text => endpointOf(text, '--openflow', tls !== undefined))
  const targets = options.connect.map(text => targetOf(text, tls))
  const handlers = handlersOf(env, options, events)
  const listeners: SwitchListener[] = []
  const stop = async () => {
    for (const dialled of dialling) dialled.close()
    await Promise.all(listeners.map(listener => listener.close()))
  }
  const dialling: { close(): void }[] = []
  try {
    for (const at of listens)
      listeners.push(
        await bind(at, () => listenForSwitches(env, { ...at, ...(tls && { tls }) }, handlers)),
      )
  } catch (error) {
    await stop()
    throw error
  }
  for (const target of targets) dialling.push(connectToSwitch(env, target, handlers))
  return {
    addresses: listeners.map(({ address }, index) =>
      'port' in address
        ? formatEndpoint(address.host, address.port)
        : (options.listen[index] ?? address.path),
    ),
    reload: async () => {
      if (options.tls === undefined) return
      const fresh = await readTls(env, options.tls)
      for (const listener of listeners) listener.reload(fresh)
      env.log.info({}, 'certificates were read again')
    },
    stop,
  }
}

const handlersOf = (
  env: Env,
  { names }: SouthboundOptions,
  events: SouthboundEvents,
): SwitchHandlers => {
  const limit = new RateLimit(env.clock, refusalsPerSecond, refusalsPerSecond)
  let untold = 0
  return {
    onSwitch: connection => {
      events.switchConnected(connection).catch((error: unknown) => {
        env.log.warn({ dpid: connection.dpid, err: error }, 'a switch could not be taken over')
        connection.close('could not be taken over')
      })
    },
    onRefused: info => {
      if (!limit.take()) {
        untold++
        return
      }
      events.refused({ ...info, more: untold })
      untold = 0
    },
    mayConnect: (dpid, peerName) => {
      const wanted = names?.[dpid]
      return wanted === undefined || wanted === peerName
    },
  }
}

type Endpoint = { readonly host: string; readonly port: number }

/** @throws {Failure} `bad-request`, or `unsafe-address` when it is not loopback and there is no TLS */
export const endpointOf = (text: string, option: string, isSecure: boolean): Endpoint => {
  const endpoint = parseEndpoint(text)
  if (endpoint === undefined)
    throw new Failure('bad-request', {
      detail: `${option} takes HOST:PORT, such as 127.0.0.1:6653; "${text}" is none.`,
    })
  if (!isSecure && !isLoopback(endpoint.host))
    throw new Failure('unsafe-address', { address: text })
  return endpoint
}

const targetOf = (text: string, tls: TlsOptions | undefined): Address => {
  const [, scheme, rest = ''] = /^(tcp|ssl):(.*)$/.exec(text) ?? []
  if (scheme === undefined)
    throw new Failure('bad-request', {
      detail: `connect takes tcp:HOST:PORT or ssl:HOST:PORT; "${text}" is neither.`,
    })
  if (scheme === 'ssl' && tls === undefined)
    throw new Failure('bad-request', {
      detail: `"${text}" needs openflowTls with key, certificate and authority.`,
    })
  const endpoint = endpointOf(rest, 'connect', scheme === 'ssl')
  return { ...endpoint, ...(scheme === 'ssl' && tls && { tls }) }
}

const readTls = async (env: Env, files: TlsFiles): Promise<TlsOptions> => {
  const read = await secretFiles(env, 'openflowTls', files.key)
  return {
    key: await read(files.key),
    certificate: await read(files.certificate),
    authority: await read(files.authority),
  }
}

/** @throws {Failure} `address-in-use` */
const bind = async <T>(at: Endpoint, listen: () => Promise<T>): Promise<T> =>
  listening(listen, formatEndpoint(at.host, at.port), '--openflow')

/** @throws {Failure} `address-in-use` */
export const listening = async <T>(
  listen: () => Promise<T>,
  address: string,
  option: string,
): Promise<T> => {
  try {
    return await listen()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new Failure('address-in-use', { address, option }, { cause: error })
    throw error
  }
}
