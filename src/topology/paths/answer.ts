/** Answers `sluice path`: which way traffic goes, how long it takes, which other ways there are. */

import type { Dpid } from '../../base/addresses.js'
import { Failure } from '../../base/failures.js'
import { absent, buildGraph, type Graph, linkAt } from '../graph.js'
import type { Host, Topology } from '../model.js'
import { theHost, theSwitch } from '../names.js'
import { type Conditions, constrainedPath, latencyOfPath } from './constrained.js'
import type { CostKind } from './cost-kinds.js'
import { costFunction } from './costs.js'
import { disjointPair } from './disjoint.js'
import { shortestPaths } from './k-shortest.js'
import { costOf, type Path } from './shortest.js'

export interface PathQuestion {
  /** A host or a switch, as `placeOf` takes it. */
  readonly from: string
  readonly to: string
  readonly cost: CostKind
  /** How many ways at most. */
  readonly count: number
  /** Links as if they were not there: `s1:3`, or `s1-s2` for all between two switches. */
  readonly without: readonly string[]
  /** Switches that must not be passed. */
  readonly avoid: readonly string[]
  /** Switches that must be passed, in this order. */
  readonly through: readonly string[]
  readonly maxLatencyMillis?: number
  readonly minBandwidthKbps?: number
  readonly withTags: readonly string[]
  readonly withoutTags: readonly string[]
}

export interface PathHop {
  readonly switch: string
  readonly dpid: Dpid
  /** Absent where a switch was asked for, and no host of it. */
  readonly inPort?: number
  readonly outPort?: number
  /** Of the link that leaves here. */
  readonly cost?: number
  readonly latencyMillis?: number
  readonly utilisation?: number
  readonly isForeign?: true
  /** It comes and goes too often. */
  readonly isDamped?: true
}

export interface PathAnswer {
  /** Empty where both are at one port, or on one segment between switches. */
  readonly hops: readonly PathHop[]
  readonly cost: number
  readonly latencyMillis: number
}

export interface PathsAnswer {
  readonly from: string
  readonly to: string
  readonly costKind: CostKind
  /** The best first. */
  readonly paths: readonly PathAnswer[]
  /** Two ways that share no switch between the ends; absent when there are none, or conditions were given. */
  readonly disjoint?: readonly PathAnswer[]
}

/**
 * @throws {Failure} `no-such-host` for an end, `no-such-switch` for a switch on the way, `bad-request` for a
 *   link that is not there, `no-path` when no way keeps the conditions, `path-too-hard` when none was found in time
 */
export const answerPaths = (topology: Topology, question: PathQuestion): PathsAnswer => {
  const from = placeOf(topology, question.from)
  const to = placeOf(topology, question.to)
  if (from.host !== undefined && from.host === to.host)
    throw new Failure('bad-request', { detail: sameHost(question.from, question.to) })
  const graph = withoutLinks(buildGraph(topology, costFunction(question.cost)), topology, question)
  const [start, end] = [from, to].map(({ dpid }) => graph.nodeByDpid.get(dpid)!) as [number, number]
  const conditions = conditionsOf(topology, graph, question)
  const isFree = Object.keys(conditions).length === 0
  const found =
    start === end
      ? [{ links: [], cost: 0 }]
      : isFree
        ? shortestPaths(graph, start, end, question.count)
        : constrained(graph, start, end, conditions)
  if (found.length === 0) throw new Failure('no-path', { from: question.from, to: question.to })
  const describe = (path: Path) => describePath(topology, graph, from, to, path)
  const pair = isFree && start !== end ? disjointPair(graph, start, end, 'node') : undefined
  return {
    from: question.from,
    to: question.to,
    costKind: question.cost,
    paths: found.map(describe),
    ...(pair && { disjoint: pair.map(describe) }),
  }
}

interface Place {
  readonly dpid: Dpid
  readonly port?: number
  readonly host?: Host
}

export const sameHost = (from: string, to: string): string =>
  `${from === to ? `${from} is one host` : `${from} and ${to} are the same host`}: what it sends to itself reaches no switch.`

/** A host by name, MAC or address; a switch by name or dpid. */
const placeOf = (topology: Topology, text: string): Place => {
  const host = theHost(topology, text)
  if (host) return { ...host.at, host }
  const known = theSwitch(topology, text)
  if (known) return { dpid: known.dpid }
  throw new Failure('no-such-host', { name: text })
}

const nodeNamed = (topology: Topology, graph: Graph, text: string): number => {
  const known = theSwitch(topology, text)
  if (known === undefined) throw new Failure('no-such-switch', { name: text })
  return graph.nodeByDpid.get(known.dpid)!
}

const withoutLinks = (graph: Graph, topology: Topology, { without }: PathQuestion): Graph => {
  if (without.length === 0) return graph
  const cost = graph.cost.slice()
  for (const text of without)
    for (const link of linksNamed(topology, graph, text)) {
      cost[link] = absent
      if (graph.reverse[link]! >= 0) cost[graph.reverse[link]!] = absent
    }
  return { ...graph, cost }
}

const linksNamed = (topology: Topology, graph: Graph, text: string): number[] => {
  const [, name = '', port] = /^(.+):(\d+)$/.exec(text) ?? []
  const known = theSwitch(topology, name)
  const link = known && port !== undefined ? linkAt(graph, known.dpid, Number(port)) : undefined
  if (link !== undefined) return [link]
  for (let at = text.indexOf('-'); at > 0; at = text.indexOf('-', at + 1)) {
    const ends = [text.slice(0, at), text.slice(at + 1)].map(each => theSwitch(topology, each))
    const found = [...graph.links.keys()].filter(
      each =>
        graph.links[each]!.from.dpid === ends[0]?.dpid &&
        graph.links[each]!.to.dpid === ends[1]?.dpid,
    )
    if (found.length > 0) return found
  }
  throw new Failure('bad-request', {
    detail: `There is no link ${text}; write SWITCH:PORT or SWITCH-SWITCH, "sluice get links" lists them.`,
  })
}

const conditionsOf = (topology: Topology, graph: Graph, question: PathQuestion): Conditions => {
  const { avoid, through, maxLatencyMillis, minBandwidthKbps, withTags, withoutTags } = question
  const nodes = (names: readonly string[]) => names.map(name => nodeNamed(topology, graph, name))
  return {
    ...(avoid.length > 0 && { avoidNodes: nodes(avoid) }),
    ...(through.length > 0 && { waypoints: nodes(through) }),
    ...(maxLatencyMillis !== undefined && { maxLatencyMillis }),
    ...(minBandwidthKbps !== undefined && { minBandwidthKbps }),
    ...(withTags.length > 0 && { withTags }),
    ...(withoutTags.length > 0 && { withoutTags }),
  }
}

const constrained = (graph: Graph, from: number, to: number, conditions: Conditions): Path[] => {
  const found = constrainedPath(graph, from, to, conditions)
  if (found === 'too-hard') throw new Failure('path-too-hard')
  return found === 'none' ? [] : [found]
}

const describePath = (
  topology: Topology,
  graph: Graph,
  from: Place,
  to: Place,
  { links }: Path,
): PathAnswer => {
  const ends = links.map(link => graph.links[link]!)
  const hop = (dpid: Dpid, inPort: number | undefined, index: number): PathHop => {
    const link = ends[index]
    const outPort = link ? link.from.port : to.port
    return {
      switch: topology.switches.get(dpid)?.name ?? dpid,
      dpid,
      ...(inPort !== undefined && { inPort }),
      ...(outPort !== undefined && { outPort }),
      ...(link && { cost: graph.cost[links[index]!]! }),
      ...(link?.latencyMillis !== undefined && { latencyMillis: link.latencyMillis }),
      ...(link?.utilisation !== undefined && { utilisation: link.utilisation }),
      ...(link?.isForeign && { isForeign: true as const }),
      ...(link?.isDamped && { isDamped: true as const }),
    }
  }
  const hops = [
    hop(from.dpid, from.port, 0),
    ...ends.map((link, index) => hop(link.to.dpid, link.to.port, index + 1)),
  ]
  // What begins or ends on a segment between two switches does not cross both; at one port no switch is needed.
  const isBack = ({ inPort, outPort }: PathHop) => inPort !== undefined && inPort === outPort
  const passed = hops.filter(each => !isBack(each))
  const crossed = links.filter((_, index) => !isBack(hops[index]!) && !isBack(hops[index + 1]!))
  return {
    hops: passed.map((each, index) => (index === passed.length - 1 ? last(each) : each)),
    cost: costOf(crossed, graph.cost),
    latencyMillis: Math.round(latencyOfPath(graph, crossed) * 100) / 100,
  }
}

/** No link leaves the last hop. */
const last = ({ switch: name, dpid, inPort, outPort }: PathHop): PathHop => ({
  switch: name,
  dpid,
  ...(inPort !== undefined && { inPort }),
  ...(outPort !== undefined && { outPort }),
})
