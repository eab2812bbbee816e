/** Pieces of allowed and denied datagrams in random order, some later than Open vSwitch waits for them. Long: `npm run bench -- fragments`. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { tryFragments } from './fragments.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

t.test('all pieces of a datagram pass, or none', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  const result = await tryFragments(env, { seed: 7, pieces: 4_000, rate: 400, delay: 18 })
  t.comment(JSON.stringify(result))
  t.ok(result.datagrams.denied > 300 && result.datagrams.late > 20, 'enough of each kind')
  t.equal(result.deniedPieces, 0, 'nothing of what is denied comes out')
  t.ok(result.lost <= result.dropped, 'nothing of what is allowed is lost')
  t.ok(result.hits.no! > 0 && result.hits.no! <= result.datagrams.denied, 'each once')
  // A few packets are the hosts' own: 123 were pieces once.
  t.ok(result.hits.default! < 60, `${result.hits.default} by default`)
  t.equal(result.hits.rest, 0, 'no piece is judged without its ports')
})
