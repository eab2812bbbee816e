/** One flood cannot hide what another rule logs, and a rate that a rule names is held. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Sends so many UDP packets a second for some seconds. */
const flood = (lab: TwoSwitches, port: number, seconds: number) =>
  lab.inHost(
    'a',
    process.execPath,
    '-e',
    `const s = require('dgram').createSocket('udp4')
     let left = ${seconds * 250}
     const timer = setInterval(() => {
       for (let n = 0; n < 12; n++) s.send('x', ${port}, '10.2.0.10', () => {})
       if (--left === 0) { clearInterval(timer); setTimeout(() => s.close(), 100) }
     }, 4)`,
  )

/** What was logged of packets to a port, while another is flooded. */
const loggedBeside = async (lab: TwoSwitches, port: number, flooded: number) => {
  const last = Math.max(0, ...(await lab.events('rule-logged')).map(each => Number(each.sequence)))
  const flooding = flood(lab, flooded, 4)
  await sleep(2_000)
  for (let n = 0; n < 10; n++)
    await lab.inHost('b', 'bash', '-c', `echo x > /dev/udp/10.2.0.10/${port}`)
  await flooding
  await sleep(300)
  const events = (await lab.events('rule-logged')).filter(each => Number(each.sequence) > last)
  return {
    asked: events.filter(each => each.destinationPort === port).length,
    flood: events.filter(each => each.destinationPort === flooded).length,
  }
}

t.test('logs beside floods', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    await lab.rules('default drop\nnoisy: drop udp 7001 log\nquiet: drop udp 7002 log\n')
    const apart = await loggedBeside(lab, 7002, 7001)
    t.comment(apart)
    t.equal(apart.asked, 10, 'each line of the quiet rule is there')
    // 12,000 were sent, in four seconds or, on a machine that has much to do, a few more.
    t.ok(apart.flood >= 100 && apart.flood <= 1_500, 'the noisy one was cut to its own rate')

    await lab.rules('default drop\nboth: drop udp 7001, udp 7002 log\n')
    const together = await loggedBeside(lab, 7002, 7001)
    t.comment(together)
    t.ok(together.asked < 10, 'under one meter the flood hides it: this test would see that')

    await lab.rules('default drop\nslow: drop udp 7001 log 3/minute\nquiet: drop udp 7002 log\n')
    const slow = await loggedBeside(lab, 7002, 7001)
    t.same(slow, { asked: 10, flood: 3 }, 'a rate below one a second is exact')

    await lab.rules('default drop\nno: reject udp 7001\nquiet: drop udp 7002 log\n')
    t.equal((await loggedBeside(lab, 7002, 7001)).asked, 10, 'nor does a flood of rejections')
  })
})
