/** A line that is moved into another section has other ends there: such a move is said in words, and is no edit. */
import type { PolicyInput } from '../text/load.js'
import type { Section } from '../text/rule.js'
import { type Place, type Remark, whereOf } from './remark.js'

/** The section of each rule in one, by file and line. */
const sectionsOf = (policies: readonly PolicyInput[]): ReadonlyMap<string, Section> => {
  const found = new Map<string, Section>()
  for (const { loaded } of policies) {
    const open = new Map<string, Section>()
    for (const { statement, file, line } of loaded.lines) {
      if (statement.kind === 'section') open.set(file, statement)
      if (statement.kind === 'end' || statement.kind === 'tier') open.delete(file)
      const section = open.get(file)
      if (section !== undefined) found.set(whereOf({ file, line }), section)
    }
  }
  return found
}

export const knowingSections = (
  remarks: readonly Remark[],
  policies: readonly PolicyInput[],
): Remark[] => {
  if (!remarks.some(({ edit }) => edit?.do === 'move-above')) return [...remarks]
  const sections = sectionsOf(policies)
  const of = (place: Place) => sections.get(whereOf(place))
  return remarks.map(remark => {
    const { edit, ...rest } = remark
    if (edit?.do !== 'move-above' || of(remark) === of(edit.above)) return remark
    const above = whereOf(edit.above)
    const move = `move line ${remark.line} above ${above}`
    const way =
      of(edit.above) === undefined
        ? `${move} with the "from" and "to" of its section written out`
        : `${move}, above the section there, with its "from" and "to" written out`
    return { ...rest, hint: remark.hint.replace(move, way) }
  })
}
