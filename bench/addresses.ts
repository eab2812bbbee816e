/**
 * Hosts that change their addresses, and some their MACs, for an hour of simulated time: what the tracker of hosts still
 * reaches in its memory, with the heap collected, after each quarter of it.
 *
 *     npm run bench -- addresses [--hosts N] [--minutes N]
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Dpid, formatIpv4, formatMac, type Ip, type Mac } from '../src/base/addresses.js'
import { SimulatedEnv } from '../src/base/env/simulated-env.js'
import { readPacket } from '../src/pipeline/packet.js'
import { HostAgeing, hostCookie } from '../src/topology/hosts/host-ageing.js'
import { defaultHosts, HostTracker } from '../src/topology/hosts/hosts.js'
import { type PortRef, portKey } from '../src/topology/model.js'

export interface AddressReport {
  /** In MiB, after the first quarter, the second, and so on. */
  readonly heapMib: readonly number[]
  readonly hosts: number
  /** Addresses that are known at the end; each host has one. */
  readonly addresses: number
  readonly changes: number
}

interface Machine {
  readonly at: PortRef
  mac: Mac
  ip: Ip
}

const switchCount = 16

/** Every host takes another address every two minutes, a tenth of them another MAC with it, with their port going down. */
export const changeAddresses = async (hosts: number, minutes: number): Promise<AddressReport> => {
  const env = new SimulatedEnv({ seed: 1 })
  const machines = new Map<string, Machine>()
  let nextIp = 0x0a000001
  let nextMac = 0x020000000001
  for (let index = 0; index < hosts; index++) {
    const dpid = (index % switchCount).toString(16).padStart(16, '0') as Dpid
    const at = { dpid, port: 1 + Math.floor(index / switchCount) }
    machines.set(portKey(at), { at, mac: formatMac(nextMac++), ip: formatIpv4(nextIp++) })
  }
  const say = ({ at, mac, ip }: Machine) => tracker.learn({ mac, ips: [ip], at, network: 1 })
  const answer = (at: PortRef, frames: readonly Uint8Array[]) => {
    const machine = machines.get(portKey(at))!
    for (const frame of frames) {
      const { arp_tpa, eth_dst } = readPacket(frame).fields
      const isMine = arp_tpa !== undefined && formatIpv4(Number(arp_tpa)) === machine.ip
      if (isMine && formatMac(Number(eth_dst)) === machine.mac) say(machine)
    }
  }
  const tracker: HostTracker = new HostTracker(env, {
    ask: async (at, _, frames) => answer(at, frames),
    send: (at, _, frames) => answer(at, frames),
    isUp: () => true,
    isRoaming: () => false,
    guardAt: () => 'default',
    notItsMac: () => undefined,
    notItsAddress: () => undefined,
  })
  let packets = 0n
  const ageing = new HostAgeing(
    env,
    tracker,
    {
      hostPackets: async dpid =>
        new Map(
          [...machines.values()]
            .filter(({ at }) => at.dpid === dpid)
            .map(({ mac }) => [hostCookie({ network: 1, mac }), ++packets]),
        ),
      isConnected: () => true,
      isUp: () => true,
    },
    defaultHosts,
  )
  ageing.start()
  for (const machine of machines.values()) say(machine)
  const list = [...machines.values()]
  const perSecond = Math.ceil(list.length / 120)
  const heapMib: number[] = []
  let changes = 0
  for (let second = 0; second < minutes * 60; second++) {
    for (let count = 0; count < perSecond; count++) {
      const machine = list[changes++ % list.length]!
      machine.ip = formatIpv4(nextIp++)
      if (changes % 10 === 0) {
        tracker.forgetPort(machine.at, 'its port is down')
        machine.mac = formatMac(nextMac++)
      }
      say(machine)
    }
    await env.advance(1_000)
    if ((second + 1) % (minutes * 15) === 0) heapMib.push(collected())
  }
  ageing.stop()
  tracker.stop()
  const all = [...tracker.table.all()]
  const addresses = all.reduce((sum, { ips }) => sum + ips.length, 0)
  return { heapMib, hosts: all.length, addresses, changes }
}

const collected = (): number => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return Math.round((process.memoryUsage().heapUsed / 2 ** 20) * 10) / 10
}

export const run = async (words: readonly string[]): Promise<void> => {
  const option = (name: string, usual: number) => {
    const at = words.indexOf(`--${name}`)
    return at < 0 ? usual : Number(words[at + 1])
  }
  const report = await changeAddresses(option('hosts', 10_000), option('minutes', 60))
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
