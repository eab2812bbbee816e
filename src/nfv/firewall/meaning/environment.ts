/** What names mean inside one policy: its zones and services, and the network's hosts, networks and ports. */
import { type Cidr, type Ip, ipNumber } from '../../../base/addresses.js'
import { complaintAt, didYouMean, Mistakes } from '../text/complaint.js'
import { Budget, counted, maxPortRanges, noLimits } from '../text/limits.js'
import { type MacPrefix, readMacPrefix } from '../text/mac-prefix.js'
import {
  type Line,
  type Member,
  type MemberKind,
  type PortRange,
  type RuleError,
  type Selection,
  type ServiceMember,
  type Statement,
  transports,
} from '../text/rule.js'
import {
  type AddressSet,
  everyAddress,
  noAddress,
  rangeCount,
  setOfCidr,
  setOfRange,
  subtract,
  union,
} from './address-set.js'
import { everyPort, joinPorts, subtractPorts } from './ports.js'
import type { Term, TimedService } from './resolved.js'

/** What the firewall must know of the network. What is undefined is not known (yet), and has no address. */
export interface Facts {
  hostAddresses(name: string): readonly Ip[] | undefined
  networkSubnets(name: string): readonly Cidr[] | undefined
  /** Of all networks with this number of a VLAN; absent: not known. */
  vlanSubnets?(number: string): readonly Cidr[] | undefined
  /** Of the hosts seen behind `SWITCH:PORT`. */
  portAddresses(port: string): readonly Ip[] | undefined
  /** Dpids of all switches with the name in `SWITCH:PORT`, the one that is meant first; absent: not known. */
  switchesMeant?(port: string): readonly string[]
  /** Of all hosts whose MAC begins so; absent: not known. */
  macAddresses?(prefix: MacPrefix): readonly Ip[] | undefined
  hasChain(name: string): boolean
  /** True away from any network, where no name can be known. */
  readonly isOffline?: boolean
  /** Milliseconds since 1970, for expiry and schedules. */
  readonly nowMillis: number
  /** Rules that have a schedule or an end are in force, whenever it is. */
  readonly isAlwaysOn?: true
}

/** For checks away from a network: every host and chain may exist, and has no address. */
export const noFacts = (nowMillis: number): Facts => ({
  hostAddresses: () => undefined,
  networkSubnets: () => undefined,
  portAddresses: () => undefined,
  hasChain: () => false,
  isOffline: true,
  nowMillis,
})

type ZoneLine = Line<Extract<Statement, { kind: 'zone' }>>
type ServiceLine = Line<Extract<Statement, { kind: 'service' }>>

/** What a rule was resolved from; the rule stays as it is while these stay the same objects. */
export type Dependency = readonly [
  kind: 'zone' | 'service' | MemberKind,
  name: string,
  value: unknown,
]

const everyService: readonly Term[] = [{}]

export class Environment {
  readonly #mistakes = new Mistakes()
  readonly #budget: Budget
  #isCut = false
  readonly #zones = new Map<string, ZoneLine>()
  readonly #services = new Map<string, ServiceLine>()
  readonly #facts: Facts
  /** Values of this and of the last time, so that an equal value is the same object again. */
  readonly #values = new Map<string, AddressSet | readonly Term[]>()
  readonly #before: ReadonlyMap<string, AddressSet | readonly Term[]>
  /** Members that would lead in a circle: they have no address, and are no service. */
  readonly #circular = new Set<Member | ServiceMember>()

  /** @param budget what may be put together; absent: as much as there is */
  constructor(lines: readonly Line[], facts: Facts, before?: Environment, budget = unbounded()) {
    this.#facts = facts
    this.#budget = budget
    this.#before = before ? before.#values : new Map()
    for (const line of lines) {
      if (line.statement.kind === 'zone') this.#define(this.#zones, line as ZoneLine)
      if (line.statement.kind === 'service') this.#define(this.#services, line as ServiceLine)
    }
    // Each is looked into once, so that mistakes show even where nobody uses the name.
    for (const name of innermostFirst(this.#zones, zonesIn, circle => this.#circle('zone', circle)))
      this.zone(name)
    for (const name of innermostFirst(this.#services, servicesIn, circle =>
      this.#circle('service', circle),
    ))
      this.service(name)
  }

  get complaints(): readonly RuleError[] {
    return this.#mistakes.list
  }

  /** There was more to put together than the budget allows; what it gives is of no use then. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** Parts that were put together, so far. */
  get parts(): number {
    return this.#budget.parts
  }

  /** Counts parts that are put together in `line`, or that were and are not again. @returns false when they are too many */
  take(count: number, line: Line): boolean {
    if (this.#isCut) return false
    if (this.#budget.take('parts', count)) return true
    this.#isCut = true
    const most = counted(this.#budget.limits.parts)
    this.#mistakes.add(() =>
      complaintAt(
        line,
        0,
        1,
        `zones, services and rules are put together from more than ${most} ranges up to here`,
        'let zones name others once, and rules one zone; or make more than one policy of it',
      ),
    )
    return false
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
    this.#mistakes.add(() => complaintAt(line, Math.max(0, at), name.length, message, hint))
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

  fact(kind: MemberKind, name: string): AddressSet {
    return this.#once(`${kind} ${name}`, () => {
      if (kind === 'network') return union((this.#facts.networkSubnets(name) ?? []).map(setOfCidr))
      if (kind === 'vlan') return union((this.#facts.vlanSubnets?.(name) ?? []).map(setOfCidr))
      return union((this.#addresses(kind, name) ?? []).map(setOfAddress))
    })
  }

  #addresses(kind: 'host' | 'port' | 'mac', name: string): readonly Ip[] | undefined {
    if (kind === 'host') return this.#facts.hostAddresses(name)
    if (kind === 'port') return this.#facts.portAddresses(name)
    // What is read from a file is one.
    return this.#facts.macAddresses?.(readMacPrefix(name)!)
  }

  /** The addresses of a selection that stands in `line`. */
  select(selection: Selection, line: Line, uses?: Dependency[]): AddressSet {
    const of = this.#union(selection.of, line, uses)
    if (selection.except.length === 0) return of
    return subtract(of, this.#union(selection.except, line, uses))
  }

  #union(members: readonly Member[], line: Line, uses?: Dependency[]): AddressSet {
    const sets: AddressSet[] = []
    for (const member of members) {
      const set = this.#member(member, line, uses)
      if (!this.take(members.length === 1 ? 1 : rangeCount(set), line)) return noAddress
      sets.push(set)
    }
    return union(sets)
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
        if (this.#circular.has(member)) return noAddress
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
    const terms: Term[] = []
    for (const member of members) {
      const found = this.#service(member, line, uses)
      const size = found.reduce((sum, term) => sum + sizeOfTerm(term), 0)
      if (!this.take(members.length === 1 ? 1 : size, line)) return []
      for (const term of found) terms.push(term)
    }
    const joined = joinTerms(terms)
    if (joined.some(term => sizeOfTerm(term) > maxPortRanges)) this.#manyPorts(line)
    return joined
  }

  #manyPorts(line: Line): void {
    const message = `a service has more than ${counted(maxPortRanges)} separate ranges of ports`
    this.#mistakes.add(() => complaintAt(line, 0, 1, message, 'make several services of it'))
  }

  #service(member: ServiceMember, line: Line, uses?: Dependency[]): readonly Term[] {
    if (member.kind !== 'service') return [termOf(member)]
    if (this.#circular.has(member)) return []
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
    this.#mistakes.add(() => {
      const otherwise = looksLikeDomain(kind, name)
        ? `names of the DNS are not looked up: write the addresses, or zone ${name} = ADDRESS, ... in a file that a script of yours keeps, and include it`
        : `define it: ${kind} ${name} = ...`
      const hint = didYouMean(name, known, otherwise)
      return complaintAt(line, at ?? 0, name.length, `no ${kind} is named "${name}"`, hint)
    })
  }

  #circle(kind: 'zone' | 'service', { member, line, names }: Circle): void {
    this.#circular.add(member)
    this.#mistakes.add(() => {
      const { name, at = 0 } = member
      const circle = names.length > 8 ? [...names.slice(0, 4), '...', ...names.slice(-4)] : names
      const message = `the ${kind} "${name}" contains itself: ${circle.join(' -> ')}`
      const hint = 'leave it out in one of these places'
      return complaintAt(line, at, name.length, message, hint)
    })
  }

  #once<T extends AddressSet | readonly Term[]>(key: string, make: () => T): T {
    const known = this.#values.get(key)
    // The key names the kind, so the value is of the type that this key was made with.
    if (known !== undefined) return known as T
    const made = make()
    const old = this.#before.get(key)
    const value = old !== undefined && contentOf(old) === contentOf(made) ? (old as T) : made
    this.#values.set(key, value)
    return value
  }
}

/** `www.example.net`, where a zone is expected. */
const looksLikeDomain = (kind: 'zone' | 'service', name: string): boolean =>
  kind === 'zone' && /^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$/i.test(name)

const unbounded = (): Budget => new Budget({ ...noLimits })

type Named<K extends 'zone' | 'service'> = Extract<Member | ServiceMember, { kind: K }>

interface Circle {
  /** The one that leads back, and where it stands. */
  readonly member: Named<'zone'> | Named<'service'>
  readonly line: Line
  /** From the name round to itself. */
  readonly names: readonly string[]
}

const zonesIn = ({ statement: { members } }: ZoneLine): Named<'zone'>[] =>
  [...members.of, ...members.except].filter(
    (member): member is Named<'zone'> => member.kind === 'zone',
  )

const servicesIn = ({ statement: { members } }: ServiceLine): Named<'service'>[] =>
  members.filter((member): member is Named<'service'> => member.kind === 'service')

/**
 * Names so that each comes behind those that it is made of, however deep that goes and in whatever order they are
 * written.
 */
const innermostFirst = <L extends ZoneLine | ServiceLine>(
  lines: ReadonlyMap<string, L>,
  within: (line: L) => readonly Circle['member'][],
  onCircle: (circle: Circle) => void,
): readonly string[] => {
  const order: string[] = []
  const done = new Set<string>()
  for (const root of lines.keys()) {
    if (done.has(root)) continue
    /** The names we are inside of, each with what is left of it to look at. */
    const open = new Map<string, { members: readonly Circle['member'][]; next: number }>()
    const path = [root]
    open.set(root, { members: within(lines.get(root)!), next: 0 })
    while (path.length > 0) {
      const name = path.at(-1)!
      const state = open.get(name)!
      const member = state.members[state.next++]
      if (member === undefined) {
        path.pop()
        open.delete(name)
        done.add(name)
        order.push(name)
      } else if (open.has(member.name)) {
        const names = [...path.slice(path.indexOf(member.name)), member.name]
        onCircle({ member, line: lines.get(name)!, names })
      } else if (lines.has(member.name) && !done.has(member.name)) {
        path.push(member.name)
        open.set(member.name, { members: within(lines.get(member.name)!), next: 0 })
      }
    }
  }
  return order
}

/** Ranges of its ports, or one. */
const sizeOfTerm = ({ source, destination }: Term): number =>
  Math.max(1, (source?.length ?? 0) + (destination?.length ?? 0))

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
      const destination = portsOf(member)
      return {
        protocol: transports[member.transport],
        ...(source && { source }),
        ...(destination && { destination }),
        ...(member.helper && { helper: member.helper }),
      }
    }
  }
}

/** Undefined: every port. */
const portsOf = ({
  ports,
  exceptPorts,
}: Extract<ServiceMember, { kind: 'ports' }>): readonly PortRange[] | undefined =>
  exceptPorts === undefined
    ? joinPorts(ports)
    : subtractPorts(ports.length === 0 ? everyPort : ports, exceptPorts)

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
