/**
 * Text to statements. Every mistake of a file is found, one for each statement, and each says
 * where it is and what to write instead.
 *
 *     file      = line*                      a line that ends in a comma goes on in the next
 *     zone      = 'zone' NAME '=' selection
 *     service   = 'service' NAME '=' services ['timeout' SPAN]
 *     rule      = [NAME ':'] ['audit'] verb services ['from' selection] ['to' selection] option*
 *     option    = 'with' CODE | 'dscp' POINT (',' POINT)* | 'log' ['new'] [RATE] [TEXT] | 'limit' RATE ['per' 'source'] | 'via' NAME
 *               | 'max' COUNT ('connections' | 'half-open') ['per' 'source']
 *               | 'until' DATE | 'schedule' DAYS TIMES [TIME-ZONE]
 *     default   = 'default' verb ['from' selection] ['to' selection] ['with' CODE] ['log' ...]
 *     selection = member (',' member)* ['except' member (',' member)*]
 *     test      = 'test' TEXT member '->' member service ['dscp' POINT] verdict ['by' NAME] ['at' TIME [TIME-ZONE]]
 *     nat       = 'nat' ...: nat/parse-nat.ts
 *     section   = 'section' ['from' selection] ['to' selection] ['log' ...] | 'end'
 *     also      = 'include' TEXT | 'tier' NAME ['audit'] | 'file' 'audit' | 'let' NAME '=' words
 *
 * `$NAME` anywhere is read as the words that `let NAME = ...` gave it further up in the same file.
 */

import { takeNat } from '../nat/parse-nat.js'
import { complaintAt, didYouMean, noMoreTime } from './complaint.js'
import { takeDscp } from './dscp.js'
import { Budget, counted, maxMistakes } from './limits.js'
import {
  endsInComma,
  formatTokens,
  LineReader,
  Mistake,
  type Token,
  tokenize,
  tooLong,
} from './line-reader.js'
import { OldLines } from './old-lines.js'
import {
  checkName,
  takeCap,
  takeLimit,
  takeLog,
  takeName,
  takeSchedule,
  takeSelection,
  takeServices,
  takeSpan,
  takeUntil,
} from './parse-parts.js'
import { takeTest } from './parse-test.js'
import {
  any,
  type Default,
  type Line,
  type LogWish,
  type Member,
  type RejectCode,
  type Rule,
  type RuleError,
  rejectCodes,
  type Section,
  type Selection,
  type Statement,
  type TierName,
  tiers,
  type Verb,
  verbs,
} from './rule.js'

export interface ParsedFile {
  readonly file: string
  readonly lines: readonly Line[]
  /** Where it says that it is audited whole. */
  readonly fileAudit?: Line
  readonly complaints: readonly RuleError[]
  /** It was not read to its end: there was too much of it, as the last of the complaints says. */
  readonly isCut?: true
}

/** What a piece of text says, wherever it stands. */
interface Reading {
  readonly statement?: Statement
  readonly comment?: string
  readonly mistake?: Mistake
  /** Words of it, with what variables stand for. */
  readonly words: number
}

/**
 * Reads files, and remembers what lines say: a file read again after an edit costs a comparison for
 * each line that stayed. Its statements are the *same objects* as before; a line that stands where it stood is, too.
 */
export class Parser {
  #readings = new Map<string, Reading>()
  #older = new Map<string, Reading>()
  #files = new Map<string, OldLines>()
  #olderFiles = new Map<string, OldLines>()
  /** What variables stand for, by its text. */
  #values = new Map<string, Variable>()
  #olderValues = new Map<string, Variable>()
  #valueCount = 0

  parse(text: string, file: string, budget = new Budget()): ParsedFile {
    const reading = this.reading(text, file, budget)
    for (;;) {
      const { done, value } = reading.next()
      if (done) return value
    }
  }

  /** The same in short turns: ask again for the next one. */
  *reading(text: string, file: string, budget: Budget): Generator<void, ParsedFile> {
    const tooBig = tooMuchText(text, file, budget)
    if (tooBig !== undefined) return { file, lines: [], complaints: [tooBig], isCut: true }
    const lines: Line[] = []
    const counts: number[] = []
    const before = this.#files.get(file) ?? this.#olderFiles.get(file) ?? new OldLines([], [])
    let fileAudit: Line | undefined
    const complaints: RuleError[] = []
    const source = text.split('\n')
    if (source.at(-1) === '') source.pop()
    let tier: TierName = 'main'
    let audit: Line['audit']
    let isFileAudit = false
    let section: Section | undefined
    let hasSections = false
    const words: Variables = new Map()
    let isCut = false
    let inTurn = 0
    for (let index = 0; index < source.length; index++) {
      const line = index + 1
      const first = index
      let end = endOf(source[index]!)
      while (end === 'open' && index + 1 < source.length) {
        const next = endOf(source[++index]!)
        if (next !== 'empty') end = next
      }
      const piece = first === index ? source[first]! : source.slice(first, index + 1).join('\n')
      inTurn += 4 + piece.length
      if (inTurn > turnSize) {
        inTurn = 0
        yield
        if (budget.isOver) {
          complaints.push(noMoreTime({ file, line }, 'lines from here on were'))
          isCut = true
          break
        }
      }
      const old = words.size > 0 || section !== undefined ? undefined : before.find(piece)
      const reading = old === undefined ? this.#read(piece, words, budget) : undefined
      const count = reading?.words ?? before.words
      const isWithin = budget.take('words', count)
      if (
        old !== undefined &&
        isWithin &&
        before.stands(old, line, tier, isFileAudit ? 'file' : audit)
      ) {
        lines.push(old)
        counts.push(count)
        continue
      }
      const place = { file, line, text: piece }
      if (reading !== undefined) inTurn += 32 * count
      if (reading?.mistake !== undefined) {
        const { at, length, message, hint } = reading.mistake
        complaints.push(complaintAt(place, at, length, message, hint))
        isCut = reading.mistake.isLimit
      } else if (!isWithin) {
        complaints.push(tooManyWords(place, budget))
        isCut = true
      }
      if (!isCut && complaints.length >= maxMistakes && index + 1 < source.length) {
        complaints.push(complaintAt(place, 0, 1, ...manyMistakes))
        isCut = true
      }
      if (isCut) break
      if (reading?.mistake !== undefined) continue
      const { comment } = old ?? reading!
      const statement = within(section, (old ?? reading!).statement!)
      if (statement.kind === 'end' && section === undefined) {
        complaints.push(complaintAt(place, piece.search(/\S/), 'end'.length, ...noSection))
        continue
      }
      if (statement.kind === 'section') {
        section = statement
        hasSections = true
      }
      if (statement.kind === 'tier' || statement.kind === 'end') section = undefined
      if (statement.kind === 'tier') {
        tier = statement.tier
        audit = statement.isAudit ? 'tier' : undefined
      }
      if (statement.kind === 'let') words.set(`$${statement.name}`, this.#variable(statement.value))
      if (statement.kind === 'file-audit') {
        isFileAudit = true
        const above = lines.find(each => decides(each.statement))
        if (above) complaints.push(tooLate(place, above))
      }
      const mode = isFileAudit ? 'file' : audit
      const made: Line = {
        statement: statement,
        ...place,
        tier,
        ...(comment !== undefined && { comment }),
        ...(mode !== undefined && { audit: mode }),
      }
      lines.push(made)
      counts.push(count)
      if (made.statement.kind === 'file-audit') fileAudit ??= made
    }
    const isPlain = words.size === 0 && !hasSections
    this.#files.set(file, isPlain ? new OldLines(lines, counts) : new OldLines([], []))
    return {
      file,
      lines,
      complaints,
      ...(fileAudit && { fileAudit }),
      ...(isCut && { isCut: true }),
    }
  }

  /** Forgets what was not read since the last call but one: called whenever a policy has been read. */
  forgetOld(): void {
    this.#older = this.#readings
    this.#readings = new Map()
    this.#olderFiles = this.#files
    this.#files = new Map()
    this.#olderValues = this.#values
    this.#values = new Map()
  }

  #read(piece: string, words: Variables, budget: Budget): Reading {
    const key = words.size > 0 && piece.includes('$') ? keyWith(piece, words) : piece
    let reading = this.#readings.get(key)
    if (reading === undefined) {
      reading = this.#older.get(key) ?? readPiece(piece, words, budget)
      if (reading.mistake?.isLimit !== true) this.#readings.set(key, reading)
    }
    return reading
  }

  /** Equal texts are the same value with the same number. */
  #variable(text: string): Variable {
    let value = this.#values.get(text) ?? this.#olderValues.get(text)
    value ??= { number: ++this.#valueCount, tokens: tokenize(text) }
    this.#values.set(text, value)
    return value
  }
}

/** What `let` gave a name: its words, and a number that no other words have. */
interface Variable {
  readonly number: number
  readonly tokens: readonly Token[]
}

type Variables = Map<string, Variable>

/** What a piece means depends on what its names stand for. */
const keyWith = (piece: string, words: Variables): string => {
  const numbers = piece.match(/\$[^\s,="#]+/g)?.map(name => words.get(name)?.number ?? '')
  return `${piece}\0${numbers?.join() ?? ''}`
}

/** Characters of lines that are read in one turn, words of new ones counting for some. */
const turnSize = 300_000

const manyMistakes = [
  `there are ${maxMistakes} mistakes up to here; what follows was not read`,
  'correct these first',
] as const

const tooMuchText = (text: string, file: string, budget: Budget): RuleError | undefined => {
  const place = { file, line: 1, text: '' }
  const { size, files, lines } = budget.limits
  if (!budget.take('files', 1))
    return complaintAt(
      place,
      0,
      1,
      `the policy has more than ${counted(files)} files`,
      'put some of them together, or make more than one policy of it',
    )
  if (!budget.take('size', text.length))
    return complaintAt(
      place,
      0,
      1,
      `the policy has more than ${counted(size)} characters with all that it includes`,
      'make more than one policy of it',
    )
  let count = 1
  const left = lines - budget.lines
  for (let at = text.indexOf('\n'); at >= 0 && count <= left; at = text.indexOf('\n', at + 1))
    count++
  if (budget.take('lines', count)) return undefined
  const line = Math.max(1, left)
  const message = `the policy has more than ${counted(lines)} lines with all that it includes`
  return complaintAt({ ...place, line }, 0, 1, message, 'make more than one policy of it')
}

const tooManyWords = (place: Pick<Line, 'file' | 'line' | 'text'>, { limits }: Budget): RuleError =>
  complaintAt(
    place,
    0,
    1,
    `the policy has more than ${counted(limits.words)} words up to here, with what variables stand for`,
    'name addresses in a zone once, and the zone in rules; or make more than one policy of it',
  )

const noSection = [
  'no section is open here',
  'a section begins with: section from MEMBERS',
] as const

/** Rules with the ends of their section, the same object each time. */
const inSections = new WeakMap<Rule, { readonly section: Section; readonly rule: Rule }>()

const within = (section: Section | undefined, statement: Statement): Statement => {
  if (section === undefined || statement.kind !== 'rule') return statement
  const known = inSections.get(statement)
  if (known?.section === section) return known.rule
  // Where no end is written it is this very object.
  const of = (end: Selection, own: Selection | undefined) => (end === any ? (own ?? end) : end)
  const rule = {
    ...statement,
    from: of(statement.from, section.from),
    to: of(statement.to, section.to),
    ...(section.log && statement.log === undefined && { log: section.log }),
  }
  inSections.set(statement, { section, rule })
  return rule
}

const decides = ({ kind }: Statement): boolean => kind === 'rule' || kind === 'default'

const tooLate = (place: Pick<Line, 'file' | 'line' | 'text'>, first: Line): RuleError =>
  complaintAt(
    place,
    place.text.indexOf('file'),
    'file audit'.length,
    '"file audit" stands behind a rule',
    `write it before the first one, in line ${first.line}`,
  )

/** Reads one file. */
export const parse = (text: string, file = 'rules'): ParsedFile => new Parser().parse(text, file)

/** How a line ends: in a comma, so that the next one belongs to it; in another word; or it has none at all. */
const endOf = (line: string): 'open' | 'closed' | 'empty' => {
  if (!line.includes(',')) return /^[ \t\r]*(#|$)/.test(line) ? 'empty' : 'closed'
  if (!/,[ \t\r]*(#|$)/.test(line)) return 'closed'
  return endsInComma(line)
}

const readPiece = (piece: string, named: Variables, { limits }: Budget): Reading => {
  const most = limits.statementWords
  try {
    const tokens = tokenize(piece, most)
    const words = replaced(
      tokens.filter(token => token.kind !== 'comment'),
      named,
      most,
    )
    const comments = tokens.filter(token => token.kind === 'comment').map(t => t.text.trimEnd())
    const end = words.length === 0 ? 0 : words.at(-1)!.at + words.at(-1)!.length
    const reader = new LineReader(words, end)
    const statement: Statement = reader.isAtEnd ? { kind: 'blank' } : takeStatement(reader)
    if (!reader.isAtEnd) failAtRest(reader, statement)
    const comment = comments.length > 0 && { comment: comments.join('') }
    return { statement, ...comment, words: words.length }
  } catch (error) {
    if (error instanceof Mistake) return { mistake: error, words: piece.length >> 3 }
    throw error
  }
}

/** Every `$NAME` replaced; what it stands for is where the name is. @throws {Mistake} */
const replaced = (tokens: readonly Token[], named: Variables, most: number): readonly Token[] => {
  if (!tokens.some(isVariable)) return tokens
  let count = tokens.length
  return tokens.flatMap(token => {
    if (!isVariable(token)) return [token]
    const { text, at, length } = token
    const words = named.get(text)?.tokens
    count += words?.length ?? 0
    if (count > most) throw tooLong(at, length, most)
    if (words !== undefined) return words.map(word => ({ ...word, at, length }))
    const near = didYouMean(
      text,
      [...named.keys()],
      `write above it in this file: let ${text.slice(1)} = ...`,
    )
    throw new Mistake(at, length, `nothing is named "${text}"`, near)
  })
}

const isVariable = (token: Token): boolean => token.kind === 'word' && token.text.startsWith('$')

const options = [
  'from',
  'to',
  'except',
  'with',
  'dscp',
  'log',
  'limit',
  'max',
  'via',
  'until',
  'schedule',
]

const natOptions = ['from', 'to', 'except', 'at', 'out', 'ports']

const failAtRest = (reader: LineReader, statement: Statement): never => {
  const token = reader.peek()!
  const [words, otherwise] =
    statement.kind === 'rule'
      ? [options, 'after the addresses come with, dscp, log, limit, max, via, until and schedule']
      : statement.kind === 'default'
        ? [
            ['from', 'to', 'except', 'with', 'log'],
            'after the addresses of a default come with and log, and no more',
          ]
        : statement.kind === 'nat'
          ? [natOptions, 'from, to, out and ports stand in this order: docs/rules.md, nat']
          : [[], 'one statement a line; a comment begins with #']
  const isWritten = words.includes(token.text)
  const hint =
    token.text === 'timeout'
      ? 'a timeout belongs to the ports of a service, whoever uses them: service ssh = tcp 22 timeout 8h'
      : isWritten
        ? `"${token.text}" stands further to the left: from, to, then the rest`
        : didYouMean(token.text, words, otherwise)
  return reader.fail(`"${token.text}" is not expected here`, hint, token)
}

const takeStatement = (reader: LineReader): Statement => {
  const first = reader.word(
    'a statement',
    'begin with a verb, a name, zone, service, let, default, tier, section, nat, file, include or test',
  )
  switch (first.text) {
    case 'zone': {
      const name = takeName(reader, 'zone')
      reader.take('equals', '"="', 'write: zone NAME = ADDRESS, ADDRESS')
      return { kind: 'zone', name, members: takeSelection(reader) }
    }
    case 'service': {
      const name = takeName(reader, 'service')
      reader.take('equals', '"="', 'write: service NAME = tcp 80, tcp 443')
      const members = takeServices(reader)
      const timeout = reader.skip('timeout') ? takeSpan(reader) : undefined
      return { kind: 'service', name, members, ...(timeout !== undefined && { timeout }) }
    }
    case 'include': {
      const path = reader.take('string', 'the path', 'write: include "objects/campus.rules"')
      return { kind: 'include', path: path.text, at: path.at }
    }
    case 'tier': {
      const tier = takeTier(reader)
      return { kind: 'tier', tier, ...(reader.skip('audit') && { isAudit: true }) }
    }
    case 'section':
      return takeSection(reader)
    case 'end':
      return { kind: 'end' }
    case 'file':
      if (!reader.skip('audit')) reader.fail('"audit" is expected here', 'write: file audit')
      return { kind: 'file-audit' }
    case 'let':
      return takeLet(reader)
    case 'default':
      return takeDefault(reader)
    case 'nat':
      return takeNat(reader)
    case 'test':
      return takeTest(reader)
    default:
      return takeRule(reader, first)
  }
}

const takeSection = (reader: LineReader): Section => {
  const { from, to } = takeEnds(reader)
  if (from === any && to === any)
    reader.fail('a section has "from", "to" or both', 'write: section from guests to any')
  return {
    kind: 'section',
    ...(from !== any && { from: placeless(from) }),
    ...(to !== any && { to: placeless(to) }),
    ...(reader.skip('log') && { log: takeLog(reader) }),
  }
}

/** Without the places of names: they stand in another line than the rules. */
const placeless = ({ of, except }: Selection): Selection => {
  const plain = (member: Member): Member => {
    if (!('at' in member)) return member
    const { at: _, ...rest } = member
    return rest
  }
  return { of: of.map(plain), except: except.map(plain) }
}

const takeLet = (reader: LineReader): Statement => {
  const name = takeName(reader, 'variable')
  const hint = 'write: let NAME = WORDS, and $NAME where they are to stand'
  reader.take('equals', '"="', hint)
  const tokens: Token[] = []
  while (!reader.isAtEnd) tokens.push(reader.next())
  if (tokens.length === 0) reader.fail('there is nothing behind "="', hint)
  return { kind: 'let', name, value: formatTokens(tokens) }
}

const takeTier = (reader: LineReader): TierName => {
  const token = reader.word('the tier', `the tiers are ${tiers.join(', ')}`)
  const tier = tiers.find(name => name === token.text)
  if (tier === undefined)
    reader.fail(
      `"${token.text}" is no tier`,
      didYouMean(token.text, tiers, `the tiers are ${tiers.join(', ')}`),
      token,
    )
  return tier
}

const verbHint = 'the verbs are allow, allow-stateless, drop, reject, pass and audit'

const takeRule = (reader: LineReader, first: Token): Rule => {
  let token = first
  let name: string | undefined
  if (first.text.endsWith(':')) {
    name = first.text.slice(0, -1)
    checkName(reader, name, 'rule', first)
    token = reader.word('the verb', verbHint)
  }
  const isAudit = token.text === 'audit'
  if (isAudit) {
    const next = reader.peek()
    if (next?.kind === 'word' && isVerb(next.text)) token = reader.word('the verb', verbHint)
  }
  const verb = isAudit && token.text === 'audit' ? 'pass' : token.text
  if (!isVerb(verb)) {
    const near = name === undefined ? [...verbs, 'audit', ...statements] : [...verbs, 'audit']
    const hint = token.text.includes(':') ? 'a space follows the colon of a name' : verbHint
    reader.fail(`"${token.text}" is no verb`, didYouMean(token.text, near, hint), token)
  }
  const services = takeServices(reader)
  const { from, to } = takeEnds(reader)
  return {
    kind: 'rule',
    ...(name !== undefined && { name }),
    verb,
    isAudit,
    services,
    from,
    to,
    ...takeOptions(reader, {
      admits: verb === 'allow' && !isAudit,
      answers: verb === 'reject' && !isAudit,
      isStateless: verb === 'allow-stateless' && !isAudit,
    }),
  }
}

const statements = [
  'zone',
  'service',
  'let',
  'default',
  'tier',
  'section',
  'nat',
  'file',
  'include',
  'test',
]

const isVerb = (word: string): word is Verb => (verbs as readonly string[]).includes(word)

const takeEnds = (reader: LineReader): { from: Selection; to: Selection } => {
  const from = reader.skip('from') ? takeSelection(reader) : any
  const to = reader.skip('to') ? takeSelection(reader) : any
  return { from, to }
}

type Options = Pick<
  Rule,
  'answer' | 'dscp' | 'log' | 'limit' | 'caps' | 'via' | 'until' | 'schedule'
>

interface Verdict {
  /** Whether the rule lets connections in that can be counted. */
  readonly admits: boolean
  /** Whether it tells the sender. */
  readonly answers: boolean
  /** Whether each packet asks it. */
  readonly isStateless: boolean
}

const takeOptions = (reader: LineReader, { admits, answers, isStateless }: Verdict): Options => {
  const found: { -readonly [key in keyof Options]: Options[key] } = {}
  const once = (key: keyof Options) => {
    if (found[key] !== undefined)
      reader.fail(`"${key}" stands here a second time`, 'say it once', reader.last)
  }
  for (;;) {
    if (reader.skip('with')) {
      once('answer')
      found.answer = takeAnswer(reader, answers)
    } else if (reader.skip('dscp')) {
      once('dscp')
      found.dscp = takeDscp(reader, isStateless)
    } else if (reader.skip('log')) {
      once('log')
      found.log = takeLog(reader)
    } else if (reader.skip('limit')) {
      once('limit')
      mustAdmit(reader, admits)
      found.limit = takeLimit(reader)
    } else if (reader.skip('max')) {
      mustAdmit(reader, admits)
      found.caps = [...(found.caps ?? []), takeCap(reader, found.caps ?? [])]
    } else if (reader.skip('via')) {
      once('via')
      mustAdmit(reader, admits, 'write it behind an "allow" rule')
      const token = reader.word('the name of the chain', 'write: via CHAIN')
      found.via = { name: token.text, at: token.at }
    } else if (reader.skip('until')) {
      once('until')
      found.until = takeUntil(reader)
    } else if (reader.skip('schedule')) {
      once('schedule')
      found.schedule = takeSchedule(reader)
    } else return found
  }
}

const takeAnswer = (reader: LineReader, answers: boolean): RejectCode => {
  if (!answers)
    reader.fail('"with" belongs to "reject"', 'nobody else tells the sender anything', reader.last)
  const hint = `after "with" comes ${rejectCodes.join(', ')}`
  const token = reader.word('the answer', hint)
  const code = rejectCodes.find(each => each === token.text)
  if (code === undefined)
    reader.fail(`"${token.text}" is no answer`, didYouMean(token.text, rejectCodes, hint), token)
  return code
}

const mustAdmit = (
  reader: LineReader,
  admits: boolean,
  hint = 'write it behind an "allow" rule; what is beyond it is dropped',
): void => {
  const message = `"${reader.last.text}" belongs to rules that allow connections`
  if (!admits) reader.fail(message, hint, reader.last)
}

const takeDefault = (reader: LineReader): Default => {
  const hint = 'write: default drop, default reject or default allow'
  const token = reader.word('the verb', hint)
  const verb = (['allow', 'drop', 'reject'] as const).find(word => word === token.text)
  if (verb === undefined)
    reader.fail(
      `"${token.text}" cannot be the default`,
      didYouMean(token.text, ['allow', 'drop', 'reject'], hint),
      token,
    )
  const { from, to } = takeEnds(reader)
  const answer = reader.skip('with') ? takeAnswer(reader, verb === 'reject') : undefined
  const log: LogWish | undefined = reader.skip('log') ? takeLog(reader) : undefined
  return { kind: 'default', verb, from, to, ...(answer && { answer }), ...(log && { log }) }
}
