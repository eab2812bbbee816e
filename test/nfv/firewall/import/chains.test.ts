import t from 'tap'
import { importIptables } from '../../../../src/nfv/firewall/import/netfilter/iptables.js'
import { importNft } from '../../../../src/nfv/firewall/import/netfilter/nft.js'
import { seeded } from '../random-policy.js'
import {
  deciderOf,
  iptablesText,
  nftText,
  randomConnection,
  randomRuleset,
  verdictOf,
} from './random-chains.js'

const sources = {
  iptables: { importer: importIptables, textOf: iptablesText },
  nft: { importer: importNft, textOf: nftText },
} as const

for (const [name, { importer, textOf }] of Object.entries(sources)) {
  t.test(`${name}: what can be said means the same, whatever the chains do`, async t => {
    const dice = seeded(20261130)
    const wrong: string[] = []
    let accepted = 0
    for (let set = 0; set < 100; set++) {
      const ruleset = randomRuleset(dice, false)
      const source = textOf(ruleset)
      const { text, summary } = importer(source)
      if (summary.closed + summary.leftOut > 0)
        wrong.push(`something was lost:\n${source}\n${text}`)
      const decide = deciderOf(text)
      for (let count = 0; count < 60; count++) {
        const packet = randomConnection(dice)
        const right = verdictOf(ruleset, packet, false)
        if (right === 'ACCEPT') accepted++
        if (decide(packet) !== right)
          wrong.push(`${JSON.stringify(packet)} is ${right}:\n${source}\n${text}`)
      }
    }
    t.equal(wrong.length, 0, wrong[0] ?? '6,000 packets')
    t.ok(accepted > 1_000 && accepted < 5_000, `${accepted} of 6,000 pass`)
  })

  t.test(
    `${name}: where a condition cannot be said, nothing that the source drops is allowed`,
    async t => {
      const dice = seeded(20261201)
      const wider: string[] = []
      let [same, narrower] = [0, 0]
      for (let set = 0; set < 100; set++) {
        const ruleset = randomRuleset(dice, true)
        const source = textOf(ruleset)
        const { text } = importer(source)
        const decide = deciderOf(text)
        for (let count = 0; count < 60; count++) {
          const packet = randomConnection(dice)
          const isAllowed = decide(packet) === 'ACCEPT'
          const right = [true, false].every(mark => verdictOf(ruleset, packet, mark) === 'ACCEPT')
          if (isAllowed && !right)
            wider.push(`${JSON.stringify(packet)} must not pass:\n${source}\n${text}`)
          if (isAllowed === right) same++
          else narrower++
        }
      }
      t.equal(wider.length, 0, wider[0] ?? '6,000 packets')
      t.ok(same > 4_000, `${same} of 6,000 are as in the source, ${narrower} are kept out`)
    },
  )
}

t.test('an importer that goes on with the next rule behind goto would be noticed', async t => {
  const ruleset = {
    policy: 'DROP' as const,
    chains: new Map([
      ['FORWARD', [{ verdict: 'goto a' }, { verdict: 'ACCEPT' }]],
      ['a', [{ protocol: { name: 'tcp', isNot: false }, verdict: 'ACCEPT' }]],
    ]),
  }
  const [packet] = Array.from({ length: 99 }, (_, seed) => randomConnection(seeded(seed))).filter(
    ({ protocol }) => protocol === 17,
  )
  t.equal(verdictOf(ruleset, packet!, false), 'DROP')
  t.equal(deciderOf(importIptables(iptablesText(ruleset)).text)(packet!), 'DROP')
  const asJump = iptablesText(ruleset).replace('-g a', '-j a')
  t.equal(deciderOf(importIptables(asJump).text)(packet!), 'ACCEPT', 'a jump comes back')
})
