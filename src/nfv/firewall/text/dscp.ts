/**
 * Code points of Differentiated Services, by the names of their registry: class selectors and default (RFC 2474),
 * assured (RFC 2597) and expedited forwarding (RFC 3246), voice admit (RFC 5865), lower effort (RFC 8622).
 */
import { didYouMean } from './complaint.js'
import type { LineReader } from './line-reader.js'

const wordByPoint: ReadonlyMap<number, string> = new Map([
  ...Array.from({ length: 8 }, (_, n) => [8 * n, `cs${n}`] as const),
  ...[1, 2, 3, 4].flatMap(a => [1, 2, 3].map(b => [8 * a + 2 * b, `af${a}${b}`] as const)),
  [46, 'ef'],
  [44, 'voice-admit'],
  [1, 'le'],
])

export const dscpWords: ReadonlyMap<string, number> = new Map(
  [...wordByPoint].map(([point, word]) => [word, point]),
)

export const dscpWord = (point: number): string => wordByPoint.get(point) ?? String(point)

const dscpHint = 'write a code point by name or number, 0 to 63: dscp ef, af41, 10'

/** One code point. */
export const takeCodePoint = (reader: LineReader): number => {
  const token = reader.word('the code point', dscpHint)
  const number = /^(0|[1-9]\d?)$/.test(token.text) ? Number(token.text) : undefined
  const point = dscpWords.get(token.text) ?? number
  if (point === undefined || point > 63)
    return reader.fail(
      `"${token.text}" is no code point`,
      didYouMean(token.text, dscpWords.keys(), dscpHint),
      token,
    )
  return point
}

/** Behind `dscp`: code points, each once, in order. */
export const takeDscp = (reader: LineReader, isStateless: boolean): readonly number[] => {
  if (!isStateless)
    reader.fail(
      '"dscp" belongs to "allow-stateless"',
      'packets of one connection may differ in it, and its answers have their own: let such a rule ask each packet, or leave it away',
      reader.last,
    )
  const points = new Set([takeCodePoint(reader)])
  while (reader.skipComma()) points.add(takeCodePoint(reader))
  return [...points].sort((a, b) => a - b)
}
