/**
 * Rule sets like those of real firewalls, from a seed: the shape that ClassBench (Taylor, Turner 2007) found, in
 * numbers of our own. Three flavours: `acl` (routers: servers and exact ports), `fw` (firewalls: many
 * wildcards, source ports), `ipc` (both mixed, many protocols).
 */
export type Flavour = 'acl' | 'fw' | 'ipc'
export const flavours: readonly Flavour[] = ['acl', 'fw', 'ipc']

type Dice = (below: number) => number

/** mulberry32: the same numbers for the same seed. */
export const seeded = (seed: number): Dice => {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Shares of a hundred. */
interface Shape {
  readonly anySource: number
  readonly anyDestination: number
  readonly hostSource: number
  readonly hostDestination: number
  readonly sourcePorts: number
  readonly exactPort: number
  readonly portRange: number
  readonly protocols: readonly (readonly [protocol: string, share: number])[]
}

// biome-ignore format: a table
const shapes: Readonly<Record<Flavour, Shape>> = {
  acl: { anySource: 15, anyDestination: 2,  hostSource: 20, hostDestination: 60, sourcePorts: 1,  exactPort: 60, portRange: 18, protocols: [['tcp', 78], ['udp', 12], ['icmp', 4], ['any', 6]] },
  fw:  { anySource: 40, anyDestination: 25, hostSource: 30, hostDestination: 45, sourcePorts: 30, exactPort: 40, portRange: 25, protocols: [['tcp', 62], ['udp', 24], ['icmp', 6], ['any', 8]] },
  ipc: { anySource: 20, anyDestination: 10, hostSource: 35, hostDestination: 45, sourcePorts: 6,  exactPort: 45, portRange: 12, protocols: [['tcp', 50], ['udp', 25], ['icmp', 8], ['proto gre', 4], ['proto esp', 3], ['any', 10]] },
}

const commonPorts = [
  80, 443, 53, 25, 22, 21, 23, 110, 143, 123, 161, 389, 445, 514, 993, 1433, 1521, 3306, 3389, 5060,
  8080,
]
const commonRanges = [
  '1024-65535',
  '0-1023',
  '6000-6063',
  '135-139',
  '8000-8099',
  '20-21',
  '161-162',
  '33434-33523',
  '5900-5999',
  '49152-65535',
  '1812-1813',
  '2048-4000',
]

/** @returns the text of a rule file with `count` rules named r0, r1, ... */
export const generateRules = (flavour: Flavour, count: number, seed: number): string => {
  const dice = seeded(seed)
  const shape = shapes[flavour]
  const sites = Array.from({ length: Math.max(8, count >> 6) }, () => dice(2 ** 16) * 2 ** 16)
  const lines = ['default drop']
  const seen = new Set<string>()
  while (seen.size < count) {
    const text = ruleOf(dice, shape, sites)
    if (seen.has(text)) continue
    lines.push(`r${seen.size}: ${dice(4) === 0 ? 'drop' : 'allow'} ${text}`)
    seen.add(text)
  }
  return `${lines.join('\n')}\n`
}

/**
 * The same rules with sources as wide as before, each around one address: a switch gets only the rules for its own
 * hosts as sources, and with these it gets them all.
 */
export const around = (rules: string, address: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const number = ((a * 256 + b) * 256 + c) * 256 + d
  return rules.replace(/ from (\d[\d.]*)(?:\/(\d+))? to /g, (_, __, length) => {
    const size = 2 ** (32 - Number(length ?? 32))
    return ` from ${dotted(Math.floor(number / size) * size)}/${length ?? 32} to `
  })
}

const ruleOf = (dice: Dice, shape: Shape, sites: readonly number[]): string => {
  const from = endOf(dice, shape.anySource, shape.hostSource, sites)
  const to = endOf(dice, shape.anyDestination, shape.hostDestination, sites)
  return `${serviceOf(dice, shape)} from ${from} to ${to}`
}

const endOf = (
  dice: Dice,
  anyShare: number,
  hostShare: number,
  sites: readonly number[],
): string => {
  const roll = dice(100)
  if (roll < anyShare) return 'any'
  const site = skewed(dice, sites)
  if (roll < anyShare + hostShare) return dotted(site + dice(2 ** 16))
  const length = skewed(dice, [24, 16, 28, 20, 26, 22, 30, 27])
  const size = 2 ** (32 - length)
  return `${dotted(site + Math.floor(dice(2 ** 16) / size) * size)}/${length}`
}

const serviceOf = (dice: Dice, shape: Shape): string => {
  const protocol = byShare(dice, shape.protocols)
  if (protocol !== 'tcp' && protocol !== 'udp') return protocol
  const kind = dice(100)
  const ports =
    kind < shape.exactPort
      ? ` ${dice(4) === 0 ? 1 + dice(65535) : skewed(dice, commonPorts)}`
      : kind < shape.exactPort + shape.portRange
        ? ` ${skewed(dice, commonRanges)}`
        : ''
  const source = dice(100) < shape.sourcePorts ? ` source ${skewed(dice, commonRanges)}` : ''
  return `${protocol}${ports}${source}`
}

const byShare = (dice: Dice, shares: Shape['protocols']): string => {
  let roll = dice(100)
  for (const [name, share] of shares) {
    roll -= share
    if (roll < 0) return name
  }
  return 'any'
}

/** The first of a list far oftener than the last. */
const skewed = <T>(dice: Dice, list: readonly T[]): T =>
  list[Math.min(dice(list.length), dice(list.length), dice(list.length))]!

const dotted = (address: number): string =>
  [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
