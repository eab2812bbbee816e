/** `ipset save` (ipset(8)): sets that iptables names by `--match-set`. */
import { type AddressSet, type Range, subtract, union } from '../../meaning/address-set.js'
import { type Box, everything, sorted } from '../box.js'
import { addressesOf, NotUnderstood, portsOf, protocolOf } from '../condition.js'
import { ImportError } from '../rule-writer.js'

interface Line {
  readonly line: number
  readonly words: readonly string[]
  readonly text: string
}

interface Entry {
  readonly parts: readonly string[]
  readonly isNot: boolean
}

/** What an entry has in each of its dimensions. */
type Part = 'address' | 'port' | 'other'

const partOf = (word: string): Part =>
  word === 'ip' || word === 'net' ? 'address' : word === 'port' ? 'port' : 'other'

export class IpSet {
  readonly parts: readonly Part[]
  readonly #entries: Entry[] = []

  /** @param type `hash:ip,port` */
  constructor(type: string) {
    this.parts = (type.split(':')[1] ?? '').split(',').map(partOf)
  }

  /** @throws {NotUnderstood} */
  add(text: string, isNot: boolean): void {
    const parts = text.split(',')
    if (!this.parts.includes('other'))
      this.#box(
        parts,
        this.parts.map(() => 'src'),
      )
    this.#entries.push({ parts, isNot })
  }

  get isOfAddresses(): boolean {
    return this.parts.length === 1 && this.parts[0] === 'address'
  }

  /**
   * Packets that the set matches.
   *
   * @param flags `src` or `dst` for each dimension
   * @returns undefined when its entries cannot be said
   */
  boxes(flags: readonly string[]): readonly Box[] | undefined {
    if (this.parts.includes('other') || flags.length < this.parts.length) return undefined
    if (this.isOfAddresses) {
      const of = (isNot: boolean) =>
        this.#entries
          .filter(each => each.isNot === isNot)
          .map(({ parts }) => addressesOf(parts[0]!))
      if (this.#entries.length === 0) return []
      const addresses = subtract(union(of(false)), union(of(true)))
      return [{ ...everything, [flags[0] === 'src' ? 'from' : 'to']: { addresses, zones: [] } }]
    }
    if (this.#entries.some(({ isNot }) => isNot)) return undefined
    return this.#entries.map(({ parts }) => this.#box(parts, flags))
  }

  #box(values: readonly string[], flags: readonly string[]): Box {
    let box: Box = everything
    for (const [at, part] of this.parts.entries()) {
      const isSource = flags[at] === 'src'
      const value = values[at] ?? ''
      if (part === 'address') {
        const end: { addresses: AddressSet; zones: [] } = {
          addresses: addressesOf(value),
          zones: [],
        }
        box = { ...box, [isSource ? 'from' : 'to']: end }
      } else {
        const [protocol, ports = ''] = value.includes(':') ? value.split(':') : ['tcp', value]
        box = {
          ...box,
          // Without a protocol it is TCP, but for a set of ports alone, which means both.
          protocols: sorted(
            value.includes(':') || this.parts.length > 1
              ? [protocolOf(protocol!)]
              : [protocolOf('tcp'), protocolOf('udp')],
          ),
          [isSource ? 'sourcePorts' : 'destinationPorts']: [portsOf(ports)] as Range<number>[],
        }
      }
    }
    return box
  }
}

/** @throws {ImportError} with the line */
export const readIpSets = (lines: readonly Line[]): ReadonlyMap<string, IpSet> => {
  const sets = new Map<string, IpSet>()
  for (const { line, words, text } of lines) {
    const [verb, name = '', value = '', ...options] = words
    if (verb === 'create') {
      sets.set(name, new IpSet(value))
      continue
    }
    const set = sets.get(name)
    if (set === undefined) throw new ImportError(`no set is named ${name}: ${text}`, line)
    try {
      set.add(value, options.includes('nomatch'))
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error
      throw new ImportError(`${error.message}: ${text}`, line)
    }
  }
  return sets
}
