/**
 * Statements to JSON and back. Addresses, services, rates and times are the same words as in a rule file, and are
 * read by the same reader: whatever a rule file refuses, this refuses too.
 */

import { formatAddresses, formatTarget } from '../nat/format-nat.js'
import { takeAddresses, takeNatPorts, takeNatTarget } from '../nat/parse-nat.js'
import { dscpWord, takeCodePoint } from './dscp.js'
import { formatMember, formatRate, formatSchedule, formatService, natParts } from './format.js'
import { LineReader, Mistake, tokenize } from './line-reader.js'
import { takeMember, takeSchedule, takeService, takeSpan } from './parse-parts.js'
import { takeMoment } from './parse-test.js'
import {
  isAny,
  type Line,
  type LogWish,
  type Member,
  type Nat,
  type Rule,
  type Section,
  type Selection,
} from './rule.js'
import type {
  LogObject,
  NatObject,
  PolicySpec,
  RuleObject,
  SelectionObject,
  StatementObject,
} from './schema.js'
import { formatMoment, formatSpan, formatUntil } from './times.js'

/** A mistake in a policy that came as JSON. */
export interface JsonMistake {
  /** Counted from 0. */
  readonly statement: number
  readonly path: string
  readonly message: string
  readonly hint: string
}

/** The statements of a file as an object. */
export const specOf = (lines: readonly Pick<Line, 'statement' | 'comment'>[]): PolicySpec => {
  let section: Section | undefined
  return {
    statements: lines.map(({ statement, comment }) => {
      const object = objectOf(statement, section)
      if (statement.kind === 'section') section = statement
      if (statement.kind === 'tier' || statement.kind === 'end') section = undefined
      return { ...object, ...(comment !== undefined && { comment }) }
    }),
  }
}

const objectOf = (statement: Line['statement'], section: Section | undefined): StatementObject => {
  switch (statement.kind) {
    case 'rule':
      return ruleObject(statement, section)
    case 'section': {
      const { from, to, log } = statement
      return {
        kind: 'section',
        ...(from && { from: selectionObject(from) }),
        ...(to && { to: selectionObject(to) }),
        ...(log && { log: logObject(log) }),
      }
    }
    case 'default':
      return {
        kind: 'default',
        verb: statement.verb,
        ...ends(statement),
        ...(statement.answer && { answer: statement.answer }),
        ...(statement.log && { log: logObject(statement.log) }),
      }
    case 'zone':
      return { kind: 'zone', name: statement.name, members: selectionObject(statement.members) }
    case 'service':
      return {
        kind: 'service',
        name: statement.name,
        members: statement.members.map(formatService),
        ...(statement.timeout !== undefined && { timeout: formatSpan(statement.timeout) }),
      }
    case 'tier':
      return { kind: 'tier', tier: statement.tier, ...(statement.isAudit && { audit: true }) }
    case 'include':
      return { kind: 'include', path: statement.path }
    case 'let':
      return { kind: 'let', name: statement.name, value: statement.value }
    case 'test': {
      const { title, from, to, service, dscp, verdict, by, at } = statement
      const packet = { from: formatMember(from), to: formatMember(to) }
      const more = { verdict, ...(by !== undefined && { by }), ...(at && { at: formatMoment(at) }) }
      return {
        kind: 'test',
        title,
        ...packet,
        service: formatService(service),
        ...(dscp !== undefined && { dscp: dscpWord(dscp) }),
        ...more,
      }
    }
    case 'nat':
      return natObject(statement)
    case 'end':
    case 'file-audit':
    case 'blank':
      return { kind: statement.kind }
  }
}

const natObject = (nat: Nat): NatObject => {
  const { action, services, out, at, ports, target } = nat
  return {
    kind: 'nat',
    action,
    ...(services && { services: services.map(formatService) }),
    ...ends(nat),
    ...(out && { out: out.name }),
    ...(at && { at: formatAddresses(at) }),
    ...(ports && { ports: `${ports.from}-${ports.to}` }),
    ...(target && { target: formatTarget(target, natParts) }),
  }
}

const ruleObject = (rule: Rule, section: Section | undefined): RuleObject => ({
  kind: 'rule',
  ...(rule.name !== undefined && { name: rule.name }),
  verb: rule.verb,
  ...(rule.isAudit && { audit: true }),
  services: rule.services.map(formatService),
  ...ends(rule, section),
  ...(rule.answer && { answer: rule.answer }),
  ...(rule.dscp && { dscp: rule.dscp.map(dscpWord) }),
  ...(rule.log && rule.log !== section?.log && { log: logObject(rule.log) }),
  ...(rule.limit && {
    limit: {
      rate: formatRate(rule.limit.rate),
      ...(rule.limit.isPerSource && { perSource: true }),
    },
  }),
  ...(rule.caps && {
    max: rule.caps.map(({ count, of, isPerSource }) => ({
      count,
      of,
      ...(isPerSource && { perSource: true }),
    })),
  }),
  ...(rule.via && { via: rule.via.name }),
  ...(rule.until !== undefined && { until: formatUntil(rule.until) }),
  ...(rule.schedule && { schedule: formatSchedule(rule.schedule) }),
})

const ends = (
  { from, to }: { readonly from: Selection; readonly to: Selection },
  section?: Section,
) => {
  // An end that is not said is the section's, where that has one.
  const isSaid = (end: Selection, own: Selection | undefined) =>
    own === undefined ? !isBareAny(end) : end !== own
  return {
    ...(isSaid(from, section?.from) && { from: selectionObject(from) }),
    ...(isSaid(to, section?.to) && { to: selectionObject(to) }),
  }
}

/** Not `10.0.0.1, any`, which is as wide: a rule without a name is named after its words. */
const isBareAny = (selection: Selection): boolean => isAny(selection) && selection.of.length === 1

const selectionObject = ({ of, except }: Selection): SelectionObject => {
  const texts = (list: readonly Member[]) => list.map(formatMember)
  return except.length === 0 ? texts(of) : { of: texts(of), except: texts(except) }
}

const logObject = ({ rate, text }: LogWish): LogObject => ({
  ...(rate && { rate: formatRate(rate) }),
  ...(text !== undefined && { text }),
})

/**
 * The text of a rule file that says the same. Each statement is one line, so that line N is statement N - 1.
 *
 * @param spec as the schema says
 */
export const textOfSpec = (
  spec: PolicySpec,
): { readonly text: string; readonly mistakes: readonly JsonMistake[] } => {
  const mistakes: JsonMistake[] = []
  const lines = spec.statements.map((statement, index) => {
    const piece = new Piece(index, mistakes)
    const text = piece.textOf(statement)
    const { comment } = statement
    return comment === undefined ? text : `${text}${text === '' ? '' : '  '}#${comment}`
  })
  return { text: lines.length === 0 ? '' : `${lines.join('\n')}\n`, mistakes }
}

const withAnswer = ({ answer }: Pick<RuleObject, 'answer'>): string =>
  answer === undefined ? '' : ` with ${answer}`

/** One statement on its way to text. Words are only let through when they are one whole part of the language. */
class Piece {
  readonly #index: number
  readonly #mistakes: JsonMistake[]

  constructor(index: number, mistakes: JsonMistake[]) {
    this.#index = index
    this.#mistakes = mistakes
  }

  textOf(statement: StatementObject): string {
    switch (statement.kind) {
      case 'rule':
        return this.#rule(statement)
      case 'default':
        return `default ${statement.verb}${this.#ends(statement)}${withAnswer(statement)}${this.#log(statement.log)}`
      case 'zone':
        return `zone ${statement.name} = ${this.#selection('members', statement.members)}`
      case 'service':
        return `service ${statement.name} = ${this.#services('members', statement.members)}${this.#timeout(statement.timeout)}`
      case 'section':
        return `section${this.#ends(statement)}${this.#log(statement.log)}`
      case 'end':
        return 'end'
      case 'tier':
        return `tier ${statement.tier}${statement.audit ? ' audit' : ''}`
      case 'include':
        return `include "${statement.path}"`
      case 'let':
        return this.#let(statement.name, statement.value)
      case 'test': {
        const from = this.#part('from', statement.from, takeMember)
        const to = this.#part('to', statement.to, takeMember)
        const service = this.#part('service', statement.service, takeService)
        const by = statement.by === undefined ? '' : ` by ${this.#word('by', statement.by)}`
        const { at: moment } = statement
        const at = moment === undefined ? '' : ` at ${this.#part('at', moment, takeMoment)}`
        return `test "${statement.title}" ${from} -> ${to} ${service}${this.#dscp(statement.dscp)} ${statement.verdict}${by}${at}`
      }
      case 'nat':
        return this.#nat(statement)
      case 'file-audit':
        return 'file audit'
      case 'blank':
        return ''
    }
  }

  /** In the order of words; whether they belong together is for the reader of the text to say. */
  #nat(nat: NatObject): string {
    const { action, services, from, to, out, at, ports, target } = nat
    const part = (
      path: string,
      word: string,
      text: string | undefined,
      take: (reader: LineReader) => unknown,
    ) =>
      text === undefined ? '' : `${word === '' ? '' : ` ${word}`} ${this.#part(path, text, take)}`
    const published = (word: string) => part('at', word, at, takeAddresses)
    const where = (word: string) => part('target', word, target, takeNatTarget)
    const what = services === undefined ? '' : ` ${this.#services('services', services)}`
    const network = part('out', 'out', out, reader => reader.word('a word', 'write one word'))
    const source = `${this.#ends({ ...(from && { from }), ...(to && { to }) })}${network}${part('ports', 'ports', ports, takeNatPorts)}`
    if (action === 'source') return `nat source${published('')}${source}`
    if (action === 'one-to-one') return `nat one-to-one${published('')}${where('')}${source}`
    if (action === 'masquerade' || at === undefined)
      return `nat ${action}${what}${source}${where('to')}`
    const ends = this.#ends({ ...(from && { from }) })
    return `nat ${action}${what}${ends}${published('at')}${where('to')}`
  }

  #rule(rule: RuleObject): string {
    const name = rule.name === undefined ? '' : `${rule.name}: `
    const per = (one: { readonly perSource?: boolean }) => (one.perSource ? ' per source' : '')
    const limit = rule.limit ? ` limit ${rule.limit.rate}${per(rule.limit)}` : ''
    const caps = (rule.max ?? []).map(cap => ` max ${cap.count} ${cap.of}${per(cap)}`).join('')
    const via = rule.via === undefined ? '' : ` via ${this.#word('via', rule.via)}`
    const until = rule.until === undefined ? '' : ` until ${this.#word('until', rule.until)}`
    const schedule =
      rule.schedule === undefined
        ? ''
        : ` schedule ${this.#part('schedule', rule.schedule, takeSchedule)}`
    const verb = `${rule.audit ? 'audit ' : ''}${rule.verb}`
    const head = `${name}${verb} ${this.#services('services', rule.services)}${this.#ends(rule)}${withAnswer(rule)}${this.#dscp(rule.dscp)}`
    return `${head}${via}${limit}${caps}${until}${schedule}${this.#log(rule.log)}`
  }

  #ends({ from, to }: { readonly from?: SelectionObject; readonly to?: SelectionObject }): string {
    const side = (path: 'from' | 'to', selection: SelectionObject | undefined) =>
      selection === undefined ? '' : ` ${path} ${this.#selection(path, selection)}`
    return side('from', from) + side('to', to)
  }

  #selection(path: string, selection: SelectionObject): string {
    const list = (under: string, texts: readonly string[]) =>
      texts.map((text, at) => this.#part(`${under}[${at}]`, text, takeMember)).join(', ')
    if (!('except' in selection)) return list(path, selection)
    return `${list(`${path}.of`, selection.of)} except ${list(`${path}.except`, selection.except)}`
  }

  #services(path: string, texts: readonly string[]): string {
    return texts.map((text, at) => this.#part(`${path}[${at}]`, text, takeService)).join(', ')
  }

  #dscp(texts: string | readonly string[] | undefined): string {
    if (texts === undefined) return ''
    const points = [texts].flat().map(text => this.#part('dscp', text, takeCodePoint))
    return ` dscp ${points.join(', ')}`
  }

  #timeout(text: string | undefined): string {
    return text === undefined ? '' : ` timeout ${this.#part('timeout', text, takeSpan)}`
  }

  #log(log: LogObject | undefined): string {
    if (log === undefined) return ''
    const rate = log.rate === undefined ? '' : ` new ${log.rate}`
    return ` log${rate}${log.text === undefined ? '' : ` "${log.text}"`}`
  }

  #word(path: string, text: string): string {
    return this.#part(path, text, reader => reader.word('a word', 'write one word'))
  }

  /** Any words, but one line of them. */
  #let(name: string, value: string): string {
    return this.#part('value', value, reader => {
      while (!reader.isAtEnd) reader.next()
    }) === ''
      ? ''
      : `let ${name} = ${value}`
  }

  /** The text, when it is exactly what `take` takes. */
  #part(path: string, text: string, take: (reader: LineReader) => unknown): string {
    try {
      const tokens = tokenize(text)
      const stranger = tokens.find(token => token.kind === 'comment') ?? tokens.find(isVariable)
      const reader = new LineReader(tokens, text.length)
      if (stranger || /[\n\r]/.test(text))
        reader.fail(`"${text}" is more than one part`, 'write one part of the statement', stranger)
      take(reader)
      if (!reader.isAtEnd)
        reader.fail(`"${text}" is more than one part`, 'write one part of the statement')
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      const { message, hint } = error
      this.#mistakes.push({ statement: this.#index, path, message, hint })
      return ''
    }
    return text
  }
}

const isVariable = ({ kind, text }: { readonly kind: string; readonly text: string }): boolean =>
  kind === 'word' && text.startsWith('$')
