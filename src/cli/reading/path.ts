/** `sluice path`: the way between two places, hop by hop, as traceroute shows it. */
import type { Command } from 'commander'
import type { Client } from '../client.js'

interface Hop {
  readonly switch: string
  readonly inPort?: number
  readonly outPort?: number
  readonly cost?: number
  readonly latencyMillis?: number
  readonly isForeign?: true
  readonly isDamped?: true
}

interface Way {
  readonly hops: readonly Hop[]
  readonly cost: number
  readonly latencyMillis: number
}

export interface PathsAnswer {
  readonly from: string
  readonly to: string
  readonly costKind: string
  readonly paths: readonly Way[]
  readonly disjoint?: readonly Way[]
  readonly notes?: readonly string[]
}

/** The best way hop by hop, the others on a line each. */
export const formatPaths = (answer: PathsAnswer): string => {
  const [best, ...others] = answer.paths
  if (best === undefined) return `no way from ${answer.from} to ${answer.to}`
  const way =
    best.hops.length === 0
      ? 'both are at one place, no switch of ours lies between'
      : `${best.hops.length - 1} links, cost ${number(best.cost)} (${answer.costKind}), ${number(best.latencyMillis)} ms`
  const lines = [
    `${answer.from} to ${answer.to}: ${way}`,
    ...best.hops.map(formatHop),
    ...(answer.notes ?? []),
  ]
  if (others.length > 0) lines.push('', 'other ways', ...others.map(formatWay))
  if (answer.disjoint)
    lines.push('', 'two ways that share no switch', ...answer.disjoint.map(formatWay))
  return lines.join('\n')
}

const number = (value: number): string => String(Math.round(value * 100) / 100)

const formatHop = (hop: Hop, index: number): string => {
  const end = (port: number | undefined, word: string) =>
    `${word} ${port ?? '-'}`.padEnd(word.length + 5)
  const parts = [
    String(index + 1).padStart(3),
    hop.switch.padEnd(16),
    end(hop.inPort, 'in'),
    end(hop.outPort, 'out'),
  ]
  if (hop.cost !== undefined) parts.push(`cost ${number(hop.cost)}`)
  if (hop.latencyMillis !== undefined) parts.push(`${number(hop.latencyMillis)} ms`)
  if (hop.isForeign) parts.push('across a switch that is not ours')
  if (hop.isDamped) parts.push('over a link that comes and goes')
  return parts.join('  ').trimEnd()
}

const formatWay = (way: Way): string =>
  `  cost ${number(way.cost)}  ${number(way.latencyMillis)} ms  ${way.hops.map(hop => hop.switch).join(' ')}`

const options = [
  ['without', '<link>', 'links as if they were not there: SWITCH:PORT or SWITCH-SWITCH, by commas'],
  ['avoid', '<switches>', 'switches that must not be passed'],
  ['through', '<switches>', 'switches that must be passed, in this order'],
  ['cost', '<kind>', 'hops, latency, utilisation or given'],
  ['count', '<n>', 'ways at most'],
  ['max-latency', '<ms>', 'milliseconds that the whole path may take'],
  ['min-bandwidth', '<kbps>', 'that every link must have free'],
  ['with-tags', '<tags>', 'that every link must have'],
  ['without-tags', '<tags>', 'that no link may have'],
] as const

export const addPath = (
  program: Command,
  client: () => Promise<Client>,
  print: (text: string) => void,
): void => {
  const command = program
    .command('path')
    .description('which way traffic goes between two places, and what if a link were gone')
    .argument('<from>', 'a host (name, MAC, address) or a switch (name, dpid)')
    .argument('<to>', 'likewise')
    .option('-o, --output <form>', 'table or json', 'table')
  for (const [name, value, text] of options) command.option(`--${name} ${value}`, text)
  command.action(async (from: string, to: string, given: Record<string, string>) => {
    const query = new URLSearchParams({ from, to })
    for (const [name] of options) {
      const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      if (given[key] !== undefined) query.set(key, given[key])
    }
    const answer = await (await client()).get<PathsAnswer>(`/api/v1/paths?${query}`)
    print(given.output === 'json' ? JSON.stringify(answer, null, 2) : formatPaths(answer))
  })
}
