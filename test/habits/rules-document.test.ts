/** docs/rules.md: every example is taken, or refused as it says; every word of the language is there. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { check } from '../../src/nfv/firewall/meaning/check.js'
import { noFacts } from '../../src/nfv/firewall/meaning/environment.js'
import { textOfSpec } from '../../src/nfv/firewall/text/json.js'
import { loadPolicy } from '../../src/nfv/firewall/text/load.js'
import { Parser } from '../../src/nfv/firewall/text/parse.js'
import type { PolicySpec } from '../../src/nfv/firewall/text/schema.js'
import { reserved } from '../../src/nfv/firewall/text/words.js'

const text = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8')

/** Code blocks of a kind, with the line that they begin in. */
const blocks = (kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, 'gm'))].map(found => ({
    line: text.slice(0, found.index).split('\n').length,
    body: found[1]!,
  }))

const shared = 'zone printers = 10.1.9.0/24\n'

const report = async (body: string) => {
  const loaded = await loadPolicy(new Parser(), 'example.rules', body, () => shared)
  return check([{ name: 'example', order: 0, loaded }], {
    ...noFacts(Date.UTC(2026, 10, 25)),
    hasChain: () => false,
  })
}

t.test('examples are taken, and their tests hold', async t => {
  const examples = blocks('rules')
  t.ok(examples.length >= 12)
  let tests = 0
  for (const { line, body } of examples) {
    const said = await report(body)
    t.same(said.complaints, [], `docs/rules.md:${line}`)
    t.same(
      said.tests.filter(each => !each.passed),
      [],
      `docs/rules.md:${line}`,
    )
    tests += said.tests.length
  }
  t.ok(tests >= 20, 'with tests in them')
})

t.test('what is said to be refused is, with these words', async t => {
  const examples = blocks('refused')
  t.ok(examples.length >= 7)
  for (const { line, body } of examples) {
    const said = await report(body)
    const wanted = body.split('\n')[0]!.slice(2)
    t.equal(said.complaints.length, 1, `docs/rules.md:${line}`)
    t.equal(said.complaints[0]?.message, wanted, `docs/rules.md:${line}`)
  }
})

t.test('the example of JSON is a policy', async t => {
  const [{ body } = { body: '' }] = blocks('json')
  const { text: source, mistakes } = textOfSpec((JSON.parse(body) as { spec: PolicySpec }).spec)
  t.same(mistakes, [])
  t.match(source, 'limit 10/minute per source max 5 half-open per source  # until the new gate')
})

t.test('every word of the language is explained', async t => {
  for (const word of reserved) t.match(text, new RegExp(`(^|[^a-z-])${word}([^a-z-]|$)`, 'm'), word)
})
