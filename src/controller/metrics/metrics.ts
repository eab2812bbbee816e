/** `/metrics`: nearly all is read from what the controller knows when it is asked; the rest is counted here. */
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../base/env/env.js'
import type { ProcessWatch } from '../../base/env/process-figures.js'
import type { Families, Sample } from '../../nfv/metrics.js'
import type { Controller } from '../controller.js'
import { notReady } from '../readiness.js'
import { linkItems, switchItems } from '../rest/views.js'
import { type FamilyName, familiesWith, formatSamples } from './families.js'

export class Metrics {
  readonly #controller: Controller
  readonly #watch: Pick<ProcessWatch, 'figures'>
  readonly #version: string
  readonly #events = new Map<string, number>()
  readonly #requests = new Map<string, number>()
  readonly #seconds = new Map<string, number>()

  readonly #families: Families

  constructor(controller: Controller, watch: Pick<ProcessWatch, 'figures'>, version: string) {
    this.#families = familiesWith(controller.list)
    this.#controller = controller
    this.#watch = watch
    this.#version = version
    controller.journal.on('event', ({ kind }) => add(this.#events, kind, 1))
  }

  /** Counts answers by route: what nobody has is one route. */
  readonly count = (app: FastifyInstance, clock: Clock): void => {
    const began = new WeakMap<object, number>()
    app.addHook('onRequest', async request => {
      began.set(request, clock.nowMillis())
    })
    app.addHook('onResponse', async (request, reply) => {
      const route = `${request.method} ${request.routeOptions.url ?? '(none)'}`
      const known = request.is404 ? '(none)' : route
      add(this.#requests, `${known} ${Math.floor(reply.statusCode / 100)}xx`, 1)
      const millis = clock.nowMillis() - (began.get(request) ?? clock.nowMillis())
      add(this.#seconds, known, millis / 1_000)
    })
  }

  text(): string {
    return formatSamples(this.#samples(), this.#families)
  }

  *#samples(): Generator<Sample> {
    const { store, topology, puntCounts } = this.#controller
    yield ['sluice_build_info', 1, this.#version]
    yield ['sluice_ready', notReady(this.#controller).length === 0 ? 1 : 0]
    yield* this.#process()
    const { mode, rev } = store.status()
    yield ['sluice_store_writable', mode === 'ok' ? 1 : 0]
    yield ['sluice_store_revision', rev]
    yield* counted('sluice_events_total', this.#events)
    yield* this.#switches()
    yield* this.#links()
    yield ['sluice_hosts', topology.current.hosts.size]
    for (const running of this.#controller.functions) yield* running.samples?.() ?? []
    for (const [kind, { taken, dropped }] of puntCounts) {
      yield ['sluice_punts_total', taken, kind]
      yield ['sluice_punts_dropped_total', dropped, kind]
    }
    for (const [key, count] of this.#requests) {
      const at = key.lastIndexOf(' ')
      yield ['sluice_api_requests_total', count, key.slice(0, at), key.slice(at + 1)]
    }
    yield* counted('sluice_api_seconds_total', this.#seconds)
  }

  *#process(): Generator<Sample<FamilyName>> {
    const { cpuSeconds, residentBytes, heapBytes, delays } = this.#watch.figures
    yield ['sluice_process_cpu_seconds_total', cpuSeconds]
    yield ['sluice_process_resident_bytes', residentBytes]
    yield ['sluice_process_heap_bytes', heapBytes]
    yield ['sluice_event_loop_delay_seconds', delays.half, '0.5']
    yield ['sluice_event_loop_delay_seconds', delays.most, '0.99']
    yield ['sluice_event_loop_delay_seconds', delays.worst, '1']
  }

  *#switches(): Generator<Sample<FamilyName>> {
    const states = ['installed', 'pending', 'degraded', 'not-master', 'not-adopted', 'disconnected']
    const byState = new Map(states.map(state => [state, 0]))
    for (const each of switchItems(this.#controller)) {
      add(byState, each.state, 1)
      const labels = [each.name, each.dpid] as const
      yield ['sluice_switch_connected', each.connected ? 1 : 0, ...labels]
      yield ['sluice_switch_installed', each.state === 'installed' ? 1 : 0, ...labels]
      yield ['sluice_switch_flows', each.flows, ...labels]
      yield ['sluice_switch_foreign_flows', each.foreignFlows, ...labels]
      yield ['sluice_switch_refusals', each.refusals.length, ...labels]
      const counters = this.#controller.programmer(each.dpid)?.counters
      if (counters === undefined) continue
      yield ['sluice_switch_flow_mods_total', counters.flowModsSent, ...labels]
      yield ['sluice_switch_bundles_total', counters.bundlesSent, ...labels]
      yield ['sluice_switch_read_backs_total', counters.readBacks, ...labels]
    }
    yield* counted('sluice_switches', byState)
  }

  *#links(): Generator<Sample<FamilyName>> {
    const links = linkItems(this.#controller)
    yield ['sluice_links', links.length]
    for (const { from, to, rttMillis, utilisation } of links) {
      const ends = [from, to].map(end => `${end.switch}:${end.port}`)
      if (rttMillis !== undefined)
        yield ['sluice_link_round_trip_seconds', rttMillis / 1_000, ...ends]
      if (utilisation !== undefined) yield ['sluice_link_utilisation_ratio', utilisation, ...ends]
    }
  }
}

export const metricsRoutes =
  (metrics: Metrics) =>
  (app: FastifyInstance): void => {
    app.get(
      '/metrics',
      { schema: { summary: 'figures for Prometheus: docs/metrics.md', tags: ['operation'] } },
      async (_, reply) =>
        reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics.text()),
    )
  }

const add = (counts: Map<string, number>, key: string, more: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + more)
}

function* counted(
  name: FamilyName,
  counts: ReadonlyMap<string, number>,
): Generator<Sample<FamilyName>> {
  for (const [key, count] of counts) yield [name, count, key]
}
