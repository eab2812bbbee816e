/** What must hold for any text at all: it is checked without a crash, and says the same when it is written anew. */
import { check } from '../../../src/nfv/firewall/meaning/check.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { Resolver } from '../../../src/nfv/firewall/meaning/resolve.js'
import type { Resolved } from '../../../src/nfv/firewall/meaning/resolved.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { specOf, textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { loadText, type PolicyInput } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { type Dice, pick, randomConnection } from './random-policy.js'

export interface Outcome {
  /** It has no mistakes. */
  readonly isGood: boolean
  /** What is wrong with the language, not with the file. */
  readonly fault?: string
}

const facts = noFacts(Date.UTC(2026, 11, 1, 12))

const policyOf = (text: string): PolicyInput => ({
  name: 'p',
  order: 0,
  loaded: loadText(new Parser(), 'p.rules', text),
})

/** Looks at one text. Never throws. */
export const look = (text: string, dice: Dice): Outcome => {
  try {
    const policy = policyOf(text)
    const resolved = new Resolver().resolve([policy], facts)
    const { complaints } = check([policy], facts, undefined, resolved)
    if (policy.loaded.complaints.length > 0) return { isGood: false }
    const { lines } = policy.loaded.root
    const again: readonly (readonly [string, string])[] = [
      ['written anew', formatFile(lines)],
      ['as JSON', jsonText(lines)],
    ]
    const questions = Array.from({ length: 12 }, () => connection(dice))
    for (const [what, other] of again) {
      const fault = difference(resolved, other, questions)
      if (fault !== undefined)
        return { isGood: complaints.length === 0, fault: `${what}: ${fault}\n${other}` }
    }
    return { isGood: complaints.length === 0 }
  } catch (error) {
    return { isGood: false, fault: (error as Error).stack ?? String(error) }
  }
}

const jsonText = (lines: Parameters<typeof specOf>[0]): string => {
  const { text, mistakes } = textOfSpec(JSON.parse(JSON.stringify(specOf(lines))))
  if (mistakes.length > 0) throw new Error(`as JSON: ${mistakes[0]!.message}`)
  return text
}

const connection = (dice: Dice): Connection => {
  const found = randomConnection(dice)
  const isV4 = !found.source.includes(':')
  const far = isV4 ? pick(dice, ['192.168.1.5', '192.168.2.5', '8.8.8.8', '10.200.0.1']) : 'fd01::1'
  return dice(3) === 0 ? { ...found, destination: far as Connection['destination'] } : found
}

const difference = (
  resolved: Resolved,
  text: string,
  questions: readonly Connection[],
): string | undefined => {
  const other = new Resolver().resolve([policyOf(text)], facts)
  const count = (of: Resolved) =>
    of.complaints
      .map(({ message }) => message)
      .sort()
      .join('; ')
  if (count(other) !== count(resolved)) return `"${count(resolved)}" is now "${count(other)}"`
  if (resolved.complaints.length > 0) return undefined
  for (const question of questions) {
    const [a, b] = [decide(resolved, question), decide(other, question)]
    const nameOf = (one: typeof a) => (one.rule.startsWith('default-') ? 'default-' : one.rule)
    if (a.verdict !== b.verdict || nameOf(a) !== nameOf(b) || a.isStateless !== b.isStateless)
      return `${JSON.stringify(question)}: ${a.verdict} by ${a.rule} is now ${b.verdict} by ${b.rule}`
  }
  return undefined
}
