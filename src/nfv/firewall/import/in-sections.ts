/** Rules one below the other that share an end, as a section; as they stand where it would say nothing. */

/** A rule in its parts. */
export interface Written {
  /** `NAME: VERB SERVICES` */
  readonly head: string
  readonly from: string
  readonly to: string
  /** Options, each with a blank before it. */
  readonly tail: string
}

/** Fewer rules are easier to read as they are. */
const fewest = 3
/** Nobody looks for these at the head of a section. */
const everybody = new Set(['any', '0.0.0.0/0', '::/0'])

/** Lines of a rule file. */
export const inSections = (rules: readonly Written[]): string[] => {
  const lines: string[] = []
  let isOpen = false
  for (let at = 0; at < rules.length; ) {
    const first = rules[at]!
    const count = (isSame: (other: Written) => boolean): number => {
      const other = rules.findIndex((rule, index) => index > at && !isSame(rule))
      return (other < 0 ? rules.length : other) - at
    }
    const isSaid = (end: string) => !everybody.has(end)
    const byFrom = isSaid(first.from) ? count(rule => rule.from === first.from) : 0
    const byTo = isSaid(first.to) ? count(rule => rule.to === first.to) : 0
    const length = Math.max(byFrom, byTo)
    if (length < fewest) {
      if (isOpen) lines.push('end')
      isOpen = false
      lines.push(`${first.head} from ${first.from} to ${first.to}${first.tail}`)
      at++
      continue
    }
    const [from, to] = [byFrom === length, byTo === length]
    lines.push(`section${from ? ` from ${first.from}` : ''}${to ? ` to ${first.to}` : ''}`)
    for (const rule of rules.slice(at, at + length)) {
      const ends = `${from ? '' : ` from ${rule.from}`}${to ? '' : ` to ${rule.to}`}`
      lines.push(`  ${rule.head}${ends}${rule.tail}`)
    }
    isOpen = true
    at += length
  }
  return lines
}
