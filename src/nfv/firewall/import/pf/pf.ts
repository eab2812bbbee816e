/**
 * pf.conf(5) of OpenBSD, FreeBSD and macOS, and what `pfctl -sr` lists. What passes through is asked as it comes in and as it goes
 * out (filter-rules.ts); with a host, what comes to it and leaves it.
 */
import {
  type AddressSet,
  everyAddress,
  isEmpty,
  noAddress,
  type Range,
} from '../../meaning/address-set.js'
import type { RejectCode } from '../../text/rule.js'
import { everything, familyBox, sorted } from '../box.js'
import type { Verdict } from '../chains.js'
import { Condition, NotUnderstood, protocolOf, protocolsWithPorts } from '../condition.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from '../rule-writer.js'
import { type FilterRule, Interfaces, type Way, writeFilterRules } from './filter-rules.js'
import { type Hosts, takeElements, takeHosts, takePorts } from './pf-hosts.js'
import { skipRoutes, takeOptions } from './pf-options.js'
import { PfReader } from './pf-reader.js'
import { pfWords } from './pf-words.js'

/** @throws {ImportError} with the line */
export const importPf = (text: string, options: ImportOptions = {}): Imported => {
  const writer = new RuleWriter(options)
  writer.comment('from pf.conf')
  const file = new PfFile(new PfReader(pfWords(text)), writer, options)
  file.read()
  if (file.rules.length === 0)
    throw new ImportError('there is no rule in it: is it a pf.conf, or the output of "pfctl -sr"?')
  writeFilterRules(writer, file.rules, options)
  return writer.done()
}

/** What a rule says of a packet, before it is known on which way it is asked. */
export interface Said {
  readonly interfaces: readonly { readonly names: readonly string[]; readonly isNot: boolean }[]
  readonly versions: readonly (4 | 6)[]
  readonly protocols: readonly Range<number>[] | undefined
  readonly from: Hosts
  readonly to: Hosts
  readonly sourcePorts: readonly Range<number>[] | undefined
  readonly destinationPorts: readonly Range<number>[] | undefined
  readonly icmp: readonly { readonly version: 4 | 6; readonly types: readonly Range<number>[] }[]
  readonly unsaid: readonly string[]
  /** Why no packet that opens a connection is meant. */
  readonly never?: string | undefined
  /** Where it came in, whichever way it is asked on. */
  readonly receivedOn?: string | undefined
}

const anyHost: Hosts = { addresses: everyAddress, unsaid: [] }
const nobody: Hosts = { addresses: noAddress, unsaid: [] }

/** How it came to be in an anchor: all of these hold as well. */
type Outer = readonly Said[]

class PfFile {
  readonly rules: FilterRule[] = []
  readonly #reader: PfReader
  readonly #writer: RuleWriter
  readonly #interfaces: Interfaces
  readonly #isThrough: boolean
  readonly #tables = new Map<string, AddressSet | undefined>()
  /** Of `block` alone. */
  #policy: 'drop' | 'reject' = 'drop'
  /** Interfaces at which nothing is asked. */
  readonly #skipped: string[] = []
  /** Where source addresses are translated: rules on the way out see others. */
  #translated: number | undefined

  constructor(reader: PfReader, writer: RuleWriter, options: ImportOptions) {
    this.#reader = reader
    this.#writer = writer
    this.#interfaces = new Interfaces(options)
    this.#isThrough = options.host === undefined
  }

  read(): void {
    this.#statements([], undefined)
    const skipped = this.#skipped.filter(name => !/^lo\d*$/.test(name))
    if (skipped.length > 0) {
      const said: Said = { ...nothing, interfaces: [{ names: skipped, isNot: false }] }
      this.rules.unshift(
        this.#rule(0, `set skip on ${skipped.join(' ')}`, { kind: 'accept' }, true, undefined, [
          said,
        ]),
      )
    }
  }

  #statements(outer: Outer, way: Way | undefined): void {
    const reader = this.#reader
    while (!reader.isAtEnd) {
      if (reader.skip('\n')) continue
      if (outer.length > 0 && reader.next === '}') return
      try {
        this.#statement(outer, way)
      } catch (error) {
        if (!(error instanceof NotUnderstood)) throw error
        throw new ImportError(error.message, reader.line)
      }
      if (!reader.isAtLineEnd) reader.fail(`"${reader.next}" is not understood here`)
    }
  }

  #statement(outer: Outer, way: Way | undefined): void {
    const reader = this.#reader
    const mark = reader.mark
    const { line } = reader
    const word = reader.take()
    switch (word) {
      case 'set':
        return this.#set()
      case 'table':
        return this.#table(line)
      case 'block':
      case 'pass':
      case 'match':
        return this.#filter(word, mark, line, outer, way)
      case 'antispoof':
        return this.#antispoof(mark, line, outer)
      case 'anchor':
        return this.#anchor(mark, line, outer, way)
      case 'scrub':
      case 'altq':
      case 'queue':
      case 'dummynet-anchor':
      case 'scrub-anchor':
      case 'timeout':
      case 'limit':
        return reader.skipLine()
      case 'nat':
      case 'nat-anchor':
      case 'binat-anchor':
        reader.skipLine()
        return this.#translate(line, reader.textFrom(mark))
      case 'no':
      case 'rdr':
      case 'binat':
      case 'rdr-anchor':
        return this.#redirect(word, mark, line)
      case 'load':
      case 'include':
        reader.skipLine()
        reader.fail(`it names another file: ${reader.textFrom(mark)}; put it there instead`)
        return
      default:
        throw new ImportError(`not understood: ${word}`, line)
    }
  }

  #set(): void {
    const reader = this.#reader
    if (reader.skip('skip')) {
      reader.expect('on')
      this.#skipped.push(...reader.list(() => reader.take()))
    } else if (reader.skip('block-policy'))
      this.#policy = reader.take() === 'drop' ? 'drop' : 'reject'
    else reader.skipLine()
  }

  #table(line: number): void {
    const reader = this.#reader
    reader.expect('<')
    const name = reader.take()
    reader.expect('>')
    let elements: AddressSet | undefined = noAddress
    let isGiven = false
    while (!reader.isAtLineEnd) {
      if (reader.next === '{') {
        const found = takeElements(reader, this.#interfaces)
        elements = elements &&
          found && { v4: [...elements.v4, ...found.v4], v6: [...elements.v6, ...found.v6] }
        isGiven = true
      } else if (reader.skip('file')) {
        reader.take()
        elements = undefined
        isGiven = true
      } else reader.take()
    }
    this.#tables.set(name, elements)
    if (!isGiven)
      this.#writer.info({ line }, `the table <${name}> is empty until somebody fills it`)
  }

  /** Addresses that senders have on the way out are others. */
  #translate(line: number, text: string): void {
    this.#translated ??= line
    this.#noteTranslation(line, text)
  }

  #noteTranslation(line: number, text: string): void {
    this.#writer.loss({ line }, 'left out', `address translation is not carried over: ${text}`)
  }

  /** `rdr on em0 proto tcp from any to any port 80 -> 10.0.0.1`: what it sends elsewhere is closed. */
  #redirect(word: string, mark: number, line: number): void {
    const reader = this.#reader
    if (word === 'no' || word.endsWith('-anchor')) {
      reader.skipLine()
      this.#noteTranslation(line, reader.textFrom(mark))
      return
    }
    if (word === 'binat') reader.fail('addresses that are translated both ways cannot be said')
    reader.skip('pass')
    const said = this.#said()
    reader.skipLine()
    const text = reader.textFrom(mark)
    const other: Verdict = { kind: 'other', what: 'address translation' }
    this.rules.push(this.#rule(line, text, other, true, 'in', [{ ...said, unsaid: [] }]))
  }

  #filter(
    word: 'block' | 'pass' | 'match',
    mark: number,
    line: number,
    outer: Outer,
    way: Way | undefined,
  ): void {
    const reader = this.#reader
    const answer = word === 'block' ? this.#answer() : undefined
    const asked = this.#way()
    const own = way ?? asked
    const log = reader.skip('log')
    if (log) reader.bracket()
    const isQuick = reader.skip('quick')
    const said = this.#said()
    const { translation, label, ...more } = takeOptions(reader, word, this.#isThrough)
    const text = reader.textFrom(mark)
    // A rule that decides translates what it has seen; one that only matches, what those behind it see.
    const isSeen = translation === 'source' && word === 'match'
    const whole: Said = {
      ...said,
      // In an anchor for the other way it is never asked.
      to: asked !== undefined && asked !== own ? nobody : said.to,
      icmp: more.icmp,
      unsaid: [...said.unsaid, ...more.unsaid],
      never: more.never,
      receivedOn: more.receivedOn,
    }
    const verdict: Verdict =
      translation === 'other'
        ? { kind: 'other', what: 'address translation, or a program,' }
        : word === 'match'
          ? { kind: 'continue' }
          : word === 'pass'
            ? { kind: 'accept' }
            : (answer ?? { kind: 'drop' })
    const isFirst = isQuick || (word === 'match' && translation === 'other')
    const made = this.#rule(line, text, verdict, isFirst, own, [...outer, whole], label)
    // What a match sends elsewhere is so for all rules behind it.
    if (word === 'match' && translation === 'other') this.rules.unshift(made)
    else this.rules.push(made)
    if (translation === 'source') {
      if (isSeen) this.#translate(line, text)
      else this.#noteTranslation(line, text)
    }
    if (log && word !== 'match') {
      const logged = { ...made, verdict: { kind: 'log', text: label ?? '' } as const }
      // Others are asked from the bottom.
      this.rules.splice(this.rules.length - (isQuick ? 1 : 0), 0, logged)
    }
  }

  /** Behind `block`. */
  #answer(): Verdict {
    const reader = this.#reader
    const reject = (answer?: RejectCode): Verdict => ({ kind: 'reject', answer })
    if (reader.skip('drop')) return { kind: 'drop' }
    if (reader.skip('return')) return reject()
    if (reader.skip('return-rst')) {
      reader.bracket()
      return reject()
    }
    if (reader.skip('return-icmp', 'return-icmp6')) {
      const [word = ''] = reader.bracket()
      return reject(answers.find(([pattern]) => pattern.test(word))?.[1] ?? 'port-unreachable')
    }
    return this.#policy === 'drop' ? { kind: 'drop' } : reject()
  }

  #way(): Way | undefined {
    return this.#reader.skip('in') ? 'in' : this.#reader.skip('out') ? 'out' : undefined
  }

  /** `[on IF] [FAMILY] [proto P] [all | from H port P to H port P]` */
  #said(): Said {
    const reader = this.#reader
    const interfaces: Said['interfaces'][number][] = []
    const unsaid: string[] = []
    if (reader.skip('on')) {
      if (reader.skip('rdomain')) unsaid.push(`rdomain ${reader.take()}`)
      else if (reader.skip('any')) interfaces.push({ names: ['lo0'], isNot: true })
      else interfaces.push(...this.#takeInterfaces())
    }
    skipRoutes(reader)
    const versions: (4 | 6)[] = []
    if (reader.skip('inet')) versions.push(4)
    else if (reader.skip('inet6')) versions.push(6)
    const protocols = reader.skip('proto')
      ? sorted(reader.list(() => protocolOf(reader.take())))
      : undefined
    let [from, to] = [anyHost, anyHost]
    let sourcePorts: readonly Range<number>[] | undefined
    let destinationPorts: readonly Range<number>[] | undefined
    reader.skip('all')
    if (reader.skip('from')) {
      if (reader.next !== 'port') from = takeHosts(reader, this.#interfaces, this.#tables)
      if (reader.skip('port')) sourcePorts = takePorts(reader)
      if (reader.skip('os')) unsaid.push(`os ${reader.list(() => reader.take()).join(' ')}`)
    }
    if (reader.skip('to')) {
      if (reader.next !== 'port') to = takeHosts(reader, this.#interfaces, this.#tables)
      if (reader.skip('port')) destinationPorts = takePorts(reader)
    }
    return {
      ...nothing,
      interfaces,
      versions,
      protocols,
      from,
      to,
      sourcePorts,
      destinationPorts,
      unsaid,
    }
  }

  /** Of a list each is a rule of its own: a packet at any of those, or at any but one of several, which is every packet. */
  #takeInterfaces(): Said['interfaces'] {
    const reader = this.#reader
    const found = reader.list(() => ({ isNot: reader.skip('!'), name: reader.take() }))
    const others = found.filter(({ isNot }) => isNot)
    if (others.length === 0) return [{ names: found.map(({ name }) => name), isNot: false }]
    if (found.length === 1) return [{ names: [found[0]!.name], isNot: true }]
    throw new NotUnderstood('several interfaces, some with "!": write a rule for each')
  }

  /** `antispoof for em0`: what has an address of its network comes in there, and nobody else has its own. */
  #antispoof(mark: number, line: number, outer: Outer): void {
    const reader = this.#reader
    if (reader.skip('log')) reader.bracket()
    const isQuick = reader.skip('quick')
    reader.expect('for')
    const names = reader.list(() => {
      reader.skip('(')
      const name = reader.take()
      reader.skip(')')
      return name
    })
    if (reader.skip('inet', 'inet6')) reader.skipLine()
    reader.skipLine()
    const text = reader.textFrom(mark)
    for (const name of names) {
      if (/^lo\d*$/.test(name)) continue
      const network = this.#interfaces.networkOf(name)
      const from: Hosts =
        network === undefined
          ? {
              addresses: everyAddress,
              unsaid: [`the network of ${name} (--interface ${name}=CIDR says it)`],
            }
          : { addresses: network, unsaid: [] }
      const said: Said = { ...nothing, interfaces: [{ names: [name], isNot: true }], from }
      this.rules.push(this.#rule(line, text, { kind: 'drop' }, isQuick, 'in', [...outer, said]))
    }
  }

  #anchor(mark: number, line: number, outer: Outer, way: Way | undefined): void {
    const reader = this.#reader
    let name = ''
    if (reader.isQuoted || !(reader.isAtLineEnd || behindAnchor.has(reader.next)))
      name = reader.take()
    const asked = this.#way()
    const own = way ?? asked
    const isQuick = reader.skip('quick')
    const said = this.#said()
    const isNever = asked !== undefined && asked !== own
    const { translation: _, label: __, ...more } = takeOptions(reader, 'anchor', this.#isThrough)
    const text = reader.textFrom(mark)
    if (!reader.skip('{')) {
      this.#writer.loss(
        { line },
        'left out',
        `the anchor "${name}" is empty until somebody fills it ("pfctl -a '*' -sr" lists what is in it): ${text}`,
      )
      return
    }
    if (isQuick) reader.fail('an anchor that is quick cannot be said')
    this.#statements(
      [
        ...outer,
        {
          ...said,
          ...(isNever && { to: nobody }),
          ...more,
          unsaid: [...said.unsaid, ...more.unsaid],
        },
      ],
      own,
    )
    reader.expect('}')
  }

  #rule(
    line: number,
    text: string,
    verdict: Verdict,
    isQuick: boolean,
    way: Way | undefined,
    all: readonly Said[],
    name?: string,
  ): FilterRule {
    const translated = this.#translated
    const condition = (asked: Way) => {
      const found = new Condition()
      for (const said of all) {
        this.#narrow(found, said, asked)
        const { from, sourcePorts } = said
        if (asked === 'out' && translated && (from.addresses !== everyAddress || sourcePorts))
          found.unsayable(`senders, which line ${translated} translates`)
      }
      return found
    }
    return { place: { line }, text, name, verdict, isQuick, way, condition }
  }

  #narrow(condition: Condition, said: Said, way: Way): void {
    const { from, to, protocols } = said
    for (const { names, isNot } of said.interfaces)
      this.#interfaces.through(condition, way, names, isNot)
    if (said.receivedOn !== undefined)
      this.#interfaces.through(condition, 'in', [said.receivedOn], false)
    for (const version of said.versions) condition.and([familyBox(version)])
    if (protocols) condition.protocols(protocols)
    this.#hosts(condition, 'from', from)
    this.#hosts(condition, 'to', to)
    const withPorts = (protocols ?? protocolsWithPorts).filter(({ first }) =>
      protocolsWithPorts.some(each => each.first === first),
    )
    if (said.sourcePorts) condition.ports('sourcePorts', said.sourcePorts, withPorts)
    if (said.destinationPorts) condition.ports('destinationPorts', said.destinationPorts, withPorts)
    const types = said.icmp.map(({ version, types }) => ({
      ...everything,
      protocols: sorted([protocolOf(version === 4 ? 'icmp' : 'icmp6')]),
      destinationPorts: sorted(types),
    }))
    if (types.length > 0) condition.and(types)
    for (const each of said.unsaid) condition.unsayable(each)
    if (said.never !== undefined) condition.neverOpening(said.never)
  }

  #hosts(condition: Condition, direction: 'from' | 'to', { addresses, unsaid }: Hosts): void {
    for (const each of unsaid) condition.unsayable(each)
    if (addresses === everyAddress) return
    if (isEmpty(addresses)) condition.never()
    else condition.addresses(direction, addresses)
  }
}

const nothing: Said = {
  interfaces: [],
  versions: [],
  protocols: undefined,
  from: anyHost,
  to: anyHost,
  sourcePorts: undefined,
  destinationPorts: undefined,
  icmp: [],
  unsaid: [],
}

/** What may stand behind an anchor that has no name. */
const behindAnchor = new Set('{ in out on quick inet inet6 proto all from to'.split(' '))

const answers: readonly (readonly [RegExp, RejectCode])[] = [
  [/^(net-unr|0)$/, 'net-unreachable'],
  [/^(host-unr|addr-unr|1)$/, 'host-unreachable'],
  [/prohib/, 'admin-prohibited'],
]
