/**
 * `config.xml` of pfSense and OPNsense, which make rules of pf of it: what is private or bogus at interfaces that say so, floating rules, then
 * those of interfaces, all `quick` but floating ones that are not; what no rule lets in is dropped, and what was let in may go out.
 */

import { parseCidr } from '../../../../base/addresses.js'
import {
  type AddressSet,
  isEmpty,
  type Range,
  setOfCidr,
  union,
} from '../../meaning/address-set.js'
import { everything, familyBox, sorted } from '../box.js'
import type { Verdict } from '../chains.js'
import { Condition, icmpOf, NotUnderstood, protocolOf, protocolsWithPorts } from '../condition.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from '../rule-writer.js'
import { Aliases } from './config-aliases.js'
import { allBut, type FilterRule, Interfaces, type Way, writeFilterRules } from './filter-rules.js'
import { icmpNames } from './pf-options.js'
import { childOf, childrenOf, type Element, readXml } from './xml.js'

/** @throws {ImportError} with the line */
export const importConfigXml = (text: string, options: ImportOptions = {}): Imported => {
  const root = readXml(text)
  if (root.name !== 'pfsense' && root.name !== 'opnsense')
    throw new ImportError(`<${root.name}> is no configuration of pfSense or OPNsense`, root.line)
  const writer = new RuleWriter(options)
  writer.comment(`from config.xml of ${root.name === 'pfsense' ? 'pfSense' : 'OPNsense'}`)
  const automatic = childOf(root, 'OPNsense', 'Firewall', 'Filter', 'rules', 'rule')
  if (automatic)
    throw new ImportError('rules of OPNsense under "Automation" cannot be said yet', automatic.line)
  writeFilterRules(writer, new Config(root, writer, options).rules(), options)
  return writer.done()
}

/** What is in a rule and changes nothing here. */
const harmless = new Set(
  'id tracker type interface ipprotocol protocol source destination descr disabled floating quick direction icmptype icmp6-type statetype log created updated associated-rule-id gateway statepolicy tag tcpflags_any allowopts disablereplyto category uuid nosync nopfsync statetimeout dnpipe pdnpipe defaultqueue ackqueue local-port target natreflection ipprotocol nordr set-prio'.split(
    ' ',
  ),
)

class Config {
  readonly #root: Element
  readonly #options: ImportOptions
  readonly #aliases: Aliases
  readonly #interfaces: Interfaces
  /** The sender's address is another one on the way out. */
  readonly #isTranslated: boolean

  constructor(root: Element, writer: RuleWriter, options: ImportOptions) {
    this.#root = root
    this.#options = options
    this.#aliases = new Aliases(root)
    const networks = new Map<string, AddressSet>()
    for (const each of childOf(root, 'interfaces')?.children ?? []) {
      const network = networkOf(each)
      if (network !== undefined) networks.set(each.name, network)
    }
    this.#interfaces = new Interfaces(options, networks)
    const outbound = childOf(root, 'nat', 'outbound')
    const mode = childOf(outbound, 'mode')?.text ?? 'automatic'
    const written = childrenOf(outbound, 'rule')
    this.#isTranslated = mode !== 'disabled' && (mode !== 'advanced' || written.length > 0)
    const line = outbound?.line ?? 0
    if (this.#isTranslated)
      writer.loss(
        { line },
        'left out',
        `address translation is not carried over (outbound: ${mode})`,
      )
  }

  rules(): FilterRule[] {
    const filter = childOf(this.#root, 'filter')
    const written = childrenOf(filter, 'rule').filter(rule => !isOff(rule))
    const isFloating = (rule: Element) => isOn(childOf(rule, 'floating'))
    const forwards = childrenOf(childOf(this.#root, 'nat'), 'rule').filter(rule => !isOff(rule))
    const both = childrenOf(childOf(this.#root, 'nat'), 'onetoone').filter(rule => !isOff(rule))
    for (const each of both)
      throw new ImportError('addresses that are translated both ways cannot be said', each.line)
    const closing: Verdict = { kind: 'other', what: 'address translation' }
    return [
      { ...this.#default('pass out', { kind: 'accept' }), way: 'out' },
      { ...this.#default('block in', { kind: 'drop' }), way: 'in' },
      ...forwards
        .filter(rule => !isOn(childOf(rule, 'nordr')))
        .map((rule): FilterRule => ({ ...this.#rule(rule, closing), way: 'in', isQuick: true })),
      ...this.#guards(),
      ...written.filter(isFloating).flatMap(rule => this.#withLog(rule)),
      ...written.filter(rule => !isFloating(rule)).flatMap(rule => this.#withLog(rule)),
    ]
  }

  #default(text: string, verdict: Verdict): FilterRule {
    const condition = () => new Condition()
    return { place: { line: 0 }, text, verdict, isQuick: false, condition, name: 'default' }
  }

  /** Nobody comes in from private, or bogus, networks at interfaces that say so. */
  #guards(): FilterRule[] {
    return (childOf(this.#root, 'interfaces')?.children ?? []).flatMap(each =>
      (['blockpriv', 'blockbogons'] as const)
        .filter(word => isOn(childOf(each, word)) && !isShut(each))
        .map((word): FilterRule => {
          const isPrivate = word === 'blockpriv'
          const told = this.#options.interfaces?.get('bogons')
          const condition = () => {
            const found = new Condition()
            this.#interfaces.through(found, 'in', [each.name], false)
            if (isPrivate) found.addresses('from', privateNetworks)
            else if (told === undefined)
              found.unsayable(
                'bogons, which another file has (--interface bogons=CIDR,... says them)',
              )
            else found.addresses('from', union(told.split(',').map(setOf)))
            return found
          }
          const place = { line: childOf(each, word)!.line }
          const text = `<${word}> of ${each.name}`
          return { place, text, verdict: { kind: 'drop' }, isQuick: true, way: 'in', condition }
        }),
    )
  }

  #withLog(rule: Element): FilterRule[] {
    const type = childOf(rule, 'type')?.text || 'pass'
    const verdicts: Readonly<Record<string, Verdict>> = {
      pass: { kind: 'accept' },
      block: { kind: 'drop' },
      reject: { kind: 'reject' },
      match: { kind: 'continue' },
    }
    const verdict = verdicts[type]
    if (verdict === undefined) throw new ImportError(`"${type}" is no type of a rule`, rule.line)
    const made = this.#rule(rule, verdict)
    if (!isOn(childOf(rule, 'log'))) return [made]
    const log: FilterRule = { ...made, verdict: { kind: 'log', text: '' } }
    // Those that are not quick are asked from the bottom.
    return made.isQuick ? [log, made] : [made, log]
  }

  #rule(rule: Element, verdict: Verdict): FilterRule {
    const isFloating = isOn(childOf(rule, 'floating'))
    const direction = childOf(rule, 'direction')?.text
    const way: Way | undefined =
      direction === 'out' ? 'out' : direction === 'any' ? undefined : 'in'
    const quick = childOf(rule, 'quick')
    const isQuick = isFloating ? isOn(quick) : quick === undefined || isOn(quick)
    const text = describe(rule)
    const name = childOf(rule, 'descr')?.text || undefined
    const condition = (asked: Way) => {
      try {
        return this.#condition(rule, asked)
      } catch (error) {
        if (!(error instanceof NotUnderstood)) throw error
        throw new ImportError(`${error.message}: ${text}`, rule.line)
      }
    }
    return { place: { line: rule.line }, text, name, verdict, isQuick, way, condition }
  }

  #condition(rule: Element, way: Way): Condition {
    const found = new Condition()
    const text = (name: string) => childOf(rule, name)?.text ?? ''
    const names = text('interface')
      .split(',')
      .filter(word => word !== '' && word !== 'any')
    if (names.length > 0)
      this.#interfaces.through(found, way, names, isOn(childOf(rule, 'interfacenot')))
    // Rules of old have no word for it and mean IPv4.
    const family = text('ipprotocol') || 'inet'
    if (family === 'inet') found.and([familyBox(4)])
    else if (family === 'inet6') found.and([familyBox(6)])
    else if (family !== 'inet46') throw new NotUnderstood(`"${family}" is no version of IP`)
    const protocols = protocolsOf(text('protocol').toLowerCase(), family)
    if (protocols !== undefined) found.protocols(protocols)
    this.#end(found, rule, 'from', way)
    this.#end(found, rule, 'to', way)
    this.#icmp(found, rule, protocols)
    for (const child of rule.children)
      if (!harmless.has(child.name) && !isNothing(child))
        found.unsayable(`<${child.name}> ${child.text}`)
    return found
  }

  #end(found: Condition, rule: Element, direction: 'from' | 'to', way: Way): void {
    const end = childOf(rule, direction === 'from' ? 'source' : 'destination')
    if (end === undefined) return
    const word = childOf(end, 'address')?.text || childOf(end, 'network')?.text || 'any'
    const isNot = isOn(childOf(end, 'not'))
    const port = childOf(end, 'port')?.text ?? ''
    const isSaid = word !== 'any' || (direction === 'from' && port !== '')
    if (way === 'out' && direction === 'from' && this.#isTranslated && isSaid)
      found.unsayable('senders, whose addresses are translated on the way out')
    if (word !== 'any') {
      const addresses = this.#addresses(word)
      if (addresses === undefined) found.unsayable(`${isNot ? 'not ' : ''}${word}`)
      else {
        const set = isNot ? allBut(addresses) : addresses
        if (isEmpty(set)) found.never()
        else found.addresses(direction, set)
      }
    } else if (isNot) found.never()
    if (port === '' || port === 'any') return
    const ports = this.#aliases.ports(port)
    const withPorts = found.protocolsLeft.filter(({ first, last }) =>
      protocolsWithPorts.some(each => each.first >= first && each.first <= last),
    )
    const field = direction === 'from' ? 'sourcePorts' : 'destinationPorts'
    if (ports === undefined) found.unsayable(`ports ${port}`)
    else found.ports(field, ports, withPorts.length > 0 ? withPorts : protocolsWithPorts)
  }

  #addresses(word: string): AddressSet | undefined {
    if (this.#aliases.has(word)) return this.#aliases.addresses(word)
    if (word === '(self)' || word === 'self') return this.#interfaces.own
    const interfaces = childOf(this.#root, 'interfaces')?.children ?? []
    const name = word.replace(/^\(|\)$/g, '')
    if (interfaces.some(each => `${each.name}ip` === name)) return this.#interfaces.own
    if (interfaces.some(each => each.name === name)) return this.#interfaces.networkOf(name)
    return this.#aliases.addresses(word)
  }

  #icmp(found: Condition, rule: Element, protocols: readonly Range<number>[] | undefined): void {
    const list = [
      ...(childOf(rule, 'icmptype')?.text ?? '').split(','),
      ...(childOf(rule, 'icmp6-type')?.text ?? '').split(','),
    ].filter(word => word !== '' && word !== 'any')
    if (list.length === 0) return
    const versions = ([4, 6] as const).filter(version =>
      (protocols ?? []).some(({ first }) => first === (version === 4 ? 1 : 58)),
    )
    found.and(
      versions.map(version => ({
        ...everything,
        protocols: [protocolOf(version === 4 ? 'icmp' : 'icmp6')],
        destinationPorts: sorted(
          list.flatMap(word => icmpOf(version, icmpNames(version)[word] ?? word)),
        ),
      })),
    )
  }
}

const isOff = (rule: Element): boolean => {
  const disabled = childOf(rule, 'disabled')
  return (disabled !== undefined && disabled.text !== '0') || childOf(rule, 'enabled')?.text === '0'
}

/** A box that is ticked: there is such an element, and it does not say no. */
const isOn = (element: Element | undefined): boolean =>
  element !== undefined && !['0', 'no', 'off', 'false'].includes(element.text)

/** It says nothing. */
const isNothing = (element: Element): boolean =>
  (element.text === '' && element.children.length === 0) || element.text === '0'

const isShut = (each: Element): boolean => {
  const enable = childOf(each, 'enable')
  return enable !== undefined && !isOn(enable)
}

const describe = (rule: Element): string => {
  const end = (name: string) => {
    const element = childOf(rule, name)
    const word = childOf(element, 'address')?.text || childOf(element, 'network')?.text || 'any'
    const port = childOf(element, 'port')?.text
    return `${isOn(childOf(element, 'not')) ? '!' : ''}${word}${port ? ` port ${port}` : ''}`
  }
  const words = ['type', 'interface', 'ipprotocol', 'protocol'].map(
    name => childOf(rule, name)?.text,
  )
  const said = words.filter(word => word !== undefined && word !== '').join(' ')
  return `${said} from ${end('source')} to ${end('destination')}`
}

/** ICMP is that of the rule's version of IP. */
const protocolsOf = (word: string, family: string): readonly Range<number>[] | undefined => {
  if (word === '' || word === 'any') return undefined
  const isIcmp = ['icmp', 'ipv6-icmp', 'icmp6', 'icmpv6'].includes(word)
  if (isIcmp)
    return sorted(
      ['icmp', 'icmp6']
        .slice(family === 'inet6' ? 1 : 0, family === 'inet' ? 1 : 2)
        .map(protocolOf),
    )
  const words = word === 'tcp/udp' ? ['tcp', 'udp'] : [word]
  return sorted(words.map(protocolOf))
}

/** An address with its prefix; undefined where it is not written in the file. */
const networkOf = (each: Element): AddressSet | undefined => {
  const cidrs = [
    ['ipaddr', 'subnet'],
    ['ipaddrv6', 'subnetv6'],
  ].flatMap(([address, length]) => {
    const cidr = parseCidr(`${childOf(each, address!)?.text}/${childOf(each, length!)?.text}`)
    return cidr === undefined ? [] : [setOfCidr(cidr)]
  })
  return cidrs.length === 0 ? undefined : union(cidrs)
}

const setOf = (text: string): AddressSet => {
  const cidr = parseCidr(text.trim())
  if (cidr === undefined) throw new ImportError(`"${text}" is no CIDR`)
  return setOfCidr(cidr)
}

const privateNetworks = union(
  ['10.0.0.0/8', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(setOf),
)
