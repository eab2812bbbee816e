/** The rule language for editors: a TextMate grammar, made from the words that the parser knows. */
import { days, memberKinds, natActions, rejectCodes, tiers, transports, verbs } from './rule.js'
import { icmp6Types, icmpTypes, ipProtocols } from './words.js'

interface Pattern {
  readonly name: string
  readonly match: string
}

/** One of these as a whole word: words end at blanks, commas, equals signs, quotes and comments. */
const oneOf = (words: Iterable<string>): string =>
  whole(`(?:${[...words].sort((a, b) => b.length - a.length || (a < b ? -1 : 1)).join('|')})`)

const whole = (pattern: string): string => `(?<![^\\s,="])${pattern}(?![^\\s,="#])`

const statements = [
  'zone',
  'service',
  'include',
  'default',
  'tier',
  'section',
  'end',
  'test',
  'let',
  'nat',
  'file',
]
const options = [
  'from',
  'to',
  'except',
  'log',
  'new',
  'limit',
  'max',
  'connections',
  'half-open',
  'per',
  'via',
  'until',
  'schedule',
  'helper',
  'timeout',
  'with',
  'dscp',
  'by',
  'at',
  'out',
  'ports',
]
const rate = '\\d+/(?:s|second|m|minute|h|hour)'
const address = '(?:\\d{1,3}(?:\\.\\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)'

// biome-ignore format: a table
const patterns: readonly Pattern[] = [
  { name: 'comment.line.number-sign', match: '#.*$' },
  { name: 'string.quoted.double', match: '"[^"]*"' },
  { name: 'variable.other', match: '\\$[A-Za-z_][\\w.-]*' },
  { name: 'entity.name.function', match: whole('[A-Za-z_][\\w.-]*:') },
  { name: 'keyword.declaration', match: `^\\s*${oneOf(statements)}` },
  { name: 'keyword.control', match: oneOf([...verbs, 'audit']) },
  { name: 'support.function.translation', match: oneOf(natActions.filter(word => word.length > 6)) },
  { name: 'constant.language.tier', match: oneOf(tiers) },
  { name: 'keyword.other', match: oneOf(options) },
  { name: 'storage.type.member', match: oneOf(memberKinds) },
  { name: 'constant.language.any', match: oneOf(['any', 'all', 'source']) },
  { name: 'support.type.protocol', match: oneOf([...Object.keys(transports), 'icmp', 'icmp6', 'proto']) },
  { name: 'support.constant.type', match: oneOf(new Set([...Object.keys(icmpTypes), ...Object.keys(icmp6Types), ...Object.keys(ipProtocols)])) },
  { name: 'constant.numeric.date', match: whole('\\d{4}-\\d\\d-\\d\\d(?:T\\d\\d:\\d\\d(?::\\d\\d)?Z?)?') },
  { name: 'constant.numeric.time', match: whole('\\d\\d:\\d\\d-\\d\\d:\\d\\d') },
  { name: 'constant.language.day', match: whole(`(?:daily|(?:${days.join('|')})(?:-(?:${days.join('|')}))?)`) },
  { name: 'constant.numeric.span', match: whole('\\d+[smhd]') },
  { name: 'constant.numeric.rate', match: whole(rate) },
  { name: 'constant.other.address', match: whole(`${address}(?:/\\d{1,3}|-${address})?`) },
  { name: 'constant.numeric.port', match: whole('\\d+(?:-\\d+|/\\d+)?') },
  { name: 'constant.language.answer', match: oneOf(rejectCodes) },
  { name: 'keyword.operator', match: '->|=|,' },
]

export const grammar = {
  name: 'sluice rules',
  scopeName: 'source.sluice-rules',
  fileTypes: ['rules'],
  patterns,
} as const
