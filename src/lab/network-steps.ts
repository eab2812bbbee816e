/** Steps about the network: who moves, who lies, who shares the load, what is declared and in force. */

import { type Dpid, type Ip, ipNumber, type Mac, macNumber } from '../base/addresses.js'
import { buildFrame } from '../pipeline/build.js'
import { etherTypes, type Fields } from '../pipeline/packet.js'
import type { ControllerProcess } from './controller-process.js'
import type { HostSpec, LabSpec, ObjectSpec } from './lab-spec.js'
import { sleep } from './shell.js'
import { echoPort, endOf, hostNamed } from './spec.js'
import type { Stage } from './stage.js'
import type { Step } from './steps.js'
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
  readonly ips: readonly string[]
  readonly switch: string
  readonly port: number
}

/**
 * Where a MAC or its address is believed to be: `s1:2`, or `nowhere`. When the address is believed to be somebody
 * else's, or there are two places, each is told: `s1:2 without 10.0.0.1, s3:1 as 02:00:00:00:01:07`.
 */
const placeOf = async ({ controller }: Telling, { mac, ips }: HostSpec): Promise<string> => {
  const ip = ips[0]!.split('/')[0]!
  const { items } = await controller.get<Items<HostItem>>('/api/v1/hosts')
  const places = items
    .filter(each => each.mac === mac || each.ips.includes(ip))
    .map(each => {
      const as = each.mac === mac ? '' : ` as ${each.mac}`
      return `${each.switch}:${each.port}${each.ips.includes(ip) ? '' : ` without ${ip}`}${as}`
    })
  return places.join(', ') || 'nowhere'
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

/**
 * Somebody lies, five times in half a second. Whom it lies about must stay where it is, nobody may get a datagram in
 * its name, and an event must tell at which port the lies came in. First the liar sends such datagrams in its own
 * name, which must arrive: else their absence would prove nothing.
 */
export const spoof = async (telling: Telling, { from, as, claims }: Of<'spoof'>): Promise<void> => {
  const { spec, stage, controller } = telling
  const [liar, victim] = [hostNamed(spec, from), hostNamed(spec, as)]
  const others = spec.hosts.filter(({ name }) => name !== from && name !== as)
  await telling.judge(`what ${from} sends in its own name arrives`, 'yes', async () => {
    await stage.sendFrames(from, datagrams(liar, liar, others))
    const look = async () => ((await heardFrom(telling, liar)) > 0 ? 'yes' : 'nobody had it')
    return until(look, seen => seen === 'yes', 3_000)
  })
  for (const claim of claims) {
    const since = await latest(controller)
    const expected = `${victim.at.name}:${victim.at.port}, and nothing came in its name`
    await telling.judge(`${from} ${claimed[claim]} ${as}: it stays`, expected, async () => {
      for (let times = 0; times < 5; times++) {
        await stage.sendFrames(from, lies(claim, liar, victim, others))
        await sleep(100)
      }
      await sleep(1_500)
      const came = await heardFrom(telling, victim)
      return `${await placeOf(telling, victim)}, and ${came || 'nothing'} came in its name`
    })
    await telling.judge('and it is told', 'told', async () =>
      until(
        async () => ((await toldSince(telling, since, liar)) ? 'told' : 'not a word'),
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

/** Where what `spoof` sends comes from; nobody else sends from there. */
const lyingPort = 1_234

/** Datagrams that hosts have had from an address, from the port that `spoof` alone uses. */
const heardFrom = async ({ spec, stage }: Telling, sender: HostSpec): Promise<number> => {
  const key = `udp ${sender.ips[0]!.split('/')[0]} ${lyingPort}`
  const heard = await Promise.all(spec.hosts.map(({ name }) => stage.heard(name)))
  return heard.reduce((sum, each) => sum + (each[key] ?? 0), 0)
}

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
  { controller, spec }: Telling,
  since: number,
  liar: HostSpec,
): Promise<boolean> => {
  const { items } = await controller.get<Items<{ kind: string; dpid?: Dpid; port?: number }>>(
    `/api/v1/events?since=${since}`,
  )
  const { dpid } = spec.switches.find(({ name }) => name === liar.at.name)!
  return items.some(
    each => each.kind === 'host-refused' && each.dpid === dpid && each.port === liar.at.port,
  )
}

const broadcast = 0xffffffffffff

const addressNumber = ({ ips }: HostSpec) => ipNumber(ips[0]!.split('/')[0] as Ip)

const lies = (
  claim: Of<'spoof'>['claims'][number],
  liar: HostSpec,
  victim: HostSpec,
  others: readonly HostSpec[],
): Uint8Array[] => {
  if (claim === 'arp') return [announcement(liar, victim)]
  if (claim === 'ip') return datagrams(liar, victim, others)
  return [announcement(victim, victim), ...datagrams(victim, victim, others)]
}

/** Says to everybody by ARP who has whose address. */
const announcement = (owner: HostSpec, of: HostSpec): Uint8Array => {
  const fields: Fields = {
    eth_src: macNumber(owner.mac as Mac),
    eth_dst: broadcast,
    eth_type: etherTypes.arp,
    arp_op: 2,
    arp_sha: macNumber(owner.mac as Mac),
    arp_spa: addressNumber(of),
    arp_tha: broadcast,
    arp_tpa: addressNumber(of),
  }
  return buildFrame(fields)
}

/** One to each, with the MAC of one host and the address of another. */
const datagrams = (mac: HostSpec, ip: HostSpec, to: readonly HostSpec[]): Uint8Array[] =>
  to.map(receiver => {
    const fields: Fields = {
      eth_src: macNumber(mac.mac as Mac),
      eth_dst: macNumber(receiver.mac as Mac),
      eth_type: etherTypes.ipv4,
      ip_src: addressNumber(ip),
      ip_dst: addressNumber(receiver),
      ip_proto: 17,
      udp_src: lyingPort,
      udp_dst: echoPort,
    }
    return buildFrame(fields, new TextEncoder().encode('sluice'))
  })

export const spread = async (telling: Telling, step: Of<'spread'>): Promise<void> => {
  const { from, to, protocol = 'tcp', port, flows, over, percent } = step
  const { stage } = telling
  const before = await carriedBy(telling, over)
  await telling.judge(
    `${flows} connections of ${protocol} from ${from} to ${to}`,
    `${flows} answered`,
    async () => {
      const back = await stage.flows(from, to, protocol, port, flows)
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
