/** Without statements of address translation no flow is another than before there were any. */
import t from 'tap'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import type { Section } from '../../../src/pipeline/program.js'
import { flowText } from '../firewall/flow-text.js'
import { startOffice } from './office.js'

const rules = `default drop
service ssh = tcp 22 timeout 8h
a: allow ssh, tcp 21 helper ftp from 10.1.0.0/16 to 10.2.0.0/16
b: allow udp 53 limit 10/s
c: allow-stateless udp 4789
`

const compiled = (more: string): readonly Section[] => {
  const loaded = loadText(new Parser(), 'p.rules', rules + more)
  return createCompiler().compile(resolve([{ name: 'p', order: 0, loaded }], noFacts(0)), 7)
}

t.test('the firewall: nothing is there without them, and with them the rest is as it was', t => {
  const [without, withSome] = ['', 'nat masquerade out wan\n'].map(compiled) as [
    readonly Section[],
    readonly Section[],
  ]
  const texts = (sections: readonly Section[]) =>
    sections
      .filter(({ name }) => name !== 'firewall/translation')
      .map(({ name, flows }) => [name, flows.map(flowText)])
  t.same(texts(withSome), texts(without))
  t.notOk(without.some(({ name }) => name === 'firewall/translation'))
  t.ok(withSome.some(({ name }) => name === 'firewall/translation'))
  t.end()
})

t.test('a network with an uplink: no row knows of translation', async t => {
  for (const [text, isTranslated] of [
    ['default allow\n', false],
    ['default allow\nnat masquerade out wan\n', true],
  ] as const) {
    const whole = await startOffice(text)
    const flows = [...whole.controller.programs.values()].flatMap(sections =>
      sections.flatMap(section => section.flows.map(flow => ({ section, flow }))),
    )
    const own = flows.filter(
      ({ section, flow }) =>
        section.name.startsWith('nat/') ||
        'reg10' in flow.match ||
        flow.actions.some(action => action.kind === 'ct' && action.nat !== undefined),
    )
    t.equal(own.length > 0, isTranslated, `${own.length} rows of translation`)
    await whole.stop()
  }
})
