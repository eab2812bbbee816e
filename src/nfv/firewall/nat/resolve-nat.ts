/** Statements of address translation with every name replaced by what it means, and what of them cannot be. */
import { type Ip, ipNumber } from '../../../base/addresses.js'
import { type AddressSet, contains, isEmpty, noAddress } from '../meaning/address-set.js'
import { contentOf, type Environment } from '../meaning/environment.js'
import { joinPorts } from '../meaning/ports.js'
import type { ResolvedNat, Term } from '../meaning/resolved.js'
import { complaintAt, Mistakes } from '../text/complaint.js'
import { natParts } from '../text/format.js'
import { counted } from '../text/limits.js'
import {
  type AddressRange,
  any,
  type Line,
  type Nat,
  type PortRange,
  type RuleError,
  usualNatPorts,
} from '../text/rule.js'
import { formatAddresses, formatNat } from './format-nat.js'

type NatLine = Line<Nat>

export const maxNats = 10_000

/** Statements of one policy, and of those before it what they leave no room for. */
export class NatResolver {
  readonly list: ResolvedNat[] = []
  readonly #lines: NatLine[] = []
  readonly #mistakes = new Mistakes()

  get complaints(): readonly RuleError[] {
    return this.#mistakes.list
  }

  /** @param lines of a policy that is enforced */
  add(policy: string, lines: readonly Line[], environment: Environment): void {
    for (const line of lines) {
      if (line.statement.kind !== 'nat') continue
      if (this.list.length === maxNats)
        this.#complain(
          line,
          0,
          3,
          `there are more than ${counted(maxNats)} nat statements`,
          'translate networks, not hosts one by one',
        )
      if (this.list.length >= maxNats) return
      this.#lines.push(line as NatLine)
      this.list.push(this.#resolve(policy, line as NatLine, environment))
    }
  }

  /** What several of them cannot be together. */
  check(): void {
    const published: number[] = []
    const byAddress = new Map<string, number[]>()
    for (const [index, nat] of this.list.entries()) {
      if (nat.at === undefined || nat.action === 'source') continue
      const key = formatAddresses(nat.at)
      const others = byAddress.get(key) ?? []
      byAddress.set(key, [...others, index])
      const first = others.find(each => this.#hides(this.list[each]!, nat))
      if (first !== undefined) this.#hidden(index, first, key)
      if (nat.action === 'forward') published.push(index)
    }
    const takers = this.list.filter(({ action }) => action === 'masquerade' || action === 'source')
    for (const index of published) this.#inRange(index, takers)
    this.#twins()
  }

  #resolve(policy: string, line: NatLine, environment: Environment): ResolvedNat {
    const nat = line.statement
    const { action, services, out, at, ports = usualNatPorts, target } = nat
    const only = target && { of: [target.member], except: [] }
    const terms = services && environment.terms(services, line)
    this.#checkVersions(line)
    if (terms !== undefined) this.#checkTerms(line, terms)
    return {
      policy,
      file: line.file,
      line: line.line,
      text: formatNat(nat, natParts),
      action,
      from: nat.from === any ? environment.select(any, line) : environment.select(nat.from, line),
      to: environment.select(nat.to, line),
      ...(out && { out: out.name }),
      ...(at && { at }),
      ports,
      ...(terms && { terms }),
      ...(target &&
        only && {
          target: {
            addresses: environment.select(only, line),
            ...(target.port !== undefined && { port: target.port }),
          },
        }),
    }
  }

  /** An IPv4 address does not stand for one of IPv6. */
  #checkVersions(line: NatLine): void {
    const { at, target } = line.statement
    const member = target?.member
    if (at === undefined || member?.kind !== 'cidr' || member.cidr.version === at.version) return
    this.#complain(
      line,
      line.text.lastIndexOf(' ') + 1,
      1,
      `IPv${at.version} is not translated to IPv${member.cidr.version}`,
      'both addresses are of one version',
    )
  }

  #checkTerms(line: NatLine, terms: readonly Term[]): void {
    const version = line.statement.at?.version
    const say = (message: string, hint: string) => this.#complain(line, 0, 3, message, hint)
    for (const { protocol, source, helper, version: of } of terms) {
      if (of !== undefined && of !== version)
        say(
          `ICMP of IPv${of} does not come to an address of IPv${version}`,
          'write icmp for IPv4, icmp6 for IPv6',
        )
      if (source !== undefined && (protocol === 6 || protocol === 17))
        say(
          'what is published does not look at source ports',
          'leave "source" out, or judge it by a rule',
        )
      if (helper !== undefined)
        say(
          'FTP is not read at a published address',
          'publish the passive ports of the server as well',
        )
    }
  }

  /** Whether nothing is left of `later`, or one of its ports is not: somebody who reads it would be wrong. */
  #hides(earlier: ResolvedNat, later: ResolvedNat): boolean {
    if (contentOf(earlier.from) !== contentOf(later.from) && !isWhole(earlier.from)) return false
    if (earlier.action === 'none') return false
    if (earlier.terms === undefined) return true
    return (later.terms ?? []).some(term => earlier.terms!.some(each => meets(each, term)))
  }

  #hidden(index: number, first: number, address: string): void {
    const [nat, other] = [this.list[index]!, this.list[first]!]
    const what = nat.action === 'one-to-one' ? address : `some of it at ${address}`
    this.#complain(
      this.#lines[index]!,
      0,
      3,
      `${what} is published already`,
      nat.action === 'one-to-one' || other.action === 'one-to-one'
        ? `it is in ${other.file}:${other.line}: an address stands for one other; single ports of it are published above that`
        : `${other.file}:${other.line} has it: take the port out of one of them, or say who it is for with "from"`,
    )
  }

  /** Answers to translated connections come to the same ports. */
  #inRange(index: number, takers: readonly ResolvedNat[]): void {
    const nat = this.list[index]!
    const own = nat.at!
    for (const term of nat.terms ?? []) {
      if (term.protocol !== 6 && term.protocol !== 17) continue
      const ports = term.destination
      if (ports === undefined) continue
      const taker = takers.find(
        each =>
          (each.at === undefined || isIn(own, each.at)) &&
          ports.some(({ from, to }) => from <= each.ports.to && to >= each.ports.from),
      )
      if (taker === undefined) continue
      const { from, to } = taker.ports
      const text = joinPorts(ports)!.map(each =>
        each.from === each.to ? each.from : `${each.from}-${each.to}`,
      )
      this.#complain(
        this.#lines[index]!,
        0,
        3,
        `port ${text.join(', ')} is among those that connections get outside`,
        `${taker.file}:${taker.line} takes ${from}-${to}: publish another port, or write there: ${taker.text.replace(/ ports .*/, '')} ports ${from}-${Math.max(from, Math.min(...ports.map(each => each.from)) - 1)}`,
      )
      return
    }
  }

  /** Of one-to-one, each address inside stands behind one outside. */
  #twins(): void {
    const inside = new Map<string, number>()
    for (const [index, { action, target, at }] of this.list.entries()) {
      if (action !== 'one-to-one' || target === undefined || isEmpty(target.addresses)) continue
      const key = `${at!.version} ${contentOf(target.addresses)}`
      const first = inside.get(key)
      if (first === undefined) inside.set(key, index)
      else
        this.#complain(
          this.#lines[index]!,
          0,
          3,
          'the host has an address outside already',
          `it is in ${this.list[first]!.file}:${this.list[first]!.line}, and its own connections leave by one: publish the other with "nat forward any at ADDRESS to ADDRESS"`,
        )
    }
  }

  #complain(line: NatLine | Line, at: number, length: number, message: string, hint: string): void {
    const start = Math.max(at, at === 0 ? line.text.search(/\S/) : at)
    this.#mistakes.add(() => complaintAt(line, start, length, message, hint))
  }
}

const isWhole = ({ v4, v6 }: AddressSet): boolean =>
  v4[0]?.first === 0 && v4[0].last === 0xffffffff && v6[0]?.first === 0n

const isIn = (one: AddressRange, range: AddressRange): boolean =>
  one.version === range.version && one.first >= range.first && one.first <= range.last

/** Whether some packet is of both. */
const meets = (a: Term, b: Term): boolean => {
  if (a.protocol !== undefined && b.protocol !== undefined && a.protocol !== b.protocol)
    return false
  const shares = (x: readonly PortRange[] | undefined, y: readonly PortRange[] | undefined) =>
    x === undefined ||
    y === undefined ||
    x.some(one => y.some(other => one.from <= other.to && one.to >= other.from))
  return shares(a.destination, b.destination) && shares(a.source, b.source)
}

/** Changes when, and only when, something is translated in another way. */
export const natDigest = (list: readonly ResolvedNat[]): string =>
  list
    .map(({ action, from, to, out, at, ports, terms, target }) =>
      [
        action,
        contentOf(from),
        contentOf(to),
        out ?? '',
        at ? formatAddresses(at) : '',
        `${ports.from}-${ports.to}`,
        terms ? contentOf(terms) : '',
        target ? `${contentOf(target.addresses)}:${target.port ?? ''}` : '',
      ].join(' '),
    )
    .join('\n')

interface Asked {
  readonly source: Ip
  readonly destination: Ip
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
}

/** The connection as rules see it: what is published leads to who is behind it. */
export const published = <C extends Asked>(
  list: readonly ResolvedNat[],
  connection: C,
): { readonly connection: C; readonly by?: ResolvedNat } => {
  const [source, destination] = [ipNumber(connection.source), ipNumber(connection.destination)]
  const version = typeof destination === 'number' ? 4 : 6
  const by = list.find(
    nat =>
      nat.at !== undefined &&
      nat.action !== 'source' &&
      nat.at.version === version &&
      nat.at.first === destination &&
      has(nat.from, source) &&
      (nat.terms === undefined || nat.terms.some(term => isOf(term, connection))),
  )
  const target = by?.target && firstOf(by.target.addresses, version)
  if (by === undefined || target === undefined) return { connection }
  const { port } = by.target!
  return {
    connection: {
      ...connection,
      destination: target,
      ...(port !== undefined && { destinationPort: port }),
    },
    by,
  }
}

/** The statement that says what the source of a connection becomes. @param network by which it leaves, by name */
export const sourceStatement = (
  list: readonly ResolvedNat[],
  source: number | bigint,
  destination: number | bigint,
  network: string,
): ResolvedNat | undefined =>
  list.find(
    nat =>
      isOfSource(nat) &&
      (nat.out === undefined || nat.out === network) &&
      (nat.action !== 'one-to-one' || (nat.at!.version === 4) === (typeof source === 'number')) &&
      (nat.action !== 'source' || (nat.at!.version === 4) === (typeof source === 'number')) &&
      has(nat.action === 'one-to-one' ? (nat.target?.addresses ?? noAddress) : nat.from, source) &&
      has(nat.to, destination),
  )

/** Whether the statement says what becomes of sources. */
export const isOfSource = ({ action, at }: ResolvedNat): boolean =>
  action === 'masquerade' ||
  action === 'source' ||
  action === 'one-to-one' ||
  (action === 'none' && at === undefined)

/** Whether it says where a published address leads. */
export const isOfDestination = ({ action, at }: ResolvedNat): boolean =>
  action === 'forward' || action === 'one-to-one' || (action === 'none' && at !== undefined)

const has = (set: AddressSet, value: number | bigint): boolean =>
  typeof value === 'number' ? contains(set.v4, value) : contains(set.v6, value)

export const firstOf = (set: AddressSet, version: 4 | 6): Ip | undefined => {
  const first = version === 4 ? set.v4[0]?.first : set.v6[0]?.first
  if (first === undefined) return undefined
  return formatAddresses({ version, first, last: first }) as Ip
}

const isOf = (
  { version, protocol, destination }: Term,
  { protocol: own, destinationPort, destination: address }: Asked,
): boolean =>
  (version === undefined || version === (address.includes(':') ? 6 : 4)) &&
  (protocol === undefined || protocol === own) &&
  (destination === undefined ||
    own === 1 ||
    own === 58 ||
    destination.some(({ from, to }) => destinationPort >= from && destinationPort <= to))
