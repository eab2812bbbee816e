/** What names mean inside one policy: its zones and services, and the network's hosts, networks and ports. */
import { type Cidr, type Ip, ipNumber } from '../../base/addresses.js'
import {
  type AddressSet,
  everyAddress,
  noAddress,
  setOfCidr,
  setOfRange,
  subtract,
  union,
} from './address-set.js'
import { complaintAt, didYouMean } from './complaint.js'
import { joinPorts } from './ports.js'
import type { Term } from './resolved.js'
import {
  type Line,
  type Member,
  type PortRange,
  type RuleError,
  type Selection,
  type ServiceMember,
  type Statement,
  transports,
} from './rule.js'

/** What the firewall must know of the network. What is undefined is not known (yet), and has no address. */
export interface Facts {
  hostAddresses(name: string): readonly Ip[] | undefined
  networkSubnets(name: string): readonly Cidr[] | undefined
  /** Of the hosts seen behind `SWITCH:PORT`. */
  portAddresses(port: string): readonly Ip[] | undefined
  hasChain(name: string): boolean
  /** True away from any network, where no name can be known. */
  readonly isOffline?: boolean
  /** Milliseconds since 1970, for expiry and schedules. */
  readonly nowMillis: number
}

/** For checks away from a network: every host and chain may exist, and has no address. */
export const noFacts = (nowMillis: number): Facts => ({
  hostAddresses: () => undefined,
  networkSubnets: () => undefined,
  portAddresses: () => undefined,
  hasChain: () => true,
  isOffline: true,
  nowMillis,
})

type ZoneLine = Line<Extract<Statement, { kind: 'zone' }>>
type ServiceLine = Line<Extract<Statement, { kind: 'service' }>>

/** A service whose connections may be silent for so many seconds. */
export interface TimedService {
  readonly line: Line
  readonly seconds: number
  readonly terms: readonly Term[]
}

/** What a rule was resolved from; the rule stays as it is while these stay the same objects. */
export type Dependency = readonly [
  kind: 'zone' | 'host' | 'network' | 'port' | 'service',
  name: string,
  value: unknown,
]

const everyService: readonly Term[] = [{}]

export class Environment {
  readonly complaints: RuleError[] = []
  readonly #zones = new Map<string, ZoneLine>()
  readonly #services = new Map<string, ServiceLine>()
  readonly #facts: Facts
  /** Values of this and of the last time, so that an equal value is the same object again. */
  readonly #values = new Map<string, AddressSet | readonly Term[]>()
  readonly #before: ReadonlyMap<string, AddressSet | readonly Term[]>
  /** Zones and services being looked into, to find circles. */
  readonly #open: string[] = []

  constructor(lines: readonly Line[], facts: Facts, before?: Environment) {
    this.#facts = facts
    this.#before = before ? before.#values : new Map()
    for (const line of lines) {
      if (line.statement.kind === 'zone') this.#define(this.#zones, line as ZoneLine)
      if (line.statement.kind === 'service') this.#define(this.#services, line as ServiceLine)
    }
    // Each is looked into once, so that mistakes show even where nobody uses the name.
    for (const name of this.#zones.keys()) this.zone(name)
    for (const name of this.#services.keys()) this.service(name)
  }

  #define<L extends ZoneLine | ServiceLine>(known: Map<string, L>, line: L): void {
    const { kind, name } = line.statement
    const first = known.get(name)
    if (first === undefined) {
      known.set(name, line)
      return
    }
    const at = line.text.indexOf(name, line.text.indexOf(kind) + kind.length)
    const message = `the ${kind} "${name}" is defined twice`
    const hint = `it is already defined in ${first.file}:${first.line}; choose another name or put both into one line`
    this.complaints.push(complaintAt(line, Math.max(0, at), name.length, message, hint))
  }

  /** What a dependency is now; compare with what it was. */
  valueOf([kind, name]: Dependency): unknown {
    return kind === 'service'
      ? this.service(name)
      : kind === 'zone'
        ? this.zone(name)
        : this.fact(kind, name)
  }

  zone(name: string): AddressSet | undefined {
    const line = this.#zones.get(name)
    return line && this.#once(`zone ${name}`, () => this.select(line.statement.members, line))
  }

  service(name: string): readonly Term[] | undefined {
    const line = this.#services.get(name)
    return line && this.#once(`service ${name}`, () => this.terms(line.statement.members, line))
  }

  timedServices(): TimedService[] {
    return [...this.#services.values()].flatMap(line => {
      const { name, timeout: seconds } = line.statement
      return seconds === undefined ? [] : [{ line, seconds, terms: this.service(name)! }]
    })
  }

  fact(kind: 'host' | 'network' | 'port', name: string): AddressSet {
    return this.#once(`${kind} ${name}`, () => {
      if (kind === 'network') return union((this.#facts.networkSubnets(name) ?? []).map(setOfCidr))
      const addresses =
        kind === 'host' ? this.#facts.hostAddresses(name) : this.#facts.portAddresses(name)
      return union((addresses ?? []).map(setOfAddress))
    })
  }

  /** The addresses of a selection that stands in `line`. */
  select(selection: Selection, line: Line, uses?: Dependency[]): AddressSet {
    const of = union(selection.of.map(member => this.#member(member, line, uses)))
    if (selection.except.length === 0) return of
    return subtract(of, union(selection.except.map(member => this.#member(member, line, uses))))
  }

  #member(member: Member, line: Line, uses?: Dependency[]): AddressSet {
    switch (member.kind) {
      case 'any':
        return everyAddress
      case 'cidr':
        return setOfCidr(member.cidr)
      case 'range':
        return setOfRange(member.version, member.first, member.last)
      case 'zone': {
        if (this.#isCircle('zone', member.name, member.at, line)) return noAddress
        const set = this.zone(member.name)
        if (set === undefined)
          this.#unknown('zone', member.name, member.at, line, this.#zones.keys())
        uses?.push(['zone', member.name, set])
        return set ?? noAddress
      }
      default: {
        const set = this.fact(member.kind, member.name)
        uses?.push([member.kind, member.name, set])
        return set
      }
    }
  }

  /** The kinds of packet of a list of services that stands in `line`. */
  terms(members: readonly ServiceMember[], line: Line, uses?: Dependency[]): readonly Term[] {
    if (members.some(member => member.kind === 'any')) return everyService
    return joinTerms(members.flatMap(member => this.#service(member, line, uses)))
  }

  #service(member: ServiceMember, line: Line, uses?: Dependency[]): readonly Term[] {
    if (member.kind !== 'service') return [termOf(member)]
    if (this.#isCircle('service', member.name, member.at, line)) return []
    const terms = this.service(member.name)
    if (terms === undefined)
      this.#unknown('service', member.name, member.at, line, this.#services.keys())
    uses?.push(['service', member.name, terms])
    return terms ?? []
  }

  #unknown(
    kind: 'zone' | 'service',
    name: string,
    at: number | undefined,
    line: Line,
    known: Iterable<string>,
  ): void {
    const hint = didYouMean(name, known, `define it: ${kind} ${name} = ...`)
    this.complaints.push(
      complaintAt(line, at ?? 0, name.length, `no ${kind} is named "${name}"`, hint),
    )
  }

  #isCircle(kind: 'zone' | 'service', name: string, at: number | undefined, line: Line): boolean {
    const key = `${kind} ${name}`
    if (!this.#open.includes(key)) return false
    const circle = [...this.#open.slice(this.#open.indexOf(key)), key]
      .map(part => part.slice(kind.length + 1))
      .join(' -> ')
    const message = `the ${kind} "${name}" contains itself: ${circle}`
    this.complaints.push(
      complaintAt(line, at ?? 0, name.length, message, 'leave it out in one of these places'),
    )
    return true
  }

  #once<T extends AddressSet | readonly Term[]>(key: string, make: () => T): T {
    const known = this.#values.get(key)
    // The key names the kind, so the value is of the type that this key was made with.
    if (known !== undefined) return known as T
    this.#open.push(key)
    const made = make()
    this.#open.pop()
    const old = this.#before.get(key)
    const value = old !== undefined && contentOf(old) === contentOf(made) ? (old as T) : made
    this.#values.set(key, value)
    return value
  }
}

const setOfAddress = (ip: Ip): AddressSet => {
  const value = ipNumber(ip)
  return setOfRange(typeof value === 'number' ? 4 : 6, value, value)
}

const contents = new WeakMap<object, string>()

/** Equal text, equal set or list of terms. */
export const contentOf = (value: AddressSet | readonly Term[]): string => {
  let text = contents.get(value)
  if (text === undefined) {
    text = 'v4' in value ? contentOfSet(value) : contentOfTerms(value)
    contents.set(value, text)
  }
  return text
}

const contentOfSet = (set: AddressSet): string => {
  if (set === everyAddress) return 'any'
  let text = ''
  for (const { first, last } of set.v4) text += `${first}-${last},`
  for (const { first, last } of set.v6) text += `${first.toString(16)}-${last.toString(16)}/6,`
  return text
}

const contentOfTerms = (terms: readonly Term[]): string =>
  terms
    .map(term => {
      const ports = (ranges: readonly PortRange[] | undefined) =>
        ranges?.map(range => `${range.from}-${range.to}`).join('+') ?? '*'
      return `${term.version ?? ''}:${term.protocol ?? '*'}:${ports(term.source)}:${ports(term.destination)}${term.helper ?? ''}`
    })
    .join(',')

const termOf = (member: Exclude<ServiceMember, { kind: 'service' }>): Term => {
  switch (member.kind) {
    case 'any':
      return {}
    case 'protocol':
      return { protocol: member.number }
    case 'icmp': {
      const one = (value: number) => [{ from: value, to: value }]
      return {
        version: member.version,
        protocol: member.version === 4 ? 1 : 58,
        ...(member.type === undefined ? {} : { source: one(member.type) }),
        ...(member.code === undefined ? {} : { destination: one(member.code) }),
      }
    }
    case 'ports': {
      const source = joinPorts(member.sourcePorts)
      const destination = joinPorts(member.ports)
      return {
        protocol: transports[member.transport],
        ...(source && { source }),
        ...(destination && { destination }),
        ...(member.helper && { helper: member.helper }),
      }
    }
  }
}

/** Terms that differ in their destination ports only become one: a set of ports is one match. */
const joinTerms = (terms: readonly Term[]): readonly Term[] => {
  if (terms.length < 2) return terms
  const kinds = new Map<string, Term[]>()
  for (const term of terms) {
    const key = contentOfTerms([{ ...term, destination: [] }])
    const known = kinds.get(key)
    if (known) known.push(term)
    else kinds.set(key, [term])
  }
  return [...kinds.values()].map(([first, ...rest]) => {
    if (rest.length === 0) return first!
    const { destination: _, ...others } = first!
    const isEvery = [first!, ...rest].some(term => term.destination === undefined)
    const joined = isEvery
      ? undefined
      : joinPorts([first!, ...rest].flatMap(term => term.destination ?? []))
    return { ...others, ...(joined && { destination: joined }) }
  })
}
