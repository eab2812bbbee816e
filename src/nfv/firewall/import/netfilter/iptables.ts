/**
 * `iptables-save` and `ip6tables-save`, one or both in a file, with `ipset save` beside them; also what `iptables -S` lists and plain
 * commands. What passes through meets PREROUTING of raw, mangle and nat, FORWARD of mangle, filter and security, and POSTROUTING
 * of mangle and nat; all must accept. With a host, what comes to it and leaves it.
 */
import { type AddressSet, isEmpty, noAddress, subtract, union } from '../../meaning/address-set.js'
import type { RejectCode } from '../../text/rule.js'
import { type Box, everything, familyBox, intersect, sorted } from '../box.js'
import { type BaseChain, type ChainRule, TooMuch, type Verdict } from '../chains.js'
import {
  addressesOf,
  behind,
  Condition,
  type Direction,
  icmpOf,
  NotUnderstood,
  portsOf,
  protocolOf,
  protocolsWithPorts,
  unionOf,
} from '../condition.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from '../rule-writer.js'
import { writeChains } from '../write-chains.js'
import { type IpSet, readIpSets } from './ipset.js'

interface Line {
  readonly line: number
  readonly words: readonly string[]
  readonly text: string
}

interface Chain {
  policy: 'accept' | 'drop'
  readonly lines: Line[]
}

type Tables = Map<string, Map<string, Chain>>

/** What one run of iptables-save printed. */
interface Dump {
  version: 4 | 6 | undefined
  readonly tables: Tables
  readonly line: number
}

/** @throws {ImportError} with the line */
export const importIptables = (text: string, options: ImportOptions = {}): Imported => {
  const writer = new RuleWriter(options)
  const { dumps, sets } = read(text)
  const versions = versionsOf(dumps)
  writer.comment('from iptables-save')
  const bases: BaseChain[] = []
  const chains = new Map<string, readonly ChainRule[]>()
  for (const [at, dump] of dumps.entries()) {
    const region = regionOf(versions[at]!)
    const reader = new Reader(dump, versions[at]!, sets, options, `${at}`)
    noteOthers(writer, dump, options)
    bases.push(...basesOf(dump, region, options, `${at}`))
    for (const [table, own] of dump.tables)
      for (const [name, chain] of own)
        chains.set(keyOf(`${at}`, table, name), reader.rules(table, chain))
  }
  const isSeen = (version: 4 | 6) => versions.some(each => each === version || each === 'both')
  for (const version of [4, 6] as const)
    if (!isSeen(version) && options.host === undefined)
      writer.info({ line: 0 }, `the file says nothing of IPv${version}: it is closed here`)
  try {
    const isOfHost = options.host !== undefined
    writeChains(writer, { bases, chains, unseen: 'drop', isOfHost })
  } catch (error) {
    if (error instanceof TooMuch) throw new ImportError(error.message)
    throw error
  }
  return writer.done()
}

const keyOf = (dump: string, table: string, chain: string): string => `${dump}/${table}/${chain}`

const commands: Readonly<Record<string, 4 | 6>> = {
  iptables: 4,
  'iptables-legacy': 4,
  'iptables-nft': 4,
  ip6tables: 6,
  'ip6tables-legacy': 6,
  'ip6tables-nft': 6,
}
const builtIn = new Set(['INPUT', 'OUTPUT', 'FORWARD', 'PREROUTING', 'POSTROUTING'])

/** Lines to dumps: another begins with a header, or with a table that the last one had already. */
const read = (text: string): { dumps: Dump[]; sets: ReadonlyMap<string, IpSet> } => {
  const dumps: Dump[] = []
  const ipsets: Line[] = []
  let table = 'filter'
  const begin = (version: Dump['version'], line: number): Dump => {
    const dump: Dump = { version, tables: new Map(), line }
    dumps.push(dump)
    return dump
  }
  const dumpOf = (version: Dump['version'], line: number): Dump => {
    const open = dumps.at(-1)
    if (version === undefined) return open ?? begin(undefined, line)
    return dumps.find(each => each.version === version) ?? begin(version, line)
  }
  const chainOf = (dump: Dump, name: string): Chain => {
    const own = dump.tables.get(table) ?? new Map<string, Chain>()
    dump.tables.set(table, own)
    const chain = own.get(name) ?? { policy: 'accept', lines: [] }
    own.set(name, chain)
    return chain
  }
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1
    const trimmed = raw.trim()
    const header = /^#.*\b(ip6?tables)(?:-legacy|-nft)?-save\b/.exec(trimmed)
    if (header && !/completed/i.test(trimmed)) {
      const version = commands[header[1]!]
      if (dumps.at(-1)?.version !== version) begin(version, line)
      continue
    }
    if (trimmed === '' || trimmed.startsWith('#') || trimmed === 'COMMIT') continue
    if (/^(create|add)\s/.test(trimmed)) {
      ipsets.push({ line, words: wordsOf(trimmed), text: trimmed })
      continue
    }
    if (trimmed.startsWith('*')) {
      table = trimmed.slice(1).trim()
      if (dumps.at(-1)?.tables.has(table)) begin(undefined, line)
      const dump = dumps.at(-1) ?? begin(undefined, line)
      if (!dump.tables.has(table)) dump.tables.set(table, new Map())
      continue
    }
    const declared = /^:(\S+)\s+(\S+)/.exec(trimmed)
    if (declared) {
      const chain = chainOf(dumpOf(undefined, line), declared[1]!)
      chain.policy = policyOf(declared[2]!, line)
      continue
    }
    const words = wordsOf(trimmed.replace(/^\[\d+:\d+\]\s+/, ''))
    const command = (words[0] ?? '').split('/').at(-1)!
    const version = commands[command]
    if (version !== undefined) words.shift()
    const named = words.findIndex(word => word === '-t' || word === '--table')
    const before = table
    if (named >= 0) table = words.splice(named, 2)[1] ?? table
    const inTable = table
    readCommand(
      words,
      line,
      trimmed,
      name => chainOf(dumpOf(version, line), name),
      () => dumpOf(version, line).tables.get(inTable)?.values() ?? [],
    )
    if (named >= 0) table = before
  }
  if (dumps.length === 0)
    throw new ImportError('there is no table and no rule in it: is it the output of iptables-save?')
  return { dumps, sets: readIpSets(ipsets) }
}

const policyOf = (word: string, line: number): Chain['policy'] => {
  if (word === 'ACCEPT' || word === '-' || word === 'RETURN') return 'accept'
  if (word === 'DROP' || word === 'REJECT' || word === 'QUEUE') return 'drop'
  throw new ImportError(`"${word}" is no policy of a chain`, line)
}

const readCommand = (
  words: readonly string[],
  line: number,
  text: string,
  chainOf: (name: string) => Chain,
  chains: () => Iterable<Chain>,
): void => {
  const [verb = '', name = '', ...rest] = words
  switch (verb) {
    case '-P':
    case '--policy':
      chainOf(name).policy = policyOf(rest[0] ?? '', line)
      return
    case '-N':
    case '--new-chain':
      chainOf(name)
      return
    case '-A':
    case '--append':
      chainOf(name).lines.push({ line, words: rest, text })
      return
    case '-I':
    case '--insert': {
      const isNumbered = /^\d+$/.test(rest[0] ?? '')
      const at = isNumbered ? Number(rest[0]) - 1 : 0
      chainOf(name).lines.splice(at, 0, { line, words: isNumbered ? rest.slice(1) : rest, text })
      return
    }
    case '-F':
    case '--flush':
      for (const chain of name === '' ? chains() : [chainOf(name)]) chain.lines.length = 0
      return
    case '-X':
    case '--delete-chain':
    case '-Z':
    case '--zero':
      return
    default:
      throw new ImportError(`not understood: ${text}`, line)
  }
}

/** Words of a line, quotes taken off. */
const wordsOf = (text: string): string[] =>
  [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(([, inner, single, plain]) =>
    inner === undefined ? (single ?? plain!) : inner.replace(/\\(.)/g, '$1'),
  )

type Versions = 4 | 6 | 'both'

/** Without a header the addresses tell; of several dumps without them the one with IPv6 speaks for IPv6. */
const versionsOf = (dumps: readonly Dump[]): Versions[] => {
  const found = dumps.map((dump): Versions => {
    if (dump.version !== undefined) return dump.version
    const words = [...dump.tables.values()].flatMap(own =>
      [...own.values()].flatMap(({ lines }) => lines.flatMap(line => line.words)),
    )
    const isV6 = words.some(
      word =>
        /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*(\/\d+)?(-|,|$)/i.test(word) ||
        /^(icmpv6|ipv6-icmp|icmp6|--icmpv6-type)$/.test(word),
    )
    const isV4 = words.some(
      word => /^\d+\.\d+\.\d+\.\d+(\/|-|,|$)/.test(word) || /^(icmp|--icmp-type)$/.test(word),
    )
    if (!isV6) return 4
    return isV4 && dumps.length === 1 ? 'both' : 6
  })
  return found
}

const regionOf = (version: Versions): Box => (version === 'both' ? everything : familyBox(version))

const tablesBefore = ['raw', 'mangle', 'nat'] as const
const throughHooks = [
  ...tablesBefore.map(table => [table, 'PREROUTING'] as const),
  ['mangle', 'FORWARD'],
  ['filter', 'FORWARD'],
  ['security', 'FORWARD'],
  ['mangle', 'POSTROUTING'],
  ['nat', 'POSTROUTING'],
] as const
const arrivingHooks = [
  ...tablesBefore.map(table => [table, 'PREROUTING'] as const),
  ['mangle', 'INPUT'],
  ['filter', 'INPUT'],
  ['security', 'INPUT'],
] as const
const leavingHooks = [
  ...[...tablesBefore, 'filter', 'security'].map(table => [table, 'OUTPUT'] as const),
  ['mangle', 'POSTROUTING'],
  ['nat', 'POSTROUTING'],
] as const

const basesOf = (
  { tables, line }: Dump,
  region: Box,
  { host }: ImportOptions,
  dump: string,
): BaseChain[] => {
  const base = (table: string, name: string, part: Box): BaseChain[] => {
    const chain = tables.get(table)?.get(name)
    if (chain === undefined) return []
    return [
      {
        chain: keyOf(dump, table, name),
        region: part,
        policy: chain.policy,
        place: { line },
        isBeforeTracking: table === 'raw',
      },
    ]
  }
  if (host === undefined) {
    const found = throughHooks.flatMap(([table, name]) => base(table, name, region))
    // The kernel has the chain in any case, and it accepts.
    return found.length > 0 ? found : [{ chain: '', region, policy: 'accept', place: { line } }]
  }
  const own = unionOf(host)
  const others = subtract(
    { v4: familyBox(4).from.addresses.v4, v6: familyBox(6).from.addresses.v6 },
    own,
  )
  const end = (addresses: AddressSet) => ({ addresses, zones: [] })
  const arriving = intersect(region, { ...everything, from: end(others), to: end(own) })
  const leaving = intersect(region, { ...everything, from: end(own), to: end(others) })
  return [
    ...(arriving ? arrivingHooks.flatMap(([table, name]) => base(table, name, arriving)) : []),
    ...(leaving ? leavingHooks.flatMap(([table, name]) => base(table, name, leaving)) : []),
  ]
}

/** What is in the file and not in the rules, once each. */
const noteOthers = (writer: RuleWriter, { tables, line }: Dump, { host }: ImportOptions): void => {
  const count = (table: string, names: readonly string[]) =>
    names.reduce((sum, name) => sum + (tables.get(table)?.get(name)?.lines.length ?? 0), 0)
  const translations = [...(tables.get('nat')?.values() ?? [])].flatMap(({ lines }) => lines)
  const [first] = translations
  if (first !== undefined)
    writer.loss(
      { line: first.line },
      'left out',
      `address translation is not carried over (${translations.length} rules of table nat)`,
    )
  const own = count('filter', ['INPUT', 'OUTPUT'])
  if (host === undefined && own > 0)
    writer.loss(
      { line },
      'left out',
      `INPUT and OUTPUT are about the host itself (${own} rules): name its address with --host to have them`,
    )
  const through = count('filter', ['FORWARD'])
  if (host !== undefined && through > 0)
    writer.info({ line }, `FORWARD is not about the host itself (${through} rules)`)
  for (const [table, chains] of tables)
    if (!['filter', 'nat', 'mangle', 'raw', 'security'].includes(table) && chains.size > 0)
      throw new ImportError(`there is no table named ${table} in iptables`, line)
}

const verdicts: Readonly<Record<string, Verdict>> = {
  ACCEPT: { kind: 'accept' },
  DROP: { kind: 'drop' },
  // Without `--reject-with` (iptables-extensions(8)).
  REJECT: { kind: 'reject', answer: 'port-unreachable' },
  RETURN: { kind: 'return' },
  TARPIT: { kind: 'drop' },
  DELUDE: { kind: 'drop' },
  CHAOS: { kind: 'drop' },
  STEAL: { kind: 'drop' },
  NOTRACK: { kind: 'untrack' },
  // The packet goes where it was going, in another name.
  MASQUERADE: { kind: 'accept' },
  SNAT: { kind: 'accept' },
}

/** Targets behind which the next rule is asked (iptables-extensions(8)). */
const passing = new Set(
  'AUDIT CHECKSUM CLASSIFY CONNMARK CONNSECMARK CT DSCP ECN HL HMARK IDLETIMER LED MARK RATEEST SECMARK SET TCPMSS TCPOPTSTRIP TEE TOS TRACE TTL'.split(
    ' ',
  ),
)
const logging = new Set(['LOG', 'NFLOG', 'ULOG'])

/** What `--reject-with`, and `reject with` of nft, answer, in the words that come closest. */
export const rejectAnswer = (word: string): RejectCode | undefined => {
  if (/reset$|^tcp-rst$/.test(word)) return undefined
  if (/port-unreach|proto-unreach|^prot-unreachable/.test(word)) return 'port-unreachable'
  if (/(host|addr)-unreach/.test(word)) return 'host-unreachable'
  if (/net-unreach|no-route/.test(word)) return 'net-unreachable'
  return 'admin-prohibited'
}

/** Options that change nothing here, with the number of their values. */
const ignored: Readonly<Record<string, number>> = {
  '-m': 1,
  '--match': 1,
  '-c': 2,
  '--set-counters': 2,
  '--wait': 0,
  '-w': 0,
}

/** What a target does that is no chain. */
export const targetVerdict = (name: string): Verdict =>
  verdicts[name] ??
  (logging.has(name)
    ? { kind: 'log', text: '' }
    : passing.has(name)
      ? { kind: 'continue' }
      : { kind: 'other', what: `the target ${name}` })

class Reader {
  readonly #dump: string
  readonly #tables: Tables
  readonly #version: Versions
  readonly #sets: ReadonlyMap<string, IpSet>
  readonly #options: ImportOptions

  constructor(
    { tables }: Dump,
    version: Versions,
    sets: ReadonlyMap<string, IpSet>,
    options: ImportOptions,
    dump: string,
  ) {
    this.#tables = tables
    this.#version = version
    this.#sets = sets
    this.#options = options
    this.#dump = dump
  }

  rules(table: string, { lines }: Chain): ChainRule[] {
    return lines.map(line => {
      try {
        return this.#rule(table, line)
      } catch (error) {
        if (!(error instanceof NotUnderstood)) throw error
        throw new ImportError(`${error.message}: ${line.text}`, line.line)
      }
    })
  }

  #rule(table: string, { words, line, text }: Line): ChainRule {
    const parts = new Parts(this.#version, this.#sets, this.#options)
    for (let at = 0; at < words.length; ) at = parts.read(words, at)
    parts.finish()
    const place = { line }
    const verdict = this.#verdict(table, parts)
    const condition = parts.condition
    const unsaid =
      verdict.kind === 'log'
        ? condition.unsaid.filter(each => each !== rateLimit)
        : condition.unsaid
    const match = { ...condition.match, unsaid }
    const { remarks } = condition
    return { place, match, verdict, text, remarks, ...(parts.comment && { name: parts.comment }) }
  }

  #verdict(table: string, { target, isGoto, isUntracked, log, answer }: Parts): Verdict {
    if (target === undefined) return { kind: 'continue' }
    if (isUntracked) return { kind: 'untrack' }
    if (logging.has(target)) return { kind: 'log', text: log }
    if (target === 'REJECT' && answer !== undefined)
      return { kind: 'reject', answer: rejectAnswer(answer) }
    if (
      verdicts[target] === undefined &&
      this.#tables.get(table)?.has(target) &&
      !builtIn.has(target)
    )
      return { kind: isGoto ? 'goto' : 'jump', chain: keyOf(this.#dump, table, target) }
    return targetVerdict(target)
  }
}

const rateLimit = 'a rate limit'
/** Options of iptables itself: what a module has read ends before them. */
const isOfNoModule = new Set(
  '-m --match -s --source --src -d --destination --dst -i --in-interface -o --out-interface -p --protocol --proto -j --jump -g --goto -f --fragment -4 --ipv4 -6 --ipv6 -c --set-counters'.split(
    ' ',
  ),
)
/** Modules that ask nothing of a packet without an option, beside what `-p` asks. */
const isQuiet = new Set(
  'tcp udp udplite icmp icmp6 icmpv6 sctp dccp comment conntrack state multiport time set'.split(
    ' ',
  ),
)
/** What no packet that opens a connection has, as it comes to the rules. */
export const routingHeader =
  'a routing header opens nothing: who gets one of type 0 discards it (RFC 5095), and the rules are asked without it'
export const pieces = 'datagrams in pieces are put together before rules are asked'

type PortField = 'sourcePorts' | 'destinationPorts'

/** The options of one rule. */
class Parts {
  readonly condition = new Condition()
  target: string | undefined
  isGoto = false
  isUntracked = false
  log = ''
  comment: string | undefined
  /** Of `--reject-with`. */
  answer: string | undefined
  readonly #version: Versions
  readonly #sets: ReadonlyMap<string, IpSet>
  readonly #options: ImportOptions
  /** Ports wait for the protocol, which may stand behind them. */
  readonly #ports: { field: PortField | 'either'; values: string; isNot: boolean }[] = []
  #protocol: { readonly name: string; readonly isNot: boolean } | undefined
  #module = ''
  /** Named, and no option of it was read yet. */
  #bare: string | undefined
  #isNot = false

  constructor(version: Versions, sets: ReadonlyMap<string, IpSet>, options: ImportOptions) {
    this.#version = version
    this.#sets = sets
    this.#options = options
  }

  /** Reads one option and its values; returns where the next one is. */
  read(words: readonly string[], at: number): number {
    const word = words[at]!
    if (isOfNoModule.has(word)) this.#endModule()
    else if (word.startsWith('-')) this.#bare = undefined
    if (word === '!') {
      this.#isNot = true
      return at + 1
    }
    let next = at + 1
    if (words[next] === '!') {
      this.#isNot = true
      next++
    }
    const value = words[next] ?? ''
    const isNot = this.#isNot
    this.#isNot = false
    if (word === '-m' || word === '--match') {
      this.#module = value
      this.#bare = value
    }
    const skipped = ignored[word]
    if (skipped !== undefined) return next + skipped
    return next + this.#option(word, value, words[next + 1] ?? '', isNot, words, next)
  }

  /** @returns how many values it has */
  #option(
    word: string,
    value: string,
    second: string,
    isNot: boolean,
    words: readonly string[],
    at: number,
  ): number {
    switch (word) {
      case '-s':
      case '--source':
      case '--src':
      case '--src-range':
        return this.#addresses('from', value, isNot)
      case '-d':
      case '--destination':
      case '--dst':
      case '--dst-range':
        return this.#addresses('to', value, isNot)
      case '-4':
      case '--ipv4':
        this.condition.and([familyBox(4)])
        return 0
      case '-6':
      case '--ipv6':
        this.condition.and([familyBox(6)])
        return 0
      case '-p':
      case '--protocol':
      case '--proto':
        if (value !== 'all' && value !== '0') {
          this.#protocol = { name: value, isNot }
          this.condition.protocols([protocolOf(value)], isNot)
        }
        return 1
      case '-i':
      case '--in-interface':
        return this.#interface('from', value, isNot)
      case '-o':
      case '--out-interface':
        return this.#interface('to', value, isNot)
      case '-f':
      case '--fragment':
        if (!isNot) this.condition.neverOpening(pieces)
        return 0
      case '--dport':
      case '--dports':
      case '--destination-port':
      case '--destination-ports':
        this.#ports.push({ field: 'destinationPorts', values: value, isNot })
        return 1
      case '--sport':
      case '--sports':
      case '--source-port':
      case '--source-ports':
        this.#ports.push({ field: 'sourcePorts', values: value, isNot })
        return 1
      case '--port':
      case '--ports':
        this.#ports.push({ field: 'either', values: value, isNot })
        return 1
      case '--syn':
        if (isNot) this.condition.never()
        return 0
      case '--tcp-flags':
        this.#flags(value, second, isNot)
        return 2
      case '--icmp-type':
        this.condition.icmp(4, icmpOf(4, value), isNot)
        return 1
      case '--icmpv6-type':
        this.condition.icmp(6, icmpOf(6, value), isNot)
        return 1
      case '--ctstate':
      case '--state':
        this.#states(value, isNot)
        return 1
      case '--ctdir':
        if ((value.toUpperCase() === 'REPLY') !== isNot) this.condition.never()
        return 1
      case '--src-type':
      case '--dst-type':
        this.#addressType(word === '--src-type' ? 'from' : 'to', value, isNot)
        return 1
      case '--match-set':
        this.#set(value, second, isNot)
        return 2
      case '--pol':
        if ((value === 'none') === isNot) this.condition.unsayable(`IPsec policy ${value}`)
        return 1
      case '--reject-with':
        this.answer = value
        return 1
      case '--comment':
        this.comment = value
        return 1
      case '--log-prefix':
      case '--nflog-prefix':
      case '--ulog-prefix':
        this.log = value
        return 1
      case '--notrack':
        this.isUntracked = this.target === 'CT'
        return 0
      case '-j':
      case '--jump':
        this.target = value
        return 1
      case '-g':
      case '--goto':
        this.target = value
        this.isGoto = true
        return 1
      default:
        return this.#other(word, isNot, words, at)
    }
  }

  #other(word: string, isNot: boolean, words: readonly string[], at: number): number {
    if (!word.startsWith('-')) throw new NotUnderstood(`"${word}" is no option`)
    let count = 0
    while (at + count < words.length && !/^(-|!$)/.test(words[at + count]!)) count++
    // Those of what decides may be of a match that stands behind it.
    const { target } = this
    if (target !== undefined && (logging.has(target) || passing.has(target))) return count
    if (/^--(to-source|to-ports|random|random-fully|persistent)$/.test(word)) return count
    if (word === '--set' && this.#module === 'recent' && !isNot) return count
    if (['--name', '--rsource', '--rdest', '--mask'].includes(word)) return count
    if (/^--(limit|hashlimit)/.test(word)) {
      if (!this.condition.unsaid.includes(rateLimit)) this.condition.unsayable(rateLimit)
      return count
    }
    if (this.#module === 'rt' && word.startsWith('--rt-')) {
      this.condition.neverOpening(routingHeader)
      return count
    }
    this.condition.unsayable(
      [...(isNot ? ['!'] : []), word, ...words.slice(at, at + count)].join(' '),
    )
    return count
  }

  /** What a module asks of packets that is named without an option. */
  #endModule(): void {
    const module = this.#bare
    this.#bare = undefined
    if (module === undefined || isQuiet.has(module)) return
    if (module === 'limit') this.condition.unsayable(rateLimit)
    else if (module === 'rt') this.condition.neverOpening(routingHeader)
    else if (module === 'frag') this.condition.neverOpening(pieces)
    else this.condition.unsayable(`-m ${module}`)
  }

  finish(): void {
    this.#endModule()
    const { name, isNot } = this.#protocol ?? { name: '', isNot: false }
    for (const { field, values, isNot: isOther } of this.#ports) {
      if (name === '' || isNot) throw new NotUnderstood('ports without -p tcp or udp')
      const protocols = sorted([protocolOf(name)])
      if (!protocolsWithPorts.some(({ first }) => first === protocols[0]!.first))
        throw new NotUnderstood(`ports of ${name}`)
      const ports = values.split(',').map(portsOf)
      if (field !== 'either') this.condition.ports(field, ports, protocols, isOther)
      else if (isOther) {
        this.condition.ports('sourcePorts', ports, protocols, true)
        this.condition.ports('destinationPorts', ports, protocols, true)
      } else
        this.condition.and([
          { ...everything, protocols, sourcePorts: sorted(ports) },
          { ...everything, protocols, destinationPorts: sorted(ports) },
        ])
    }
  }

  #addresses(direction: Direction, value: string, isNot: boolean): number {
    this.condition.addresses(direction, unionOf(value.split(',')), isNot)
    return 1
  }

  #interface(direction: Direction, name: string, isNot: boolean): number {
    if (name === '+') {
      if (isNot) this.condition.never()
      return 1
    }
    if (name === 'lo') {
      if (!isNot) this.condition.never()
      return 1
    }
    const known = this.#options.interfaces?.get(name)
    if (known === undefined) {
      this.condition.unsayable(
        `${isNot ? 'not ' : ''}the interface ${name} (what is behind it? --interface ${name}=ZONE)`,
      )
      return 1
    }
    const found = behind(known)
    if (typeof found === 'string') this.condition.zone(direction, found, isNot)
    else this.condition.addresses(direction, found, isNot)
    return 1
  }

  /** The packet that opens a connection has SYN alone. */
  #flags(mask: string, wanted: string, isNot: boolean): void {
    const named = (text: string) =>
      text === 'ALL' ? allFlags : text === 'NONE' ? [] : text.split(',')
    for (const flag of [...named(mask), ...named(wanted)])
      if (!allFlags.includes(flag)) throw new NotUnderstood(`"${flag}" is no flag of TCP`)
    const isMet = named(mask).every(flag => named(wanted).includes(flag) === (flag === 'SYN'))
    if (isMet === isNot) this.condition.never()
  }

  #states(value: string, isNot: boolean): void {
    const words = value.toUpperCase().split(',')
    const plain = words.flatMap(word => stateOf[word] ?? [])
    for (const word of words)
      if (stateOf[word] === undefined) {
        if (!['SNAT', 'DNAT'].includes(word)) throw new NotUnderstood(`"${word}" is no state`)
        // Nothing is translated here.
        if (plain.length === 0 && !isNot) this.condition.unsayable(`the state ${word}`)
      }
    if (plain.length > 0 || isNot) this.condition.states(plain, isNot)
  }

  #addressType(direction: Direction, value: string, isNot: boolean): void {
    const types = value.split(',')
    // What passes through is neither from nor to an address of the machine itself.
    const isOfHost = this.#options.host !== undefined
    const known = types.map(type =>
      type === 'LOCAL' || (type === 'ANYCAST' && !isOfHost)
        ? isOfHost
          ? this.#ownAddresses()
          : noAddress
        : type === 'MULTICAST'
          ? multicast
          : type === 'BROADCAST'
            ? broadcast
            : type === 'UNICAST'
              ? unicast
              : undefined,
    )
    if (known.some(each => each === undefined)) {
      this.condition.unsayable(`the address type ${value}`)
      return
    }
    const set = union(known as AddressSet[])
    if (!isNot) this.condition.addresses(direction, set)
    else if (!isEmpty(set)) {
      const every = { v4: familyBox(4).from.addresses.v4, v6: familyBox(6).from.addresses.v6 }
      this.condition.addresses(direction, subtract(every, set))
    }
  }

  #ownAddresses(): AddressSet {
    return unionOf(this.#options.host ?? [])
  }

  #set(name: string, flags: string, isNot: boolean): void {
    const set = this.#sets.get(name)
    const boxes = set?.boxes(flags.split(','))
    if (boxes === undefined) {
      const why = set === undefined ? ' (put the output of "ipset save" into the file)' : ''
      this.condition.unsayable(`${isNot ? 'not ' : ''}the set ${name}${why}`)
      return
    }
    if (!isNot) {
      if (boxes.length === 0) this.condition.never()
      else this.condition.and(boxes)
      return
    }
    if (boxes.length === 0) return
    const [box] = boxes
    const direction = flags === 'src' ? 'from' : flags === 'dst' ? 'to' : undefined
    if (
      boxes.length > 1 ||
      box === undefined ||
      direction === undefined ||
      set?.isOfAddresses !== true
    )
      this.condition.unsayable(`not the set ${name}`)
    else {
      const every = this.#version === 'both' ? everything : familyBox(this.#version)
      this.condition.addresses(direction, subtract(every.from.addresses, box[direction].addresses))
    }
  }
}

const allFlags = ['SYN', 'ACK', 'FIN', 'RST', 'URG', 'PSH']
const stateOf: Readonly<
  Record<string, 'new' | 'established' | 'related' | 'invalid' | 'untracked'>
> = {
  NEW: 'new',
  ESTABLISHED: 'established',
  RELATED: 'related',
  INVALID: 'invalid',
  UNTRACKED: 'untracked',
}
const multicast = union([addressesOf('224.0.0.0/4'), addressesOf('ff00::/8')])
const broadcast = addressesOf('255.255.255.255')
const unicast = subtract(
  { v4: familyBox(4).from.addresses.v4, v6: familyBox(6).from.addresses.v6 },
  union([multicast, broadcast]),
)
