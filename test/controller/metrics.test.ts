/** Figures for Prometheus: of every switch, link and rule, in its text format, and with an end. */

import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { familiesWith, formatSamples, maxSeries } from '../../src/controller/metrics/families.js'
import { functions } from '../../src/nfv/functions.js'
import type { Sample } from '../../src/nfv/metrics.js'
import { until } from '../until.js'
import { office } from './office.js'

const families = familiesWith(functions)

/** A strict reader of the format: each line is right, each series there once. */
const read = (t: Test, text: string): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  const types = new Set<string>()
  t.ok(text.endsWith('\n'))
  for (const line of text.trimEnd().split('\n')) {
    const [, type] = /^# TYPE (\w+) (?:counter|gauge)$/.exec(line) ?? []
    if (type !== undefined) {
      t.notOk(types.has(type), `${type} is told once`)
      types.add(type)
    } else if (!line.startsWith('# HELP ')) {
      const [, name = '', labels = '', value] =
        /^(\w+)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?[\d.e+-]+)$/.exec(line) ?? []
      if (!types.has(name)) t.fail(`not a line of the format: ${line}`)
      if (found.has(name + labels)) t.fail(`twice: ${line}`)
      found.set(name + labels, Number(value))
    }
  }
  return found
}

t.test('a whole network, as it is', async t => {
  const at = await office(t)
  const scrape = async () => {
    const reply = await at.raw('/metrics')
    t.equal(reply.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    return read(t, await reply.text())
  }
  await at.call('PUT', '/api/v1/policies/p?wait=installed', {
    source: 'default drop\nweb: allow tcp 80 from any to any\n',
  })
  const found = await scrape()
  const s1 = '{switch="s1",dpid="0000000000000001"}'
  t.equal(found.get(`sluice_switch_connected${s1}`), 1)
  t.equal(found.get(`sluice_switch_installed${s1}`), 1)
  t.ok(found.get(`sluice_switch_flows${s1}`)! > 10)
  t.ok(found.get(`sluice_switch_bundles_total${s1}`)! >= 1)
  t.equal(found.get('sluice_switches{state="installed"}'), 4)
  t.equal(found.get('sluice_switches{state="disconnected"}'), 0)
  t.equal(found.get('sluice_links'), 2 * at.network.links!.length)
  t.equal(found.get('sluice_hosts'), 6)
  t.equal(found.get('sluice_rule_packets_total{policy="p",rule="web"}'), 0)
  t.equal(found.get('sluice_events_total{kind="policy-applied"}'), 1)
  t.ok(found.get('sluice_punts_total{kind="probes"}')! > 0)
  t.equal(found.get('sluice_ready'), 1)
  t.equal(found.get('sluice_store_writable'), 1)
  const route = 'PUT /api/v1/policies/:name'
  t.equal(found.get(`sluice_api_requests_total{route="${route}",code="2xx"}`), 1)
  for (let n = 0; n < 50; n++) await at.raw(`/nowhere/${n}`)
  const later = await scrape()
  t.equal(later.get('sluice_api_requests_total{route="(none)",code="4xx"}'), 50)
  at.net.stop()
  await until(async () => (await scrape()).get('sluice_switches{state="disconnected"}') === 4)
})

t.test('what is told is in the table, what is in the table is told somewhere', async t => {
  const source = ['src/controller/metrics/metrics.ts', 'src/nfv/firewall/metrics.ts']
    .map(path => readFileSync(path, 'utf8'))
    .join('\n')
  for (const name of Object.keys(families)) t.ok(source.includes(`'${name}'`), name)
  for (const path of ['contrib/prometheus/alerts.yaml', 'contrib/grafana/sluice.json'])
    for (const [name] of readFileSync(path, 'utf8').matchAll(/\bsluice_\w+/g))
      t.ok(name in families, `${path}: ${name}`)
})

t.test('names of people are quoted, and there is an end to how many', async t => {
  const text = formatSamples(
    [
      ['sluice_switch_flows', 1, 'a"b\\c\nd', '1'],
      ['sluice_rule_packets_total', 1, 'p', 'r'],
      ['sluice_rule_packets_total', 2, 'p', 'r'],
    ],
    families,
  )
  t.match(text, 'sluice_switch_flows{switch="a\\"b\\\\c\\nd",dpid="1"} 1')
  t.match(text, 'sluice_rule_packets_total{policy="p",rule="r"} 3', 'added, not told twice')
  read(t, text)
  const many = Array.from(
    { length: maxSeries + 500 },
    (_, n): Sample => ['sluice_rule_bytes_total', 2, 'p', `r${n}`],
  )
  const found = read(t, formatSamples(many, families))
  t.equal(found.size, maxSeries + 1)
  t.equal(found.get('sluice_rule_bytes_total{policy="(others)",rule="(others)"}'), 1_000)
  const gauges = many.map((_, n): Sample => ['sluice_switch_flows', 1, 's', `${n}`])
  t.equal(read(t, formatSamples(gauges, families)).size, maxSeries)
  t.throws(
    () => formatSamples([['sluice_nothing', 1]], families),
    /no family/,
    'a figure that nobody has declared',
  )
})
