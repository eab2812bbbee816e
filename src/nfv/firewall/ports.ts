/**
 * Ports in switches: a set of ports as masks; or, where many rules share a set, as one bit of a
 * register that the table `ports` (or `sourcePorts`) has filled, so that each rule stays one flow.
 *
 *     rules say          tcp 1024-65535 (6 masks), used by 400 rules
 *     table ports        ct_tp_dst=0/0xfc00 -> bit 3 off;  any other TCP port -> bit 3 on
 *     rules match        reg4=8/8
 *
 * Bits are counted for each protocol by itself, since a rule that names ports names the protocol too.
 */
import type { PortRange } from './rule.js'

export interface PortMask {
  readonly value: number
  readonly mask: number
}

const maskCache = new Map<string, readonly PortMask[]>()

export const keyOfPorts = (set: readonly PortRange[]): string => {
  let key = ''
  for (const { from, to } of set) key += from === to ? `${from},` : `${from}-${to},`
  return key
}

/** The fewest masks that make up the set. */
export const masksOf = (set: readonly PortRange[]): readonly PortMask[] => {
  const key = keyOfPorts(set)
  let masks = maskCache.get(key)
  if (masks === undefined) {
    masks = set.flatMap(({ from, to }) => masksOfRange(from, to))
    if (maskCache.size > 10_000) maskCache.clear()
    maskCache.set(key, masks)
  }
  return masks
}

/** Blocks of a power of two, `width` bits in all. */
export const masksOfRange = (from: number, to: number, width = 16): PortMask[] => {
  const all = 2 ** width - 1
  const masks: PortMask[] = []
  for (let at = from; at <= to; ) {
    let size = at === 0 ? all + 1 : at & -at
    while (at + size - 1 > to) size /= 2
    masks.push({ value: at, mask: all - size + 1 })
    at += size
  }
  return masks
}

export type PortSide = 'source' | 'destination'

/** That a rule needs a set of ports which is more than one mask. */
export interface PortNeed {
  readonly side: PortSide
  readonly protocol: number
  readonly set: readonly PortRange[]
  readonly key: string
  /** How many flows one bit instead of masks saves this rule. */
  readonly saves: number
}

/** Where a set of ports has its bit; key as made by `classKey`. */
export type PortClasses = ReadonlyMap<string, number>

export const classKey = (side: PortSide, protocol: number, portsKey: string): string =>
  `${side} ${protocol} ${portsKey}`

export interface ClassedSet {
  readonly set: readonly PortRange[]
  readonly bit: number
}

export interface PortPlan {
  readonly classes: PortClasses
  /** The sets with their bits, by side and protocol. */
  readonly tables: readonly { side: PortSide; protocol: number; sets: readonly ClassedSet[] }[]
}

/** Rows that a set costs in its table, at worst and nearly; a bit must save more than this. */
const rowsOfSet = (set: readonly PortRange[]): number => masksOf(set).length + 2

/**
 * Which sets get a bit: those that save most, at most 32 for each side and protocol. A set's bit
 * follows from its hash, and moves only when another set was there first, so that a set more or
 * less leaves the other rules' flows as they are.
 */
export const planPorts = (needs: Iterable<PortNeed>): PortPlan => {
  const totals = new Map<string, { need: PortNeed; saves: number }>()
  for (const need of needs) {
    const key = classKey(need.side, need.protocol, need.key)
    const known = totals.get(key)
    if (known) known.saves += need.saves
    else totals.set(key, { need, saves: need.saves })
  }
  const worth = [...totals.values()].filter(({ need, saves }) => saves > 2 * rowsOfSet(need.set))
  worth.sort((a, b) => b.saves - a.saves || (a.need.key < b.need.key ? -1 : 1))
  const groups = new Map<string, PortNeed[]>()
  for (const { need } of worth) {
    const key = `${need.side} ${need.protocol}`
    const group = groups.get(key) ?? []
    if (group.length < 32) group.push(need)
    groups.set(key, group)
  }
  const classes = new Map<string, number>()
  const tables = [...groups.values()].map(group => {
    const sets = giveBits(group)
    for (const [index, { bit }] of sets.entries())
      classes.set(classKey(group[index]!.side, group[index]!.protocol, group[index]!.key), bit)
    return { side: group[0]!.side, protocol: group[0]!.protocol, sets }
  })
  return { classes, tables }
}

/** Sorts `group` by key and gives each set the first free bit from its hash on. */
const giveBits = (group: PortNeed[]): ClassedSet[] => {
  const taken = new Set<number>()
  return group
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, set }) => {
      let bit = [...key].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7) % 32
      while (taken.has(bit)) bit = (bit + 1) % 32
      taken.add(bit)
      return { set, bit }
    })
}

/** A row of a port table: ports under a prefix of `length` bits get these bits. */
export interface PortRow {
  readonly value: number
  readonly mask: number
  readonly length: number
  readonly bits: number
}

/** A block of ports and the bit vectors that may stand at its root. */
interface Block {
  readonly value: number
  readonly length: number
  readonly candidates: ReadonlySet<number>
  readonly halves?: readonly [Block, Block]
}

/**
 * The fewest rows, the longest prefix winning, that give each port its bits (Draves, King,
 * Venkatachary, Zill: Constructing Optimal IP Routing Tables, 1999). The row of length 0 comes first.
 */
export const portRows = (sets: readonly ClassedSet[]): PortRow[] => {
  const rows: PortRow[] = []
  const emit = (block: Block, inherited: number | undefined): void => {
    const isFine = inherited !== undefined && block.candidates.has(inherited)
    const bits = isFine ? inherited : Math.min(...block.candidates)
    if (!isFine) {
      const mask = (0xffff << (16 - block.length)) & 0xffff
      rows.push({ value: block.value, mask, length: block.length, bits })
    }
    for (const half of block.halves ?? []) emit(half, bits)
  }
  emit(blockOf(sets, 0, 0), undefined)
  return rows
}

const blockOf = (sets: readonly ClassedSet[], value: number, length: number): Block => {
  const last = value + 2 ** (16 - length) - 1
  const isMixed = sets.some(({ set }) =>
    set.some(({ from, to }) => from <= last && to >= value && !(from <= value && to >= last)),
  )
  if (!isMixed) return { value, length, candidates: new Set([bitsOfPort(sets, value)]) }
  const halves: [Block, Block] = [
    blockOf(sets, value, length + 1),
    blockOf(sets, value + 2 ** (15 - length), length + 1),
  ]
  const [a, b] = [halves[0].candidates, halves[1].candidates]
  const both = new Set([...a].filter(bits => b.has(bits)))
  return { value, length, candidates: both.size > 0 ? both : new Set([...a, ...b]), halves }
}

const bitsOfPort = (sets: readonly ClassedSet[], port: number): number =>
  sets.reduce((sum, { set, bit }) => {
    const isIn = set.some(({ from, to }) => port >= from && port <= to)
    return isIn ? sum + 2 ** bit : sum
  }, 0)
