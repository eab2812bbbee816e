/** The grammar in the tokeniser that editors use: what each word of a rule file is coloured as. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import oniguruma from 'vscode-oniguruma'
import textmate, { type IGrammar } from 'vscode-textmate'
import { grammar } from '../../../src/nfv/firewall/text/grammar.js'

const load = async (): Promise<IGrammar> => {
  const wasm = createRequire(import.meta.url).resolve('vscode-oniguruma/release/onig.wasm')
  await oniguruma.loadWASM(readFileSync(wasm))
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: patterns => new oniguruma.OnigScanner(patterns),
      createOnigString: text => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(JSON.stringify(grammar), 'sluice.json'),
  })
  return (await registry.loadGrammar(grammar.scopeName))!
}

const loaded = load()

/** `word scope` for each piece that has a scope of its own. */
const colours = async (line: string): Promise<string[]> =>
  (await loaded)
    .tokenizeLine(line, textmate.INITIAL)
    .tokens.filter(token => token.scopes.length > 1)
    .map(token => `${line.slice(token.startIndex, token.endIndex).trim()} ${token.scopes[1]}`)

t.test('a rule with everything', async t => {
  t.same(
    await colours(
      'browse: allow tcp 80, icmp echo-request from office except host web-1 to 10.2.0.0/24 log 10/s "text"  # why',
    ),
    [
      'browse: entity.name.function',
      'allow keyword.control',
      'tcp support.type.protocol',
      '80 constant.numeric.port',
      ', keyword.operator',
      'icmp support.type.protocol',
      'echo-request support.constant.type',
      'from keyword.other',
      'except keyword.other',
      'host storage.type.member',
      'to keyword.other',
      '10.2.0.0/24 constant.other.address',
      'log keyword.other',
      '10/s constant.numeric.rate',
      '"text" string.quoted.double',
      '# why comment.line.number-sign',
    ],
  )
})

t.test('declarations, addresses, times', async t => {
  t.same(await colours('zone office = 10.1.0.1-10.1.0.9, fd00:1::/48, ::1'), [
    'zone keyword.declaration',
    '= keyword.operator',
    '10.1.0.1-10.1.0.9 constant.other.address',
    ', keyword.operator',
    'fd00:1::/48 constant.other.address',
    ', keyword.operator',
    '::1 constant.other.address',
  ])
  t.same(
    await colours('  allow-stateless udp 8000-8099 until 2027-01-31 schedule mon-fri 08:00-18:00'),
    [
      'allow-stateless keyword.control',
      'udp support.type.protocol',
      '8000-8099 constant.numeric.port',
      'until keyword.other',
      '2027-01-31 constant.numeric.date',
      'schedule keyword.other',
      'mon-fri constant.language.day',
      '08:00-18:00 constant.numeric.time',
    ],
  )
  t.same(await colours('test "a" 10.0.0.1 -> 10.0.0.2 tcp 22 drop by default'), [
    'test keyword.declaration',
    '"a" string.quoted.double',
    '10.0.0.1 constant.other.address',
    '-> keyword.operator',
    '10.0.0.2 constant.other.address',
    'tcp support.type.protocol',
    '22 constant.numeric.port',
    'drop keyword.control',
    'by keyword.other',
  ])
})

t.test('variables, caps and helpers', async t => {
  t.same(await colours('let calm = 10/minute per source'), [
    'let keyword.declaration',
    '= keyword.operator',
    '10/minute constant.numeric.rate',
    'per keyword.other',
    'source constant.language.any',
  ])
  t.same(await colours('allow tcp 21 helper ftp max 5 half-open per source limit $calm'), [
    'allow keyword.control',
    'tcp support.type.protocol',
    '21 constant.numeric.port',
    'helper keyword.other',
    'max keyword.other',
    '5 constant.numeric.port',
    'half-open keyword.other',
    'per keyword.other',
    'source constant.language.any',
    'limit keyword.other',
    '$calm variable.other',
  ])
})

t.test('a name that begins or ends with a word of the language is a name', async t => {
  t.same(await colours('allow any from allow-list to my-host, tcp-servers'), [
    'allow keyword.control',
    'any constant.language.any',
    'from keyword.other',
    'to keyword.other',
    ', keyword.operator',
  ])
})
