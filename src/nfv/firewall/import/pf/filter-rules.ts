/**
 * Rules as pf runs them (pf.conf(5)), whoever wrote them: a packet that passes through is asked twice, as it comes in and as it goes
 * out, and must be let through both times. Each time the first `quick` rule that matches decides; where there is none, the last rule that matches; where
 * there is none, it passes. So all quick rules from the top, and then the others from the bottom, are a list of which the first decides.
 */
import {
  type AddressSet,
  everyAddress,
  isEmpty,
  noAddress,
  subtract,
  union,
} from '../../meaning/address-set.js'
import { everything, intersect } from '../box.js'
import { type BaseChain, type ChainRule, type Place, TooMuch, type Verdict } from '../chains.js'
import { behind, type Condition, type Direction, unionOf } from '../condition.js'
import { ImportError, type ImportOptions, type RuleWriter } from '../rule-writer.js'
import { writeChains } from '../write-chains.js'

/** As a packet comes in, and as it goes out. */
export type Way = 'in' | 'out'

export interface FilterRule {
  readonly place: Place
  readonly text: string
  readonly name?: string | undefined
  readonly verdict: Verdict
  readonly isQuick: boolean
  /** Undefined: both. */
  readonly way?: Way | undefined
  /** What it matches of packets on this way. */
  readonly condition: (way: Way) => Condition
}

/** @throws {ImportError} when they cannot be written out */
export const writeFilterRules = (
  writer: RuleWriter,
  rules: readonly FilterRule[],
  { host }: ImportOptions,
): void => {
  const chains = new Map<string, readonly ChainRule[]>()
  for (const way of ['in', 'out'] as const) {
    const asked = rules.filter(rule => (rule.way ?? way) === way)
    const quick = asked.filter(({ isQuick }) => isQuick)
    const others = asked.filter(({ isQuick }) => !isQuick)
    chains.set(
      way,
      [...quick, ...others.reverse()].map(rule => chainRule(rule, way)),
    )
  }
  const base = (chain: Way, region: BaseChain['region']): BaseChain => ({
    chain,
    region,
    policy: 'accept',
    place: { line: 0 },
  })
  const bases =
    host === undefined ? [base('in', everything), base('out', everything)] : ofHost(host, base)
  try {
    const isOfHost = host !== undefined
    writeChains(writer, { bases, chains, unseen: 'accept', isOfHost, keepsState: true })
  } catch (error) {
    if (error instanceof TooMuch) throw new ImportError(error.message)
    throw error
  }
}

const ofHost = (
  host: readonly string[],
  base: (chain: Way, region: BaseChain['region']) => BaseChain,
): BaseChain[] => {
  const own = { addresses: unionOf(host), zones: [] }
  const others = { addresses: subtract(everyAddress, own.addresses), zones: [] }
  const arriving = intersect(everything, { ...everything, from: others, to: own })
  const leaving = intersect(everything, { ...everything, from: own, to: others })
  return [...(arriving ? [base('in', arriving)] : []), ...(leaving ? [base('out', leaving)] : [])]
}

const chainRule = ({ place, text, name, verdict, condition }: FilterRule, way: Way): ChainRule => {
  const { match, remarks } = condition(way)
  // Each of both ways is counted with its own.
  return { place, match, verdict, text, remarks, ...(name !== undefined && { name }) }
}

/** Interfaces, and what is known of them. */
export class Interfaces {
  readonly #options: ImportOptions
  readonly #networks: ReadonlyMap<string, AddressSet>

  /** @param networks addresses behind interfaces, as far as the source says them */
  constructor(options: ImportOptions, networks: ReadonlyMap<string, AddressSet> = new Map()) {
    this.#options = options
    this.#networks = networks
  }

  /** The firewall's own addresses: none of what passes through has them. */
  get own(): AddressSet {
    return this.#options.host === undefined ? noAddress : unionOf(this.#options.host)
  }

  /** What comes from, or goes to, any of these interfaces; or none of them. */
  through(condition: Condition, way: Way, names: readonly string[], isNot: boolean): void {
    const direction: Direction = way === 'in' ? 'from' : 'to'
    const passing = names.filter(name => name !== 'lo0' && name !== 'lo')
    const found = passing.map(name => this.#behind(name))
    const unknown = passing.filter((_, at) => found[at] === undefined)
    if (unknown.length > 0)
      return condition.unsayable(
        `${isNot ? 'not ' : ''}the interface ${unknown[0]} (what is behind it? --interface ${unknown[0]}=ZONE)`,
      )
    const zones = found.filter(each => typeof each === 'string')
    const addresses = union(found.filter(each => typeof each !== 'string') as AddressSet[])
    if (isNot) {
      for (const zone of zones) condition.zone(direction, zone, true)
      if (!isEmpty(addresses)) condition.addresses(direction, subtract(everyAddress, addresses))
      return
    }
    const [zone] = zones
    if (zone !== undefined && (zones.length > 1 || !isEmpty(addresses)))
      return condition.unsayable(`the interfaces ${passing.join(', ')} together`)
    if (zone !== undefined) condition.zone(direction, zone, false)
    else condition.addresses(direction, addresses)
  }

  /** Somebody says what is behind it. */
  isNamed(name: string): boolean {
    return this.#behind(name) !== undefined
  }

  /** The network of an interface; undefined when it is not known as addresses. */
  networkOf(name: string): AddressSet | undefined {
    const found = this.#behind(name)
    return typeof found === 'string' ? undefined : found
  }

  #behind(name: string): AddressSet | string | undefined {
    const told = this.#options.interfaces?.get(name)
    if (told === 'others') return this.#others(name)
    return told === undefined ? this.#networks.get(name) : behind(told)
  }

  /** What is behind no other interface. @throws {ImportError} when one of those is known by name only */
  #others(name: string): AddressSet {
    const told = [...(this.#options.interfaces?.keys() ?? [])]
    const names = new Set([...this.#networks.keys(), ...told].filter(each => each !== name))
    const sets = [...names].map(each => {
      const found = this.#options.interfaces?.get(each) === 'others' ? 'others' : this.#behind(each)
      if (typeof found === 'string')
        throw new ImportError(
          `"${name}=others" needs addresses for ${each}: --interface ${each}=CIDR`,
        )
      return found ?? noAddress
    })
    return allBut(union(sets))
  }
}

/** All but these, of both versions of IP. */
export const allBut = (set: AddressSet): AddressSet => subtract(everyAddress, set)
