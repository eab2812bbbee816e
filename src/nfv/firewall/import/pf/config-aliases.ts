/** Aliases of pfSense and OPNsense: names for addresses and ports, that may name one another. */
import { type AddressSet, noAddress, type Range, union } from '../../meaning/address-set.js'
import { addressesOf, portsOf } from '../condition.js'
import { childOf, childrenOf, type Element } from './xml.js'

interface Alias {
  readonly type: string
  readonly content: readonly string[]
}

/** Undefined, of either: the file does not say. */
export class Aliases {
  readonly #aliases = new Map<string, Alias>()

  constructor(root: Element) {
    const own = childrenOf(childOf(root, 'aliases'), 'alias')
    const others = childrenOf(childOf(root, 'OPNsense', 'Firewall', 'Alias', 'aliases'), 'alias')
    for (const alias of [...own, ...others]) {
      const text = (name: string) => childOf(alias, name)?.text ?? ''
      const words = text('address') || text('content')
      const isOn = text('enabled') !== '0'
      const content = isOn ? words.split(/\s+/).filter(word => word !== '') : []
      this.#aliases.set(text('name'), { type: text('type'), content })
    }
  }

  has(name: string): boolean {
    return this.#aliases.has(name)
  }

  /** @throws {NotUnderstood} for what is neither an address nor an alias */
  addresses(word: string, above: readonly string[] = []): AddressSet | undefined {
    const alias = this.#aliases.get(word)
    if (alias === undefined) return /^[\d.]+$|[:/-]/.test(word) ? addressesOf(word) : undefined
    if (!['host', 'network', 'networkgroup'].includes(alias.type) || above.includes(word))
      return undefined
    const parts = alias.content.map(each =>
      // Out of a network, or a name.
      each.startsWith('!') ? undefined : this.addresses(each, [...above, word]),
    )
    return parts.some(part => part === undefined)
      ? undefined
      : parts.length === 0
        ? noAddress
        : union(parts as AddressSet[])
  }

  /** @throws {NotUnderstood} */
  ports(word: string, above: readonly string[] = []): readonly Range<number>[] | undefined {
    const alias = this.#aliases.get(word)
    if (alias === undefined) return [portsOf(word)]
    if (alias.type !== 'port' || above.includes(word)) return undefined
    const parts = alias.content.map(each => this.ports(each, [...above, word]))
    return parts.some(part => part === undefined) ? undefined : parts.flatMap(part => part!)
  }
}
