/**
 * Priorities for the rules of a tier, in their order, so that one rule more or less moves few others;
 * and so that the same rules always get the same priorities, whatever was there before. (A restart,
 * and each node of a cluster, must come to the same flows.)
 *
 * Rules are cut into blocks where the hash of a rule says so, and blocks into stretches. Each takes room
 * rounded up, and is counted from its own begin: an insert moves the rest of its block, sometimes
 * the rest of its stretch, seldom more.
 *
 *     stretch (about 1,024 rules)                      stretch
 *     |block (about 32) ....|block .......|block ..... |block ...
 *     65,000 ──────────────── priorities go down ───────────────>
 */

/** The highest priority of a rule, and how many there are below it. */
export const highestPriority = 65_000
export const priorityCount = 64_000

/** What blocks and stretches are rounded up to; the roomiest that fits is taken. */
// biome-ignore format: a table
const rooms = [
  { block: 16, stretch: 512 },
  { block: 4,  stretch: 64 },
  { block: 1,  stretch: 1 },
] as const

const mixed = (id: number): number => Math.imul(id, 0x9e3779b1) >>> 7

export const beginsBlock = (id: number): boolean => mixed(id) % 32 === 0
export const beginsStretch = (id: number): boolean => mixed(id) % 1024 === 0

/** @returns a priority for each id, falling; undefined when there are more rules than priorities */
export const prioritiesOf = (ids: Uint32Array): Uint16Array | undefined => {
  for (const room of rooms) {
    const priorities = place(ids, room)
    if (priorities !== undefined) return priorities
  }
  return undefined
}

const place = (
  ids: Uint32Array,
  room: { readonly block: number; readonly stretch: number },
): Uint16Array | undefined => {
  const priorities = new Uint16Array(ids.length)
  let stretchStart = 0
  let blockStart = 0
  let next = 0
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index]!
    if (index > 0 && beginsBlock(id)) {
      blockStart += roundUp(next - blockStart, room.block)
      if (beginsStretch(id)) {
        stretchStart += roundUp(blockStart - stretchStart, room.stretch)
        blockStart = stretchStart
      }
      next = blockStart
    }
    if (next >= priorityCount) return undefined
    priorities[index] = highestPriority - next
    next++
  }
  return priorities
}

const roundUp = (size: number, unit: number): number => Math.ceil(size / unit) * unit
