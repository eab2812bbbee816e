/** What a change changed, short enough to be kept for ever. Pure. */

const mostLines = 100
const longestText = 300

interface Texts {
  readonly source: string
  readonly includes?: Readonly<Record<string, string>>
}

export interface TextDifference {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Lines that are not listed. */
  readonly more?: number
}

/** Lines that came and went, comments too. */
export const textDifference = (
  before: Texts | undefined,
  after: Texts | undefined,
): TextDifference => {
  const [old, next] = [linesOf(before), linesOf(after)]
  const removed = [...old].filter(line => !next.has(line))
  const added = [...next].filter(line => !old.has(line))
  const shown = (lines: readonly string[]) => lines.slice(0, mostLines).map(short)
  const more = Math.max(0, removed.length - mostLines) + Math.max(0, added.length - mostLines)
  return { added: shown(added), removed: shown(removed), ...(more > 0 && { more }) }
}

const linesOf = (texts: Texts | undefined): ReadonlySet<string> =>
  new Set(
    texts === undefined
      ? []
      : [texts.source, ...Object.values(texts.includes ?? {})]
          .flatMap(text => text.split('\n'))
          .map(line => line.trim())
          .filter(line => line !== ''),
  )

const short = (text: string): string =>
  text.length > longestText ? `${text.slice(0, longestText)}…` : text

/** By JSON pointer (RFC 6901): what a member was, and is. */
export type MemberDifference = Readonly<Record<string, readonly [before: unknown, after: unknown]>>

export const memberDifference = (before: unknown, after: unknown): MemberDifference => {
  const found: Record<string, [unknown, unknown]> = {}
  const walk = (path: string, a: unknown, b: unknown): void => {
    if (Object.keys(found).length >= mostLines || JSON.stringify(a) === JSON.stringify(b)) return
    if (isMap(a) && isMap(b)) {
      for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(`${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, a[name], b[name])
      return
    }
    found[path] = [brief(a), brief(b)]
  }
  walk('', before, after)
  return found
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const brief = (value: unknown): unknown => {
  const text = JSON.stringify(value) ?? 'null'
  return text.length > longestText ? short(text) : (value ?? null)
}
