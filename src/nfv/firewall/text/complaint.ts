/** Complaints as people read them: where, what, the line itself, a caret, and what to do. */
import { nearest } from '../../../base/nearest.js'
import { clip, counted, maxMistakes } from './limits.js'
import type { Line, RuleError } from './rule.js'

export { nearest }

/**
 *     campus.rules:7:19: no zone is named "offce"
 *       allow web from offce to servers
 *                      ^~~~~
 *     did you mean "office"?
 *
 * @param sourceText the text of the file that `error.file` names; absent: only the sentences
 */
export const formatComplaint = (error: RuleError, sourceText?: string): string => {
  const head = `${error.file}:${error.line}:${error.column}: ${error.message}`
  const whole = sourceText === undefined ? undefined : lineAt(sourceText, error.line)
  const parts = [head]
  if (whole !== undefined) {
    const { source, column } = around(whole, error.column)
    const room = Math.max(1, Math.min(error.length ?? 1, source.length - column + 1))
    // Tabs stay tabs under the line, so that the caret stands where the eye looks.
    const lead = source.slice(0, column - 1).replace(/[^\t]/g, ' ')
    parts.push(`  ${source}`, `  ${lead}^${'~'.repeat(room - 1)}`)
  }
  if (error.hint !== '') parts.push(error.hint)
  return parts.join('\n')
}

/** Counted from 1; the text is not cut into its lines for it. */
const lineAt = (text: string, line: number): string | undefined => {
  let start = 0
  for (let at = 1; at < line; at++) {
    start = text.indexOf('\n', start) + 1
    if (start === 0) return undefined
  }
  const end = text.indexOf('\n', start)
  return text.slice(start, end < 0 ? text.length : end).replace(/\r$/, '')
}

/** Of a line that is longer, the part that the complaint is about. */
const shownLength = 240

const around = (source: string, column: number): { source: string; column: number } => {
  if (source.length <= shownLength) return { source, column }
  const start = Math.max(0, Math.min(column - 1 - shownLength / 3, source.length - shownLength))
  const from = Math.floor(start)
  const part = source.slice(from, from + shownLength)
  const [lead, rest] = [from > 0 ? '...' : '', from + shownLength < source.length ? '...' : '']
  return { source: `${lead}${part}${rest}`, column: column - from + lead.length }
}

/** By place; complaints about one place stay as they came. */
export const inOrder = (a: RuleError, b: RuleError): number =>
  a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1

/** A complaint about `length` characters of a statement, `at` counted from its beginning. */
export const complaintAt = (
  place: Pick<Line, 'file' | 'line' | 'text'>,
  at: number,
  length: number,
  message: string,
  hint: string,
): RuleError => {
  const { text } = place
  const start = at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1
  let line = place.line
  if (start > 0)
    for (let end = text.indexOf('\n'); end >= 0 && end < start; end = text.indexOf('\n', end + 1))
      line++
  return {
    file: place.file,
    line,
    column: at - start + 1,
    length: Math.max(1, length),
    message: clip(message, longestMessage),
    hint: clip(hint, longestMessage),
  }
}

const longestMessage = 400

/** The mistakes of one policy: the first hundred are told, and that there are more. */
export class Mistakes {
  readonly #list: RuleError[] = []
  #more = 0

  /** @param make called only for what is told */
  add(make: () => RuleError): void {
    if (this.#list.length < maxMistakes) this.#list.push(make())
    else this.#more++
  }

  get list(): readonly RuleError[] {
    const last = this.#list.at(-1)
    if (this.#more === 0 || last === undefined) return this.#list
    const message = `there are ${counted(this.#more)} mistakes more than these ${maxMistakes}`
    return [...this.#list, { ...last, message, hint: 'correct these first' }]
  }
}

/** `did you mean "office"?`, or the sentence given when nothing is near. */
export const didYouMean = (word: string, candidates: Iterable<string>, otherwise: string): string =>
  ((guess: string | undefined) => (guess === undefined ? otherwise : `did you mean "${guess}"?`))(
    nearest(word, candidates),
  )

/** @param what was not looked at from there on */
export const noMoreTime = (
  place: Pick<Line, 'file' | 'line'> | undefined,
  what: string,
): RuleError =>
  complaintAt(
    { file: place?.file ?? '', line: place?.line ?? 1, text: '' },
    0,
    1,
    `there was no more time: ${what} not looked at`,
    'check fewer files at a time, or on a machine with less to do',
  )
