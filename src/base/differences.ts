/** What a change changed, short enough to be kept for ever. Pure. */

import { createHash } from 'node:crypto'

const mostLines = 100
const longestText = 300

interface Texts {
  readonly source: string
  readonly includes?: Readonly<Record<string, string>>
}

export interface TextDifference {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Lines that are still there, and behind others than before. */
  readonly moved?: readonly string[]
  /** Lines that are not listed. */
  readonly more?: number
}

/** Lines that came and went, comments too; empty lines and spaces at the end of lines are no difference. */
export const textDifference = (
  before: Texts | undefined,
  after: Texts | undefined,
): TextDifference => {
  const [old, next] = [linesOf(before), linesOf(after)]
  const [removed, stayedOld] = without(old, next)
  const [added, stayed] = without(next, old)
  // Both have the same lines now, each as often.
  const moved = stayed.filter((line, at) => line !== stayedOld[at])
  const shown = (lines: readonly string[]) => lines.slice(0, mostLines).map(short)
  const more = [removed, added, moved].reduce(
    (sum, lines) => sum + Math.max(0, lines.length - mostLines),
    0,
  )
  return {
    ...{ added: shown(added), removed: shown(removed) },
    ...(moved.length > 0 && { moved: shown(moved) }),
    ...(more > 0 && { more }),
  }
}

/** @returns lines that others do not have, or not so often; and the rest, in order */
const without = (
  lines: readonly string[],
  others: readonly string[],
): [own: readonly string[], common: readonly string[]] => {
  const counts = new Map<string, number>()
  for (const line of others) counts.set(line, (counts.get(line) ?? 0) + 1)
  const [own, common]: [string[], string[]] = [[], []]
  for (const line of lines) {
    const left = counts.get(line) ?? 0
    if (left === 0) own.push(line)
    else {
      counts.set(line, left - 1)
      common.push(line)
    }
  }
  return [own, common]
}

const linesOf = (texts: Texts | undefined): readonly string[] => {
  if (texts === undefined) return []
  const written = (text: string) =>
    text
      .split('\n')
      .map(line => line.trimEnd())
      .filter(line => line !== '')
  return [
    ...written(texts.source),
    ...Object.entries(texts.includes ?? {}).flatMap(([path, text]) => [
      `in "${path}":`,
      ...written(text),
    ]),
  ]
}

interface PolicyTexts extends Texts {
  readonly file?: string
  readonly order?: number
  readonly watch?: boolean
}

/** What a change made of a policy: its lines, and where it stands and is read from. */
export const policyDifference = (
  name: string,
  before: PolicyTexts | undefined,
  after: PolicyTexts | undefined,
): object => {
  const settings = (texts: PolicyTexts | undefined) =>
    texts && { file: texts.file, order: texts.order, watch: texts.watch === true }
  const members = memberDifference(settings(before) ?? {}, settings(after) ?? {})
  return {
    ...{ policy: name, ...textDifference(before, after) },
    ...(Object.keys(members).length > 0 && { members }),
  }
}

/** Octets of what a line of the log says of a change, as JSON. */
const mostOctets = 16 * 1024

/** As much of it as a line of the log has room for; of the rest how many, and by its hash what it was. */
export const bounded = (difference: unknown): unknown => {
  const text = JSON.stringify(difference) ?? 'null'
  const octets = Buffer.byteLength(text)
  if (octets <= mostOctets) return difference
  const whole = { octets, sha256: createHash('sha256').update(text).digest('hex') }
  if (!Array.isArray(difference)) return [whole]
  const kept: unknown[] = []
  let room = mostOctets - 500
  for (const each of difference as readonly unknown[]) {
    room -= Buffer.byteLength(JSON.stringify(each) ?? 'null')
    if (room < 0) break
    kept.push(each)
  }
  return [...kept, { more: difference.length - kept.length, ...whole }]
}

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
