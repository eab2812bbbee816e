/** Hosts and ports as pf.conf(5) writes them. */
import {
  type AddressSet,
  everyAddress,
  type Range,
  subtract,
  union,
} from '../../meaning/address-set.js'
import { addressesOf, NotUnderstood } from '../condition.js'
import { portNumber } from '../numbers.js'
import { allBut, type Interfaces } from './filter-rules.js'
import type { PfReader } from './pf-reader.js'

/** Addresses, and what of them cannot be said. */
export interface Hosts {
  readonly addresses: AddressSet
  readonly unsaid: readonly string[]
}

/** Tables by name; undefined: what is in it is not in the file. */
export type Tables = ReadonlyMap<string, AddressSet | undefined>

const anybody: Hosts = { addresses: everyAddress, unsaid: [] }

/** What stands behind `from` and `to`; several of a list are each a rule of its own, so together they are all of them. */
export const takeHosts = (reader: PfReader, interfaces: Interfaces, tables: Tables): Hosts => {
  const found = reader.list(() => takeHost(reader, interfaces, tables))
  return {
    addresses: union(found.map(({ addresses }) => addresses)),
    unsaid: found.flatMap(({ unsaid }) => unsaid),
  }
}

const takeHost = (reader: PfReader, interfaces: Interfaces, tables: Tables): Hosts => {
  const isNot = reader.skip('!')
  if (reader.skip('<')) {
    const name = reader.take()
    reader.expect('>')
    if (!tables.has(name)) return unsayable(`the table <${name}>, which the file does not have`)
    const addresses = tables.get(name)
    if (addresses === undefined) return unsayable(`the table <${name}>, which another file fills`)
    return { addresses: isNot ? allBut(addresses) : addresses, unsaid: [] }
  }
  const isDynamic = reader.skip('(')
  const word = reader.take()
  if (isDynamic) reader.expect(')')
  if (word === 'any') return isNot ? { addresses: noHosts, unsaid: [] } : anybody
  if (['no-route', 'urpf-failed', 'route', 'unknown'].includes(word)) {
    if (word === 'route') reader.take()
    return unsayable(word)
  }
  if (word === 'self') return ownHosts(interfaces, isNot)
  const found = isDynamic ? undefined : readAddresses(reader, word)
  if (found !== undefined) {
    const others = { v4: found.v4.length > 0, v6: found.v6.length > 0 }
    // An address makes the rule one of its version of IP, also behind "!".
    const rest = allBut(found)
    return {
      addresses: isNot ? { v4: others.v4 ? rest.v4 : [], v6: others.v6 ? rest.v6 : [] } : found,
      unsaid: [],
    }
  }
  return ofInterface(word, interfaces, isNot)
}

const noHosts: AddressSet = { v4: [], v6: [] }
const unsayable = (what: string): Hosts => ({ addresses: everyAddress, unsaid: [what] })

const ownHosts = (interfaces: Interfaces, isNot: boolean): Hosts => ({
  addresses: isNot ? allBut(interfaces.own) : interfaces.own,
  unsaid: [],
})

/** `em0` is the firewall's own address there, `em0:network` what is in its network. */
const ofInterface = (word: string, interfaces: Interfaces, isNot: boolean): Hosts => {
  const [name = '', ...modifiers] = word.split('/')[0]!.split(':')
  if (!/^[A-Za-z][\w.]*$/.test(name)) throw new NotUnderstood(`"${word}" is no host`)
  if (modifiers.some(each => !['network', 'broadcast', 'peer', '0'].includes(each)))
    return unsayable(`the name ${word}, whose addresses the file does not say`)
  if (modifiers.includes('broadcast') || modifiers.includes('peer')) return unsayable(word)
  if (!modifiers.includes('network')) {
    if (word.includes('/')) return unsayable(word)
    // em0, vlan7, em0.7; a name of another form may be that of a host.
    if (!/^[a-z_]+\d+(\.\d+)?$/.test(name) && name !== 'egress' && !interfaces.isNamed(name))
      return unsayable(`the name ${name}, whose addresses the file does not say`)
    return ownHosts(interfaces, isNot)
  }
  const network = interfaces.networkOf(name)
  if (network === undefined)
    return unsayable(`the network of ${name} (--interface ${name}=CIDR says it)`)
  return { addresses: isNot ? allBut(network) : network, unsaid: [] }
}

/** `10.0.0.1`, `10.0.0.0/8`, `10/8`, `10.0.0.1 - 10.0.0.9`. */
const readAddresses = (reader: PfReader, word: string): AddressSet | undefined => {
  if (!/^[0-9a-fA-F:.]+(%\w+)?(\/\d+)?$/.test(word) || !/^\d|:/.test(word)) return undefined
  const plain = word.replace(/%\w+/, '')
  if (reader.skip('-')) return addressesOf(`${plain}-${reader.take()}`)
  const short = /^(\d{1,3}(?:\.\d{1,3}){0,2})\/(\d+)$/.exec(plain)
  if (short === null) return addressesOf(plain)
  const parts = short[1]!.split('.')
  return addressesOf(`${[...parts, '0', '0', '0'].slice(0, 4).join('.')}/${short[2]}`)
}

/** What stands behind `port`: `80`, `1000:2000`, `>= 1024`, `1 >< 9`, `!= 22`. Several of a list are all of them. */
export const takePorts = (reader: PfReader): readonly Range<number>[] =>
  reader.list(() => takePort(reader)).flat()

const takePort = (reader: PfReader): readonly Range<number>[] => {
  for (const sign of ['=', '!=', '<', '<=', '>', '>='] as const)
    if (reader.skip(sign)) return compared(sign, portOf(reader.take()))
  const word = reader.take()
  const [low = '', high, rest] = word.split(':')
  if (high !== undefined && rest === undefined) return between(portOf(low), portOf(high))
  const first = portOf(word)
  if (reader.skip('><')) return between(first + 1, portOf(reader.take()) - 1)
  if (reader.skip('<>')) {
    const last = portOf(reader.take())
    return [...between(0, first - 1), ...between(last + 1, 65_535)]
  }
  if (reader.skip(':')) return between(first, portOf(reader.take()))
  return between(first, first)
}

const compared = (sign: '=' | '!=' | '<' | '<=' | '>' | '>=', port: number) => {
  switch (sign) {
    case '=':
      return between(port, port)
    case '!=':
      return [...between(0, port - 1), ...between(port + 1, 65_535)]
    case '<':
      return between(0, port - 1)
    case '<=':
      return between(0, port)
    case '>':
      return between(port + 1, 65_535)
    case '>=':
      return between(port, 65_535)
  }
}

const between = (first: number, last: number): readonly Range<number>[] =>
  first <= last ? [{ first, last }] : []

const portOf = (word: string): number => {
  const number = portNumber(word)
  if (number === undefined) throw new NotUnderstood(`"${word}" is no port`)
  return number
}

/** Elements of a table: of those that an address is in the smallest counts, with or without `!`. @throws {NotUnderstood} */
export const takeElements = (reader: PfReader, interfaces: Interfaces): AddressSet | undefined => {
  const found: { readonly isNot: boolean; readonly addresses: AddressSet }[] = []
  let isKnown = true
  reader.list(() => {
    const isNot = reader.skip('!')
    const { addresses, unsaid } = takeHost(reader, interfaces, new Map())
    if (unsaid.length > 0) isKnown = false
    found.push({ isNot, addresses })
  })
  if (!isKnown) return undefined
  const bySize = found.sort((a, b) => (sizeOf(a.addresses) > sizeOf(b.addresses) ? -1 : 1))
  let table: AddressSet = noHosts
  for (const { isNot, addresses } of bySize)
    table = isNot ? subtract(table, addresses) : union([table, addresses])
  return table
}

const sizeOf = ({ v4, v6 }: AddressSet): bigint =>
  v4.reduce((sum, { first, last }) => sum + BigInt(last - first), 0n) +
  v6.reduce((sum, { first, last }) => sum + last - first, 0n)
