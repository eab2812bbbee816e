/**
 * Bridges, ports and controllers of one Open vSwitch, brought to what is asked by difference: what is right
 * already is left alone, what somebody else made is adopted, and only what we made is ever deleted.
 */
import type { Env } from '../base/env.js'
import type { Condition, Operation, OvsdbClient, Row, Value } from './client.js'
import { OvsdbError } from './client.js'

const database = 'Open_vSwitch'
const ownerKey = 'sluice-owner'

export interface BridgeWish {
  readonly name: string
  readonly datapathType?: 'netdev' | 'system'
  /** Set only when it differs: changing it on a live bridge wipes its flows. */
  readonly failMode?: 'secure' | 'standalone'
  readonly protocols?: readonly string[]
  /** 16 hex digits. */
  readonly datapathId?: string
  /** Such as `tcp:127.0.0.1:6653` or `unix:/run/x.sock`. */
  readonly controllers?: readonly string[]
}

export interface PortWish {
  readonly name: string
  readonly type?: 'internal' | 'patch' | 'vxlan' | 'geneve'
  readonly options?: Readonly<Record<string, string>>
  /** The OpenFlow number asked for. */
  readonly number?: number
}

/** What is asked of every controller connection: back within a second, and noticed when it hangs. */
const controllerSettings: Row = {
  max_backoff: 1_000,
  inactivity_probe: 5_000,
  connection_mode: 'out-of-band',
}

export class OpenVswitch {
  readonly #client: OvsdbClient
  readonly #env: Env

  constructor(env: Env, client: OvsdbClient) {
    this.#env = env
    this.#client = client
  }

  async version(): Promise<string> {
    const [row] = await this.#select('Open_vSwitch', [], ['ovs_version'])
    return String(row?.ovs_version ?? '')
  }

  /** Makes or adjusts a bridge; resolves when ovs-vswitchd has done it. */
  async ensureBridge(wish: BridgeWish): Promise<void> {
    const [known] = await this.#select('Bridge', byName(wish.name))
    if (known === undefined) await this.#transact(insertBridge(wish))
    else {
      const row = changed(known, bridgeRow(wish, known))
      if (Object.keys(row).length > 0)
        await this.#transact([{ op: 'update', table: 'Bridge', where: byName(wish.name), row }])
    }
    if (wish.controllers) await this.#ensureControllers(wish.name, wish.controllers)
  }

  /** Makes or adjusts a port of a bridge; resolves when ovs-vswitchd has done it. */
  async ensurePort(bridge: string, wish: PortWish): Promise<void> {
    const [known] = await this.#select('Interface', byName(wish.name))
    if (known === undefined) return this.#transact(insertPort(bridge, wish))
    const row = changed(known, interfaceRow(wish))
    if (Object.keys(row).length > 0)
      await this.#transact([{ op: 'update', table: 'Interface', where: byName(wish.name), row }])
  }

  /** Takes a port away if we made it. */
  async deletePort(bridge: string, name: string): Promise<void> {
    const [port] = await this.#select('Port', byName(name))
    if (port === undefined || !isOurs(port)) return
    await this.#transact([
      {
        op: 'mutate',
        table: 'Bridge',
        where: byName(bridge),
        mutations: [['ports', 'delete', port._uuid as Value]],
      },
    ])
  }

  /** Takes a bridge away, with its ports, if we made it. */
  async deleteBridge(name: string): Promise<void> {
    const [bridge] = await this.#select('Bridge', byName(name))
    if (bridge === undefined || !isOurs(bridge)) return
    await this.#transact([
      {
        op: 'mutate',
        table: 'Open_vSwitch',
        where: [],
        mutations: [['bridges', 'delete', bridge._uuid as Value]],
      },
    ])
  }

  async listBridges(): Promise<string[]> {
    return (await this.#select('Bridge', [], ['name'])).map(row => String(row.name)).sort()
  }

  async #ensureControllers(bridge: string, targets: readonly string[]): Promise<void> {
    const [row] = await this.#select('Bridge', byName(bridge), ['controller'])
    const ids = setOf(row?.controller)
    const known = (await this.#select('Controller', [], ['_uuid', 'target'])).filter(each =>
      ids.some(id => String(id) === String(each._uuid)),
    )
    const isSame =
      known.length === targets.length &&
      targets.every(target => known.some(each => each.target === target))
    if (isSame) return
    const inserts: Operation[] = targets.map((target, index) => ({
      op: 'insert',
      table: 'Controller',
      'uuid-name': `controller${index}`,
      row: { target, ...controllerSettings },
    }))
    const controller: Value = [
      'set',
      targets.map((_, index) => ['named-uuid', `controller${index}`] as const),
    ]
    await this.#transact([
      ...inserts,
      { op: 'update', table: 'Bridge', where: byName(bridge), row: { controller } },
    ])
  }

  async #select(
    table: string,
    where: readonly Condition[],
    columns?: readonly string[],
  ): Promise<readonly Row[]> {
    const [result] = await this.#client.transact(database, [
      { op: 'select', table, where, ...(columns && { columns }) },
    ])
    return result?.rows ?? []
  }

  /** The change, and the number by which ovs-vswitchd says that it has carried it out. */
  async #transact(operations: readonly Operation[]): Promise<void> {
    const results = await this.#client.transact(database, [
      ...operations,
      { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] },
      { op: 'select', table: 'Open_vSwitch', where: [], columns: ['next_cfg'] },
    ])
    const wanted = Number(results.at(-1)?.rows?.[0]?.next_cfg)
    for (let tries = 0; tries < 500; tries++) {
      const [row] = await this.#select('Open_vSwitch', [], ['cur_cfg'])
      if (Number(row?.cur_cfg) >= wanted) return
      await new Promise<void>(resolve => {
        this.#env.timers.after(20, resolve)
      })
    }
    throw new OvsdbError('timed out', 'ovs-vswitchd did not carry out the change in 10 s')
  }
}

const byName = (name: string): readonly Condition[] => [['name', '==', name]]

const insertBridge = (wish: BridgeWish): Operation[] => [
  {
    op: 'insert',
    table: 'Interface',
    'uuid-name': 'interface',
    row: { name: wish.name, type: 'internal' },
  },
  {
    op: 'insert',
    table: 'Port',
    'uuid-name': 'port',
    row: { name: wish.name, interfaces: ['named-uuid', 'interface'], external_ids: ours },
  },
  {
    op: 'insert',
    table: 'Bridge',
    'uuid-name': 'bridge',
    row: {
      ...bridgeRow(wish, {}),
      name: wish.name,
      ports: ['named-uuid', 'port'],
      external_ids: ours,
    },
  },
  {
    op: 'mutate',
    table: 'Open_vSwitch',
    where: [],
    mutations: [['bridges', 'insert', ['named-uuid', 'bridge']]],
  },
]

const ours: Value = ['map', [[ownerKey, 'sluice']]]

const isOurs = (row: Row): boolean => mapOf(row.external_ids).get(ownerKey) === 'sluice'

const bridgeRow = (wish: BridgeWish, known: Row): Row => {
  const config = mapOf(known.other_config)
  config.set('disable-in-band', 'true')
  if (wish.datapathId !== undefined) config.set('datapath-id', wish.datapathId)
  return {
    ...(wish.datapathType !== undefined && { datapath_type: wish.datapathType }),
    ...(wish.failMode !== undefined && { fail_mode: wish.failMode }),
    ...(wish.protocols && { protocols: ['set', [...wish.protocols].sort()] }),
    other_config: ['map', [...config]],
  }
}

const insertPort = (bridge: string, wish: PortWish): Operation[] => [
  {
    op: 'insert',
    table: 'Interface',
    'uuid-name': 'interface',
    row: { name: wish.name, ...interfaceRow(wish) },
  },
  {
    op: 'insert',
    table: 'Port',
    'uuid-name': 'port',
    row: { name: wish.name, interfaces: ['named-uuid', 'interface'], external_ids: ours },
  },
  {
    op: 'mutate',
    table: 'Bridge',
    where: byName(bridge),
    mutations: [['ports', 'insert', ['named-uuid', 'port']]],
  },
]

const interfaceRow = (wish: PortWish): Row => ({
  ...(wish.type !== undefined && { type: wish.type }),
  ...(wish.options && { options: ['map', Object.entries(wish.options)] }),
  ...(wish.number !== undefined && { ofport_request: wish.number }),
})

/** The members of `wanted` that differ from what is there. */
const changed = (known: Row, wanted: Row): Row =>
  Object.fromEntries(
    Object.entries(wanted).filter(
      ([column, value]) => canonical(known[column]) !== canonical(value),
    ),
  )

const canonical = (value: Value | undefined): string => {
  if (!Array.isArray(value)) return JSON.stringify(value ?? null)
  const [kind, members] = value as readonly [string, readonly unknown[]]
  if (kind !== 'set' && kind !== 'map') return JSON.stringify(value)
  const texts = members.map(member => JSON.stringify(member)).sort()
  // A set of one is the same as the one.
  return kind === 'set' && texts.length === 1 ? texts[0]! : `${kind} ${texts.join()}`
}

const setOf = (value: Value | undefined): readonly Value[] => {
  if (value === undefined) return []
  return Array.isArray(value) && value[0] === 'set' ? (value[1] as readonly Value[]) : [value]
}

const mapOf = (value: Value | undefined): Map<string, string> =>
  new Map(
    Array.isArray(value) && value[0] === 'map'
      ? (value[1] as readonly (readonly [Value, Value])[]).map(([key, each]) => [
          String(key),
          String(each),
        ])
      : [],
  )
