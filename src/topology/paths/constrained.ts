/**
 * The best path under conditions. Conditions on single links (avoid, bandwidth, tags) close links; what
 * concerns the whole path (latency, waypoints) is searched best-first over paths without loops. The distance
 * that is left, through the waypoints that are left, never says too much, so the first path out is the best.
 */
import { absent, type Graph } from '../graph.js'
import type { Link } from '../model.js'
import { costOf, distancesTo, nodesOf, type Path, shortestPath } from './shortest.js'

export interface Conditions {
  /** Nodes that must not be passed; never the ends. */
  readonly avoidNodes?: readonly number[]
  /** Links that must not be used, in this direction. */
  readonly avoidLinks?: readonly number[]
  /** Nodes that must be passed, in this order. */
  readonly waypoints?: readonly number[]
  readonly maxLatencyMillis?: number
  readonly minBandwidthKbps?: number
  /** Tags that every link must have. */
  readonly withTags?: readonly string[]
  /** Tags that no link may have. */
  readonly withoutTags?: readonly string[]
}

/** `too-hard`: the search was given up after `maxSteps`; there may be a path. */
export type ConstrainedResult = Path | 'none' | 'too-hard'

const usualSteps = 200_000

export const constrainedPath = (
  graph: Graph,
  from: number,
  to: number,
  conditions: Conditions,
  maxSteps = usualSteps,
): ConstrainedResult => {
  const cost = openCosts(graph, conditions)
  const { waypoints = [], maxLatencyMillis } = conditions
  if (waypoints.length === 0 && maxLatencyMillis === undefined)
    return shortestPath(graph, from, to, { cost }) ?? 'none'
  return new Search(graph, cost, from, to, waypoints, maxLatencyMillis ?? absent).run(maxSteps)
}

/** The cost of each link, Infinity where a condition closes it. */
export const openCosts = (graph: Graph, conditions: Conditions): Float64Array => {
  const avoidNodes = new Set(conditions.avoidNodes)
  const avoidLinks = new Set(conditions.avoidLinks)
  return graph.cost.map((cost, link) => {
    const isClosed =
      avoidLinks.has(link) ||
      avoidNodes.has(graph.source[link]!) ||
      avoidNodes.has(graph.target[link]!) ||
      !suits(graph.links[link]!, conditions)
    return isClosed ? absent : cost
  })
}

const suits = (link: Link, conditions: Conditions): boolean => {
  const { minBandwidthKbps = 0, withTags = [], withoutTags = [] } = conditions
  const tags = link.tags ?? []
  return (
    (minBandwidthKbps === 0 || freeKbps(link) >= minBandwidthKbps) &&
    withTags.every(tag => tags.includes(tag)) &&
    !withoutTags.some(tag => tags.includes(tag))
  )
}

/** What a link can still carry; 0 when nobody knows its speed. */
export const freeKbps = (link: Link): number =>
  (link.bandwidthKbps ?? 0) * (1 - (link.utilisation ?? 0))

/** A link that was never measured counts as no latency for a bound: the bound is about what is known. */
export const latencyOf = (link: Link): number => link.latencyMillis ?? 0

interface Step {
  readonly node: number
  /** How many waypoints were passed. */
  readonly passed: number
  readonly cost: number
  readonly latency: number
  /** Of the whole path, at least. */
  readonly bound: number
  readonly link: number
  readonly before: Step | undefined
  readonly order: number
}

class Search {
  readonly #graph: Graph
  readonly #cost: Float64Array
  readonly #from: number
  readonly #stops: readonly number[]
  readonly #maxLatency: number
  /** By stop: the distance to it, and from it through the rest. */
  readonly #costTo: readonly Float64Array[]
  readonly #costAfter: readonly number[]
  readonly #latencyTo: readonly Float64Array[]
  readonly #latencyAfter: readonly number[]
  readonly #queue: Step[] = []
  /** With no waypoints: by node, latencies of steps that were taken; cheaper ones come first. */
  readonly #lowestLatency: Float64Array
  #order = 0

  constructor(
    graph: Graph,
    cost: Float64Array,
    from: number,
    to: number,
    waypoints: readonly number[],
    maxLatency: number,
  ) {
    const latency = cost.map((open, link) =>
      open === absent ? absent : latencyOf(graph.links[link]!),
    )
    this.#graph = graph
    this.#cost = cost
    this.#from = from
    this.#stops = [...waypoints, to]
    this.#maxLatency = maxLatency
    this.#costTo = this.#stops.map(stop => distancesTo(graph, stop, { cost }))
    this.#latencyTo = this.#stops.map(stop => distancesTo(graph, stop, { cost: latency }))
    this.#costAfter = sumsAfter(this.#stops, this.#costTo)
    this.#latencyAfter = sumsAfter(this.#stops, this.#latencyTo)
    this.#lowestLatency = new Float64Array(graph.nodes.length).fill(absent)
  }

  run(maxSteps: number): ConstrainedResult {
    this.#push({ node: this.#from, passed: 0, cost: 0, latency: 0, link: -1, before: undefined })
    for (let steps = 0; steps < maxSteps; steps++) {
      const step = popLowest(this.#queue)
      if (step === undefined) return 'none'
      if (step.passed === this.#stops.length) return this.#pathOf(step)
      if (this.#stops.length === 1) {
        // Whoever came here before was no dearer; being no faster either, this step leads to nothing better.
        if (step.latency >= this.#lowestLatency[step.node]!) continue
        this.#lowestLatency[step.node] = step.latency
      }
      this.#goOn(step)
    }
    return 'too-hard'
  }

  #goOn(step: Step): void {
    const { first, target, links } = this.#graph
    for (let link = first[step.node]!; link < first[step.node + 1]!; link++) {
      if (this.#cost[link] === absent || this.#wasAt(step, target[link]!)) continue
      this.#push({
        node: target[link]!,
        passed: step.passed,
        cost: step.cost + this.#cost[link]!,
        latency: step.latency + latencyOf(links[link]!),
        link,
        before: step,
      })
    }
  }

  #push(step: Omit<Step, 'bound' | 'order'>): void {
    let { passed } = step
    while (passed < this.#stops.length && this.#stops[passed] === step.node) passed++
    const isDone = passed === this.#stops.length
    // The end may be entered only as the last stop.
    if (!isDone && step.node === this.#stops.at(-1) && step.before) return
    const cost = isDone ? 0 : this.#costTo[passed]![step.node]! + this.#costAfter[passed]!
    const latency = isDone ? 0 : this.#latencyTo[passed]![step.node]! + this.#latencyAfter[passed]!
    if (cost === absent || step.latency + latency > this.#maxLatency) return
    pushStep(this.#queue, { ...step, passed, bound: step.cost + cost, order: this.#order++ })
  }

  #wasAt(step: Step, node: number): boolean {
    for (let each: Step | undefined = step; each; each = each.before)
      if (each.node === node) return true
    return false
  }

  #pathOf(step: Step): Path {
    const links: number[] = []
    for (let each: Step | undefined = step; each?.before; each = each.before) links.push(each.link)
    return { links: links.reverse(), cost: step.cost }
  }
}

const sumsAfter = (stops: readonly number[], distances: readonly Float64Array[]): number[] => {
  const sums = new Array<number>(stops.length).fill(0)
  for (let at = stops.length - 2; at >= 0; at--)
    sums[at] = sums[at + 1]! + distances[at + 1]![stops[at]!]!
  return sums
}

const isBefore = (a: Step, b: Step): boolean =>
  a.bound < b.bound || (a.bound === b.bound && a.order < b.order)

const pushStep = (heap: Step[], step: Step): void => {
  let at = heap.push(step) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(step, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = step
}

const popLowest = (heap: Step[]): Step | undefined => {
  const top = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return top
  let at = 0
  for (let child = 1; child < heap.length; child = at * 2 + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return top
}

/** Milliseconds that a path takes, as far as its links were measured. */
export const latencyOfPath = (graph: Graph, links: readonly number[]): number =>
  links.reduce((sum, link) => sum + latencyOf(graph.links[link]!), 0)

/** True when a path keeps the conditions: what a path that was found earlier is asked again. */
export const keeps = (
  graph: Graph,
  from: number,
  links: readonly number[],
  conditions: Conditions,
): boolean => {
  const open = openCosts(graph, conditions)
  const nodes = nodesOf(graph, from, links)
  let at = -1
  const passes = (conditions.waypoints ?? []).every(stop => {
    at = nodes.indexOf(stop, at + 1)
    return at >= 0
  })
  return (
    passes &&
    costOf(links, open) < absent &&
    latencyOfPath(graph, links) <= (conditions.maxLatencyMillis ?? absent)
  )
}
