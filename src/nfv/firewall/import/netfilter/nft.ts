/**
 * Rulesets of nftables: `nft -j list ruleset` (libnftables-json(5)), or `nft list ruleset`. What passes through meets the chains at
 * hooks prerouting, forward and postrouting by their priority; all must accept. With a host, what comes to it and leaves it.
 */
import {
  type AddressSet,
  noAddress,
  type Range,
  subtract,
  union,
} from '../../meaning/address-set.js'
import type { RejectCode } from '../../text/rule.js'
import {
  type Box,
  bothRanges,
  everyPort,
  everything,
  familyBox,
  intersect,
  only,
  sorted,
} from '../box.js'
import { type BaseChain, type ChainRule, type Place, TooMuch, type Verdict } from '../chains.js'
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
import { pieces, rejectAnswer, routingHeader, targetVerdict } from './iptables.js'
import { insertRule, type Json, readNftText } from './nft-text.js'

interface Chain {
  readonly family: string
  readonly hook: string | undefined
  readonly type: string | undefined
  readonly priority: number
  readonly policy: 'accept' | 'drop'
  readonly place: Place
  readonly rules: { readonly rule: Json; readonly place: Place }[]
}

interface NamedSet {
  readonly elements: readonly unknown[]
  readonly isDynamic: boolean
}

/** @throws {ImportError} with the line, or the place in the JSON */
export const importNft = (text: string, options: ImportOptions = {}): Imported => {
  const ruleset = readRuleset(text)
  const writer = new RuleWriter(options)
  writer.comment('from nft list ruleset')
  const chains = new Map<string, Chain>()
  const sets = new Map<string, NamedSet>()
  let after: string | undefined
  for (const [at, item] of ruleset.entries()) {
    gather(item, at, chains, sets)
    after ??= Object.keys(item)[0]
  }
  if (after === undefined) throw new ImportError('there is no table in it')
  const reader = new Reader(chains, sets, options)
  const bases = basesOf(chains, options)
  noteOthers(writer, chains, options)
  const rules = new Map<string, readonly ChainRule[]>()
  const reached = reachedFrom(bases, chains)
  for (const [key, hooks] of reached) rules.set(key, reader.rules(key, hooks))
  for (const key of sets.keys())
    if (sets.get(key)!.isDynamic && reader.used.has(key))
      writer.info(
        { line: 0 },
        `the set ${key} changes while it runs: it has the elements of the dump here`,
      )
  try {
    writeChains(writer, {
      bases: bases.length > 0 ? bases : [open],
      chains: rules,
      unseen: 'accept',
      isOfHost: options.host !== undefined,
    })
  } catch (error) {
    if (error instanceof TooMuch) throw new ImportError(error.message)
    throw error
  }
  return writer.done()
}

const open: BaseChain = { chain: '', region: everything, policy: 'accept', place: { line: 0 } }

const readRuleset = (text: string): readonly Json[] => {
  if (text.trim() === '') throw new ImportError('the file is empty')
  if (!/^\s*[{[]/.test(text)) return readNftText(text)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new ImportError(`this is no JSON: ${(error as Error).message}`)
  }
  const found = (parsed as { nftables?: unknown } | null)?.nftables
  if (!Array.isArray(found))
    throw new ImportError(
      'the member "nftables" is missing: is it the output of nft -j list ruleset?',
    )
  return withoutCommands(found as Json[])
}

/** Commands of a script: `{"add": {...}}` stands for what it adds. */
const withoutCommands = (found: readonly Json[]): readonly Json[] => {
  let items: Json[] = []
  for (const [at, item] of found.entries()) {
    const [verb = ''] = Object.keys(item)
    const what = item[verb] as Json | null
    const inserted = verb === 'insert' ? (what?.rule as Json | undefined) : undefined
    if (verb === 'flush' && what !== null && 'ruleset' in what) items = []
    else if (verb === 'add' || verb === 'create') items.push(what as Json)
    else if (inserted && inserted.index === undefined && inserted.handle === undefined)
      insertRule(items, { rule: inserted })
    else if (['insert', 'delete', 'destroy', 'flush', 'replace', 'rename'].includes(verb))
      throw new ImportError(`nftables[${at}]: "${verb}": list the ruleset instead`)
    else items.push(item)
  }
  return items
}

const keyOf = (item: Json, name: unknown): string => `${item.family}/${item.table}/${name}`

const placeOf = (item: Json, at: number): Place =>
  typeof item.line === 'number' ? { line: item.line } : { line: 0, path: `nftables[${at}]` }

const gather = (
  item: Json,
  at: number,
  chains: Map<string, Chain>,
  sets: Map<string, NamedSet>,
): void => {
  const chain = item.chain as Json | undefined
  if (chain) {
    const key = keyOf(chain, chain.name)
    const known = chains.get(key)
    if (known && chain.hook === undefined) return
    chains.set(key, {
      family: String(chain.family),
      hook: chain.hook as string | undefined,
      type: chain.type as string | undefined,
      priority: Number(chain.prio ?? 0),
      policy: chain.policy === 'drop' ? 'drop' : 'accept',
      place: placeOf(item, at),
      rules: known?.rules ?? [],
    })
  }
  const rule = item.rule as Json | undefined
  if (rule) {
    const own = chains.get(keyOf(rule, rule.chain))
    if (own === undefined)
      throw new ImportError(`nftables[${at}]: no chain is named ${keyOf(rule, rule.chain)}`)
    own.rules.push({ rule, place: placeOf(item, at) })
  }
  const set = (item.set ?? item.map) as Json | undefined
  if (set) {
    const flags = [set.flags ?? []].flat() as string[]
    sets.set(keyOf(set, set.name), {
      elements: (set.elem as unknown[] | undefined) ?? [],
      isDynamic: flags.includes('dynamic') || flags.includes('timeout'),
    })
  }
  const element = item.element as Json | undefined
  const known = element && sets.get(keyOf(element, element.name))
  if (element && known)
    sets.set(keyOf(element, element.name), {
      ...known,
      elements: [...known.elements, ...((element.elem as unknown[] | undefined) ?? [])],
    })
}

const familyOf = (family: string): Box | undefined => {
  if (family === 'ip') return familyBox(4)
  if (family === 'ip6') return familyBox(6)
  return ['inet', 'bridge', 'netdev'].includes(family) ? everything : undefined
}

/** In the order in which a packet meets them. */
const hooks = ['ingress', 'prerouting', 'input', 'forward', 'output', 'postrouting', 'egress']
const throughHooks = new Set(['ingress', 'prerouting', 'forward', 'postrouting', 'egress'])
const arrivingHooks = new Set(['ingress', 'prerouting', 'input'])
/** Where it is not known yet which way a packet leaves. */
const beforeRouting = arrivingHooks

/** Where connection tracking finds the connection of a packet (netfilter's `NF_IP_PRI_CONNTRACK`). */
const trackingHooks = new Set(['prerouting', 'output'])
const trackingPriority = -200

const basesOf = (chains: ReadonlyMap<string, Chain>, { host }: ImportOptions): BaseChain[] => {
  const found = [...chains].filter(
    ([, { hook }]) =>
      hook !== undefined && hooks.includes(hook) && (host !== undefined || throughHooks.has(hook)),
  )
  const rank = ({ hook, priority }: Chain) => hooks.indexOf(hook!) * 1_000_000 + priority
  found.sort(([, a], [, b]) => rank(a) - rank(b))
  return found.flatMap(([chain, { family, hook, priority, policy, place }]) => {
    const whole = familyOf(family)
    const region = whole && hostRegion(whole, hook!, host)
    const isBeforeTracking =
      hook === 'ingress' || (trackingHooks.has(hook!) && priority < trackingPriority)
    return region ? [{ chain, region, policy, place, isBeforeTracking }] : []
  })
}

const hostRegion = (
  region: Box,
  hook: string,
  host: readonly string[] | undefined,
): Box | undefined => {
  if (host === undefined) return region
  if (hook === 'forward') return undefined
  const own = unionOf(host)
  const others = subtract(everything.from.addresses, own)
  const [from, to] = arrivingHooks.has(hook) ? [others, own] : [own, others]
  return intersect(region, {
    ...everything,
    from: { addresses: from, zones: [] },
    to: { addresses: to, zones: [] },
  })
}

const noteOthers = (
  writer: RuleWriter,
  chains: ReadonlyMap<string, Chain>,
  { host }: ImportOptions,
): void => {
  const rulesAt = (hooks: readonly string[], type?: string) =>
    [...chains.values()].filter(
      chain =>
        chain.hook !== undefined &&
        hooks.includes(chain.hook) &&
        (type === undefined ? chain.type !== 'nat' : chain.type === type) &&
        (chain.rules.length > 0 || chain.policy === 'drop'),
    )
  const [translation] = rulesAt(['prerouting', 'input', 'output', 'postrouting'], 'nat')
  if (translation)
    writer.loss(translation.place, 'left out', 'address translation is not carried over')
  const [own] = rulesAt(['input', 'output'])
  if (own && host === undefined)
    writer.loss(
      own.place,
      'left out',
      'chains at hooks input and output are about the host itself: name its address with --host to have them',
    )
  const [through] = rulesAt(['forward'])
  if (through && host !== undefined)
    writer.info(through.place, 'chains at hook forward are not about the host itself')
}

/** Chains that packets may come to, and the hooks from which they do. */
const reachedFrom = (
  bases: readonly BaseChain[],
  chains: ReadonlyMap<string, Chain>,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const reached = new Map<string, Set<string>>()
  const queue = bases.map(({ chain }) => ({ key: chain, hook: chains.get(chain)!.hook! }))
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { key, hook } = next
    const hooks = reached.get(key) ?? new Set()
    if (hooks.has(hook)) continue
    reached.set(key, hooks.add(hook))
    const table = key.slice(0, key.lastIndexOf('/'))
    const text = JSON.stringify(chains.get(key)?.rules ?? [])
    // A verdict map may name any chain of its table.
    const isAny = text.includes('"@')
    for (const name of chains.keys())
      if (
        name.startsWith(`${table}/`) &&
        (isAny || text.includes(JSON.stringify(name.slice(table.length + 1))))
      )
        queue.push({ key: name, hook })
  }
  return reached
}

class Reader {
  readonly used = new Set<string>()
  readonly #chains: ReadonlyMap<string, Chain>
  readonly #sets: ReadonlyMap<string, NamedSet>
  readonly #options: ImportOptions
  /** From which the chain that is read is reached. */
  #hooks: ReadonlySet<string> = new Set()

  constructor(
    chains: ReadonlyMap<string, Chain>,
    sets: ReadonlyMap<string, NamedSet>,
    options: ImportOptions,
  ) {
    this.#chains = chains
    this.#sets = sets
    this.#options = options
  }

  rules(key: string, hooks: ReadonlySet<string>): ChainRule[] {
    const chain = this.#chains.get(key)
    this.#hooks = hooks
    return (chain?.rules ?? []).flatMap(({ rule, place }) => {
      try {
        return this.#rule(chain!, rule, place)
      } catch (error) {
        if (!(error instanceof NotUnderstood)) throw error
        const where = place.path === undefined ? '' : `${place.path}: `
        throw new ImportError(`${where}${error.message}: ${textOf(rule)}`, place.line)
      }
    })
  }

  /** A rule may have several verdicts: it logs, and then accepts; a map has one for each of its keys. */
  #rule(chain: Chain, rule: Json, place: Place): ChainRule[] {
    const found: ChainRule[] = []
    const name =
      typeof rule.comment === 'string' ? rule.comment : `rule-${rule.handle ?? place.line}`
    const text = textOf(rule)
    const condition = new Condition()
    let unknown: string | undefined
    if (chain.family === 'netdev') condition.unsayable('the device of an ingress chain')
    const add = (
      verdict: Verdict,
      more?: { boxes: readonly Box[]; states?: readonly string[] },
    ) => {
      const { match, remarks } = condition
      if (more === undefined) return found.push({ place, match, verdict, text, name, remarks })
      const boxes = match.boxes.flatMap(one =>
        more.boxes.flatMap(other => intersect(one, other) ?? []),
      )
      const states =
        more.states === undefined
          ? match.states
          : new Set(statesOf(more.states).filter(state => match.states?.has(state) ?? true))
      return found.push({ place, match: { ...match, boxes, states }, verdict, text, name })
    }
    for (const statement of (rule.expr as Json[] | undefined) ?? []) {
      const [[kind, value] = ['', null]] = Object.entries(statement)
      const fields = (value ?? {}) as Json
      switch (kind) {
        case 'match':
          this.#match(condition, fields, rule)
          break
        case 'log':
          add({ kind: 'log', text: String(fields.prefix ?? '') })
          break
        case 'accept':
        case 'drop':
        case 'return':
          add({ kind })
          return found
        case 'reject':
          add({ kind, answer: answerOf(fields) })
          return found
        case 'continue':
          return found
        case 'jump':
        case 'goto':
          add({ kind, chain: this.#chainOf(rule, String(fields.target)) })
          return found
        case 'vmap':
          this.#verdictMap(condition, fields, rule, add)
          break
        case 'queue':
        case 'tproxy':
        case 'synproxy':
        case 'fwd':
        case 'dnat':
        case 'redirect':
          add({ kind: 'other', what: kind })
          return found
        case 'snat':
        case 'masquerade':
          add({ kind: 'accept' })
          return found
        case 'notrack':
          add({ kind: 'untrack' })
          break
        case 'xt': {
          const target = targetOf(fields)
          if (target === undefined) condition.unsayable(`xt ${String(fields.name ?? '')}`.trim())
          else if (target.kind !== 'continue') {
            add(target)
            if (target.kind !== 'log' && target.kind !== 'untrack') return found
          }
          unknown = fields.type === undefined ? String(fields.name ?? 'xt') : unknown
          break
        }
        case 'limit':
        case 'quota':
        case 'ct count':
        case 'connlimit':
          condition.unsayable(kind === 'limit' ? 'a rate limit' : kind)
          break
        case 'set':
          // Adding to a set goes on where the packet has what is added; a statement within may stop it.
          for (const protocol of protocolsIn(fields.elem))
            writtenTo(condition, { payload: { protocol } })
          if (((fields.stmt as unknown[] | undefined) ?? []).length > 0)
            condition.unsayable('a limit for each element of a set')
          break
        case 'meter':
          condition.unsayable('a meter')
          break
        case 'counter':
        case 'mangle':
          writtenTo(condition, fieldsOf(fields.key))
          // What a map does not hold, or a packet has not, ends the rule.
          if (
            /"(map|payload|ip|ip6|tcp|udp|th|icmp|icmpv6|ether|vlan)"/.test(
              JSON.stringify(fields.value ?? 0),
            )
          )
            condition.unsayable('a value from a map, or the packet')
          break
        case 'flow':
        case 'ct helper':
        case 'ct timeout':
        case 'ct expectation':
        case 'secmark':
        case 'dup':
        case 'last':
        case 'map':
          break
        default:
          condition.unsayable(`"${kind}"`)
      }
    }
    // What is not known may have been a verdict.
    if (unknown !== undefined) add({ kind: 'other', what: unknown })
    return found
  }

  #chainOf(rule: Json, target: string): string {
    const key = keyOf(rule, target)
    if (!this.#chains.has(key)) throw new NotUnderstood(`no chain is named ${target}`)
    return key
  }

  #verdictMap(
    condition: Condition,
    { key, data }: Json,
    rule: Json,
    add: (verdict: Verdict, more: { boxes: readonly Box[]; states?: readonly string[] }) => void,
  ): void {
    const parts = partsOf(key)
    let rest: Verdict | undefined
    for (const element of this.#elements(data, rule)) {
      const [wanted, verdict] = element as [unknown, unknown]
      const found = this.#verdictOf(verdict, rule)
      if (isWildcard(wanted)) {
        rest = found
        continue
      }
      const one = new Condition()
      const values = parts.length === 1 ? [wanted] : concatOf(wanted)
      for (const [at, part] of parts.entries())
        this.#compare(one, part, '==', partValue(values[at]), rule)
      const { boxes, states, unsaid } = one.match
      for (const what of unsaid) if (!condition.unsaid.includes(what)) condition.unsayable(what)
      add(found, { boxes, ...(states && { states: [...states] }) })
    }
    if (rest === undefined) return
    const others = new Condition()
    for (const part of parts) this.#compare(others, part, '==', '*', rule)
    for (const what of others.unsaid)
      if (!condition.unsaid.includes(what)) condition.unsayable(what)
    add(rest, { boxes: others.match.boxes })
  }

  #verdictOf(value: unknown, rule: Json): Verdict {
    const [[kind, fields] = ['', null]] = Object.entries((value ?? {}) as Json)
    if (kind === 'accept' || kind === 'drop' || kind === 'return' || kind === 'continue')
      return { kind }
    if (kind === 'reject') return { kind, answer: 'port-unreachable' }
    if (kind === 'jump' || kind === 'goto')
      return { kind, chain: this.#chainOf(rule, String((fields as Json).target)) }
    throw new NotUnderstood(`"${kind}" is no verdict of a map`)
  }

  #match(condition: Condition, { op, left, right }: Json, rule: Json): void {
    const parts = partsOf(left)
    const isNot = op === '!='
    if (parts.length === 1) {
      this.#compare(condition, parts[0]!, String(op), right, rule)
      return
    }
    const elements = this.#elements(right, rule)
    if (isNot) {
      if (elements.length > 0) condition.unsayable('not a concatenation')
      return
    }
    const boxes: Box[] = []
    for (const element of elements) {
      const one = new Condition()
      const values = concatOf(element)
      for (const [at, part] of parts.entries())
        this.#compare(one, part, '==', partValue(values[at]), rule)
      for (const what of one.match.unsaid)
        if (!condition.unsaid.includes(what)) condition.unsayable(what)
      if (one.match.states) {
        condition.unsayable('the state in a concatenation')
        continue
      }
      boxes.push(...one.match.boxes)
    }
    if (boxes.length === 0) condition.never()
    else condition.and(boxes)
  }

  /** Elements of a set that is written out, or named. */
  #elements(right: unknown, rule: Json): readonly unknown[] {
    if (typeof right === 'string' && right.startsWith('@')) {
      const key = keyOf(rule, right.slice(1))
      const set = this.#sets.get(key)
      if (set === undefined) throw new NotUnderstood(`no set is named ${right}`)
      this.used.add(key)
      return set.elements.map(elementOf)
    }
    if (Array.isArray(right)) return right.map(elementOf)
    const { set } = (typeof right === 'object' && right !== null ? right : {}) as Json
    if (Array.isArray(set)) return set.map(elementOf)
    return [right]
  }

  #compare(condition: Condition, left: Json, op: string, right: unknown, rule: Json): void {
    const [[kind, what] = ['', {}]] = Object.entries(left)
    const field = (what ?? {}) as Json
    const values = this.#elements(right, rule)
    // `ct state ! established,related`: none of these bits.
    const isNot = op === '!=' || op === '!'
    if (op === '<' || op === '>' || op === '<=' || op === '>=')
      return this.#ordered(condition, kind, field, op, values)
    if (!['==', '!=', 'in', '!'].includes(op)) throw new NotUnderstood(`the comparison ${op}`)
    if (
      kind === '&' ||
      (kind === 'payload' && field.protocol === 'tcp' && field.field === 'flags')
    ) {
      this.#masked(
        condition,
        kind === '&' ? (what as unknown[]) : [left, undefined],
        op,
        right,
        values,
      )
      return
    }
    if (values.some(isWildcard)) {
      if (isNot) condition.never()
      // Any value, of packets that have the field.
      else if (kind === 'payload')
        payloadMatch(condition, String(field.protocol), String(field.field), [], true)
      return
    }
    if (kind === 'ct') return ctMatch(condition, String(field.key), values, isNot)
    if (kind === 'meta') return this.#meta(condition, String(field.key), values, isNot)
    if (kind === 'fib') return fibMatch(condition, field, values, isNot)
    if (kind === 'exthdr' && (field.name === 'rt' || field.name === 'frag')) {
      // `missing` is so of all.
      if (field.field === undefined && values.includes(false) !== isNot) return
      return condition.neverOpening(field.name === 'rt' ? routingHeader : pieces)
    }
    if (kind === 'payload' && field.protocol === 'ether' && field.field === 'type')
      return this.#etherType(condition, values, isNot)
    if (kind === 'payload')
      return payloadMatch(condition, String(field.protocol), String(field.field), values, isNot)
    condition.unsayable(shortOf(left))
  }

  #ordered(
    condition: Condition,
    kind: string,
    field: Json,
    op: string,
    values: readonly unknown[],
  ): void {
    const protocol = String(field.protocol)
    const name = String(field.field)
    const [value] = values
    if (
      kind !== 'payload' ||
      !(name === 'dport' || name === 'sport') ||
      typeof value !== 'number'
    ) {
      condition.unsayable(`${shortOf({ [kind]: field })} ${op}`)
      return
    }
    const range: Range<number> =
      op === '<'
        ? { first: 0, last: value - 1 }
        : op === '<='
          ? { first: 0, last: value }
          : op === '>'
            ? { first: value + 1, last: 65_535 }
            : { first: value, last: 65_535 }
    if (range.first > range.last) return condition.never()
    portMatch(condition, protocol, name, [range], false)
  }

  /** `tcp flags & (fin | syn | rst | ack) == syn`: the packet that opens a connection has SYN alone. */
  #masked(
    condition: Condition,
    [left, mask]: readonly unknown[],
    op: string,
    right: unknown,
    values: readonly unknown[],
  ): void {
    const payload = ((left as Json).payload ?? {}) as Json
    if (payload.protocol === 'ip' && payload.field === 'frag-off') {
      this.#fragments(condition, mask, op, values)
      return
    }
    if (payload.protocol !== 'tcp' || payload.field !== 'flags') {
      condition.unsayable(shortOf(left))
      return
    }
    condition.protocols(only(6))
    const masked = mask === undefined ? allFlags : flagsOf(mask)
    const seen = masked & flagBits.syn!
    // A list of flags asks for any of them, unless it is compared; a set has alternatives.
    const isAny =
      op === 'in' || op === '!' || (mask === undefined && op === '==' && Array.isArray(right))
    const { set } = (typeof right === 'object' && right !== null ? right : {}) as Json
    const wanted = Array.isArray(set) || isNamed(right) ? values : [right]
    const isMet = isAny
      ? (seen & flagsOf(right)) !== 0
      : wanted.some(value => flagsOf(value) === seen)
    if (isMet === (op === '!=' || op === '!')) condition.never()
  }

  /** As `meta protocol`, where it is IP or ARP; a frame with a tag may be anything. */
  #etherType(condition: Condition, values: readonly unknown[], isNot: boolean): void {
    const names = values.map(plainNumber)
    if (names.every(name => ['ip', 'ip6', 'arp', '2048', '2054', '34525'].includes(name)))
      return this.#meta(condition, 'protocol', values, isNot)
    condition.unsayable('ether type')
  }

  /** `ip frag-off & 0x1fff != 0`: what is asked of pieces of datagrams. */
  #fragments(condition: Condition, mask: unknown, op: string, values: readonly unknown[]): void {
    const [value] = values
    // Of a whole datagram all bits but "do not fragment" are 0.
    const isPiece = typeof mask === 'number' && (mask & 0x4000) === 0 && values.length === 1
    if (!isPiece || typeof value !== 'number' || (op !== '==' && op !== '!='))
      return condition.unsayable('ip frag-off')
    condition.and([familyBox(4)])
    if ((value === 0) !== (op === '==')) condition.neverOpening(pieces)
  }

  #meta(condition: Condition, key: string, values: readonly unknown[], isNot: boolean): void {
    switch (key) {
      case 'nfproto':
      case 'protocol': {
        const versions = ([4, 6] as const).filter(
          version =>
            values.some(value => versionNames[version].includes(plainNumber(value))) !== isNot,
        )
        if (versions.length === 2) return
        const [version] = versions
        return version === undefined ? condition.never() : condition.and([familyBox(version)])
      }
      case 'l4proto':
        return condition.protocols(values.map(protocolRange), isNot)
      case 'iif':
      case 'iifname':
      case 'ibrname':
        return this.#interfaces(condition, 'from', values, isNot)
      case 'oif':
      case 'oifname':
      case 'obrname':
        return this.#interfaces(condition, 'to', values, isNot)
      default:
        condition.unsayable(`meta ${key}`)
    }
  }

  #interfaces(
    condition: Condition,
    direction: Direction,
    values: readonly unknown[],
    isNot: boolean,
  ): void {
    // The name is empty where no packet has left yet, or come from outside.
    const isEmpty = (hook: string) =>
      direction === 'from' ? hook === 'output' : beforeRouting.has(hook)
    const empty = [...this.#hooks].filter(isEmpty).length
    if (empty === this.#hooks.size) {
      if (!isNot) condition.never()
      return
    }
    if (empty > 0)
      return condition.unsayable('an interface, in a chain before and behind the choice of the way')
    const names = values.map(String).filter(name => name !== 'lo')
    if (values.length > 0 && names.length === 0) {
      if (!isNot) condition.never()
      return
    }
    const known = names.map(name => this.#options.interfaces?.get(name))
    const missing = names.filter((_, at) => known[at] === undefined)
    if (missing.length > 0) {
      const ask = missing.map(name => `--interface ${name}=ZONE`).join(' ')
      condition.unsayable(
        `${isNot ? 'not ' : ''}the interface ${missing.join(', ')} (what is behind it? ${ask})`,
      )
      return
    }
    const found = known.map(value => behind(value!))
    if (isNot) {
      for (const each of found)
        if (typeof each === 'string') condition.zone(direction, each, true)
        else condition.addresses(direction, each, true)
      return
    }
    if (found.length === 0) return condition.never()
    condition.and(
      found.flatMap(each => {
        const one = new Condition()
        if (typeof each === 'string') one.zone(direction, each, false)
        else one.addresses(direction, each)
        return one.match.boxes
      }),
    )
  }
}

/** `reject` alone answers as `reject with icmpx port-unreachable`. */
const answerOf = ({ type, expr }: Json): RejectCode | undefined =>
  type === undefined
    ? 'port-unreachable'
    : rejectAnswer(expr === undefined ? String(type) : String(expr))

/** A target of iptables; undefined when it is a match, or not known which of both. */
const targetOf = ({ type, name }: Json): Verdict | undefined => {
  if (type !== 'target') return undefined
  // It may be `--notrack`, which is not listed.
  return name === 'CT' ? { kind: 'untrack' } : targetVerdict(String(name))
}

const versionNames: { readonly [version in 4 | 6]: readonly string[] } = {
  4: ['ipv4', 'ip', '2', '2048'],
  6: ['ipv6', 'ip6', '10', '34525'],
}

/** `0x0800` is 2048. */
const plainNumber = (value: unknown): string =>
  /^0x[0-9a-f]+$/i.test(String(value)) ? String(Number(value)) : String(value)

const partsOf = (left: unknown): readonly Json[] => {
  const { concat } = left as Json
  return (Array.isArray(concat) ? concat : [left]) as Json[]
}

const concatOf = (value: unknown): readonly unknown[] => {
  const { concat } = (typeof value === 'object' && value !== null ? value : {}) as Json
  return Array.isArray(concat) ? concat : [value]
}

/** Elements carry counters and times beside their value. */
const elementOf = (element: unknown): unknown => {
  if (Array.isArray(element)) return [elementOf(element[0]), ...element.slice(1)]
  const { elem } = (typeof element === 'object' && element !== null ? element : {}) as Json
  return elem === undefined ? element : ((elem as Json).val ?? elem)
}

const partValue = (value: unknown): unknown => {
  if (value === undefined) throw new NotUnderstood('a concatenation with too few parts')
  return value
}

const isWildcard = (value: unknown): boolean => value === '*'

const stateNames = ['new', 'established', 'related', 'invalid', 'untracked'] as const

const statesOf = (values: readonly unknown[]) =>
  values.flatMap(value => {
    const names =
      typeof value === 'string'
        ? value.split(',')
        : Array.isArray(value)
          ? value.map(String)
          : [String(value)]
    return names.map(name => {
      const found = stateNames.find(each => each === name.trim())
      if (found === undefined) throw new NotUnderstood(`"${name}" is no state`)
      return found
    })
  })

const ctMatch = (
  condition: Condition,
  key: string,
  values: readonly unknown[],
  isNot: boolean,
): void => {
  if (key === 'state') return condition.states(statesOf(values), isNot)
  if (key === 'direction') {
    if (values.includes('original') === isNot) condition.never()
    return
  }
  if (key === 'status' && !isNot && values.every(value => value === 'dnat' || value === 'snat')) {
    condition.unsayable(`ct status ${values.join()}`)
    return
  }
  condition.unsayable(`ct ${key}`)
}

/** What passes through is to no address of the machine itself. */
const fibMatch = (
  condition: Condition,
  { result, flags }: Json,
  values: readonly unknown[],
  isNot: boolean,
): void => {
  const of = [flags ?? []].flat() as string[]
  const direction: Direction | undefined = of.includes('daddr')
    ? 'to'
    : of.includes('saddr')
      ? 'from'
      : undefined
  const known: Readonly<Record<string, AddressSet>> = {
    local: noAddress,
    multicast: union([addressesOf('224.0.0.0/4'), addressesOf('ff00::/8')]),
    broadcast: addressesOf('255.255.255.255'),
  }
  const sets = values.map(value => known[String(value)])
  if (result !== 'type' || direction === undefined || sets.some(set => set === undefined)) {
    condition.unsayable(`fib ${of.join(' . ')} ${String(result)}`)
    return
  }
  const set = union(sets as AddressSet[])
  if (!isNot) condition.addresses(direction, set)
  else if (set.v4.length + set.v6.length > 0)
    condition.addresses(direction, subtract(everything.from.addresses, set))
}

const protocolRange = (value: unknown): Range<number> => {
  const range = (value as Json | null)?.range
  if (Array.isArray(range))
    return { first: protocolOf(String(range[0])).first, last: protocolOf(String(range[1])).last }
  return protocolOf(String(value))
}

const portRange = (value: unknown): Range<number> => {
  const range = (value as Json | null)?.range
  if (Array.isArray(range))
    return { first: portsOf(String(range[0])).first, last: portsOf(String(range[1])).last }
  return portsOf(String(value))
}

const addressValue = (value: unknown): AddressSet => {
  if (typeof value === 'string') return addressesOf(value)
  const { prefix, range } = (value ?? {}) as Json
  if (prefix !== undefined) return addressesOf(`${(prefix as Json).addr}/${(prefix as Json).len}`)
  if (Array.isArray(range)) return addressesOf(`${range[0]}-${range[1]}`)
  throw new NotUnderstood(`${JSON.stringify(value)} is no address`)
}

const transportNumbers: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  dccp: 33,
  udplite: 136,
}

const portMatch = (
  condition: Condition,
  protocol: string,
  field: string,
  ports: readonly Range<number>[],
  isNot: boolean,
): void => {
  const name = field === 'dport' ? 'destinationPorts' : 'sourcePorts'
  const number = transportNumbers[protocol]
  if (number !== undefined) return condition.ports(name, ports, only(number), isNot)
  const left = bothRanges(condition.protocolsLeft, protocolsWithPorts)
  const isAll = left.length > 0 && sorted(left).length === condition.protocolsLeft.length
  if (protocol !== 'th' || !isAll) {
    condition.unsayable('ports of any protocol')
    return
  }
  condition.ports(name, ports, left, isNot)
}

const fieldsOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? (value as Json) : {}

const protocolsIn = (value: unknown): string[] =>
  [...JSON.stringify(value ?? 0).matchAll(/"protocol":"(\w+)"/g)].map(([, name]) => name!)

/** A field is written only where its protocol is. */
const writtenTo = (condition: Condition, key: Json): void => {
  const word = 'tcp option' in key ? 'tcp' : String(fieldsOf(key.payload).protocol)
  const number = transportNumbers[word]
  if (number !== undefined) condition.protocols(only(number))
  if (word === 'ip' || word === 'ip6') condition.and([familyBox(word === 'ip' ? 4 : 6)])
}

const payloadMatch = (
  condition: Condition,
  protocol: string,
  field: string,
  values: readonly unknown[],
  isNot: boolean,
): void => {
  const version = protocol === 'ip' ? 4 : protocol === 'ip6' ? 6 : undefined
  if (version !== undefined) {
    condition.and([familyBox(version)])
    if (field === 'saddr' || field === 'daddr') {
      const set = values.length === 0 ? noAddress : union(values.map(addressValue))
      const direction = field === 'saddr' ? 'from' : 'to'
      if (!isNot) return condition.addresses(direction, set)
      if (values.length > 0) condition.addresses(direction, set, true)
      return
    }
    if (field === 'version') {
      if (values.map(Number).includes(version) === isNot) condition.never()
      return
    }
    if ((version === 4 && field === 'protocol') || (version === 6 && field === 'nexthdr'))
      return condition.protocols(values.map(protocolRange), isNot)
    condition.unsayable(`${protocol} ${field}`)
    return
  }
  if (field === 'dport' || field === 'sport') {
    if (values.length === 0 && isNot) {
      const number = transportNumbers[protocol]
      if (number !== undefined) condition.protocols(only(number))
      return
    }
    return portMatch(condition, protocol, field, values.map(portRange), isNot)
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    const icmpVersion = protocol === 'icmp' ? 4 : 6
    if (field === 'type')
      return condition.icmp(
        icmpVersion,
        values.flatMap(value => icmpRange(icmpVersion, value)),
        isNot,
      )
    condition.protocols(only(icmpVersion === 4 ? 1 : 58))
    if (field === 'code' && !isNot) {
      const codes = values.map(Number)
      // Any type with one of these codes.
      const ranges = codes.flatMap(code =>
        Array.from({ length: 256 }, (_, type) => only(type * 256 + code)[0]!),
      )
      if (codes.every(code => Number.isInteger(code) && code >= 0 && code < 256))
        return condition.icmp(icmpVersion, ranges)
    }
    condition.unsayable(`${protocol} ${field}`)
    return
  }
  const number = transportNumbers[protocol]
  if (number !== undefined) condition.protocols(only(number))
  else if (protocol === 'arp') return condition.never()
  condition.unsayable(`${protocol} ${field}`)
}

const icmpRange = (version: 4 | 6, value: unknown): readonly Range<number>[] => {
  const range = (value as Json | null)?.range
  if (!Array.isArray(range)) return icmpOf(version, String(value))
  const [first] = icmpOf(version, String(range[0]))
  const [last] = icmpOf(version, String(range[1]))
  return [{ first: first?.first ?? 0, last: last?.last ?? everyPort[0]!.last }]
}

const flagBits: Readonly<Record<string, number>> = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ecn: 64,
  ece: 64,
  cwr: 128,
}
const allFlags = 255

const isNamed = (right: unknown): boolean => typeof right === 'string' && right.startsWith('@')

const flagsOf = (value: unknown): number => {
  if (typeof value === 'number') return value
  if (typeof value === 'string') {
    const bit = flagBits[value]
    if (bit === undefined && !/^(0x)?[0-9a-f]+$/i.test(value))
      throw new NotUnderstood(`"${value}" is no flag of TCP`)
    return bit ?? Number(value)
  }
  if (Array.isArray(value)) return value.reduce((bits: number, each) => bits | flagsOf(each), 0)
  const bits = (value as Json | null)?.['|'] ?? (value as Json | null)?.set
  if (Array.isArray(bits)) return bits.reduce((sum: number, each) => sum | flagsOf(each), 0)
  throw new NotUnderstood(`${JSON.stringify(value)} are no flags of TCP`)
}

const shortOf = (value: unknown): string => {
  const { payload, meta } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    Json | undefined
  >
  if (payload) return `${payload.protocol} ${payload.field}`
  if (meta) return `meta ${meta.key}`
  return JSON.stringify(value)
}

const textOf = (rule: Json): string =>
  typeof rule.text === 'string' ? rule.text : JSON.stringify(rule.expr)
