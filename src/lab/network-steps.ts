/** Steps about the network: who moves, who lies, who shares the load, what is declared and in force. */
import { type Dpid, type Ip, ipNumber, type Mac, macNumber } from '../base/addresses.js'
import { buildFrame } from '../pipeline/build.js'
import { etherTypes, type Fields } from '../pipeline/packet.js'
import type { ControllerProcess } from './controller-process.js'
import { sleep } from './shell.js'
import {
  endOf,
  type HostSpec,
  hostNamed,
  type LabSpec,
  type ObjectSpec,
  type Step,
} from './spec.js'
import type { Stage } from './stage.js'
import { until } from './until.js'

/** What a step needs of the story that it is part of. */
export interface Telling {
  readonly spec: LabSpec
  readonly stage: Stage
  readonly controller: ControllerProcess
  judge(name: string, expected: string, look: () => Promise<string>): Promise<void>
}

type Of<K extends string> = Extract<Step, Record<K, unknown>>[K]

interface Items<T> {
  readonly items: readonly T[]
}

interface HostItem {
  readonly mac: string
  readonly switch: string
  readonly port: number
}

/** `s1:2`, or `nowhere`. */
const placeOf = async ({ controller }: Telling, { mac }: HostSpec): Promise<string> => {
  const { items } = await controller.get<Items<HostItem>>('/api/v1/hosts')
  const found = items.find(each => each.mac === mac)
  return found ? `${found.switch}:${found.port}` : 'nowhere'
}

export const move = async (telling: Telling, { host, to }: Of<'move'>): Promise<void> => {
  const { spec, stage } = telling
  const other = spec.hosts.find(each => each.name !== host && each.vlan === undefined)!.name
  await telling.judge(`${host} is unplugged and plugged in at ${to}`, to, async () => {
    await stage.move(host)
    const look = async () => {
      // A host that moves speaks sooner or later; the network believes it when its old place is silent.
      await stage.attempt(host, other, 'icmp', 0)
      return placeOf(telling, hostNamed(spec, host))
    }
    return until(look, seen => seen === to, 15_000)
  })
}

export const spoof = async (telling: Telling, { from, as, claims }: Of<'spoof'>): Promise<void> => {
  const { spec, stage, controller } = telling
  const [liar, victim] = [hostNamed(spec, from), hostNamed(spec, as)]
  for (const claim of claims) {
    const since = await latest(controller)
    const at = `${victim.at.name}:${victim.at.port}`
    await telling.judge(`${from} ${claimed[claim]} ${as}: it stays where it is`, at, async () => {
      for (let times = 0; times < 5; times++) {
        await stage.sendFrames(from, framesOf(claim, liar, victim))
        await sleep(100)
      }
      await sleep(1_500)
      return placeOf(telling, victim)
    })
    await telling.judge('and it is told', 'told', async () =>
      until(
        async () => ((await toldSince(controller, since, liar)) ? 'told' : 'not a word'),
        seen => seen === 'told',
        5_000,
      ),
    )
  }
}

const claimed = {
  arp: 'says by ARP that it has the address of',
  ip: 'sends packets with the address of',
  mac: 'sends frames with the MAC of',
} as const

/** The number of the newest event. */
const latest = async (controller: ControllerProcess): Promise<number> => {
  let since = 0
  for (;;) {
    const { items } = await controller.get<Items<{ sequence: number }>>(
      `/api/v1/events?since=${since}`,
    )
    const end = items.at(-1)?.sequence
    if (end === undefined || end === since) return since
    since = end
  }
}

/** Whether somebody was refused at the liar's port. */
const toldSince = async (
  controller: ControllerProcess,
  since: number,
  liar: HostSpec,
): Promise<boolean> => {
  const { items } = await controller.get<Items<{ kind: string; dpid?: Dpid; port?: number }>>(
    `/api/v1/events?since=${since}`,
  )
  return items.some(each => each.kind === 'host-refused' && each.port === liar.at.port)
}

const broadcast = 0xffffffffffff

const framesOf = (claim: Of<'spoof'>['claims'][number], liar: HostSpec, victim: HostSpec) => {
  const ip = (host: HostSpec) => ipNumber(host.ips[0]!.split('/')[0] as Ip)
  const [own, other] = [macNumber(liar.mac as Mac), macNumber(victim.mac as Mac)]
  const announcement = (mac: number): Fields => ({
    eth_src: mac,
    eth_dst: broadcast,
    eth_type: etherTypes.arp,
    arp_op: 2,
    arp_sha: mac,
    arp_spa: ip(victim),
    arp_tha: broadcast,
    arp_tpa: ip(victim),
  })
  if (claim === 'arp') return [buildFrame(announcement(own))]
  if (claim === 'mac') return [buildFrame(announcement(other))]
  const packet: Fields = {
    eth_src: own,
    eth_dst: broadcast,
    eth_type: etherTypes.ipv4,
    ip_src: ip(victim),
    ip_dst: 0xffffffff,
    ip_proto: 17,
    udp_src: 1_234,
    udp_dst: 1_234,
  }
  return [buildFrame(packet, new TextEncoder().encode('sluice'))]
}

export const spread = async (telling: Telling, step: Of<'spread'>): Promise<void> => {
  const { from, to, port, flows, over, percent } = step
  const { stage } = telling
  const before = await carriedBy(telling, over)
  await telling.judge(
    `${flows} connections from ${from} to ${to}`,
    `${flows} answered`,
    async () => {
      const back = await stage.flows(from, to, port, flows)
      return `${back} answered`
    },
  )
  const after = await carriedBy(telling, over)
  const carried = over.map((_, index) => after[index]! - before[index]!)
  const even = carried.reduce((sum, each) => sum + each, 0) / over.length
  const farthest = Math.max(...carried.map(each => (Math.abs(each - even) / even) * 100))
  const shares = over.map((name, index) => `${name} ${carried[index]}`).join(', ')
  await telling.judge(
    `they share the load within ${percent} % of even: ${shares}`,
    'yes',
    async () =>
      even >= flows / over.length && farthest <= percent ? 'yes' : `${farthest.toFixed(1)} % off`,
  )
}

/** Packets for known hosts that switches have passed on, as they count them. */
const carriedBy = async ({ controller }: Telling, names: readonly string[]): Promise<number[]> => {
  // Open vSwitch counts what its caches have carried a moment later.
  await sleep(1_500)
  return Promise.all(
    names.map(async name => {
      const { items } = await controller.get<Items<{ table: string; packets: number }>>(
        `/api/v1/flows?name=${name}`,
      )
      return items
        .filter(flow => flow.table === 'forward')
        .reduce((sum, flow) => sum + flow.packets, 0)
    }),
  )
}

export const pings = async (
  telling: Telling,
  { from, to, count, intervalMillis, lost, during }: Of<'pings'>,
): Promise<void> => {
  const what = during ? ` while the link ${during.between.join(' - ')} goes ${during.is}` : ''
  const name = `${count} pings every ${intervalMillis} ms${what}, at most ${lost} lost`
  await telling.judge(name, 'yes', async () => {
    const pinging = telling.stage.ping(from, to, count, intervalMillis)
    if (during) {
      await sleep((count * intervalMillis) / 2)
      const [a, b] = during.between.map(endOf)
      await telling.stage.setLink({ a: a!, b: b! }, during.is === 'up')
    }
    const { sent, received } = await pinging
    return sent === count && sent - received <= lost ? 'yes' : `${sent - received} of ${sent} lost`
  })
}

interface ObjectItem {
  readonly status: {
    readonly state: string
    readonly reason?: string
    readonly path?: readonly string[]
  }
}

/** Declares objects; what becomes of them is another step. */
export const declare = async (
  { controller }: Telling,
  objects: readonly ObjectSpec[],
): Promise<void> => {
  if (objects.length > 0) await controller.send('POST', '/api/v1/objects', { objects })
}

/** Declares the objects of the network itself, and waits until all are in force. */
export const declareAll = async (telling: Telling): Promise<void> => {
  const { objects } = telling.spec
  if (objects.length === 0) return
  await declare(telling, objects)
  const statesOf = () =>
    Promise.all(
      objects.map(async ({ kind, name }) => {
        const path = `/api/v1/objects/${kind.toLowerCase()}/${name}`
        const { status } = await telling.controller.get<ObjectItem>(path)
        return status.state === 'installed' ? undefined : `${kind} ${name} is ${status.state}`
      }),
    )
  const name = `what is declared is in force: ${objects.length} objects`
  await telling.judge(name, 'yes', () =>
    until(
      async () => (await statesOf()).find(each => each !== undefined) ?? 'yes',
      seen => seen === 'yes',
      10_000,
    ),
  )
}

export const objectIs = async (
  { controller, judge }: Telling,
  { kind, name, is, path }: Of<'object'>,
): Promise<void> => {
  const way = path ? ` by ${path.join(', ')}` : ''
  await judge(`${kind} ${name}`, `${is}${way}`, () =>
    until(
      async () => {
        const { status } = await controller.get<ObjectItem>(
          `/api/v1/objects/${kind.toLowerCase()}/${name}`,
        )
        const seen = path ? ` by ${(status.path ?? []).join(', ')}` : ''
        const why = status.state === is || status.reason === undefined ? '' : ` (${status.reason})`
        return `${status.state}${why}${seen}`
      },
      seen => seen === `${is}${way}`,
      10_000,
    ),
  )
}

interface NetworkObject {
  readonly access?: readonly string[]
  readonly trunk?: readonly { readonly port: string; readonly vlan: number }[]
}

/** The declared network that a host is in, as a Host object says it. */
export const networkOf = ({ objects }: LabSpec, { at, vlan }: HostSpec): { network?: string } => {
  const port = `${at.name}:${at.port}`
  const found = objects.find(({ kind, spec }) => {
    const { access = [], trunk = [] } = spec as NetworkObject
    const isTagged = trunk.some(each => each.port === port && each.vlan === vlan)
    return kind === 'Network' && (isTagged || (vlan === undefined && access.includes(port)))
  })
  return found ? { network: found.name } : {}
}
