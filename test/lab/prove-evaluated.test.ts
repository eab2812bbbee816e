/** Imported policies beside evaluators that share nothing with the importers but the file. */
import t from 'tap'
import { originalOf } from '../../src/lab/prove/original.js'
import { seededDice } from '../../src/lab/prove/probes.js'
import { formatConnection, type Proof, prove } from '../../src/lab/prove/prove.js'
import { importers } from '../../src/nfv/firewall/import/index.js'
import {
  randomAdmin,
  randomAntrea,
  randomCalico,
  randomFaucet,
  randomKubernetes,
  randomOpenstack,
} from './random-objects.js'

const makers = [
  ['kubernetes', randomKubernetes, 'NetworkPolicy'],
  ['kubernetes', randomAdmin, 'AdminNetworkPolicy'],
  ['kubernetes', randomAntrea, 'policies of Antrea'],
  ['kubernetes', randomCalico, 'policies of Calico'],
  ['openstack', randomOpenstack, 'security groups'],
  ['faucet', randomFaucet, 'lists of ports and VLANs'],
] as const
const files = Number(process.env.OBJECT_FILES ?? 40)

const proofOf = (format: string, source: string, text: string, seed: number): Promise<Proof> =>
  prove(
    originalOf(format, source, new Map(), 'unused', () => undefined),
    text,
    { count: 150, seed },
  )

for (const [format, make, what] of makers)
  t.test(`${format}: random ${what} mean what they meant`, async t => {
    let [passed, stopped, exact] = [0, 0, 0]
    for (let seed = 1; seed <= files; seed++) {
      const source = make(seededDice(seed))
      const { text, summary } = importers[format]!(source)
      const proof = await proofOf(format, source, text, seed)
      t.same(proof.wider.map(formatConnection), [], `seed ${seed}: ${source}`)
      // What is lost is closed, and said.
      const isWhole = summary.closed + summary.leftOut === 0
      if (isWhole) t.same(proof.narrower.map(formatConnection), [], `seed ${seed}: ${source}`)
      if (isWhole) exact++
      passed += proof.passInBoth
      stopped += proof.stopInBoth
    }
    t.ok(passed > files && stopped > files, `${passed} pass, ${stopped} do not`)
    t.ok(exact > files / 3, `${exact} of ${files} files without a loss`)
  })

t.test('rules that allow more than they should are told', async t => {
  for (const [format, make] of makers) {
    const { wider } = await proofOf(format, make(seededDice(3)), 'default allow\n', 3)
    t.ok(wider.length > 0, format)
  }
})

t.test('what the evaluator does not read, and other formats, fail', async t => {
  t.throws(() => originalOf('openstack', '[{"ID": "x"}]', new Map(), '', () => undefined), {
    message: /only answers of the API/,
  })
  t.throws(() => originalOf('other', '', new Map(), '', () => undefined), { message: /--prove/ })
})
