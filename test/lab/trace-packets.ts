/**
 * What `sluice trace` says beside what packets do: random packets of random senders in a ring of three switches with
 * networks by ports and by tags, routers of somebody else and of ours, and rows and groups of somebody else, or in a network
 * with an unmanaged switch in its middle, under random rules; some are datagrams in pieces, and one host is a switch's own machine. Every packet is asked about, sent, and looked for at every host: it must arrive where trace says, and nowhere else.
 */

import type { Env } from '../../src/base/env/env.js'
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import type { HostSpec } from '../../src/lab/lab-spec.js'
import { withLab } from '../../src/lab/main.js'
import { sh, sleep } from '../../src/lab/shell.js'
import type { NetnsStage } from '../../src/lab/stages/netns.js'
import { SimStage } from '../../src/lab/stages/sim.js'
import {
  allTables,
  decode,
  encode,
  type Message,
  parseFlowMod,
  parseGroupMod,
} from '../../src/openflow/index.js'
import { until } from '../until.js'
import { frameOf, icmp, other, type Payload, packetOf, tcp, udp } from './against-linux/frames.js'
import { RawHost } from './against-linux/raw.js'
import { type Dice, dice, pick } from './against-linux/rules.js'
import { localHost, networkOf, ring, routed, type Scene, segment } from './trace-scenes.js'
import { hostsNamed, putBridge, putSimulated } from './unmanaged.js'

export const scenes: Readonly<Record<string, Scene>> = { ring, segment, routed }

interface Place {
  readonly switch: string
  readonly port: number
  readonly host?: string
}

interface Answer {
  readonly verdict: 'delivered' | 'dropped' | 'rejected' | 'not-delivered' | 'unknown'
  readonly because: string
  readonly notes: readonly string[]
  readonly deliveredTo: readonly Place[]
  readonly verified?: {
    readonly unasked: readonly unknown[]
    readonly mismatches: readonly unknown[]
  }
}

/** A network, however it is made. */
interface World {
  send(host: string, frame: string): void
  /** Hosts that have got the packet. */
  seen(version: 4 | 6, id: number): readonly string[]
  /** Forgets connections, where those of the packets before could be taken for this one. */
  forget(): void
  addForeign(rows: readonly ForeignRow[]): Promise<void>
  removeForeign(): Promise<void>
  close(): Promise<void>
}

interface ForeignRow {
  readonly at: string
  readonly flow?: string
  readonly group?: string
}

const switches = ['s1', 's2', 's3']
const foreignCookie = '0x77'
const foreignGroups = [7, 8, 9, 10, 11]

const foreignRows = (roll: Dice, hosts: readonly HostSpec[], hasNormal: boolean): ForeignRow[] => {
  const host = () => pick(roll, hosts)
  const count = roll(5)
  return Array.from({ length: count }, (_, index): ForeignRow[] => {
    const at = pick(roll, switches)
    const [inPort, outPort] = [1 + roll(3), 1 + roll(3)]
    const row = (table: number, match: string, actions: string): ForeignRow => ({
      at,
      flow: `cookie=${foreignCookie},table=${table},priority=${65_000 - index},${match},actions=${actions}`,
    })
    const group = foreignGroups[index]!
    const kinds: (() => ForeignRow[])[] = [
      () => [row(0, pick(roll, ['icmp', 'icmp6', 'udp', 'tcp,tp_dst=80']), 'drop')],
      () => [row(0, `in_port=${inPort},udp,tp_dst=53`, `output:${outPort}`)],
      () => [row(50, 'tcp,tp_dst=22', 'goto_table:60')],
      () => [row(30, 'tcp,tp_dst=8080', 'goto_table:90')],
      () => [row(90, `ip,nw_dst=${addressOf(host())}`, `output:${outPort}`)],
      () => [
        row(90, 'udp,tp_dst=123', `push_vlan:0x8100,set_field:4173->vlan_vid,output:${outPort}`),
      ],
      () => [row(0, 'udp,tp_dst=5353', `set_field:${host().mac}->eth_dst,goto_table:5`)],
      () => {
        const [a, b] = [host().mac, host().mac]
        return a === b
          ? []
          : [row(90, `tcp,tp_dst=25,dl_dst=${a}`, `set_field:${b}->eth_dst,resubmit(,90)`)]
      },
      () => [
        { at, group: `group_id=${group},type=all,bucket=output:1,bucket=output:${outPort}` },
        row(90, 'tcp,tp_dst=443', `group:${group}`),
      ],
      () => (hasNormal ? [row(90, 'udp,tp_dst=69', 'NORMAL')] : []),
    ]
    return pick(roll, kinds)()
  }).flat()
}

const randomRules = (roll: Dice): string => {
  const places = [
    'any',
    'any',
    '10.10.0.0/16',
    '10.20.0.1',
    '10.0.0.0/24',
    '10.0.0.0/8 except 10.20.0.2',
    'fd00::/64',
    'host ben',
    'network lab',
    '224.0.0.0/4',
  ]
  const services = [
    'any',
    'tcp 80',
    'tcp 1-1023',
    'udp 53, udp 5353',
    'udp 1-65535',
    'icmp',
    'icmp6',
    'tcp 443, udp 443',
    'proto gre',
  ]
  const rules = Array.from({ length: roll(25) }, (_, index) => {
    const verb = pick(roll, ['allow', 'allow', 'drop', 'reject'])
    return `r${index}: ${verb} ${pick(roll, services)} from ${pick(roll, places)} to ${pick(roll, places)}`
  })
  return `default ${pick(roll, ['drop', 'allow', 'allow'])}\n${rules.join('\n')}\n`
}

const addressOf = ({ ips }: HostSpec, version: 4 | 6 = 4): string =>
  ips.map(ip => ip.split('/')[0]!).find(ip => ip.includes(':') === (version === 6))!

const hasAddress = (host: HostSpec, version: 4 | 6): boolean =>
  host.ips.some(ip => ip.includes(':') === (version === 6))

/** A packet, and how one asks about it. */
interface Case {
  readonly question: Readonly<Record<string, unknown>>
  readonly sender: string
  readonly version: 4 | 6
  readonly kind: string
  /** None where the sender asks in vain for a neighbour, and sends nothing; several where it is in pieces. */
  frames(id: number): readonly string[]
  /** The same question, where addresses of it are known no more: a row of somebody else has kept an answer from us. */
  readonly asFrame: Readonly<Record<string, unknown>> | undefined
  /** Addresses that the question speaks of. */
  readonly speaksOf: readonly string[]
}

const caseOf = (roll: Dice, scene: Scene, number: number, hasPieces: boolean): Case => {
  const { spec, unmanaged } = scene
  const { hosts } = spec
  const version = roll(4) === 0 ? 6 : 4
  const able = hosts.filter(host => hasAddress(host, version))
  const from = pick(roll, able)
  const isBehind = unmanaged.includes(from.name)
  const one = packet(roll, number, version)
  const goal = goalOf(roll, from, able, scene, version)
  const isInPieces = hasPieces && !goal.asFrame && goal.kind !== 'group' && roll(8) === 0
  const { service, payload } = isInPieces ? datagram(number) : one
  const bytes = (id: number, piece?: Piece) =>
    packetOf(
      {
        from: placeOf(from, version),
        to: { ...placeOf(from, version), [`ip${version}`]: goal.address },
        payload,
        ...(piece && { piece }),
      },
      version,
      id,
    )
  const { mac } = goal
  const frames = (id: number) =>
    mac === undefined
      ? []
      : (isInPieces ? pieces : [undefined]).map(piece =>
          tagged(frameOf(bytes(id, piece), from.mac, mac), goal.tag ?? from.vlan),
        )
  const [frame] = frames(0)
  const inFrame =
    frame === undefined ? undefined : { frame, ...(!isBehind && { at: portText(from) }) }
  const names = [addressOf(from, version), from.mac.toUpperCase()]
  const named = {
    // Nobody has named a switch's own machine.
    from: pick(roll, from.at.port === localPort ? names : [from.name, ...names]),
    to: goal.address,
    service,
    ...(goal.via && { via: goal.via }),
  }
  return {
    question: (goal.asFrame && inFrame) || named,
    asFrame: inFrame,
    speaksOf: [addressOf(from, version), goal.address],
    sender: from.name,
    version,
    kind: isInPieces ? `${goal.kind}, in pieces` : goal.kind,
    frames,
  }
}

type Piece = readonly [offset: number, length: number, more: boolean]

/** Open vSwitch takes first pieces of 1,280 octets and more. */
const pieces: readonly Piece[] = [
  [0, 1_280, true],
  [1_280, 408, false],
]

/** To a port that no row of somebody else speaks of: of later pieces a switch does not know it. */
const datagram = (number: number) => {
  const [source, port] = [1_024 + (number % 60_000), 7_000 + (number % 50)] as const
  return { service: `udp ${port} source ${source}`, payload: udp([source, port], 1_680) }
}

const portText = ({ at }: HostSpec): string =>
  `${at.name}:${at.port === localPort ? 'LOCAL' : at.port}`

const localPort = 0xfffffffe

/** Where a packet goes: what the sender would put into its frame. */
interface Goal {
  readonly kind: string
  readonly address: string
  /** Absent: nobody answers the sender's question for the address, and it sends nothing. */
  readonly mac: string | undefined
  readonly via?: string
  readonly asFrame?: boolean
  readonly tag?: number
}

const goalOf = (
  roll: Dice,
  from: HostSpec,
  able: readonly HostSpec[],
  { gateways, near = {} }: Scene,
  version: 4 | 6,
): Goal => {
  const to = pick(
    roll,
    able.filter(host => host !== from),
  )
  const network = networkOf[from.name]!
  // A host that is a router itself has nobody to ask.
  const gateway = gateways[version][network]
  const far = from.mac === gateway ? undefined : gateway
  const known = (): Goal => {
    const isNear = networkOf[to.name] === network
    const mac = isNear ? to.mac : far
    return { kind: isNear ? 'known' : 'other network', address: addressOf(to, version), mac }
  }
  const kinds: (() => Goal)[] = [
    known,
    known,
    known,
    () => ({
      ...known(),
      kind: 'frame',
      mac: pick(roll, [to.mac, to.mac, '02:00:00:00:99:99']),
      asFrame: true,
    }),
    () => ({
      ...known(),
      kind: 'tag',
      mac: to.mac,
      asFrame: true,
      tag: pick(roll, [0, 10, 20, 200]),
    }),
    () => {
      const address = pick(
        roll,
        version === 4 ? ['10.99.0.7', '203.0.113.9', '10.0.0.77'] : ['fd00::77', '2001:db8::1'],
      )
      const isNear = near[network] !== undefined && address.startsWith(near[network])
      return { kind: 'unknown', address, mac: isNear ? undefined : far }
    },
    () => {
      const group = pick(
        roll,
        version === 4
          ? ([
              '239.1.1.1 01:00:5e:01:01:01',
              '224.0.0.251 01:00:5e:00:00:fb',
              '239.129.2.3 01:00:5e:01:02:03',
              '255.255.255.255 ff:ff:ff:ff:ff:ff',
            ] as const)
          : (['ff02::fb 33:33:00:00:00:fb', 'ff05::1:3 33:33:00:01:00:03'] as const),
      )
      const [address = '', mac = ''] = group.split(' ')
      return { kind: 'group', address, mac }
    },
    () =>
      version === 4 && network === 'staff'
        ? { kind: 'subnet', address: '10.10.255.255', mac: 'ff:ff:ff:ff:ff:ff' }
        : known(),
    () => {
      const near = able.filter(host => host !== from && networkOf[host.name] === network)
      const via = near.length > 0 ? pick(roll, near) : to
      return {
        kind: 'via',
        address: version === 4 ? '198.51.100.4' : '2001:db8::4',
        mac: via.mac,
        via: via.at.port === localPort ? via.mac : via.name,
      }
    },
  ]
  return pick(roll, kinds)()
}

const packet = (
  roll: Dice,
  number: number,
  version: 4 | 6,
): { service: string; payload: Payload } => {
  const source = 1_024 + (number % 60_000)
  const port = pick(roll, [22, 25, 53, 69, 80, 123, 443, 5353, 8080, 1 + roll(65_535)])
  const kinds = [
    () => ({
      service: `tcp ${port} source ${source}`,
      payload: tcp([source, port], 'S', number, 0),
    }),
    () => ({ service: `udp ${port} source ${source}`, payload: udp([source, port]) }),
    () => ({
      service: pick(roll, ['icmp', 'icmp echo-request']),
      payload: icmp(version, version === 4 ? 8 : 128, 0, (number & 0xffff) << 16, Buffer.alloc(8)),
    }),
  ]
  if (roll(12) === 0) return { service: 'proto gre', payload: other(47) }
  return pick(roll, kinds)()
}

const placeOf = (host: HostSpec, version: 4 | 6) => ({
  name: host.name,
  mac: host.mac,
  switch: host.at.name,
  ip4: version === 4 ? addressOf(host, 4) : '0.0.0.0',
  ip6: version === 6 ? addressOf(host, 6) : '::',
})

const announcement = (host: HostSpec): string => {
  const { mac } = host
  const from = placeOf(host, 6)
  const target = packetOf({ from, to: from, payload: other(0) }, 6, 1).subarray(8, 24)
  const option = Buffer.from(`0201${mac.replaceAll(':', '')}`, 'hex')
  const payload = icmp(6, 136, 0, 0x20000000, Buffer.concat([target, option]))
  const bytes = packetOf({ from, to: { ...from, ip6: 'ff02::1' }, payload }, 6, 1)
  // A hop limit of 255 proves that it comes from the same link.
  bytes[7] = 255
  return frameOf(bytes, mac, '33:33:00:00:00:01')
}

const tagged = (frame: string, vlan: number | undefined): string =>
  vlan === undefined
    ? frame
    : `${frame.slice(0, 24)}8100${vlan.toString(16).padStart(4, '0')}${frame.slice(24)}`

class SimWorld implements World {
  readonly #stage: SimStage
  readonly #hosts: readonly HostSpec[]
  readonly #seen = new Map<string, Set<string>>()
  /** Sends what hosts on an unmanaged switch say. */
  readonly #behind: ReturnType<typeof putSimulated>
  readonly #unmanaged: readonly string[]

  constructor(env: Env, stage: SimStage, { spec, unmanaged }: Scene) {
    this.#stage = stage
    this.#hosts = spec.hosts
    this.#unmanaged = unmanaged
    for (const [name, host] of stage.network.hosts) {
      const receive = host.receive.bind(host)
      host.receive = frame => {
        const id = idOf(frame)
        if (id === undefined) return receive(frame)
        if (unmanaged.includes(name) && hasForeignTag(frame)) return
        this.#seen.set(id, (this.#seen.get(id) ?? new Set()).add(name))
      }
    }
    this.#behind = putSimulated(env, stage, hostsNamed(spec, unmanaged))
  }

  send(host: string, frame: string): void {
    const bytes = Buffer.from(frame, 'hex')
    if (this.#unmanaged.includes(host)) return this.#behind(host, bytes)
    const { at } = this.#hosts.find(({ name }) => name === host)!
    this.#stage.network.switch(at.name).receive(at.port, bytes)
  }

  seen(version: 4 | 6, id: number): readonly string[] {
    return [...(this.#seen.get(`${version} ${id}`) ?? [])]
  }

  forget(): void {
    for (const one of this.#stage.network.switches.values()) one.datapath.conntrack.flush()
  }

  async addForeign(rows: readonly ForeignRow[]): Promise<void> {
    for (const { at, flow, group } of rows) {
      if (group) this.#tell(at, parseGroupMod(group))
      if (flow) this.#tell(at, parseFlowMod(flow))
    }
  }

  async removeForeign(): Promise<void> {
    const cookie = BigInt(foreignCookie)
    const ofOthers = {
      command: 'delete',
      tableId: allTables,
      cookie,
      cookieMask: 2n ** 64n - 1n,
    } as const
    for (const name of switches) {
      this.#tell(name, { kind: 'flow-mod', ...ofOthers })
      for (const id of foreignGroups)
        this.#tell(name, {
          kind: 'group-mod',
          command: 'delete',
          type: 'all',
          groupId: id,
          buckets: [],
        })
    }
  }

  /** As it would come over a connection of somebody else. */
  #tell(name: string, message: Message): void {
    const received = decode(encode(message, 1))
    if (received.kind !== 'flow-mod' && received.kind !== 'group-mod')
      throw new TypeError('no change')
    this.#stage.network.switch(name).datapath.apply(received).keep()
  }

  async close(): Promise<void> {
    // The lab takes it down.
  }
}

/** A host without VLANs takes none but 0, which is a priority. */
const hasForeignTag = (frame: Uint8Array): boolean =>
  frame[12] === 0x81 && frame[13] === 0 && ((frame[14]! & 15) << 8) + frame[15]! > 0

/** Version and identification of our own packets; a host's own have none of these. */
const idOf = (frame: Uint8Array): string | undefined => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const at = view.getUint16(12) === 0x8100 ? 18 : 14
  const type = view.getUint16(at - 2)
  const isOurs = [0x0800, 0x86dd].includes(type) && frame.length >= at + 20
  if (!isOurs) return undefined
  const id = type === 0x0800 ? view.getUint16(at + 4) : view.getUint32(at) & 0xfffff
  return id < firstId ? undefined : `${type === 0x0800 ? 4 : 6} ${id}`
}

class NetnsWorld implements World {
  readonly #stage: NetnsStage
  readonly #scene: Scene
  readonly #hosts = new Map<string, RawHost>()
  #unplug: () => Promise<void> = async () => undefined

  constructor(stage: NetnsStage, scene: Scene) {
    this.#stage = stage
    this.#scene = scene
  }

  async open(): Promise<void> {
    const { spec, unmanaged } = this.#scene
    if (unmanaged.length > 0)
      this.#unplug = await putBridge(this.#stage, hostsNamed(spec, unmanaged))
    for (const { name } of spec.hosts) {
      // Their kernels answer for their addresses, and may answer what arrives: with identifications of their own.
      const host = new RawHost(this.#stage.enter(name), { isUntagged: unmanaged.includes(name) })
      this.#hosts.set(name, host)
      await host.ready
    }
  }

  /** A switch's own machine takes part, by the port that every switch has for it. */
  async addLocal(at: string): Promise<HostSpec> {
    const namespace = this.#stage.rig.switchNamespace(at)
    const inside = ['netns', 'exec', namespace]
    const address = await sh('ip', ...inside, 'cat', `/sys/class/net/${at}/address`)
    const host = localHost(at, address.trim())
    await sh('ip', '-n', namespace, 'link', 'set', at, 'up')
    for (const each of host.ips)
      await sh('ip', ...`-n ${namespace} addr add ${each} dev ${at}`.split(' '))
    const raw = new RawHost(['ip', ...inside], { device: at })
    this.#hosts.set(host.name, raw)
    await raw.ready
    return host
  }

  send(host: string, frame: string): void {
    this.#hosts.get(host)!.send(frame)
  }

  seen(version: 4 | 6, id: number): readonly string[] {
    return [...this.#hosts].filter(([, host]) => host.hasSeen(version, id)).map(([name]) => name)
  }

  forget(): void {
    // Real connections have ports and identifications of their own.
  }

  async addForeign(rows: readonly ForeignRow[]): Promise<void> {
    for (const { at, flow, group } of rows) {
      if (group) await this.#stage.rig.ofctl(at, 'add-group', group)
      if (flow) await this.#stage.rig.ofctl(at, 'add-flow', flow)
    }
  }

  async removeForeign(): Promise<void> {
    for (const name of switches) {
      await this.#stage.rig.ofctl(name, 'del-flows', `cookie=${foreignCookie}/-1`)
      for (const id of foreignGroups)
        await this.#stage.rig.ofctl(name, 'del-groups', `group_id=${id}`)
    }
  }

  async close(): Promise<void> {
    for (const host of this.#hosts.values()) await host.stop()
    await this.#unplug()
  }
}

export interface PacketComparison {
  readonly asked: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly kinds: Readonly<Record<string, number>>
  /** Copies that arrived. */
  readonly copies: number
  /** Packets of which trace does not say what becomes of them. */
  readonly unknown: number
  readonly deviations: readonly string[]
}

/** Identifications of ours: a kernel that only just woke up has lower ones. */
const firstId = 20_000
const atOnce = 25

/** @param rounds rule sets with rows of others, each with `count` packets */
export const comparePackets = async (
  env: Env,
  stageName: 'sim' | 'netns',
  seed: number,
  rounds: number,
  count: number,
  scene = ring,
): Promise<PacketComparison> => {
  const silent = { say: () => undefined, assertion: () => undefined }
  const never = new AbortController().signal
  const lab = { spec: scene.spec, rules: 'default allow\n', folder: '.' }
  return withLab(env, lab, stageName, silent, never, async ({ run, controller, stage }) => {
    await run.up()
    const world =
      stage instanceof SimStage
        ? new SimWorld(env, stage, scene)
        : new NetnsWorld(stage as NetnsStage, scene)
    try {
      const hosts = [...scene.spec.hosts]
      if (world instanceof NetnsWorld) {
        await world.open()
        hosts.push(await world.addLocal('s2'))
      }
      const whole = { ...scene, spec: { ...scene.spec, hosts } }
      const story = new Story(controller, world, whole, stageName === 'netns', dice(seed))
      await story.meet()
      return await story.tell(rounds, count)
    } finally {
      await world.close()
    }
  })
}

class Story {
  readonly #controller: ControllerProcess
  readonly #world: World
  readonly #scene: Scene
  readonly #hosts: readonly HostSpec[]
  readonly #isReal: boolean
  readonly #roll: Dice
  readonly #verdicts: Record<string, number> = {}
  readonly #kinds: Record<string, number> = {}
  readonly #deviations: string[] = []
  #copies = 0
  #number = 0
  #id = 0

  constructor(
    controller: ControllerProcess,
    world: World,
    scene: Scene,
    isReal: boolean,
    roll: Dice,
  ) {
    this.#controller = controller
    this.#world = world
    this.#scene = scene
    this.#hosts = scene.spec.hosts
    this.#isReal = isReal
    this.#roll = roll
  }

  /** Until every address is known: they are announced, RFC 5227 section 3 and RFC 4861 section 7.2.6. */
  async meet(): Promise<void> {
    const isJoined = this.#number === 0 && this.#scene.unmanaged.length > 0
    if (isJoined) await this.#joined()
    const wanted = this.#hosts.flatMap(({ ips }) => ips).length
    for (let tries = 0; tries < 50; tries++) {
      const { items } = await this.#controller.get<{ items: { ips: string[] }[] }>('/api/v1/hosts')
      const known = items.flatMap(({ ips }) => ips.filter(ip => !ip.startsWith('fe80')))
      // The tree takes a moment; then the unmanaged switch has heard of all of them, too.
      if (known.length >= wanted && tries >= (isJoined ? 10 : 0)) return
      for (const host of this.#hosts) {
        if (hasAddress(host, 6)) this.#world.send(host.name, announcement(host))
        this.#world.send(host.name, tagged(arpAnnouncement(host), host.vlan))
      }
      await sleep(200)
    }
    throw new Error('not every address has become known')
  }

  /** The unmanaged switch is found to join two of ours. */
  async #joined(): Promise<void> {
    await until(async () => {
      const { items } = await this.#controller.get<{ items: { isForeign?: true }[] }>(
        '/api/v1/links',
      )
      return items.filter(({ isForeign }) => isForeign).length === 2
    })
  }

  async tell(rounds: number, count: number): Promise<PacketComparison> {
    for (let round = 0; round < rounds; round++) {
      await this.meet()
      const source = randomRules(this.#roll)
      await this.#controller.send('PUT', '/api/v1/policies/trace?wait=installed', { source })
      // What NORMAL sends to the unmanaged switch without a tag makes hosts of other networks known there.
      const hasNormal = this.#isReal && this.#scene.unmanaged.length === 0
      const rows = foreignRows(this.#roll, this.#hosts, hasNormal)
      await this.#world.addForeign(rows)
      for (let left = count; left > 0; left -= atOnce)
        await this.#batch(Math.min(left, atOnce), `${source}${JSON.stringify(rows)}`)
      await this.#world.removeForeign()
    }
    return {
      asked: this.#number,
      verdicts: this.#verdicts,
      kinds: this.#kinds,
      copies: this.#copies,
      unknown: this.#verdicts.unknown ?? 0,
      deviations: this.#deviations,
    }
  }

  async #batch(count: number, context: string): Promise<void> {
    let cases = Array.from({ length: count }, () =>
      caseOf(this.#roll, this.#scene, this.#number++, this.#isReal),
    )
    for (const { kind } of cases) this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1
    // A machine that is busy loses packets: what differs is asked and sent again.
    for (let tries = 0; cases.length > 0; tries++) {
      const told = await this.#tell(cases)
      const differing = told.filter(({ isSame }) => !isSame)
      for (const { answer, isSame, seen } of told) {
        if (!isSame && tries < 2) continue
        this.#verdicts[answer.verdict] = (this.#verdicts[answer.verdict] ?? 0) + 1
        this.#copies += seen.length
      }
      if (tries === 2)
        for (const { one, answer, seen } of differing)
          this.#deviations.push(
            `${one.kind} ${JSON.stringify(one.question)}: trace ${answer.verdict} (${answer.because}) at ${this.#expectedOf(answer, one.sender).join()}, seen at ${seen.join()} ${JSON.stringify(answer.verified?.mismatches ?? [])}\n${context}`,
          )
      if (tries === 2) return
      cases = differing.map(({ one }) => one)
    }
  }

  async #tell(cases: readonly Case[]) {
    const told: { one: Case; answer: Answer; seen: readonly string[]; isSame: boolean }[] = []
    const sent: { one: Case; answer: Answer; id: number }[] = []
    const isLost = await this.#lost()
    for (const one of cases) {
      // Senders still know where to send: what they send is asked about as it is.
      const question = (one.speaksOf.some(isLost) && one.asFrame) || one.question
      const answer = await this.#controller.send<Answer>('POST', '/api/v1/trace', {
        ...question,
        ...(this.#isReal && { verify: true }),
      })
      const id = firstId + (this.#id++ % 40_000)
      this.#world.forget()
      for (const frame of one.frames(id)) this.#world.send(one.sender, frame)
      // On simulated switches one after the other: their connections have no identifications.
      if (!this.#isReal) await sleep(3)
      sent.push({ one, answer, id })
    }
    await sleep(this.#isReal ? 300 : 20)
    for (const { one, answer, id } of sent) {
      const seen = this.#world.seen(one.version, id).toSorted()
      const isProven = (answer.verified?.mismatches ?? []).length === 0
      const isSame = isProven && (answer.verdict === 'unknown' || this.#isAsTold(answer, one, seen))
      told.push({ one, answer, seen, isSame })
    }
    return told
  }

  /** Whether an address is a host's that is not known any more: a row of somebody else may drop the answer to our question for it. */
  async #lost(): Promise<(ip: string) => boolean> {
    const { items } = await this.#controller.get<{ items: { ips: string[] }[] }>('/api/v1/hosts')
    const known = new Set(items.flatMap(({ ips }) => ips))
    const all = this.#hosts.flatMap(({ ips }) => ips.map(ip => ip.split('/')[0]!))
    return ip => all.includes(ip) && !known.has(ip)
  }

  /** Exactly the hosts that were told; at least those, where trace says that it does not know of another copy. */
  #isAsTold(answer: Answer, { sender, kind }: Case, seen: readonly string[]): boolean {
    const expected = this.#expectedOf(answer, sender)
    const { unmanaged } = this.#scene
    // A bridge that snoops keeps what is for a group from hosts on it that have not asked for it.
    const mayMiss = (name: string) => this.#isReal && kind === 'group' && unmanaged.includes(name)
    if (!expected.every(name => seen.includes(name) || mayMiss(name))) return false
    const hasMore = answer.notes.some(note => note.startsWith('of another copy: '))
    return hasMore || seen.every(name => expected.includes(name))
  }

  /** Hosts that should see it. */
  #expectedOf({ verdict, deliveredTo }: Answer, sender: string): readonly string[] {
    if (verdict !== 'delivered') return []
    return [...new Set(deliveredTo.flatMap(place => this.#hostsAt(place, sender)))].sort()
  }

  /** On an unmanaged switch all hear what is for nobody who is known there. */
  #hostsAt(place: Place, sender: string): readonly string[] {
    const { unmanaged } = this.#scene
    const there = this.#hosts.filter(({ at }) => at.name === place.switch && at.port === place.port)
    if (!there.some(({ name }) => unmanaged.includes(name)))
      return there.length > 0 ? there.map(({ name }) => name) : [`${place.switch}:${place.port}`]
    return place.host === undefined ? unmanaged.filter(name => name !== sender) : [place.host]
  }
}

const arpAnnouncement = (host: HostSpec): string => {
  const bare = host.mac.replaceAll(':', '')
  const ip = Buffer.from(addressOf(host).split('.').map(Number)).toString('hex')
  return `ffffffffffff${bare}08060001080006040001${bare}${ip}000000000000${ip}`
}
