/** Rules that end or begin at a time, on real Open vSwitch and by the real clock. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 240_000 }
const env = realEnv(pino({ level: 'silent' }))

const minuteMillis = 60_000

t.test('rules that end and begin with a minute', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const { stage } = lab
    const now = env.clock.wallMillis()
    // Far enough away that what was before can be seen.
    const atMillis = Math.ceil((now + 8_000) / minuteMillis) * minuteMillis
    const at = new Date(atMillis).toISOString()
    const [minute, later] = [at.slice(11, 16), new Date(atMillis + 60 * minuteMillis)]
    const until = later.toISOString().slice(11, 16)
    await lab.rules(`default drop
ends: allow tcp 80 until ${at.slice(0, 16)}Z
begins: allow tcp 443 schedule mon-sun ${minute}-${until} UTC
stays: allow tcp 22
ping: allow icmp
`)
    await stage.openSession('ends', 'a', 'c', 'tcp', 80)
    await stage.openSession('stays', 'a', 'c', 'tcp', 22)
    await sleep(500)
    t.equal(await lab.attempts('b', 'd', 80, 1), 'o', 'before: what ends is open')
    t.equal(await lab.attempts('b', 'd', 443, 1), 's', 'before: what begins is not')
    t.ok((await stage.sessionState('ends')).received > 10)

    await sleep(Math.max(0, atMillis - 1_000 - env.clock.wallMillis()))
    const pings = stage.ping('b', 'd', 1_000, 2)
    await sleep(Math.max(0, atMillis + 1_000 - env.clock.wallMillis()))
    t.equal(await lab.attempts('b', 'd', 80, 1), 's', 'what has ended is shut a second later')
    t.equal(await lab.attempts('b', 'd', 443, 1), 'o', 'what has begun is open')
    const { sent, received } = await pings
    t.equal(received, sent, 'who is not meant loses nothing')
    const cut = await stage.sessionState('ends')
    const kept = await stage.sessionState('stays')
    await sleep(500)
    t.equal((await stage.sessionState('ends')).received, cut.received, 'its session is cut')
    const still = await stage.sessionState('stays')
    t.ok(still.received > kept.received && still.highest === still.received, 'the other goes on')

    await lab.controller.kill()
    await lab.restart()
    t.equal(await lab.attempts('b', 'd', 80, 1), 's', 'and after a restart')
    t.equal(await lab.attempts('b', 'd', 443, 1), 'o')
  })
})
