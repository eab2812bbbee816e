import type { NetworkFunction } from '../../nfv/function.js'
import type { Families, Family, Sample } from '../../nfv/metrics.js'

/**
 * The metrics of `/metrics`, each with what it means; docs/metrics.md is written from this table, and what is not in it is
 * not served. Labels are of what the network has, and there is an end to how many: `maxSeries`.
 */
/** Of one family; what is more is added up under the label values `(others)` where adding makes sense, or left out. */
export const maxSeries = 2_000

// biome-ignore format: a table
export const families = {
  sluice_build_info:                     { type: 'gauge',   labels: ['version'],        help: '1, with the version that runs' },
  sluice_ready:                          { type: 'gauge',   labels: [],                 help: '1 when /readyz says ok' },
  sluice_process_cpu_seconds_total:      { type: 'counter', labels: [],                 help: 'CPU time of the controller, user and system' },
  sluice_process_resident_bytes:         { type: 'gauge',   labels: [],                 help: 'memory that the controller has' },
  sluice_process_heap_bytes:             { type: 'gauge',   labels: [],                 help: 'memory of its JavaScript objects' },
  sluice_event_loop_delay_seconds:       { type: 'gauge',   labels: ['quantile'],       help: 'how late timers came in the last 10 s: 0.5, 0.99 and 1, the worst' },
  sluice_store_writable:                 { type: 'gauge',   labels: [],                 help: '1 when the last write of the store was made' },
  sluice_store_revision:                 { type: 'counter', labels: [],                 help: 'transactions that changed the store' },
  sluice_events_total:                   { type: 'counter', labels: ['kind'],           help: 'events since the start, by kind (docs/events.md)' },
  sluice_switches:                       { type: 'gauge',   labels: ['state'],          help: 'switches that are known, by state: installed, pending, degraded, not-master, not-adopted, disconnected' },
  sluice_switch_connected:               { type: 'gauge',   labels: ['switch', 'dpid'], help: '1 when it is connected' },
  sluice_switch_installed:               { type: 'gauge',   labels: ['switch', 'dpid'], help: '1 when it has confirmed all that is wanted of it' },
  sluice_switch_flows:                   { type: 'gauge',   labels: ['switch', 'dpid'], help: 'flows of ours that it holds' },
  sluice_switch_foreign_flows:           { type: 'gauge',   labels: ['switch', 'dpid'], help: 'flows of others in our tables' },
  sluice_switch_refusals:                { type: 'gauge',   labels: ['switch', 'dpid'], help: 'what it refused and is still wanted' },
  sluice_switch_flow_mods_total:         { type: 'counter', labels: ['switch', 'dpid'], help: 'changes of flows sent to it' },
  sluice_switch_bundles_total:           { type: 'counter', labels: ['switch', 'dpid'], help: 'bundles sent to it' },
  sluice_switch_read_backs_total:        { type: 'counter', labels: ['switch', 'dpid'], help: 'times its tables were read' },
  sluice_links:                          { type: 'gauge',   labels: [],                 help: 'directed links that are up' },
  sluice_link_round_trip_seconds:        { type: 'gauge',   labels: ['from', 'to'],     help: 'round trip of probes, from SWITCH:PORT to SWITCH:PORT' },
  sluice_link_utilisation_ratio:         { type: 'gauge',   labels: ['from', 'to'],     help: 'share of what the link can carry, 0 to 1, where it is known' },
  sluice_hosts:                          { type: 'gauge',   labels: [],                 help: 'hosts that are known' },
  sluice_punts_total:                    { type: 'counter', labels: ['kind'],           help: 'packets that came up from switches and were looked at' },
  sluice_punts_dropped_total:            { type: 'counter', labels: ['kind'],           help: 'packets that came up beyond the limit of their switch, and were not' },
  sluice_api_requests_total:             { type: 'counter', labels: ['route', 'code'],  help: 'answers of the API by route and status (2xx, 4xx, 5xx)' },
  sluice_api_seconds_total:              { type: 'counter', labels: ['route'],          help: 'time from request to answer, added up' },
} as const satisfies Families

export type FamilyName = keyof typeof families

/** The text format of Prometheus, version 0.0.4. */
export const formatSamples = (samples: Iterable<Sample>, known: Families): string => {
  const byFamily = new Map<string, Sample[]>()
  for (const sample of samples) {
    if (!Object.hasOwn(known, sample[0])) throw new TypeError(`no family ${sample[0]}`)
    const list = byFamily.get(sample[0])
    if (list) list.push(sample)
    else byFamily.set(sample[0], [sample])
  }
  const parts: string[] = []
  for (const [name, family] of Object.entries(known)) {
    const list = bounded(family, byFamily.get(name) ?? [])
    if (list.length === 0) continue
    parts.push(`# HELP ${name} ${escaped(family.help)}`, `# TYPE ${name} ${family.type}`)
    for (const [, value, ...values] of list) {
      const labels = family.labels.map((label, at) => `${label}="${quoted(values[at] ?? '')}"`)
      parts.push(`${name}${labels.length > 0 ? `{${labels.join(',')}}` : ''} ${value}`)
    }
  }
  return `${parts.join('\n')}\n`
}

/** Of two with the same labels the values are added: a scrape with one of them twice would be refused as a whole. */
const bounded = ({ type, labels }: Family, samples: readonly Sample[]): readonly Sample[] => {
  const merged = new Map<string, [string, number, ...string[]]>()
  const others = labels.map(() => '(others)')
  for (const [name, value, ...values] of samples) {
    const key = JSON.stringify(values)
    const isNew = !merged.has(key)
    const isBeyond = isNew && merged.size >= maxSeries
    if (isBeyond && type === 'gauge') continue
    const at = isBeyond ? JSON.stringify(others) : key
    const known = merged.get(at)
    if (known) known[1] += value
    else merged.set(at, [name, value, ...(isBeyond ? others : values)])
  }
  return [...merged.values()]
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const quoted = (text: string): string => escaped(text).replaceAll('"', '\\"')

/** With what functions measure. */
export const familiesWith = (list: readonly Pick<NetworkFunction, 'metrics'>[]): Families =>
  Object.assign({ ...families }, ...list.map(each => each.metrics))
