/**
 * `nft -j list ruleset` (libnftables-json): the chains at hook forward, with the chains they jump to and the sets
 * they name. What is known of a connection's later packets falls away, as with iptables.
 */
import { both, type Draft, type Imported, NoEquivalent, RuleWriter, type Side } from './draft.js'

type Json = Readonly<Record<string, unknown>>

interface Chain {
  readonly policy: string | undefined
  readonly isForward: boolean
  readonly rules: Json[]
}

const deepest = 16

/** @throws {SyntaxError} when it is no JSON; {TypeError} when it is no ruleset */
export const importNft = (text: string): Imported => {
  const writer = new RuleWriter()
  const { nftables } = JSON.parse(text) as { nftables?: Json[] }
  if (!Array.isArray(nftables)) throw new TypeError('the member "nftables" is missing')
  const chains = new Map<string, Chain>()
  const sets = new Map<string, unknown[]>()
  for (const item of nftables) gather(item, chains, sets)
  const forward = [...chains].filter(([, chain]) => chain.isForward)
  if (forward.length === 0)
    writer.note(0, 'there is no chain at hook forward: what passes through is not restricted')
  if (forward.length > 1)
    writer.note(
      0,
      'there are several chains at hook forward: all must accept, which is not said here',
    )
  writer.comment('from nft -j list ruleset, hook forward')
  writer.line(`default ${forward.some(([, { policy }]) => policy === 'drop') ? 'drop' : 'allow'}`)
  writer.line('')
  const reader = new Reader(writer, chains, sets)
  for (const [key] of forward) reader.walk(key, undefined, 0)
  return writer.done()
}

const keyOf = (item: Json, name: unknown): string => `${item.family}/${item.table}/${name}`

const gather = (item: Json, chains: Map<string, Chain>, sets: Map<string, unknown[]>): void => {
  const chain = item.chain as Json | undefined
  if (chain)
    chains.set(keyOf(chain, chain.name), {
      policy: chain.policy as string | undefined,
      isForward: chain.hook === 'forward',
      rules: [],
    })
  const rule = item.rule as Json | undefined
  if (rule) chains.get(keyOf(rule, rule.chain))?.rules.push(rule)
  const set = (item.set ?? item.map) as Json | undefined
  if (set) sets.set(keyOf(set, set.name), (set.elem as unknown[] | undefined) ?? [])
}

interface Parts {
  from: Side
  to: Side
  protocol?: string
  sourcePorts?: string[]
  destinationPorts?: string[]
  types?: string[]
  /** What only packets of known connections are, or what the session tables do anyway. */
  isImplied: boolean
  log?: string
}

class Reader {
  readonly #writer: RuleWriter
  readonly #chains: ReadonlyMap<string, Chain>
  readonly #sets: ReadonlyMap<string, unknown[]>

  constructor(
    writer: RuleWriter,
    chains: ReadonlyMap<string, Chain>,
    sets: ReadonlyMap<string, unknown[]>,
  ) {
    this.#writer = writer
    this.#chains = chains
    this.#sets = sets
  }

  walk(key: string, outer: Draft | undefined, depth: number): void {
    for (const rule of this.#chains.get(key)?.rules ?? []) {
      try {
        this.#rule(rule, outer, depth)
      } catch (error) {
        if (!(error instanceof NoEquivalent)) throw error
        const what = `handle ${rule.handle}: ${error.message}`
        this.#writer.note(Number(rule.handle ?? 0), `left out, no equivalent: ${what}`)
        this.#writer.comment(`no equivalent, ${what}: ${JSON.stringify(rule.expr)}`)
      }
    }
  }

  #rule(rule: Json, outer: Draft | undefined, depth: number): void {
    const parts: Parts = { from: {}, to: {}, isImplied: false }
    const base = (): Omit<Draft, 'verb'> => {
      const { isImplied: _, log: __, ...rest } = parts
      const comment = rule.comment as string | undefined
      return { ...rest, comment, name: comment ?? `handle-${rule.handle}` }
    }
    const emit = (draft: Draft) => {
      if (parts.isImplied) return
      const joined = outer ? both(outer, draft) : draft
      if (joined) this.#writer.rule({ ...joined, name: draft.name })
    }
    for (const statement of (rule.expr as Json[] | undefined) ?? []) {
      const [[kind, value] = ['', null]] = Object.entries(statement)
      switch (kind) {
        case 'counter':
          break
        case 'match':
          this.#match(parts, value as Json, rule)
          break
        case 'log':
          emit({
            ...base(),
            verb: 'allow',
            isAudit: true,
            log: String((value as Json | null)?.prefix ?? ''),
          })
          break
        case 'accept':
          return emit({ ...base(), verb: 'allow' })
        case 'drop':
          return emit({ ...base(), verb: 'drop' })
        case 'reject':
          return emit({ ...base(), verb: 'reject' })
        case 'jump':
        case 'goto':
          return this.#jump(
            rule,
            String((value as Json).target),
            { ...base(), verb: 'allow' },
            outer,
            depth,
          )
        default:
          throw new NoEquivalent(kind)
      }
    }
  }

  #jump(rule: Json, target: string, draft: Draft, outer: Draft | undefined, depth: number): void {
    if (depth >= deepest) throw new NoEquivalent('chains that jump in a circle')
    const joined = outer ? both(outer, draft) : draft
    if (joined) this.walk(keyOf(rule, target), joined, depth + 1)
  }

  #match(parts: Parts, { op, left, right }: Json, rule: Json): void {
    const isNot = op === '!='
    if (!isNot && op !== '==' && op !== 'in') throw new NoEquivalent(`the comparison ${op}`)
    const [[kind, what] = ['', {}]] = Object.entries(left as Json)
    const field = what as Json
    const values = () => this.#values(right, rule)
    if (kind === 'ct' && field.key === 'state') return readState(parts, values())
    if (isNot && !(kind === 'payload' && /addr$/.test(String(field.field))))
      throw new NoEquivalent(`"not" of ${JSON.stringify(left)}`)
    if (kind === 'meta' && field.key === 'l4proto') return readProtocol(parts, values())
    if (kind === 'meta' && (field.key === 'nfproto' || field.key === 'protocol')) return
    if (kind !== 'payload') throw new NoEquivalent(JSON.stringify(left))
    readPayload(parts, String(field.protocol), String(field.field), values(), isNot)
  }

  /** A value, or those of a set, as members of a rule file. */
  #values(right: unknown, rule: Json): string[] {
    if (typeof right === 'string' && right.startsWith('@')) {
      const set = this.#sets.get(keyOf(rule, right.slice(1)))
      if (set === undefined) throw new NoEquivalent(`the set ${right}`)
      return set.flatMap(each => this.#values(each, rule))
    }
    if (typeof right === 'string' || typeof right === 'number') return [String(right)]
    if (Array.isArray(right)) return right.flatMap(each => this.#values(each, rule))
    const { set, prefix, range, elem } = right as Record<string, unknown>
    if (set !== undefined) return this.#values(set, rule)
    if (elem !== undefined) return this.#values((elem as Json).val, rule)
    if (prefix !== undefined) return [`${(prefix as Json).addr}/${(prefix as Json).len}`]
    if (Array.isArray(range)) return [range.join('-')]
    throw new NoEquivalent(JSON.stringify(right))
  }
}

const readState = (parts: Parts, states: readonly string[]): void => {
  if (states.includes('new')) return
  // Answers pass and what is out of state is dropped, whatever the rules say.
  parts.isImplied = true
}

const readProtocol = (parts: Parts, values: readonly string[]): void => {
  if (values.length !== 1) throw new NoEquivalent(`several protocols in one rule: ${values.join()}`)
  const [name = ''] = values
  parts.protocol =
    name === 'ipv6-icmp' || name === 'icmpv6'
      ? 'icmp6'
      : ['tcp', 'udp', 'sctp', 'icmp'].includes(name)
        ? name
        : `proto ${name}`
}

const readPayload = (
  parts: Parts,
  protocol: string,
  field: string,
  values: string[],
  isNot: boolean,
): void => {
  if (field === 'saddr' || field === 'daddr') {
    if (protocol !== 'ip' && protocol !== 'ip6') throw new NoEquivalent(`${protocol} ${field}`)
    const side = field === 'saddr' ? 'from' : 'to'
    parts[side] = { ...parts[side], [isNot ? 'except' : 'only']: values }
    return
  }
  if (protocol === 'ip' && field === 'protocol') return readProtocol(parts, values)
  if (field === 'nexthdr') return readProtocol(parts, values)
  if (field === 'dport' || field === 'sport') {
    if (protocol === 'th') {
      if (parts.protocol === undefined) throw new NoEquivalent('ports of any protocol')
    } else parts.protocol = protocol
    parts[field === 'dport' ? 'destinationPorts' : 'sourcePorts'] = values
    return
  }
  if (field === 'type' && /^icmp/.test(protocol)) {
    parts.protocol = protocol === 'icmp' ? 'icmp' : 'icmp6'
    parts.types = values
    return
  }
  throw new NoEquivalent(`${protocol} ${field}`)
}
