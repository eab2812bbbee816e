/** Complaints as people read them: where, what, the line itself, a caret, and what to do. */
import type { Line, RuleError } from './rule.js'

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
  const source = sourceText?.split('\n')[error.line - 1]?.replace(/\r$/, '')
  const parts = [head]
  if (source !== undefined) {
    const room = Math.max(1, Math.min(error.length ?? 1, source.length - error.column + 1))
    // Tabs stay tabs under the line, so that the caret stands where the eye looks.
    const lead = source.slice(0, error.column - 1).replace(/[^\t]/g, ' ')
    parts.push(`  ${source}`, `  ${lead}^${'~'.repeat(room - 1)}`)
  }
  if (error.hint !== '') parts.push(error.hint)
  return parts.join('\n')
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
  const before = place.text.slice(0, at).split('\n')
  return {
    file: place.file,
    line: place.line + before.length - 1,
    column: before.at(-1)!.length + 1,
    length: Math.max(1, length),
    message,
    hint,
  }
}

/** The candidate that a slip of the finger or two leads to, or undefined. */
export const nearest = (word: string, candidates: Iterable<string>): string | undefined => {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const found = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (found < bestDistance) [best, bestDistance] = [candidate, found]
  }
  return best
}

/** Letters to change, add, leave out or swap with their neighbour. */
const editDistance = (a: string, b: string): number => {
  let older: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      let cost = Math.min(above[column]! + 1, current[column - 1]! + 1)
      cost = Math.min(cost, above[column - 1]! + (isSame ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, older[column - 2]! + 1)
      current.push(cost)
    }
    older = above
    above = current
  }
  return above[b.length]!
}

/** `did you mean "office"?`, or the sentence given when nothing is near. */
export const didYouMean = (word: string, candidates: Iterable<string>, otherwise: string): string =>
  ((guess: string | undefined) => (guess === undefined ? otherwise : `did you mean "${guess}"?`))(
    nearest(word, candidates),
  )
