/** Puts the parts together and takes them apart again: `sluice run`. */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Env, FolderLock } from '../base/env/env.js'
import { ProcessWatch } from '../base/env/process-figures.js'
import { Failure } from '../base/failures.js'
import { withMembers } from '../base/kind.js'
import { noteOfLoss } from '../base/lost-store.js'
import {
  controllersFolder,
  type Endpoints,
  endpointsFile,
  formatEndpoint,
  tokenFile,
} from '../base/places.js'
import { RateLimit } from '../base/rate-limit.js'
import type { Store, StoreStatus } from '../base/store.js'
import { wordsOf } from '../base/system-errors.js'
import type { NetworkFunction, ZoneTimeouts } from '../nfv/function.js'
import { functions } from '../nfv/functions.js'
import { defaultDiscovery, fastDiscovery } from '../topology/discovery/discovery-options.js'
import type { GuardLevel } from '../topology/hosts/guard-level.js'
import { defaultHosts } from '../topology/hosts/hosts.js'
import { Controller } from './controller.js'
import { applySetKind } from './declared/apply-set.js'
import { Declared } from './declared/declared.js'
import { hostKind, intentKind, networkKind, portKind } from './declared/kinds.js'
import { Metrics, metricsRoutes } from './metrics/metrics.js'
import { ObjectKeeper } from './objects/objects.js'
import { auditRequests, auditRoutes, type RefusedRequest } from './rest/audit-routes.js'
import { eventRoutes } from './rest/event-routes.js'
import { forgetRoutes } from './rest/forget-routes.js'
import { type RestSettings, restAddress } from './rest/listeners.js'
import { objectRoutes, type StatusOf } from './rest/object-routes.js'
import { pathRoutes } from './rest/path-routes.js'
import { routes } from './rest/routes.js'
import { endpointsOf, serveRest } from './rest/serve.js'
import { createRest } from './rest/server.js'
import { tokenRoutes } from './rest/token-routes.js'
import { Audit } from './rights/audit.js'
import { Guard, type TokenAttempt } from './rights/guard.js'
import { rightsOfViews, rightsWith } from './rights/rights.js'
import { Tokens } from './rights/tokens.js'
import {
  endpointOf,
  listening,
  openSouthbound,
  type SouthboundOptions,
} from './southbound/southbound.js'
import { dayMillis, SwitchAgeing, switchAgeingLimits } from './southbound/switch-ageing.js'
import { openStore } from './store/journal-store.js'
import { lockFolder } from './store/lock.js'
import { switchKind } from './switch-setup/kind.js'
import { SwitchSetup } from './switch-setup/switch-setup.js'
import { zonesOfSwitch } from './switch-setup/zone-timeouts.js'

export interface RunOptions {
  readonly southbound: SouthboundOptions
  /** `HOST:PORT`, port 0 for a free one; or more than that. */
  readonly rest: string | RestSettings
  readonly data: string
  /** Rule files or folders whose edits are put in force as they come. */
  readonly rules: readonly string[]
  /** Control sockets of ovs-vswitchd on this machine, and folders that hold them: sessions are read there. */
  readonly openvswitch?: readonly string[]
  /** Packets of one switch that are looked at each second. */
  readonly packetsPerSecond?: number
  /** Folders below which policies may name rule files to be watched, besides those of `rules`. */
  readonly ruleFolders?: readonly string[]
  /** A rule file given at the start that is missing or wrong, and was never in force, leaves everything open. */
  readonly opens?: boolean
  /** Switches that hold rows of another store are taken, and those rows replaced. */
  readonly adopts?: boolean
  /** `HOST:PORT` where the paths of Ryu's firewall are served, without a token; absent: nowhere. */
  readonly ryuFirewall?: string
  /** How long a switch that is gone is remembered while links or hosts are known at it; usually 7. */
  readonly forgetAfterDays?: number
  /** How soon a link that fails silently is found. */
  readonly discovery?: 'usual' | 'fast'
  /** How much of what ports send is believed, where neither port nor network says. */
  readonly guard?: GuardLevel
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly pid: number
  /** Usually all there are. */
  readonly functions?: readonly NetworkFunction[]
  /** For `/metrics`. */
  readonly version?: string
}

export interface Running {
  readonly endpoints: Endpoints
  /** What is kept, for whoever runs the controller within another program. */
  readonly store: Store
  /** What the API has, each as `METHOD /path`. */
  readonly routes: readonly string[]
  /** Reads certificates again. */
  reload(): Promise<void>
  stop(): Promise<void>
}

const startsKey = '/meta/starts'

/** @throws {Failure} when an address is taken or unsafe, or the data folder is in use or damaged */
export const run = async (env: Env, options: RunOptions): Promise<Running> => {
  const rest: RestSettings =
    typeof options.rest === 'string' ? { listen: [options.rest] } : options.rest
  for (const address of rest.listen) restAddress(address, rest.tls !== undefined)
  await env.disk.makeFolder(options.data, 0o700)
  const lock = await lockFolder(env, options.data)
  const undo: (() => Promise<void>)[] = [() => lock.release()]
  const stop = async () => {
    for (const each of undo.reverse()) await each()
    undo.length = 0
  }
  try {
    return await start(env, options, rest, lock, undo, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

const tellOfStore = (controller: Controller, store: Store, damage: string | undefined): void => {
  const { journal } = controller
  if (damage !== undefined)
    journal.add({
      kind: 'store-damaged',
      reason: `a file of the store was damaged (${damage}); the other one was right, and both are again`,
    })
  const tell = ({ mode, reason }: StoreStatus) =>
    journal.add(mode === 'ok' ? { kind: 'store-writable' } : { kind: 'store-read-only', reason })
  if (store.status().mode !== 'ok') tell(store.status())
  store.onStatus(tell)
}

/** How often it was started, this time included; a switch that has seen a higher number says so. */
/** @param isLost there was another store before this one: that is noted with the first start, or neither is */
const countStart = async (env: Env, store: Store, isLost: boolean): Promise<number> => {
  const starts = ((await store.get(startsKey))?.value as number | undefined) ?? 0
  try {
    const count = { op: 'put', key: startsKey, value: starts + 1 } as const
    await store.txn({ if: [], then: isLost ? [count, noteOfLoss] : [count] })
  } catch (error) {
    env.log.error({ err: error }, 'the store cannot be written; sluice goes on with what is in it')
  }
  return starts + 1
}

const start = async (
  env: Env,
  options: RunOptions,
  rest: RestSettings,
  lock: FolderLock,
  undo: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Running> => {
  const { store, damage } = await openStore(env, options.data, () => lock.isHeld())
  undo.push(() => store.close())
  // The keys are made behind the first start that is counted: they are older than this store.
  const hasKeys = (await env.disk.stat(discoveryKey(options.data))) !== undefined
  const isLost = hasKeys && (await store.get(startsKey)) === undefined
  const starts = await countStart(env, store, isLost)
  const secret = await secretOf(env, options.data)
  const token = await tokenOf(env, options.data)
  const list = options.functions ?? functions
  const members = list.flatMap(each => each.members ?? [])
  const all = [
    ...[switchKind, networkKind, hostKind, portKind, intentKind, applySetKind],
    ...list.flatMap(each => each.kinds ?? []),
  ].map(kind => withMembers(kind, members))
  const objects = await ObjectKeeper.load(env.timers, store, all)
  const handed = new Set(
    list.flatMap(each => [...(each.kinds ?? []).map(({ kind }) => kind), ...(each.reads ?? [])]),
  )
  const kinds = all.filter(({ kind }) => handed.has(kind))
  const hand = (to: Controller, changed: ReadonlySet<string>) => {
    for (const kind of kinds)
      if (changed.has(kind.kind))
        to.declare(
          kind.kind,
          objects.list(kind).filter(each => !each.isLeaving),
        )
  }
  let declared: Declared | undefined
  const controller = await Controller.create(env, store, {
    declare: made => {
      declared = new Declared(
        made.topology,
        objects,
        {
          revision: () => made.nextRevision,
          isConfirmed: dpid => made.isConfirmed(dpid),
          lacking: revision => made.lackingObjects(revision),
        },
        intent => made.refusalOf('intent', intent),
      )
      declared.start()
      hand(made, new Set(kinds.map(({ kind }) => kind)))
    },
    functions: list,
    secret,
    generationId: BigInt(starts),
    given: {
      data: options.data,
      rules: options.rules,
      ruleFolders: options.ruleFolders ?? [],
      isLost,
      opens: options.opens === true,
      adopts: options.adopts === true,
    },
    openvswitch: options.openvswitch ?? [options.variables.OVS_RUNDIR ?? '/var/run/openvswitch'],
    ...(options.adopts && { adopts: true }),
    setupOf: dpid => setup.progressOf(dpid),
    topology: {
      discovery: options.discovery === 'fast' ? fastDiscovery : defaultDiscovery,
      hosts: { ...defaultHosts, guard: options.guard ?? defaultHosts.guard },
    },
    ...(options.packetsPerSecond && { punts: { packetsPerSecond: options.packetsPerSecond } }),
  })
  undo.push(() => controller.stop())
  objects.on('settled', changed => hand(controller, changed))
  tellOfStore(controller, store, damage)
  const setup = new SwitchSetup(env, objects, dpid =>
    zonesOfSwitch(timeoutsOf(controller), controller.topology.current.switches.get(dpid)?.index),
  )
  followTimeouts(controller, setup)
  setup.on('state', (name, { state, reason }) =>
    controller.journal.add({
      kind: 'switch-setup',
      switch: name,
      state,
      ...(reason && { reason }),
    }),
  )
  setup.on('repaired', (name, operations) =>
    controller.journal.add({ kind: 'switch-repaired', switch: name, operations }),
  )
  undo.push(() => setup.stop())
  const statusOf: StatusOf = (kind, name) =>
    kind === applySetKind.kind
      ? { state: 'installed' }
      : kind === switchKind.kind
        ? { ...(setup.status(name) ?? { state: 'pending' }) }
        : {
            ...worse(declared?.status(kind, name), controller.stateOf(kind, name)),
          }
  const tokens = await Tokens.load(env, store)
  const audit = await Audit.open(env, options.data)
  undo.push(() => audit.close())
  audit.on('event', event => controller.journal.add(event))
  const guard = new Guard({
    ...env,
    ...rest,
    rights: { ...rightsWith(controller.list), ...rightsOfViews(controller.views) },
    firstToken: token,
    tokens,
    isProxied: rest.trustProxy !== undefined,
    refused: toldSometimes(env, (attempt: TokenAttempt & More) =>
      controller.journal.add({ kind: 'token-refused', ...attempt }),
    ),
  })
  const watch = new ProcessWatch(env.timers)
  undo.push(async () => watch.stop())
  const metrics = new Metrics(controller, watch, options.version ?? 'unknown')
  const hook = (app: FastifyInstance) => {
    const leftOut = toldSometimes(env, (told: RefusedRequest & More) =>
      controller.journal.add({ kind: 'request-refused', ...told }),
    )
    auditRequests(app, audit, { ...env, leftOut })
    metrics.count(app, env.clock)
  }
  const api = await serveRest(env, rest, { guard, audit: hook }, [
    tokenRoutes(tokens),
    auditRoutes(audit),
    metricsRoutes(metrics),
    routes(controller),
    eventRoutes(controller.journal, env.timers),
    forgetRoutes(controller),
    pathRoutes(controller),
    ...controller.functions.flatMap(running => running.routes ?? []),
    objectRoutes(objects, statusOf),
  ])
  undo.push(() => api.close())
  const ryu =
    options.ryuFirewall === undefined
      ? undefined
      : await serveRyu(env, controller, options.ryuFirewall)
  undo.push(async () => ryu?.close())
  // What switches get first is what is wanted now.
  await controller.prepare()
  const southbound = await openSouthbound(env, options.southbound, {
    switchConnected: connection => controller.switchConnected(connection),
    refused: info => controller.journal.add({ kind: 'connection-refused', ...info }),
  })
  undo.push(() => southbound.stop())
  controller.start()
  setup.start()
  const ageing = new SwitchAgeing(env, controller.topology, () => textsOf(controller, objects), {
    ...switchAgeingLimits,
    ...(options.forgetAfterDays && { usedLifeMillis: options.forgetAfterDays * dayMillis }),
  })
  ageing.start()
  undo.push(async () => ageing.stop())
  const endpoints: Endpoints = {
    ...endpointsOf(api.addresses),
    ...(ryu && { ryuFirewall: addressOf(ryu) }),
    openflow: southbound.addresses[0] ?? '',
    data: options.data,
    pid: options.pid,
  }
  undo.push(await announce(env, options, endpoints))
  const reload = async () => {
    await api.reload()
    await southbound.reload()
  }
  env.log.info({ rest: endpoints.restUrls, openflow: endpoints.openflow }, 'ready')
  return { endpoints, store, routes: guard.routes, reload, stop }
}

type State = { readonly state: string; readonly reason?: string }

/** An object is as far as whoever has not come as far says. */
const worse = (own: State | undefined, more: State | undefined): State =>
  (own !== undefined && own.state !== 'installed' ? own : (more ?? own)) ?? { state: 'pending' }

/** All that people have written and that may name a switch. */
function* textsOf(controller: Controller, objects: ObjectKeeper): Generator<string> {
  for (const running of controller.functions) yield* running.texts?.() ?? []
  for (const kind of objects.kinds)
    for (const { name, spec } of objects.list(kind)) yield `${name} ${JSON.stringify(spec)}`
}

const timeoutsOf = ({ functions }: Controller): readonly ZoneTimeouts[] =>
  functions.flatMap(running => running.zoneTimeouts ?? [])

/** Databases are looked at again when zones have other timeouts, or there are other switches to set them at. */
const followTimeouts = (controller: Controller, setup: SwitchSetup): void => {
  let told = { timeouts: timeoutsOf(controller), switches: 0 }
  controller.on('compiled', () => {
    const timeouts = timeoutsOf(controller)
    const isAny = timeouts.some(each => each.isAny)
    const switches = isAny ? controller.topology.current.switches.size : 0
    const isSame = timeouts.every((each, at) => each === told.timeouts[at])
    if (isSame && told.switches === switches) return
    told = { timeouts, switches }
    setup.zonesChanged()
  })
}

/** Off unless asked for: scripts written for Ryu know no token. */
const serveRyu = async (
  env: Env,
  controller: Controller,
  address: string,
): Promise<FastifyInstance> => {
  const endpoint = endpointOf(address, '--ryu-firewall', false)
  const app = await createRest(
    { log: env.log, timers: env.timers },
    controller.functions.flatMap(running => running.sites?.ryuFirewall ?? []),
  )
  await listening(() => app.listen(endpoint), address, '--ryu-firewall')
  return app
}

const attemptsPerSecond = 1
const attemptsAtOnce = 5

/** How many were not told before. */
interface More {
  readonly more?: number
}

/** Whoever guesses or is refused leaves a trace, and floods nothing: what is left out is counted. */
const toldSometimes = <Attempt extends object>(
  env: Env,
  tell: (attempt: Attempt & More) => void,
): ((attempt: Attempt) => void) => {
  const limit = new RateLimit(env.clock, attemptsPerSecond, attemptsAtOnce)
  let leftOut = 0
  return attempt => {
    if (!limit.take()) {
      leftOut++
      return
    }
    tell({ ...attempt, ...(leftOut > 0 && { more: leftOut }) })
    leftOut = 0
  }
}

const addressOf = (app: FastifyInstance): string => {
  const { address, port } = app.addresses()[0] as { address: string; port: number }
  return formatEndpoint(address, port)
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
  const text = (await env.disk.readText(path)).trim()
  if (text.length < shortestSecret) throw new Failure('no-secret', { path })
  return text
}

/** A file that is empty or cut is no secret. */
const shortestSecret = 16

const tokenOf = (env: Env, data: string): Promise<string> => secretFile(env, tokenFile(data), 32)

const discoveryKey = (data: string): string => join(data, 'discovery.key')

const secretOf = async (env: Env, data: string): Promise<Uint8Array> =>
  Buffer.from(await secretFile(env, discoveryKey(data), 32), 'base64url')

/** Leaves notes where the command line finds this controller; returns how to take them away. */
const announce = async (
  env: Env,
  options: RunOptions,
  endpoints: Endpoints,
): Promise<() => Promise<void>> => {
  const folder = controllersFolder(options.variables)
  const note = join(folder, `${endpoints.rest.replace(/^.*:/, '')}.json`)
  const text = `${JSON.stringify(endpoints, null, 2)}\n`
  // Without a note the command line is told where this controller is; on a full disk that is better than none.
  const cannot = (path: string) => (error: unknown) =>
    env.log.warn({ path, reason: wordsOf(error) }, 'the note for the command line cannot be kept')
  const own = endpointsFile(options.data)
  await env.disk.makeFolder(folder, 0o700).catch(cannot(folder))
  for (const path of [note, own]) await env.disk.writeText(path, text, 0o600).catch(cannot(path))
  return async () => {
    for (const path of [note, own]) await env.disk.remove(path).catch(cannot(path))
  }
}
