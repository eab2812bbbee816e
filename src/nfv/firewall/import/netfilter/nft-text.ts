/**
 * `nft list ruleset` and files in the same syntax (nft(8)) as the objects that `nft -j` would print: tables, chains, rules, sets and
 * maps with their elements, `define`. What a rule says in words that are not known here becomes a statement `xt`.
 */

import { ImportError } from '../rule-writer.js'

/** An object of `nft -j`. */
export type Json = Readonly<Record<string, unknown>>

interface Token {
  readonly text: string
  readonly kind: 'word' | 'string' | 'sign' | 'end'
  readonly line: number
}

const signs = /^(==|!=|<=|>=|[{};,=!<>&|()])/

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1
    let rest = raw
    let isContinued = false
    while (rest !== '') {
      const blank = /^\s+/.exec(rest)
      if (blank) {
        rest = rest.slice(blank[0].length)
        continue
      }
      if (rest.startsWith('#')) {
        const listed = compatible(rest, tokens)
        if (listed === undefined) break
        for (const text of listed.words) tokens.push({ text, kind: 'word', line })
        rest = listed.rest
        continue
      }
      if (/^\\\s*$/.test(rest)) {
        isContinued = true
        break
      }
      const quoted = /^"([^"]*)"/.exec(rest)
      const sign = signs.exec(rest)
      const word = /^[^\s{};,=!<>&|()"#]+/.exec(rest)
      const found = quoted ?? sign ?? word
      if (found === null) throw new ImportError(`not understood: ${raw.trim()}`, line)
      tokens.push({
        text: quoted ? quoted[1]! : found[0],
        kind: quoted ? 'string' : sign ? 'sign' : 'word',
        line,
      })
      rest = rest.slice(found[0].length)
    }
    if (!isContinued) tokens.push({ text: '\n', kind: 'end', line })
  }
  return tokens
}

/**
 * nft before 1.0.3 lists what only iptables knows behind a `#`, in the middle of the rule, and goes on: a match stands before the counter
 * that each such rule has, a target behind it.
 */
const compatible = (
  text: string,
  before: readonly Token[],
): { words: readonly string[]; rest: string } | undefined => {
  if ((before.at(-1)?.kind ?? 'end') === 'end') return undefined
  const match = /^#\s*(\S+).*?\s(counter packets \d+ bytes \d+.*)$/.exec(text)
  if (match) return { words: ['xt', 'match', match[1]!], rest: match[2]! }
  const target = before.at(-4)?.text === 'packets' ? /^#\s*([A-Z]+)\b/.exec(text) : null
  return target ? { words: ['xt', 'target', target[1]!], rest: '' } : undefined
}

const families = ['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev']

/** @throws {ImportError} with the line */
export const readNftText = (text: string): readonly Json[] => new Ruleset(tokenize(text)).read()

interface At {
  readonly family: string
  readonly table: string
}

class Ruleset {
  #items: Json[] = []
  readonly #defined = new Map<string, readonly Token[]>()
  #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  read(): readonly Json[] {
    for (;;) {
      this.#blank()
      const token = this.#tokens[this.#at]
      if (token === undefined) return this.#items
      this.#command(token)
    }
  }

  #command(token: Token): void {
    const word = this.#take()
    const verb = word === 'add' || word === 'create' || word === 'insert' ? this.#take() : word
    switch (verb) {
      case 'table':
        return this.#table()
      case 'chain':
        return this.#chain(this.#named(), this.#take())
      case 'rule': {
        const at = this.#named()
        const chain = this.#take()
        if (this.#is('position') || this.#is('handle') || this.#is('index')) {
          if (word === 'insert' || this.#is('index'))
            throw new ImportError('rules with a position: list the ruleset instead', token.line)
          this.#at += 2
        }
        const rule = this.#rule(at, chain, this.#statement(), token.line)
        if (word !== 'insert') this.#items.push(rule)
        else insertRule(this.#items, rule)
        return
      }
      case 'set':
      case 'map':
        return this.#set(this.#named(), this.#take(), verb)
      case 'element': {
        const at = this.#named()
        const name = this.#take()
        this.#expect('{')
        this.#items.push({ element: { ...at, name, elem: this.#elements() } })
        return
      }
      case 'define':
      case 'redefine': {
        const name = this.#take()
        this.#expect('=')
        this.#defined.set(name, this.#statement())
        return
      }
      case 'flush':
      case 'delete':
      case 'destroy':
        return this.#takeAway(verb, token.line)
      case 'undefine':
        this.#defined.delete(this.#take())
        return
      case 'counter':
      case 'quota':
      case 'limit':
      case 'ct':
      case 'flowtable':
      case 'secmark':
      case 'synproxy':
        this.#skipObject()
        return
      case 'include':
        throw new ImportError(
          'include: a line of its own, with the file in quotes; or list the ruleset instead',
          token.line,
        )
      default:
        throw new ImportError(`"${token.text}" is no command of nft`, token.line)
    }
  }

  /** What is taken away again; of single rules, elements and chains only the kernel knows what is left. */
  #takeAway(verb: string, line: number): void {
    const what = this.#take()
    const named = what === 'ruleset' ? undefined : this.#named()
    const isWhole = what === 'ruleset' || (what === 'table' && verb !== 'flush')
    const rest = this.#statement()
    const isOf = (item: Json): boolean => {
      const [own] = Object.values(item) as Json[]
      if (named === undefined) return true
      return own?.family === named.family && (own.table ?? own.name) === named.table
    }
    if (isWhole && rest.length <= (what === 'ruleset' ? 1 : 0))
      this.#items = this.#items.filter(item => !isOf(item))
    else if (this.#items.some(isOf))
      throw new ImportError(`${verb} ${what}: list the ruleset instead`, line)
  }

  #named(): At {
    const family = families.includes(this.#peek()) ? this.#take() : 'ip'
    return { family, table: this.#take() }
  }

  #table(): void {
    const at = this.#named()
    this.#items.push({ table: { family: at.family, name: at.table } })
    this.#newlines()
    if (!this.#skip('{')) return
    const first = this.#items.length
    let isDormant = false
    for (;;) {
      this.#blank()
      if (this.#skip('}')) break
      const { text, line } = this.#now()
      if (text === 'chain') {
        this.#at++
        this.#chain(at, this.#take())
      } else if (text === 'set' || text === 'map') {
        this.#at++
        this.#set(at, this.#take(), text)
      } else if (text === 'comment' || text === 'flags') {
        isDormant ||= this.#statement().some(token => token.text === 'dormant')
      } else if (
        ['counter', 'quota', 'limit', 'ct', 'flowtable', 'secmark', 'synproxy'].includes(text)
      ) {
        this.#at++
        this.#skipObject()
      } else throw new ImportError(`"${text}" is nothing that stands in a table`, line)
    }
    // Chains of a table that sleeps are at no hook.
    if (isDormant)
      this.#items.splice(
        first,
        this.#items.length,
        ...this.#items.slice(first).map(item => {
          const chain = item.chain as Json | undefined
          if (chain === undefined) return item
          const { hook: _, ...rest } = chain
          return { chain: rest }
        }),
      )
  }

  #chain(at: At, name: string): void {
    const { line } = this.#tokens[this.#at - 1]!
    const index = this.#items.length
    this.#items.push({ chain: { ...at, name }, line })
    this.#newlines()
    if (!this.#skip('{')) return
    for (;;) {
      this.#blank()
      if (this.#skip('}')) return
      const { text, line: ruleLine } = this.#now()
      if (text === 'type') this.#items[index] = { chain: { ...at, name, ...this.#hook() }, line }
      else if (text === 'policy') {
        this.#at++
        const chain = this.#items[index]!.chain as Json
        this.#items[index] = { chain: { ...chain, policy: this.#take() }, line }
      } else if (text === 'comment' || text === 'devices' || text === 'flags') this.#statement()
      else this.#items.push(this.#rule(at, name, this.#statement(), ruleLine))
    }
  }

  /** `type filter hook forward priority filter + 10; policy drop;` */
  #hook(): Json {
    const words = this.#statement().map(({ text }) => text)
    const behind = (word: string) => words[words.indexOf(word) + 1]
    const priority = words.slice(words.indexOf('priority') + 1)
    return { type: behind('type'), hook: behind('hook'), prio: priorityOf(priority) }
  }

  #set(at: At, name: string, kind: 'set' | 'map'): void {
    this.#newlines()
    this.#expect('{')
    const flags: string[] = []
    let elem: readonly unknown[] = []
    for (;;) {
      this.#blank()
      if (this.#skip('}')) break
      const text = this.#take()
      if (text === 'elements') {
        this.#expect('=')
        this.#newlines()
        if (this.#peek().startsWith('$')) elem = this.#defineElements()
        else {
          this.#expect('{')
          elem = this.#elements()
        }
      } else {
        const rest = this.#statement().map(token => token.text)
        if (text === 'flags') flags.push(...rest.filter(word => word !== ','))
        if (text === 'timeout') flags.push('timeout')
      }
    }
    this.#items.push({ [kind]: { ...at, name, flags, elem } })
  }

  #defineElements(): readonly unknown[] {
    const tokens = this.#expand([this.#now()])
    this.#at++
    return new Values(tokens, this.#line()).list()
  }

  /** Behind the brace, up to the one that closes it. */
  #elements(): readonly unknown[] {
    return new Values(this.#expand(this.#braced()), this.#line()).list()
  }

  #rule(at: At, chain: string, tokens: readonly Token[], line: number): Json {
    const text = tokens
      .map(({ text: word, kind }) => (kind === 'string' ? `"${word}"` : word))
      .join(' ')
    const statement = new Statements(this.#expand(tokens), line)
    const expr = statement.read()
    const comment = statement.comment
    return { rule: { ...at, chain, expr, text, ...(comment && { comment }) }, line }
  }

  #expand(tokens: readonly Token[], depth = 0): readonly Token[] {
    if (depth > 16) throw new ImportError('definitions that name one another', this.#line())
    return tokens.flatMap(token => {
      if (token.kind !== 'word' || !token.text.startsWith('$')) return [token]
      const value = this.#defined.get(token.text.slice(1))
      if (value === undefined)
        throw new ImportError(`nothing is defined as ${token.text}`, token.line)
      return this.#expand(value, depth + 1)
    })
  }

  /** To the end of the line, or a semicolon, outside of braces. */
  #statement(): Token[] {
    const found: Token[] = []
    let depth = 0
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#now()
      if (depth === 0 && (token.kind === 'end' || (token.kind === 'sign' && token.text === ';'))) {
        this.#at++
        break
      }
      if (token.kind === 'sign' && token.text === '}' && depth === 0) break
      if (token.kind === 'sign' && token.text === '{') depth++
      if (token.kind === 'sign' && token.text === '}') depth--
      if (token.kind !== 'end') found.push(token)
    }
    return found
  }

  #braced(): Token[] {
    const found: Token[] = []
    for (let depth = 1; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#now()
      if (token.kind === 'sign' && token.text === '{') depth++
      if (token.kind === 'sign' && token.text === '}' && --depth === 0) {
        this.#at++
        return found
      }
      if (token.kind !== 'end') found.push(token)
    }
    throw new ImportError('a brace is not closed', this.#line())
  }

  #skipObject(): void {
    while (this.#at < this.#tokens.length && this.#now().kind !== 'end')
      if (this.#now().text === '{') {
        this.#at++
        this.#braced()
      } else this.#at++
  }

  #now(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new ImportError('the file ends too early', this.#line())
    return token
  }

  #line(): number {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]?.line ?? 0
  }

  #peek(): string {
    return this.#tokens[this.#at]?.text ?? ''
  }

  #is(text: string): boolean {
    return this.#peek() === text
  }

  #take(): string {
    const { text } = this.#now()
    this.#at++
    return text
  }

  #skip(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (!this.#skip(text))
      throw new ImportError(`"${text}" was expected, not "${this.#peek().trim()}"`, this.#line())
  }

  #newlines(): void {
    while (this.#tokens[this.#at]?.kind === 'end') this.#at++
  }

  #blank(): void {
    while (this.#tokens[this.#at]?.kind === 'end' || this.#is(';')) this.#at++
  }
}

/** Puts a rule before those that its chain has. */
export const insertRule = (items: Json[], item: Json): void => {
  const { chain, table, family } = item.rule as Json
  const first = items.findIndex(other => {
    const own = other.rule as Json | undefined
    return own?.chain === chain && own?.table === table && own?.family === family
  })
  items.splice(first < 0 ? items.length : first, 0, item)
}

/** nft(8), "standard priority names". */
const priorityNames: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
  out: 100,
}

const priorityOf = (words: readonly string[]): number => {
  const [first = '0', sign, amount] = words
  const base = priorityNames[first] ?? Number(first)
  if (sign === '+' || sign === '-') return base + Number(`${sign}${amount}`)
  const joined = /^([a-z]+)([+-]\d+)$/.exec(first)
  if (joined) return (priorityNames[joined[1]!] ?? 0) + Number(joined[2])
  return Number.isFinite(base) ? base : 0
}

/** A number, an address, a prefix, a range, a name: as nft -j writes it. */
const readValue = ({ text, kind }: Token): unknown => {
  if (kind === 'string') return text
  if (/^\d+$/.test(text)) return Number(text)
  if (text.startsWith('@')) return text
  const range = /^([^-]+)-([^-]+)$/.exec(text)
  const isRange =
    range !== null &&
    [range[1]!, range[2]!].every(word => /^(\d+|[\d.]+|[0-9a-f:.]*:[0-9a-f:.]*)$/i.test(word))
  if (isRange) return { range: [numberOr(range[1]!), numberOr(range[2]!)] }
  const prefix = /^([0-9a-f:.]+)\/(\d+)$/i.exec(text)
  if (prefix && /[.:]/.test(prefix[1]!))
    return { prefix: { addr: prefix[1], len: Number(prefix[2]) } }
  return text
}

const numberOr = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text)

/** The inside of braces, and what stands on the right of a comparison. */
class Values {
  readonly #tokens: readonly Token[]
  readonly #line: number
  #at = 0

  constructor(tokens: readonly Token[], line: number) {
    this.#tokens = tokens
    this.#line = line
  }

  list(): readonly unknown[] {
    const tokens = this.#tokens
    const isBraced =
      tokens[0]?.text === '{' && tokens[0].kind === 'sign' && tokens.at(-1)?.text === '}'
    if (isBraced) return new Values(tokens.slice(1, -1), this.#line).list()
    const found: unknown[] = []
    while (this.#at < tokens.length) {
      if (tokens[this.#at]!.text === ',') {
        this.#at++
        continue
      }
      const element = this.#element()
      if (Array.isArray(element) && element.length > 2) found.push(...element)
      else found.push(element)
    }
    return found
  }

  /** Up to the comma: a value, or a concatenation, with a verdict behind the colon in maps. */
  #element(): unknown {
    const key: Token[] = []
    const verdict: Token[] = []
    let isBehind = false
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at]!
      if (token.kind === 'sign' && token.text === ',') break
      if (token.kind === 'sign' && token.text === '{')
        throw new ImportError('a set within a set', token.line)
      const joined =
        !isBehind &&
        token.kind === 'word' &&
        /^(\S+):(accept|drop|return|continue|jump|goto)$/.exec(token.text)
      if (joined) {
        key.push({ ...token, text: joined[1]! })
        verdict.push({ ...token, text: joined[2]! })
        isBehind = true
      } else if (!isBehind && token.kind === 'word' && token.text === ':') isBehind = true
      else (isBehind ? verdict : key).push(token)
    }
    const value = this.#value(key)
    if (!isBehind) return value
    return [value, verdictOf(verdict, this.#line)]
  }

  /** Counters, times and comments of an element are not part of it. */
  #value(tokens: readonly Token[]): unknown {
    const parts: unknown[] = []
    for (let at = 0; at < tokens.length; at += 2) {
      parts.push(readValue(tokens[at]!))
      if (tokens[at + 1]?.text !== '.') break
    }
    return parts.length === 1 ? parts[0] : { concat: parts }
  }
}

const verdictOf = ([token, target]: readonly Token[], line: number): Json => {
  if (token === undefined) throw new ImportError('a map without a verdict', line)
  if (token.text === 'jump' || token.text === 'goto')
    return { [token.text]: { target: target?.text } }
  return { [token.text]: null }
}

const verdictWords = new Set([
  'accept',
  'drop',
  'return',
  'continue',
  'jump',
  'goto',
  'reject',
  'queue',
])
const payloads = new Set(
  'ip ip6 tcp udp sctp dccp udplite th icmp icmpv6 ether vlan arp ah esp comp igmp frag hbh rt dst mh'.split(
    ' ',
  ),
)
const metaWords = new Set(
  'iif iifname oif oifname mark skuid skgid iifgroup oifgroup iiftype oiftype nftrace priority pkttype cpu cgroup ibrname obrname l4proto nfproto protocol length'.split(
    ' ',
  ),
)
/** Statements that take all that is left of the rule up to the next verdict. */
const endings = new Set(['snat', 'dnat', 'masquerade', 'redirect', 'fwd', 'tproxy', 'synproxy'])
/** What a match that is not read here begins with. */
const expressions = new Set(
  'ct socket osf rt ipsec numgen jhash symhash exthdr meter hook gretap gre geneve vxlan sctp'.split(
    ' ',
  ),
)
const payloadOf = (protocol: string): Json => ({ payload: { protocol } })

/** Values that are computed in many words. */
const computed = new Set(['numgen', 'jhash', 'symhash', 'fib', 'osf', 'socket', 'ipsec'])
/** `!`: none of these bits. */
const comparisons = new Set(['==', '!=', '<', '>', '<=', '>=', '!'])

class Statements {
  comment: string | undefined
  readonly #tokens: readonly Token[]
  readonly #line: number
  #at = 0

  constructor(tokens: readonly Token[], line: number) {
    this.#tokens = tokens
    this.#line = line
  }

  read(): Json[] {
    const found: Json[] = []
    while (this.#at < this.#tokens.length) found.push(...this.#one())
    return found
  }

  #one(): Json[] {
    const word = this.#take()
    switch (word) {
      case 'accept':
      case 'drop':
      case 'return':
      case 'continue':
        return [{ [word]: null }]
      case 'jump':
      case 'goto':
        return [{ [word]: { target: this.#take() } }]
      case 'reject':
        return [{ reject: this.#answer() }]
      case 'counter':
        if (this.#skip('name')) this.#at++
        else if (this.#is('packets')) this.#at += 4
        return []
      case 'comment':
        this.comment = this.#take()
        return []
      case 'log':
        return [{ log: this.#log() }]
      case 'limit':
        this.#limit()
        return [{ limit: {} }]
      case 'quota':
        this.#restOf()
        return [{ quota: {} }]
      case 'notrack':
        return [{ notrack: null }]
      case 'ct':
        if (!this.#skip('count')) return this.#expression(word)
        this.#skip('over')
        this.#take()
        return [{ 'ct count': {} }]
      case 'xt':
        return [{ xt: { type: this.#take(), name: this.#take() } }]
      case 'flow':
        this.#at += 2
        return []
      case 'add':
      case 'update':
      case 'delete':
        return this.#setStatement()
      case 'dup':
        this.#skip('to')
        this.#operand()
        if (this.#skip('device')) this.#at++
        return [{ dup: {} }]
      case 'reset':
        // `tcp option NAME`
        this.#at += 3
        return [{ mangle: { key: { payload: { protocol: 'tcp' } } } }]
      case 'queue':
        this.#restOf()
        return [{ queue: null }]
      default:
        if (endings.has(word)) {
          this.#restOf()
          return [{ [word]: null }]
        }
        return this.#expression(word)
    }
  }

  /** `with tcp reset`, `with icmpx type admin-prohibited`, also without `type`. */
  #answer(): Json | null {
    if (!this.#skip('with')) return null
    const type = this.#take()
    if (type === 'tcp') {
      this.#take()
      return { type: 'tcp reset' }
    }
    this.#skip('type')
    return { type, expr: this.#take() }
  }

  #log(): Json {
    let prefix = ''
    for (;;) {
      if (this.#skip('prefix')) prefix = this.#take()
      else if (this.#skip('flags')) {
        this.#at++
        while (
          this.#skip(',') ||
          ['sequence', 'options', 'ip', 'skuid', 'ether', 'all'].includes(this.#peek())
        ) {
          if (
            payloads.has(this.#peek()) &&
            this.#tokens[this.#at + 1]?.kind === 'word' &&
            !['options'].includes(this.#tokens[this.#at + 1]!.text)
          )
            break
          this.#at++
        }
      } else if (['level', 'group', 'snaplen', 'queue-threshold'].includes(this.#peek()))
        this.#at += 2
      else return { prefix }
    }
  }

  /** `rate over 5/minute burst 5 packets` */
  #limit(): void {
    if (this.#skip('name')) {
      this.#at++
      return
    }
    this.#skip('rate')
    this.#skip('over')
    this.#at++
    while (
      [
        'bytes/second',
        'kbytes/second',
        'mbytes/second',
        'bytes',
        'kbytes',
        'mbytes',
        'packets',
        'burst',
      ].includes(this.#peek()) ||
      /^(k|m)?bytes\//.test(this.#peek()) ||
      /^\d+$/.test(this.#peek())
    )
      this.#at++
  }

  #setStatement(): Json[] {
    if (!this.#peek().startsWith('@')) return this.#unknown('a set that is written to')
    this.#at++
    const inside = this.#is('{') ? this.#braced() : []
    const hasLimit = inside.some(
      ({ text }) => text === 'limit' || text === 'count' || text === 'quota',
    )
    const elem = inside.flatMap(({ text }) => (payloads.has(text) ? [payloadOf(text)] : []))
    return [{ set: { elem, stmt: hasLimit ? [{}] : [] } }]
  }

  #expression(first: string): Json[] {
    const parts: Json[] = []
    let word = first
    for (;;) {
      const part = this.#field(word)
      if (part === undefined) return this.#unknown(word)
      parts.push(part)
      if (!this.#skip('.')) break
      word = this.#take()
    }
    const left = parts.length === 1 ? parts[0]! : { concat: parts }
    if (this.#skip('vmap')) {
      if (this.#peek().startsWith('@')) return [{ vmap: { key: left, data: this.#take() } }]
      return [{ vmap: { key: left, data: { set: this.#list() } } }]
    }
    if (this.#skip('set')) return this.#setValue(left)
    if (this.#skip('&')) {
      const mask = this.#flags()
      const payload = left.payload as Json | undefined
      if (payload?.field === 'frag-off' && comparisons.has(this.#peek()))
        return [{ match: { op: this.#take(), left: { '&': [left, mask] }, right: this.#right() } }]
      const op = comparisons.has(this.#peek()) ? this.#take() : 'in'
      return [{ match: { op, left: { '&': [left, mask] }, right: this.#flags() } }]
    }
    const op = comparisons.has(this.#peek()) ? this.#take() : undefined
    if (this.#isFlags(left)) {
      const right = this.#flags()
      // `syn / fin,syn,rst,ack`: the second list is the mask.
      if (this.#skip('/')) {
        const mask = this.#flags()
        return [{ match: { op: op ?? '==', left: { '&': [left, mask] }, right } }]
      }
      return [{ match: { op: op ?? 'in', left, right } }]
    }
    const { exthdr } = left
    if (exthdr !== undefined && (this.#is('exists') || this.#is('missing')))
      return [{ match: { op: op ?? '==', left, right: this.#take() === 'exists' } }]
    return [{ match: { op: op ?? '==', left, right: this.#right() } }]
  }

  /** What is written: a value, a field, with bits joined to it, or looked up in a map. What stands behind is another match. */
  #setValue(key: Json): Json[] {
    if (computed.has(this.#peek())) {
      const eaten = this.#restOf()
      return [{ mangle: { key } }, { xt: { name: eaten[0], type: 'match' } }]
    }
    const from = this.#at
    this.#operand()
    for (;;) {
      if (this.#skip('map')) {
        if (this.#is('{')) this.#braced()
        else this.#at++
      } else if (this.#skip(',') || this.#skip('|') || this.#skip('&') || this.#skip('^'))
        this.#operand()
      else if (this.#is('<') || this.#is('>')) {
        this.#at += 2
        this.#operand()
      } else {
        const value = this.#tokens.slice(from, this.#at).map(({ text }) => text)
        return [{ mangle: { key, value } }]
      }
    }
  }

  #operand(): void {
    if (this.#skip('(')) {
      for (let depth = 1; depth > 0; ) {
        const word = this.#take()
        depth += word === '(' ? 1 : word === ')' ? -1 : 0
      }
      return
    }
    const word = this.#take()
    if (payloads.has(word) || ['meta', 'ct', 'rt'].includes(word)) this.#at++
  }

  #isFlags(left: Json): boolean {
    const payload = left.payload as Json | undefined
    return payload?.protocol === 'tcp' && payload.field === 'flags'
  }

  /** `(fin | syn)`, `fin,syn`, `syn`, `0x2`, or a set of those. */
  #flags(): unknown {
    if (this.#is('{')) {
      const alternatives: unknown[] = []
      const inside = new Statements(this.#braced(), this.#line)
      while (inside.#at < inside.#tokens.length) {
        alternatives.push(inside.#oneOf(['|']))
        inside.#skip(',')
      }
      return { set: alternatives }
    }
    const isGroup = this.#skip('(')
    const found = this.#oneOf(['|', ','])
    if (isGroup) this.#skip(')')
    return found
  }

  #oneOf(joiners: readonly string[]): unknown {
    const found: unknown[] = []
    let isList = false
    do {
      const word = this.#take()
      found.push(/^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : word)
      isList ||= this.#is(',')
    } while (joiners.some(joiner => this.#skip(joiner)))
    if (found.length === 1) return found[0]
    return isList ? found : { '|': found }
  }

  #right(): unknown {
    if (this.#is('{')) return { set: this.#list() }
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new ImportError('a comparison with nothing', this.#line)
    if (verdictWords.has(token.text) && token.kind === 'word')
      throw new ImportError(`a comparison with nothing before "${token.text}"`, this.#line)
    const concat: unknown[] = [this.#value()]
    while (this.#skip('.')) concat.push(this.#value())
    if (concat.length > 1) return { concat }
    const list = [...concat]
    while (this.#skip(',')) list.push(this.#value())
    return list.length === 1 ? list[0] : list
  }

  #value(): unknown {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new ImportError('a comparison with nothing', this.#line)
    this.#at++
    return readValue(token)
  }

  #field(word: string): Json | undefined {
    if (word === 'meta') return { meta: { key: this.#take() } }
    if (word === 'ct') {
      const key = this.#take()
      return ['original', 'reply'].includes(key) ? undefined : { ct: { key } }
    }
    if (word === 'fib') {
      const flags = [this.#take()]
      while (this.#skip('.')) flags.push(this.#take())
      return { fib: { flags, result: this.#take() } }
    }
    if (word === 'exthdr') {
      const name = this.#take()
      return { exthdr: { name } }
    }
    if (word === 'frag' || word === 'rt') {
      // `rt` of nft is the route as well, but with other fields.
      const field = this.#take()
      return [
        'type',
        'seg-left',
        'exists',
        'frag-off',
        'more-fragments',
        'id',
        'nexthdr',
        'hdrlength',
      ].includes(field)
        ? { exthdr: { name: word, field } }
        : undefined
    }
    if (payloads.has(word)) {
      const field = this.#take()
      return field === 'option' || field === 'exists'
        ? undefined
        : { payload: { protocol: word, field } }
    }
    return metaWords.has(word) ? { meta: { key: word } } : undefined
  }

  /** Words that are not known: up to the verdict. */
  #unknown(word: string): Json[] {
    const from = this.#at
    const eaten = this.#restOf()
    // It writes something; what stands behind is asked as ever.
    const at = eaten.indexOf('set')
    if (at >= 0) {
      this.#at = from + at + 1
      return this.#setValue({ payload: { protocol: word } })
    }
    // A map of verdicts that was not read decides.
    const isMatch =
      !eaten.includes('vmap') && (expressions.has(word) || payloads.has(word) || /^[@(]/.test(word))
    return [{ xt: { name: word, ...(isMatch && { type: 'match' }) } }]
  }

  #restOf(): string[] {
    const from = this.#at
    while (this.#at < this.#tokens.length) {
      const { text, kind } = this.#tokens[this.#at]!
      if (kind === 'word' && (verdictWords.has(text) || text === 'comment')) break
      if (text === '{') this.#braced()
      else this.#at++
    }
    return this.#tokens.slice(from, this.#at).map(({ text }) => text)
  }

  #list(): readonly unknown[] {
    return new Values(this.#braced(), this.#line).list()
  }

  #braced(): Token[] {
    const found: Token[] = []
    this.#at++
    for (let depth = 1; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at]!
      if (token.text === '{' && token.kind === 'sign') depth++
      if (token.text === '}' && token.kind === 'sign' && --depth === 0) {
        this.#at++
        return found
      }
      found.push(token)
    }
    throw new ImportError('a brace is not closed', this.#line)
  }

  #is(text: string): boolean {
    return this.#tokens[this.#at]?.text === text
  }

  #peek(): string {
    return this.#tokens[this.#at]?.text ?? ''
  }

  #take(): string {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new ImportError('the rule ends too early', this.#line)
    this.#at++
    return token.text
  }

  #skip(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at++
    return true
  }
}
