/**
 * `iptables-save` and `ip6tables-save`: the chain FORWARD of the table filter, with the chains it jumps to. What
 * answers and errors of known connections may do is not for rules to say here, so those rules fall away.
 */
import {
  both,
  type Draft,
  type Imported,
  NoEquivalent,
  RuleWriter,
  type Side,
  type Verb,
} from './draft.js'

interface Rule {
  readonly line: number
  readonly words: readonly string[]
}

interface Chain {
  readonly policy: string
  readonly rules: Rule[]
}

const deepest = 16

export const importIptables = (text: string): Imported => {
  const writer = new RuleWriter()
  const chains = readFilter(text, writer)
  const forward = chains.get('FORWARD')
  if (forward === undefined) {
    writer.note(
      0,
      'there is no chain FORWARD in the table filter: what passes through is not restricted',
    )
    writer.line('default allow')
    return writer.done()
  }
  writer.comment('from iptables-save, chain FORWARD')
  writer.line(`default ${forward.policy === 'ACCEPT' ? 'allow' : 'drop'}`)
  writer.line('')
  walk(writer, chains, 'FORWARD', undefined, 0)
  return writer.done()
}

/** The table filter; others are noted once each. */
const readFilter = (text: string, writer: RuleWriter): ReadonlyMap<string, Chain> => {
  const chains = new Map<string, Chain>()
  let table = 'filter'
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line === 'COMMIT') continue
    if (line.startsWith('*')) {
      table = line.slice(1)
      continue
    }
    if (table !== 'filter') {
      if (line.startsWith('-A'))
        writer.note(index + 1, `the table ${table} has no equivalent: ${line}`)
      continue
    }
    const chain = /^:(\S+)\s+(\S+)/.exec(line)
    if (chain) chains.set(chain[1]!, { policy: chain[2]!, rules: [] })
    const added = /^(?:\[\d+:\d+\]\s+)?-A\s+(\S+)\s*(.*)$/.exec(line)
    if (added) chains.get(added[1]!)?.rules.push({ line: index + 1, words: wordsOf(added[2]!) })
    if (!chain && !added) writer.note(index + 1, `not understood: ${line}`)
  }
  return chains
}

/** Words of a line, quotes taken off. */
const wordsOf = (text: string): string[] =>
  [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, inner, plain]) =>
    inner === undefined ? plain! : inner.replace(/\\(.)/g, '$1'),
  )

const walk = (
  writer: RuleWriter,
  chains: ReadonlyMap<string, Chain>,
  name: string,
  outer: Draft | undefined,
  depth: number,
): void => {
  for (const rule of chains.get(name)?.rules ?? []) {
    try {
      const read = readRule(rule.words)
      const draft = outer && read.draft ? both(outer, read.draft) : read.draft
      if (draft === undefined) continue
      if (read.jump === undefined)
        writer.rule({ ...draft, name: draft.comment ?? `line-${rule.line}` })
      else if (!chains.has(read.jump)) throw new NoEquivalent(`the target ${read.jump}`)
      else if (depth >= deepest) throw new NoEquivalent('chains that jump in a circle')
      else walk(writer, chains, read.jump, draft, depth + 1)
    } catch (error) {
      if (!(error instanceof NoEquivalent)) throw error
      writer.note(
        rule.line,
        `left out, no equivalent for ${error.message}: ${rule.words.join(' ')}`,
      )
      writer.comment(
        `line ${rule.line} has no equivalent (${error.message}): ${rule.words.join(' ')}`,
      )
    }
  }
}

interface ReadRule {
  /** Undefined: what it says holds here anyway. */
  readonly draft: Draft | undefined
  /** The chain where it goes on. */
  readonly jump?: string | undefined
}

interface Parts {
  from: { only?: string[]; except?: string[] }
  to: { only?: string[]; except?: string[] }
  protocol?: string
  sourcePorts?: string[]
  destinationPorts?: string[]
  types?: string[]
  comment?: string
  log?: string
  target?: string
  states?: string[]
  isNegated: boolean
}

const readRule = (words: readonly string[]): ReadRule => {
  const parts: Parts = { from: {}, to: {}, isNegated: false }
  for (let at = 0; at < words.length; ) at = readOption(parts, words, at)
  const { states, target } = parts
  if (states && !states.includes('NEW')) {
    const isImplied =
      (target === 'ACCEPT' && states.every(each => each === 'RELATED' || each === 'ESTABLISHED')) ||
      (target === 'DROP' && states.every(each => each === 'INVALID'))
    if (isImplied) return { draft: undefined }
    throw new NoEquivalent(`the state ${states.join()}`)
  }
  const { protocol, sourcePorts, destinationPorts, types, comment, log } = parts
  const base = {
    from: parts.from as Side,
    to: parts.to as Side,
    protocol,
    sourcePorts,
    destinationPorts,
    types,
    comment,
  }
  if (target === 'LOG') return { draft: { ...base, verb: 'allow', isAudit: true, log: log ?? '' } }
  const verb = verbs[target ?? '']
  if (verb) return { draft: { ...base, verb } }
  if (target === undefined) return { draft: undefined }
  if (target === 'RETURN') throw new NoEquivalent('going back to the chain before')
  return { draft: { ...base, verb: 'allow' }, jump: target }
}

const verbs: Readonly<Record<string, Verb>> = { ACCEPT: 'allow', DROP: 'drop', REJECT: 'reject' }

/** Options that change nothing here, with the number of their values. */
const ignored: Readonly<Record<string, number>> = {
  '-m': 1,
  '--match': 1,
  '--reject-with': 1,
  '--log-level': 1,
  '--log-tcp-options': 0,
  '--log-ip-options': 0,
}

/** Reads one option and its values; returns where the next one is. */
const readOption = (parts: Parts, words: readonly string[], at: number): number => {
  const word = words[at]!
  const value = words[at + 1] ?? ''
  if (word === '!') {
    parts.isNegated = true
    return at + 1
  }
  const { isNegated } = parts
  parts.isNegated = false
  const ignoredCount = ignored[word]
  if (ignoredCount !== undefined) return at + 1 + ignoredCount
  const side = sides[word]
  if (side) {
    parts[side][isNegated ? 'except' : 'only'] = value
      .split(',')
      .map(each => each.replace(/\/(32|128)$/, ''))
    return at + 2
  }
  if (isNegated) throw new NoEquivalent(`"not" before ${word}`)
  readPlain(parts, word, value)
  return at + 2
}

const sides: Readonly<Record<string, 'from' | 'to'>> = {
  '-s': 'from',
  '--source': 'from',
  '--src-range': 'from',
  '-d': 'to',
  '--destination': 'to',
  '--dst-range': 'to',
}

const readPlain = (parts: Parts, word: string, value: string): void => {
  switch (word) {
    case '-p':
    case '--protocol':
      if (value !== 'all') parts.protocol = protocolOf(value)
      return
    case '--dport':
    case '--dports':
      parts.destinationPorts = portsOf(value)
      return
    case '--sport':
    case '--sports':
      parts.sourcePorts = portsOf(value)
      return
    case '--icmp-type':
    case '--icmpv6-type':
      if (value !== 'any') parts.types = [value]
      return
    case '--ctstate':
    case '--state':
      parts.states = value.split(',')
      return
    case '--comment':
      parts.comment = value
      return
    case '--log-prefix':
      parts.log = value
      return
    case '-j':
    case '-g':
      parts.target = value
      return
    default:
      throw new NoEquivalent(word)
  }
}

const protocolOf = (name: string): string => {
  if (['tcp', 'udp', 'sctp', 'icmp'].includes(name)) return name
  if (name === 'ipv6-icmp' || name === 'icmpv6') return 'icmp6'
  return `proto ${name}`
}

const portsOf = (text: string): string[] => text.split(',').map(each => each.replace(':', '-'))
