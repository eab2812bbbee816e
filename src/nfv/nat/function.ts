/** Address translation: what rule files ask for, in the switches of a router with an uplink. */
import type { Dpid } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import type { Match } from '../../openflow/values.js'
import type { Section } from '../../pipeline/program.js'
import { partOf, registers } from '../../pipeline/registers.js'
import { hasEdge, type Topology } from '../../topology/model.js'
import type { AskedFor } from '../../topology/topology.js'
import type { ResolvedNat } from '../firewall/meaning/resolved.js'
import { natDigest } from '../firewall/nat/resolve-nat.js'
import type {
  FunctionHost,
  NetworkFunction,
  ObjectState,
  PuntedPacket,
  PuntHandlers,
  RunningFunction,
  SectionsOf,
  View,
} from '../function.js'
import { failureOf } from './failures.js'
import {
  type Edge,
  edgeOf,
  type Hairpin,
  type States,
  type Translations,
  textOf,
  translationsOf,
} from './model.js'
import { baseSection, hairpinSection, leadSection, sourceSection, zoneSection } from './rows.js'
import { natViews } from './views.js'

interface Compiled {
  readonly key: string
  readonly translations: Translations
  readonly states: States
  readonly leads: Section
  readonly sources: Section
}

class Translation implements RunningFunction {
  readonly #host: FunctionHost
  #compiled: Compiled | undefined
  #edge: Edge | undefined
  readonly #zones = new Map<number, Section>()
  #places:
    | {
        readonly hosts: Topology['hosts']
        readonly hairpins: readonly Hairpin[]
        readonly places: ReadonlyMap<Hairpin, Dpid>
      }
    | undefined
  readonly #lists = new Map<
    string,
    {
      readonly of: Compiled
      readonly here: readonly Hairpin[]
      readonly sections: readonly Section[]
    }
  >()
  /** Packets that were dropped since the start, by what their source was to become or where they led. */
  readonly #failures = new Map<number, number>()

  constructor(host: FunctionHost) {
    this.#host = host
    host.topology.translateBack(match => this.#askedFor(match))
  }

  get views(): readonly View[] {
    return natViews({
      statements: () => this.#host.nat(),
      state: index => this.#stateOf(index),
      compiled: () => this.#compiled?.translations,
      failures: number => this.#failures.get(number) ?? 0,
    })
  }

  get punts(): PuntHandlers {
    return { untranslated: { kind: 'routed', receive: packet => this.#untranslated(packet) } }
  }

  compile(topology: Topology): SectionsOf {
    const nat = this.#host.nat()
    this.#edge = edgeOf(topology)
    this.#compiled = nat.length > 0 && this.#edge ? this.#compile(nat, this.#edge) : undefined
    const compiled = this.#compiled
    if (compiled === undefined) return () => none
    const places = this.#placesOf(topology, compiled.translations.hairpins)
    return self => {
      if (!hasEdge(self)) return none
      const known = this.#lists.get(self.dpid)
      const here = compiled.translations.hairpins.filter(each => places.get(each) === self.dpid)
      if (known?.of === compiled && areSame(known.here, here)) return known.sections
      const { leads, sources } = compiled
      const { edge } = compiled.translations
      const sections = [
        baseSection,
        this.#zone(self.index),
        leads,
        ...(here.length > 0 ? [hairpinSection(edge, self.index, here)] : []),
        ...(self.dpid === edge.uplink.dpid ? [sources] : []),
      ]
      this.#lists.set(self.dpid, { of: compiled, here, sections })
      return sections
    }
  }

  /** At which switch each target is now. */
  #placesOf({ hosts }: Topology, hairpins: readonly Hairpin[]): ReadonlyMap<Hairpin, Dpid> {
    if (this.#places?.hosts === hosts && this.#places.hairpins === hairpins)
      return this.#places.places
    const wanted = new Map(
      hairpins.map(each => [`${each.network} ${textOf(each.version, each.target)}`, each]),
    )
    const places = new Map<Hairpin, Dpid>()
    if (wanted.size > 0)
      for (const { network, ips, at } of hosts.values())
        for (const ip of ips) {
          const hairpin = wanted.get(`${network} ${ip}`)
          if (hairpin) places.set(hairpin, at.dpid)
        }
    this.#places = { hosts, hairpins, places }
    return places
  }

  #compile(nat: readonly ResolvedNat[], edge: Edge): Compiled {
    const places = nat.map(({ file, line }) => `${file}:${line}`).join()
    const key = `${natDigest(nat)} ${places} ${JSON.stringify(edge, (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    )}`
    if (this.#compiled?.key === key) return this.#compiled
    const { translations, states } = translationsOf(nat, edge)
    this.#lists.clear()
    return {
      key,
      translations,
      states,
      leads: leadSection(translations),
      sources: sourceSection(translations),
    }
  }

  #askedFor({ reg10 }: Match): AskedFor | undefined {
    if (partOf(reg10, registers.led) === 0) return undefined
    const number = partOf(reg10, registers.published)
    const lead = this.#compiled?.translations.leads.find(each => each.lead?.number === number)?.lead
    return lead && { address: lead.at, ...(lead.asked !== undefined && { port: lead.asked }) }
  }

  #zone(index: number): Section {
    const section = this.#zones.get(index) ?? zoneSection(index)
    this.#zones.set(index, section)
    return section
  }

  #stateOf(index: number): ObjectState {
    if (this.#compiled) return this.#compiled.states[index] ?? { state: 'pending' }
    return {
      state: 'pending',
      reason:
        this.#host.topology.current.uplink === undefined
          ? 'no port has the role uplink'
          : 'no router has an interface in the network of the uplink',
    }
  }

  /** A packet that had not the addresses that it should have: it was dropped, and its connection begins anew. */
  #untranslated(packet: PuntedPacket): void {
    const number = numberOf(packet.match)
    this.#failures.set(number, (this.#failures.get(number) ?? 0) + 1)
    const { event, flush } = failureOf(packet)
    this.#host.tell({ ...event, dpid: packet.at.dpid })
    if (flush)
      this.#host.switch(packet.at.dpid)?.tell([{ kind: 'ct-flush', protocol: 0, filter: flush }])
  }
}

const numberOf = ({ reg10 }: Match): number =>
  partOf(reg10, registers.translated) || partOf(reg10, registers.published)

const none: readonly Section[] = []

export const natFunction: NetworkFunction = {
  name: 'nat',
  create: host => new Translation(host),
}
