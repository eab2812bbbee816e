/** The word that was meant. */

/** Names that are compared with a wrong one, and the longest word that is looked for among them. */
const mostCandidates = 1_000
const longestName = 64

/** The candidate that a slip of the finger or two leads to, or undefined. */
export const nearest = (word: string, candidates: Iterable<string>): string | undefined => {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  if (word.length > longestName) return undefined
  let count = 0
  for (const candidate of candidates) {
    if (++count > mostCandidates) break
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
