/**
 * Hands declared networks and hosts to the topology, and says of each whether it is in force. Places are
 * looked up again whenever a switch connects: what names a port that is not there waits.
 */

import { type Dpid, formatMac, parseMac, readIp } from '../../base/addresses.js'
import type { Lack } from '../../nfv/lack.js'
import { lackState, lackText } from '../../nfv/lack.js'
import type { Entry } from '../../topology/intents/entries.js'
import type { Intent } from '../../topology/intents/intent.js'
import {
  type Host,
  hostKey,
  type Network,
  type NetworkPort,
  type PortRef,
  portKey,
} from '../../topology/model.js'
import { portsNamed } from '../../topology/names.js'
import type { DeclaredPort } from '../../topology/port-reports.js'
import type { TopologyService } from '../../topology/topology.js'
import type { ObjectKeeper, StoredObject } from '../objects/objects.js'
import {
  type HostSpec,
  hostKind,
  type IntentSpec,
  intentKind,
  type NetworkSpec,
  networkKind,
  type PortSpec,
  portKind,
} from './kinds.js'

/** pending, of an intent requested: it waits for something · installing: not all switches have confirmed it · degraded: in force, less than asked for */
export interface DeclaredStatus {
  readonly state: 'installed' | 'pending' | 'failed' | 'requested' | 'installing' | 'degraded'
  readonly reason?: string
  /** Of an intent: the switches it passes now. */
  readonly path?: readonly string[]
  readonly backup?: readonly string[]
}

/** What becomes of objects in switches. */
export interface Switches {
  /** The one that will hold all that is known now. */
  revision(): number
  /** True when a switch has confirmed all that is wanted of it now. */
  isConfirmed(dpid: Dpid): boolean
  /** Switches that should have a revision and do not. */
  lacking(revision: number): readonly Lack[]
}

const defaultNetwork: Network = { number: 1, name: 'default' }

export class Declared {
  readonly #topology: TopologyService
  readonly #objects: ObjectKeeper
  readonly #refusalOf: (intent: string) => string | undefined
  readonly #switches: Switches
  /** What was known when all of it was handed over. */
  #handedRevision = 0
  readonly #status = new Map<string, DeclaredStatus>()
  /** What was handed over last, to see whether it is another now. */
  #handed = ''

  /** @param refusalOf what a switch refused of an intent, if any */
  constructor(
    topology: TopologyService,
    objects: ObjectKeeper,
    switches: Switches,
    refusalOf: (intent: string) => string | undefined = () => undefined,
  ) {
    this.#refusalOf = refusalOf
    this.#topology = topology
    this.#objects = objects
    this.#switches = switches
  }

  start(): void {
    const ours = [networkKind.kind, hostKind.kind, portKind.kind]
    // Once for all that came together: each time everything that is declared is looked at.
    this.#objects.on('settled', kinds => {
      if (kinds.has(intentKind.kind)) this.#updateIntents()
      if (ours.some(kind => kinds.has(kind))) this.#update()
    })
    this.#topology.on('event', ({ kind }) => {
      if (kind === 'switch-connected' || kind === 'switch-forgotten' || kind === 'port-up')
        this.#update()
    })
    this.#update()
    this.#updateIntents()
  }

  status(kind: string, name: string): DeclaredStatus | undefined {
    if (kind === intentKind.kind) return this.#intentStatus(name)
    const status = this.#status.get(`${kind}/${name}`)
    if (status?.state !== 'installed') return status
    const lacks = this.#switches.lacking(this.#handedRevision)
    return lackState(lacks, this.#topology.current.switches.size) ?? status
  }

  #update(): void {
    this.#status.clear()
    const networks = this.#networks()
    const { pinned, names } = this.#hosts(networks)
    const ports = this.#ports()
    const handed = JSON.stringify([networks, pinned, [...names], [...ports]])
    if (handed === this.#handed) return
    const [before] = this.#handed === '' ? [[]] : (JSON.parse(this.#handed) as [Network[]])
    this.#handed = handed
    if (JSON.stringify(before) !== JSON.stringify(networks))
      this.#topology.declareNetworks(networks)
    this.#topology.declareHosts(pinned, names)
    this.#topology.declarePorts(ports)
    this.#handedRevision = this.#switches.revision()
  }

  #ports(): Map<string, DeclaredPort> {
    const found = new Map<string, DeclaredPort>()
    for (const object of this.#living(portKind)) {
      const { at, peer, ...rest } = object.spec as PortSpec
      const place = this.#placeOf(at)
      const peerPlace = peer === undefined ? undefined : this.#placeOf(peer)
      if (place === undefined) this.#say(object, 'pending', `${at} is not known yet`)
      else if (found.has(portKey(place))) this.#say(object, 'failed', `${at} is declared twice`)
      else if (peer !== undefined && peerPlace === undefined)
        this.#say(object, 'pending', `${peer} is not known yet`)
      else {
        found.set(portKey(place), { ...rest, ...(peerPlace && { peer: peerPlace }) })
        this.#say(object, 'installed', '')
      }
    }
    return found
  }

  #updateIntents(): void {
    const intents = this.#living(intentKind).map(({ name, spec }) =>
      intentOf(name, spec as IntentSpec),
    )
    this.#topology.declareIntents(intents)
  }

  /** Asked anew each time: the network decides, and it changes. */
  #intentStatus(name: string): DeclaredStatus | undefined {
    const known = this.#topology.intent(name)
    if (known === undefined) return undefined
    const { result, isSettled } = known
    if (!('route' in result)) return { state: result.state, reason: result.reason }
    const refusal = this.#refusalOf(name)
    if (refusal) return { state: 'failed', reason: `a switch refused it: ${refusal}` }
    const { laid, switches } = this.#topology.current
    const { path, backup } = result.route
    const namesOf = (dpids: readonly Dpid[]) => dpids.map(dpid => switches.get(dpid)?.name ?? dpid)
    const entries = laid.find(each => each.name === name)?.entries ?? new Map<string, Entry>()
    const isConfirmed = [...entries.values()].every(({ dpid }) => this.#switches.isConfirmed(dpid))
    const state = result.state === 'degraded' ? 'degraded' : 'installed'
    const isDone = isSettled && isConfirmed
    const missing = isDone ? '' : lackText(this.#switches.lacking(this.#switches.revision()))
    const reason = missing === '' ? result.reason : missing
    return {
      state: isDone ? state : 'installing',
      ...(reason && { reason }),
      ...(path && { path: namesOf(path) }),
      ...(backup && { backup: namesOf(backup) }),
    }
  }

  #networks(): Network[] {
    // The first one is there in any case.
    const found: Network[] = [defaultNetwork]
    const takenBy = new Map<string, string>()
    for (const object of this.#living(networkKind)) {
      const spec = object.spec as NetworkSpec
      const isFirst = spec.number === defaultNetwork.number
      const twin = found.find(
        each =>
          !(isFirst && each === defaultNetwork) &&
          (each.number === spec.number || each.name === object.name),
      )
      if (twin) {
        this.#say(object, 'failed', `number ${spec.number} is that of network ${twin.name}`)
        continue
      }
      const wanted = [
        ...(spec.access ?? []).map(port => ({ port, vlan: undefined })),
        ...(spec.trunk ?? []),
      ]
      const ports: NetworkPort[] = []
      const complaints: string[] = []
      for (const { port, vlan } of wanted) {
        const at = this.#placeOf(port)
        const key = at && `${at.dpid}/${at.port} ${vlan ?? ''}`
        const other = key && takenBy.get(key)
        if (at === undefined) complaints.push(`${port} is not known yet`)
        else if (other) complaints.push(`${port} is a port of network ${other} already`)
        else {
          takenBy.set(key!, object.name)
          ports.push({ at, ...(vlan !== undefined && { vlan }) })
        }
      }
      const { number, subnets, guard } = spec
      const more = { ...(subnets && { subnets }), ...(guard && { guard }) }
      const network = { number, name: object.name, ports, ...more }
      if (isFirst) found[0] = network
      else found.push(network)
      this.#say(object, complaints.length > 0 ? 'pending' : 'installed', complaints.join('; '))
    }
    return found
  }

  #hosts(networks: readonly Network[]): { pinned: Host[]; names: Map<string, string> } {
    const pinned: Host[] = []
    const names = new Map<string, string>()
    for (const object of this.#living(hostKind)) {
      const spec = object.spec as HostSpec
      const network =
        spec.network === undefined ? networks[0] : networks.find(each => each.name === spec.network)
      const at = spec.at === undefined ? undefined : this.#placeOf(spec.at)
      const mac = formatMac(parseMac(spec.mac)!)
      if (network === undefined) {
        this.#say(object, 'failed', `there is no network ${spec.network}`)
        continue
      }
      if (names.has(hostKey(network.number, mac))) {
        this.#say(object, 'failed', `${mac} is declared twice`)
        continue
      }
      names.set(hostKey(network.number, mac), object.name)
      if (at) {
        const ips = (spec.ips ?? []).map(ip => readIp(ip)!)
        pinned.push({ mac, ips, at, network: network.number, name: object.name, isPinned: true })
      }
      const isWaiting = spec.at !== undefined && at === undefined
      this.#say(
        object,
        isWaiting ? 'pending' : 'installed',
        isWaiting ? `${spec.at} is not known yet` : '',
      )
    }
    return { pinned, names }
  }

  #living(kind: typeof networkKind): StoredObject[] {
    return this.#objects.list(kind).filter(object => !object.isLeaving)
  }

  #say({ kind, name }: StoredObject, state: DeclaredStatus['state'], reason: string): void {
    this.#status.set(`${kind}/${name}`, { state, ...(reason !== '' && { reason }) })
  }

  #placeOf(text: string): PortRef | undefined {
    return text.endsWith(':*') ? undefined : portsNamed(this.#topology.current, text)[0]
  }
}

const intentOf = (name: string, spec: IntentSpec): Intent => ({
  name,
  from: [spec.from].flat(),
  to: [spec.to].flat(),
  cost: spec.cost ?? 'given',
  avoid: spec.avoid ?? [],
  through: spec.through ?? [],
  ...(spec.maxLatencyMillis !== undefined && { maxLatencyMillis: spec.maxLatencyMillis }),
  ...(spec.minBandwidthKbps !== undefined && { minBandwidthKbps: spec.minBandwidthKbps }),
  withTags: spec.withTags ?? [],
  withoutTags: spec.withoutTags ?? [],
  protection: spec.protection ?? 'none',
})
