/** pf.conf and config.xml: what can be said means the same, and nothing is wider. */
import t from 'tap'
import { importConfigXml } from '../../../../src/nfv/firewall/import/pf/config-xml.js'
import { importPf } from '../../../../src/nfv/firewall/import/pf/pf.js'
import { seeded } from '../random-policy.js'
import {
  allows,
  interfaces,
  passes,
  passesPfsense,
  pfsenseText,
  pfText,
  randomConnection,
  randomRules,
} from './random-filter.js'

const options = {
  interfaces: new Map([
    ...Object.entries(interfaces).map(([name, nets]) => [name, nets.join()] as const),
    ['em0', 'others'] as const,
  ]),
}
const sources = {
  pf: { importer: importPf, textOf: pfText, right: passes, passing: 1 },
  'config.xml': {
    importer: importConfigXml,
    textOf: pfsenseText,
    right: passesPfsense,
    passing: 3,
  },
} as const
const rounds = Number(process.env.FILTER_FILES ?? 150)

for (const [name, { importer, textOf, right, passing }] of Object.entries(sources)) {
  t.test(`${name}: what can be said means the same`, async t => {
    const dice = seeded(20261203)
    const wrong: string[] = []
    let passed = 0
    for (let round = 0; round < rounds; round++) {
      const rules = randomRules(dice, false, passing)
      const source = textOf(rules)
      const { text, summary } = importer(source, options)
      if (summary.closed + summary.leftOut > 0)
        wrong.push(`something was lost:\n${source}\n${text}`)
      const isAllowed = allows(text)
      for (let count = 0; count < 60; count++) {
        const one = randomConnection(dice)
        const isRight = right(rules, one, false)
        if (isRight) passed++
        if (isAllowed(one) !== isRight)
          wrong.push(`${JSON.stringify(one)} is ${isRight}:\n${source}\n${text}`)
      }
    }
    t.equal(wrong.length, 0, wrong[0] ?? `${60 * rounds} connections`)
    t.ok(passed > 3 * rounds && passed < 54 * rounds, `${passed} of ${60 * rounds} pass`)
  })

  t.test(`${name}: where a condition cannot be said, nothing is wider`, async t => {
    const dice = seeded(20261204)
    const wider: string[] = []
    let [same, narrower] = [0, 0]
    for (let round = 0; round < rounds; round++) {
      const rules = randomRules(dice, true, passing)
      const source = textOf(rules)
      const isAllowed = allows(importer(source, options).text)
      for (let count = 0; count < 60; count++) {
        const one = randomConnection(dice)
        const isRight = right(rules, one, false) && right(rules, one, true)
        if (isAllowed(one) && !isRight) wider.push(`${JSON.stringify(one)}:\n${source}`)
        else if (isAllowed(one) === isRight) same++
        else narrower++
      }
    }
    t.equal(wider.length, 0, wider[0] ?? `${same} the same, ${narrower} narrower`)
    t.ok(same > 30 * rounds, `${same} the same`)
  })
}
