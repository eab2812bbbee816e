/** A stream that nobody answers is a connection to Open vSwitch too: judged once, by the rules of the time. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Sends ten datagrams from one port, and says how many log lines came of them. */
const logged = async (lab: TwoSwitches, port: number) => {
  const lines = async () =>
    (await lab.events('rule-logged')).filter(each => each.destinationPort === port).length
  const before = await lines()
  await lab.inHost(
    'a',
    process.execPath,
    '-e',
    `const s = require('dgram').createSocket('udp4')
     let left = 10
     const timer = setInterval(() => {
       s.send('x', ${port}, '10.2.0.10', () => {})
       if (--left === 0) { clearInterval(timer); setTimeout(() => s.close(), 100) }
     }, 50)`,
  )
  await sleep(300)
  return (await lines()) - before
}

t.test('ten datagrams that nobody answers', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    // Nobody is to answer, not even with an ICMP error.
    await lab.inHost('c', 'ip', 'route', 'add', 'blackhole', '10.1.0.1/32')
    await lab.rules('default drop\nlet-in: allow udp 514 log\nkept-out: drop udp 515 log\n')
    t.equal(await logged(lab, 514), 1, 'let in: one connection, one line')
    t.equal(await logged(lab, 515), 10, 'kept out: each asks again')
    await lab.rules('default drop\nlet-in: allow udp 514 log max 5 connections\n')
    t.equal(await logged(lab, 514), 1, 'the same where connections are counted')
    await lab.rules('default drop\nlet-in: allow udp 514 log limit 1/hour\n')
    t.equal(await logged(lab, 514), 1, 'the first is let in')
    t.equal(await logged(lab, 514), 0, 'the second is not, and nothing says so')
  })
})
