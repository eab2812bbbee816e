/** Puts the parts together and takes them apart again: `sluice run`. */
import { join } from 'node:path'
import type { Env } from '../base/env.js'
import { Failure } from '../base/failures.js'
import {
  controllersFolder,
  type Endpoints,
  endpointsFile,
  formatEndpoint,
  isLoopback,
  parseEndpoint,
  tokenFile,
} from '../base/places.js'
import { listenForSwitches } from '../openflow/index.js'
import { Controller } from './controller.js'
import { lockFolder } from './lock.js'
import { routes } from './rest/routes.js'
import { createRest } from './rest/server.js'
import { RuleWatcher } from './rule-watcher.js'
import { openLmdbStore } from './store/lmdb-store.js'

export interface RunOptions {
  /** `HOST:PORT`, port 0 for a free one. */
  readonly openflow: string
  readonly rest: string
  readonly data: string
  /** Rule files or folders whose edits are put in force as they come. */
  readonly rules: readonly string[]
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly pid: number
}

export interface Running {
  readonly endpoints: Endpoints
  stop(): Promise<void>
}

const startsKey = '/meta/starts'

/** @throws {Failure} when an address is taken or unsafe, or the data folder is in use or damaged */
export const run = async (env: Env, options: RunOptions): Promise<Running> => {
  const openflow = loopback(options.openflow, '--openflow')
  const rest = loopback(options.rest, '--rest')
  await env.disk.makeFolder(options.data, 0o700)
  const unlock = await lockFolder(env, options.data, options.pid)
  const undo: (() => Promise<void>)[] = [unlock]
  const stop = async () => {
    for (const each of undo.reverse()) await each()
    undo.length = 0
  }
  try {
    return await start(env, options, openflow, rest, undo, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

type Endpoint = { readonly host: string; readonly port: number }

const start = async (
  env: Env,
  options: RunOptions,
  openflow: Endpoint,
  rest: Endpoint,
  undo: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Running> => {
  const store = await openLmdbStore(env, options.data)
  undo.push(() => store.close())
  const starts = ((await store.get(startsKey))?.value as number | undefined) ?? 0
  await store.txn({ if: [], then: [{ op: 'put', key: startsKey, value: starts + 1 }] })
  const secret = await secretOf(env, options.data)
  const token = await tokenOf(env, options.data)
  const controller = await Controller.create(env, store, {
    secret,
    generationId: BigInt(starts + 1),
  })
  undo.push(() => controller.stop())
  const app = await createRest({ ...rest, token, log: env.log }, [routes(controller)])
  undo.push(() => app.close())
  await listening(() => app.listen(rest), options.rest, '--rest')
  const switches = await listening(
    () =>
      listenForSwitches(env, openflow, {
        onSwitch: connection => {
          controller.switchConnected(connection).catch((error: unknown) => {
            env.log.warn({ dpid: connection.dpid, err: error }, 'a switch could not be taken over')
            connection.close('could not be taken over')
          })
        },
      }),
    options.openflow,
    '--openflow',
  )
  undo.push(() => switches.close())
  const watcher = new RuleWatcher(env, controller, [...options.rules, join(options.data, 'rules')])
  await watcher.start()
  undo.push(async () => watcher.stop())
  controller.start()
  const bound = app.addresses()[0] as { address: string; port: number }
  const endpoints: Endpoints = {
    rest: formatEndpoint(bound.address, bound.port),
    openflow:
      'port' in switches.address
        ? formatEndpoint(switches.address.host, switches.address.port)
        : options.openflow,
    data: options.data,
    pid: options.pid,
  }
  undo.push(await announce(env, options, endpoints, bound.port))
  env.log.info({ rest: endpoints.rest, openflow: endpoints.openflow }, 'ready')
  return { endpoints, stop }
}

const loopback = (text: string, option: string): Endpoint => {
  const endpoint = parseEndpoint(text)
  if (endpoint === undefined)
    throw new Failure('bad-request', {
      detail: `${option} takes HOST:PORT, such as 127.0.0.1:6653; "${text}" is none.`,
    })
  if (!isLoopback(endpoint.host)) throw new Failure('unsafe-address', { address: text })
  return endpoint
}

const listening = async <T>(
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

/** A secret file is made once, and never read when others could have read it before. */
const secretFile = async (env: Env, path: string, size: number): Promise<string> => {
  const found = await env.disk.stat(path)
  if (found === undefined) {
    const text = Buffer.from(env.random.bytes(size)).toString('base64url')
    await env.disk.writeText(path, `${text}\n`, 0o600)
    return text
  }
  if ((found.mode & 0o077) !== 0) throw new Failure('unsafe-file', { path })
  return (await env.disk.readText(path)).trim()
}

const tokenOf = (env: Env, data: string): Promise<string> => secretFile(env, tokenFile(data), 32)

const secretOf = async (env: Env, data: string): Promise<Uint8Array> =>
  Buffer.from(await secretFile(env, join(data, 'discovery.key'), 32), 'base64url')

/** Leaves notes where the command line finds this controller; returns how to take them away. */
const announce = async (
  env: Env,
  options: RunOptions,
  endpoints: Endpoints,
  restPort: number,
): Promise<() => Promise<void>> => {
  const folder = controllersFolder(options.variables)
  const note = join(folder, `${restPort}.json`)
  const text = `${JSON.stringify(endpoints, null, 2)}\n`
  await env.disk.makeFolder(folder, 0o700)
  await env.disk.writeText(note, text, 0o600)
  await env.disk.writeText(endpointsFile(options.data), text, 0o600)
  return async () => {
    await env.disk.remove(note)
    await env.disk.remove(endpointsFile(options.data))
  }
}
