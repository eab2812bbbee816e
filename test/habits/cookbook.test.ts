/** docs/cookbook.md: each file is taken without a doubt, its tests hold, and a switch that runs its flows does the same. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Ip } from '../../src/base/addresses.js'
import { createCompiler } from '../../src/nfv/firewall/flows/compile.js'
import { emptyBook, planZones } from '../../src/nfv/firewall/flows/timeout-zones.js'
import { check, connectionOf } from '../../src/nfv/firewall/meaning/check.js'
import { decide } from '../../src/nfv/firewall/meaning/decide.js'
import { noFacts } from '../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../src/nfv/firewall/meaning/resolve.js'
import { formatMember } from '../../src/nfv/firewall/text/format.js'
import { loadText } from '../../src/nfv/firewall/text/load.js'
import { Parser } from '../../src/nfv/firewall/text/parse.js'
import { OneSwitch } from '../nfv/firewall/one-switch.js'

const text = readFileSync(new URL('../../../docs/cookbook.md', import.meta.url), 'utf8')
const facts = noFacts(Date.UTC(2026, 11, 1, 12))

const recipes = text
  .split(/^## /m)
  .slice(1)
  .map(part => ({
    title: part.split('\n')[0]!,
    source: /^```rules\n([\s\S]*?)^```/m.exec(part)?.[1] ?? '',
  }))

t.ok(recipes.length >= 8)

for (const { title, source } of recipes)
  t.test(title, async t => {
    const loaded = loadText(new Parser(), 'recipe.rules', source)
    const policy = { name: 'recipe', order: 0, loaded }
    const { complaints, remarks, tests } = check([policy], facts)
    t.same(complaints, [])
    t.same(
      remarks.filter(({ level, kind }) => level === 'warning' && kind !== 'too-wide'),
      [],
    )
    t.same(
      tests.filter(({ passed }) => !passed),
      [],
    )
    t.ok(tests.length >= 5)

    const questions = loaded.lines.flatMap(({ statement }) =>
      statement.kind === 'test' ? [statement] : [],
    )
    let asked = 0
    for (const { title, from, to, service, verdict, at } of questions) {
      const then = at ? { ...facts, nowMillis: at.millis } : { ...facts, isAlwaysOn: true as const }
      const resolved = resolve([policy], then)
      const connection = connectionOf(formatMember(from) as Ip, formatMember(to) as Ip, service)
      const { limit, caps } = decide(resolved, connection)
      // Those ask the controller first.
      if (limit || caps) continue
      const net = new OneSwitch()
      const book = planZones(emptyBook, resolved.timeouts, [1])
      net.load(createCompiler().compile(resolved, 7, book))
      t.equal(net.open(connection).verdict, verdict, title)
      asked++
    }
    t.ok(asked >= 4, `${asked} tests on a switch`)
  })
