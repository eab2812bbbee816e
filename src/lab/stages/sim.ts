/** The stage that runs anywhere, without root: simulated switches and hosts, real OpenFlow to the controller. */

import { type Dpid, type Ip, type Ipv4, type Ipv6, type Mac, readIp } from '../../base/addresses.js'
import type { Env } from '../../base/env/env.js'
import type { SimulatedHost } from '../../sim/host.js'
import { SimulatedNetwork } from '../../sim/network.js'
import { flowPatienceMillis, inTurns } from '../flows.js'
import type { HostSpec, LabSpec, LinkSpec } from '../lab-spec.js'
import { type NumberedSession, numbered } from '../numbered.js'
import { sleep } from '../shell.js'
import { addressOf, portsOfStory, spareOf } from '../spec.js'
import type { Protocol, SessionState, Stage, TryResult } from '../stage.js'

export class SimStage implements Stage {
  readonly name = 'sim' as const
  readonly #spec: LabSpec
  readonly network: SimulatedNetwork
  readonly #sessions = new Map<string, NumberedSession>()
  #openflowPort = 0
  readonly #heard = new Map<string, Map<string, number>>()

  constructor(env: Env, spec: LabSpec) {
    this.#spec = spec
    this.network = SimulatedNetwork.create(env, {
      switches: spec.switches.map(each => ({ name: each.name, dpid: each.dpid as Dpid })),
      hosts: spec.hosts.map(each => ({
        ...hostOptions(each),
        at: each.at,
        ...(each.spare && { spare: each.spare }),
      })),
      links: spec.links,
    })
    for (const host of this.network.hosts.values())
      for (const port of portsOfStory(spec.steps)) {
        host.listen(port)
        this.#echoUdp(host, port)
      }
  }

  async up(openflowPort: number): Promise<void> {
    this.#openflowPort = openflowPort
    this.network.start({ host: '127.0.0.1', port: openflowPort })
  }

  attempt(from: string, to: string, protocol: Protocol, port: number): Promise<TryResult> {
    return this.network.host(from).attempt(this.#address(to), protocol, port)
  }

  async openSession(
    name: string,
    from: string,
    to: string,
    protocol: Protocol,
    port: number,
  ): Promise<void> {
    const host = this.network.host(from)
    const open = protocol === 'udp' ? openUdp : openTcp
    this.#sessions.set(name, await open(host, this.#address(to), port))
  }

  async sessionState(name: string): Promise<SessionState> {
    return this.#session(name).state()
  }

  async closeSession(name: string): Promise<void> {
    this.#session(name).close()
    this.#sessions.delete(name)
  }

  async ping(from: string, to: string, count: number, intervalMillis: number) {
    const host = this.network.host(from)
    const target = this.#address(to)
    const began = performance.now()
    const answers: Promise<number | undefined>[] = []
    for (let index = 0; index < count; index++) {
      answers.push(host.ping(target))
      await sleep(Math.max(0, began + (index + 1) * intervalMillis - performance.now()))
    }
    const received = (await Promise.all(answers)).filter(rtt => rtt !== undefined).length
    return { sent: count, received }
  }

  async flows(
    from: string,
    to: string,
    protocol: 'tcp' | 'udp',
    port: number,
    count: number,
  ): Promise<number> {
    const host = this.network.host(from)
    const target = this.#address(to)
    let answered = 0
    await inTurns(count, async () => {
      const patience = { timeoutMillis: flowPatienceMillis }
      if ((await host.attempt(target, protocol, port, patience)) === 'open') answered++
    })
    return answered
  }

  #echoUdp(host: SimulatedHost, port: number): void {
    const heard = this.#heard.get(host.name) ?? new Map<string, number>()
    this.#heard.set(host.name, heard)
    const echo = host.openUdp(port)
    echo.onMessage((bytes, from) => {
      const key = `udp ${from.ip} ${from.port}`
      heard.set(key, (heard.get(key) ?? 0) + 1)
      echo.send(from.ip, from.port, bytes)
    })
  }

  async heard(host: string): Promise<Readonly<Record<string, number>>> {
    return Object.fromEntries(this.#heard.get(host) ?? [])
  }

  async sendFrames(from: string, frames: readonly Uint8Array[]): Promise<void> {
    for (const frame of frames) this.network.host(from).sendFrame(frame)
  }

  async move(host: string): Promise<void> {
    this.network.moveHost(host, spareOf(this.#spec, host))
    // As a kernel does when its interface comes up.
    this.network.host(host).announce()
  }

  async setLink({ a, b }: LinkSpec, isUp: boolean): Promise<void> {
    if (isUp) this.network.linkUp(a, b)
    else this.network.linkDown(a, b)
  }

  async setPower(name: string, isOn: boolean): Promise<void> {
    const { links, hosts } = this.#spec
    for (const link of links.filter(({ a, b }) => a.name === name || b.name === name))
      await this.setLink(link, isOn)
    for (const host of hosts.filter(({ at }) => at.name === name))
      this.network.setHost(host.name, isOn)
    const one = this.network.switch(name)
    if (isOn) one.connect({ host: '127.0.0.1', port: this.#openflowPort })
    else one.disconnect()
  }

  retarget(openflowPort: number): void {
    this.#openflowPort = openflowPort
    this.network.retarget({ host: '127.0.0.1', port: openflowPort })
  }

  enter(): undefined {
    return undefined
  }

  async down(): Promise<void> {
    for (const session of this.#sessions.values()) session.close()
    this.#sessions.clear()
    this.network.stop()
  }

  /** That of a host, or one that is given instead of a name. */
  #address(host: string): Ip {
    return readIp(host) ?? (addressOf(this.#spec, host) as Ip)
  }

  #session(name: string): NumberedSession {
    const session = this.#sessions.get(name)
    if (session === undefined) throw new Error(`no session is named ${name}`)
    return session
  }
}

/** The first address of each family; all others of a lab's networks are asked for directly. */
/** As far as simulated hosts have routes: the length of the subnet matters where there is a default route only. */
const hostOptions = ({ name, mac, ips, routes, vlan }: HostSpec) => {
  const plain = ips.map(ip => ip.split('/')[0]!)
  const ip = plain.find(each => !each.includes(':')) as Ipv4 | undefined
  const ipv6 = plain.find(each => each.includes(':')) as Ipv6 | undefined
  const gateways = routes.flatMap(route => /^default via (\S+)$/.exec(route)?.[1] ?? [])
  const gateway = gateways.find(each => !each.includes(':')) as Ipv4 | undefined
  const gatewayIpv6 = gateways.find(each => each.includes(':')) as Ipv6 | undefined
  const lengthOf = (own: string) =>
    Number(ips.find(each => each.startsWith(`${own}/`))?.split('/')[1])
  return {
    name,
    mac: mac as Mac,
    ...(ip && { ip }),
    ...(ipv6 && { ipv6 }),
    ...(vlan !== undefined && { vlan }),
    ...(ip && gateway && { gateway, prefixLength: lengthOf(ip) }),
    ...(ipv6 && gatewayIpv6 && { gatewayIpv6, prefixLengthIpv6: lengthOf(ipv6) }),
  }
}

const octets = (text: string) => new TextEncoder().encode(text)

const openTcp = async (host: SimulatedHost, to: Ip, port: number): Promise<NumberedSession> => {
  const session = await host.connect(to, port)
  const decoder = new TextDecoder()
  return numbered({
    send: message => session.send(octets(message)),
    onEcho: take => session.onBytes(bytes => take(decoder.decode(bytes))),
    isOpen: () => session.isOpen,
    end: () => session.abort(),
  })
}

const openUdp = async (host: SimulatedHost, to: Ip, port: number): Promise<NumberedSession> => {
  const opened = host.openUdp()
  const decoder = new TextDecoder()
  return numbered({
    send: message => opened.send(to, port, octets(message)),
    onEcho: take => opened.onMessage(bytes => take(decoder.decode(bytes))),
    isOpen: () => true,
    end: () => opened.close(),
  })
}
