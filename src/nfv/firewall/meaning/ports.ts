/**
 * Ports in switches: a set of ports as masks; or, where many rules share a set, as one bit of a
 * register that the table `ports` (or `sourcePorts`) has filled, so that each rule stays one flow.
 *
 *     rules say          tcp 1024-65535 (6 masks), used by 400 rules
 *     table ports        ct_tp_dst=0/0xfc00 -> bit 3 off;  any other TCP port -> bit 3 on
 *     rules match        reg4=8/8
 *
 * Protocols share the bits as long as there are enough of them.
 */
import type { PortRange } from '../text/rule.js'

export interface PortMask {
  readonly value: number
  readonly mask: number
}

const maskCache = new Map<string, readonly PortMask[]>()
let cachedMasks = 0
const mostCachedMasks = 200_000

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
    cachedMasks += masks.length + 1
    if (cachedMasks > mostCachedMasks) {
      maskCache.clear()
      cachedMasks = masks.length + 1
    }
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

/** Sorted, joined where they touch; undefined for none given and for all. */
export const joinPorts = (ranges: readonly PortRange[]): readonly PortRange[] | undefined => {
  if (ranges.length === 0) return undefined
  const joined: { from: number; to: number }[] = []
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const open = joined.at(-1)
    if (open === undefined || range.from > open.to + 1) joined.push({ ...range })
    else open.to = Math.max(open.to, range.to)
  }
  return joined.length === 1 && joined[0]!.from === 0 && joined[0]!.to === 65535
    ? undefined
    : joined
}

export const everyPort: readonly PortRange[] = [{ from: 0, to: 65_535 }]

/** The same as a set, where none given are none. */
export const unionPorts = (ranges: readonly PortRange[]): readonly PortRange[] =>
  ranges.length === 0 ? ranges : (joinPorts(ranges) ?? everyPort)

export const overlap = (a: readonly PortRange[], b: readonly PortRange[]): boolean =>
  a.some(one => b.some(({ from, to }) => one.from <= to && from <= one.to))

/** What is in the first and not in the second. O(n log n) */
export const subtractPorts = (
  ports: readonly PortRange[],
  without: readonly PortRange[],
): readonly PortRange[] => {
  const holes = unionPorts(without)
  const left: PortRange[] = []
  let next = 0
  for (const { from, to } of unionPorts(ports)) {
    let at = from
    // A hole may reach into the next range as well.
    while (next < holes.length && holes[next]!.to < from) next++
    for (let hole = next; hole < holes.length && holes[hole]!.from <= to; hole++) {
      if (holes[hole]!.from > at) left.push({ from: at, to: holes[hole]!.from - 1 })
      at = holes[hole]!.to + 1
      next = hole
    }
    if (at <= to) left.push({ from: at, to })
  }
  return left
}

export type PortSide = 'source' | 'destination'

/** That a rule needs a set of ports for which a bit would be better than masks. */
export interface PortNeed {
  readonly side: PortSide
  readonly protocol: number
  readonly set: readonly PortRange[]
  readonly key: string
  /** How many flows one bit instead of masks saves this rule, or is worth. */
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
  /** The sets with their bits, by side; and by protocol, where they are more than a register has bits. */
  readonly tables: readonly {
    side: PortSide
    /** Those whose ports are looked at. */
    protocols: readonly number[]
    /** False: other protocols have a table of their own. */
    isShared: boolean
    sets: readonly ClassedSet[]
  }[]
}

const bitCount = 32

/** Rows that a set costs in its table, nearly. */
const rowsOfSet = (set: readonly PortRange[]): number => masksOf(set).length + 2

/** One set of ports, and what a bit for it would save in all. */
interface Wanted {
  readonly side: PortSide
  readonly key: string
  readonly set: readonly PortRange[]
  readonly protocols: Set<number>
  saves: number
}

/**
 * Which sets get a bit: those that save most, as many as the register has. Protocols share the bits, since a rule that
 * names ports names its protocol too; only when the sets are too many, each protocol has bits of its own. A set's bit
 * follows from its hash, and moves only when another set was there first, so that a set more or
 * less leaves the other rules' flows as they are.
 */
export const planPorts = (needs: Iterable<PortNeed>): PortPlan => {
  const all = [...needs]
  const tables: PortPlan['tables'][number][] = []
  const classes = new Map<string, number>()
  const give = (side: PortSide, protocol: number | undefined, wanted: readonly Wanted[]) => {
    const sets = giveBits(wanted.slice(0, bitCount))
    const protocols = [...new Set(sets.flatMap(set => [...set.protocols]))].sort((a, b) => a - b)
    if (sets.length > 0) tables.push({ side, protocols, isShared: protocol === undefined, sets })
    for (const { key, bit, protocols } of sets)
      for (const each of protocols) classes.set(classKey(side, each, key), bit)
  }
  for (const side of ['source', 'destination'] as const) {
    const ofSide = all.filter(need => need.side === side)
    const shared = worthwhile(ofSide)
    if (shared.length <= bitCount) {
      give(side, undefined, shared)
      continue
    }
    for (const protocol of new Set(ofSide.map(need => need.protocol)))
      give(side, protocol, worthwhile(ofSide.filter(need => need.protocol === protocol)))
  }
  return { classes, tables }
}

/** Those that save more rows than they cost, the best first. */
const worthwhile = (needs: readonly PortNeed[]): Wanted[] => {
  const totals = new Map<string, Wanted>()
  for (const { side, key, set, protocol, saves } of needs) {
    const known = totals.get(key)
    if (known === undefined) {
      totals.set(key, { side, key, set, protocols: new Set([protocol]), saves })
      continue
    }
    known.saves += saves
    known.protocols.add(protocol)
  }
  return [...totals.values()]
    .filter(({ set, saves }) => saves > rowsOfSet(set))
    .sort((a, b) => b.saves - a.saves || (a.key < b.key ? -1 : 1))
}

/** Gives each set, in the order of their keys, the first free bit from its hash on. */
const giveBits = (wanted: readonly Wanted[]): (Wanted & ClassedSet)[] => {
  const taken = new Set<number>()
  return [...wanted]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(each => {
      const start = [...each.key].reduce(
        (sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0,
        7,
      )
      let bit = start % bitCount
      while (taken.has(bit)) bit = (bit + 1) % bitCount
      taken.add(bit)
      return { ...each, bit }
    })
}

/** A row of a port table: ports under a prefix of `length` bits get these bits. */
export interface PortRow {
  readonly value: number
  readonly mask: number
  readonly length: number
  readonly bits: number
  /** 1 to 40. */
  readonly priority: number
}

/** A block of ports and the bit vectors that may stand at its root. */
interface Block {
  readonly value: number
  readonly length: number
  /** Undefined: any. */
  readonly candidates: ReadonlySet<number> | undefined
  /** What all of its ports are in, when that is the same and the block is large. */
  readonly own?: number
  readonly halves?: readonly [Block, Block]
}

/** Ports that clients take for themselves: what a large block is looked for among. */
const firstOfClients = 32_768
/** Bits of the prefix of a large block: at least 64 ports share it. */
const largeLength = 10

/**
 * Rows that give each port its bits. Of source ports, large blocks that clients take come first, the largest at the top;
 * then the fewest rows that say the rest, the longest prefix winning (Draves, King, Venkatachary, Zill:
 * Constructing Optimal IP Routing Tables, 1999).
 *
 * Open vSwitch caches a decision for all packets that agree in the bits it had to look at, and it looks no further
 * than the first row that no other can beat. So thousands of connections from the ports of a large block share a
 * decision that would else be made for each of them.
 */
export const portRows = (sets: readonly ClassedSet[], side: PortSide): PortRow[] => {
  const rows: PortRow[] = []
  const add = ({ value, length }: Block, bits: number, priority: number) =>
    rows.push({ value, mask: (0xffff << (16 - length)) & 0xffff, length, bits, priority })
  const emit = (block: Block, inherited: number | undefined): void => {
    if (block.own !== undefined) add(block, block.own, 40 - block.length)
    if (block.candidates === undefined) {
      for (const half of block.halves ?? []) emit(half, inherited)
      return
    }
    const isFine = inherited !== undefined && block.candidates.has(inherited)
    const bits = isFine ? inherited : Math.min(...block.candidates)
    if (!isFine) add(block, bits, block.length + 1)
    for (const half of block.halves ?? []) emit(half, bits)
  }
  emit(blockOf(sets, 0, 0, side === 'source'), undefined)
  return rows
}

/** @param ofClients large blocks get rows of their own */
const blockOf = (
  of: readonly ClassedSet[],
  value: number,
  length: number,
  ofClients: boolean,
): Block => {
  const last = value + 2 ** (16 - length) - 1
  // Only what is in the block is looked at further down.
  const sets = of.flatMap(({ set, bit }) => {
    const within = set.filter(({ from, to }) => from <= last && to >= value)
    return within.length === 0 ? [] : [{ set: within, bit }]
  })
  const isMixed = sets.some(({ set }) => set.some(({ from, to }) => !(from <= value && to >= last)))
  if (!isMixed) {
    const bits = bitsOfPort(sets, value)
    return ofClients && length <= largeLength && value >= firstOfClients
      ? { value, length, candidates: undefined, own: bits }
      : { value, length, candidates: new Set([bits]) }
  }
  const halves: [Block, Block] = [
    blockOf(sets, value, length + 1, ofClients),
    blockOf(sets, value + 2 ** (15 - length), length + 1, ofClients),
  ]
  return { value, length, candidates: common(halves[0].candidates, halves[1].candidates), halves }
}

const common = (a: Block['candidates'], b: Block['candidates']): Block['candidates'] => {
  if (a === undefined || b === undefined) return a ?? b
  const both = new Set([...a].filter(bits => b.has(bits)))
  return both.size > 0 ? both : new Set([...a, ...b])
}

const bitsOfPort = (sets: readonly ClassedSet[], port: number): number =>
  sets.reduce((sum, { set, bit }) => {
    const isIn = set.some(({ from, to }) => port >= from && port <= to)
    return isIn ? sum + 2 ** bit : sum
  }, 0)
