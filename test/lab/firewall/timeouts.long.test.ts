/**
 * Timeouts of services on real Open vSwitch: a timed connection is forgotten after its time and no other is; what runs
 * goes on while its ports get a timeout, change it and lose it; pieces and ICMP errors find their connection.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sh, sleep } from '../../../src/lab/shell.js'
import { declareDatabases } from '../databases.js'
import { end, hostAddresses, inside, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

const [timedPort, plainPort, closedPort] = [5001, 5002, 5003]
const host = hostAddresses.c

/** Answers a datagram `SIZE DELAY` with so many octets after so many milliseconds, and whatever TCP says. */
const server = `const dgram = require('dgram')
for (const port of [${timedPort}, ${plainPort}]) {
  require('net').createServer(one => one.on('error', () => {}).pipe(one)).listen(port, '${host}')
  const udp = dgram.createSocket('udp4').bind(port, '${host}')
  udp.on('message', (text, from) => {
    const [size, delay] = String(text).trim().split(' ').map(Number)
    setTimeout(() => udp.send(Buffer.alloc(size, 32), from.port, from.address), delay)
  })
}
process.stdin.on('end', () => process.exit(0)).resume()`

/** Asks all the time, by TCP and by UDP, and tells how many answers there were. */
const talker = `const counts = { tcp: 0, udp: 0 }
const tcp = require('net').connect(${timedPort}, '${host}')
tcp.on('error', () => {}).on('data', () => { counts.tcp++ })
const udp = require('dgram').createSocket('udp4')
udp.on('message', () => { counts.udp++ })
setInterval(() => { tcp.write('x'); udp.send('1 0', ${timedPort}, '${host}') }, 20)
setInterval(() => console.log(counts.tcp, counts.udp), 50)
process.stdin.on('end', () => process.exit(0)).resume()`

/** One question of so many octets; prints what comes of it. */
const question = (port: number, asks: number, gets: number, delay: number) => `
const udp = require('dgram').createSocket('udp4')
const say = text => { console.log(text); process.exit(0) }
udp.on('error', error => say(error.code)).on('message', text => say(text.length))
udp.connect(${port}, '${host}', () => udp.send('${gets} ${delay}'.padEnd(${asks})))
setTimeout(() => say('nothing'), ${delay + 1_000})`

const ask = async (lab: TwoSwitches, port: number, asks = 6, gets = 1, delay = 0) =>
  (await lab.inHost('a', process.execPath, '-e', question(port, asks, gets, delay))).trim()

/** A connection of each protocol that never rests. */
class Talk {
  readonly #child: ChildProcess
  #counts = [0, 0]

  constructor(lab: TwoSwitches) {
    this.#child = inside(lab, 'a', talker)
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      this.#counts = line.split(' ').map(Number)
    })
  }

  /** Which of them get answers, as soon as that is what is expected; a busy machine takes its time. */
  async runs(expected: string): Promise<string> {
    for (let tries = 0; ; tries++) {
      const before = this.#counts
      await sleep(500)
      const seen = ['tcp', 'udp']
        .filter((_, at) => this.#counts[at]! > before[at]! + 5)
        .join(' and ')
      if (seen === expected || tries === 10) return seen
    }
  }

  end = () => end(this.#child)
}

const plain = 'default drop\nown: allow any from 10.1.0.1 to 10.2.0.10\n'
const timed = (time: string) =>
  `service timed = udp ${timedPort}, udp ${closedPort}, tcp ${timedPort} timeout ${time}\n${plain}`

const stateOf = (lab: TwoSwitches) =>
  lab.controller.get<{ state: string; reason?: string }>('/api/v1/policies/firewall')

const becomes = async (lab: TwoSwitches, state: string): Promise<string> => {
  for (let tries = 0; ; tries++) {
    const now = (await stateOf(lab)).state
    if (now === state || tries === 100) return now
    await sleep(50)
  }
}

const gone = async (lab: TwoSwitches, name: string): Promise<void> => {
  for (let tries = 0; tries < 100; tries++) {
    const { items } = await lab.controller.get<{ items: { name: string }[] }>('/api/v1/objects')
    if (!items.some(each => each.name === name)) return
    await sleep(50)
  }
  throw new Error(`${name} is still there`)
}

/** What a switch has for the timeouts of its zones. */
const policies = async (lab: TwoSwitches, name: string): Promise<string> => {
  const { folder } = lab.stage.rig.switches.get(name)!
  const text = await sh(
    'ovs-vsctl',
    `--db=unix:${join(folder, 'db.sock')}`,
    'list-zone-tp',
    'netdev',
  )
  return [...text.matchAll(/tcp_established=(\d+)/g)]
    .map(([, seconds]) => Number(seconds))
    .sort((a, b) => a - b)
    .join()
}

t.test('connections of a service have its timeout', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const serving = inside(lab, 'c', server)
    await sleep(500)
    await lab.rules(plain)
    const talk = new Talk(lab)
    t.equal(await talk.runs('tcp and udp'), 'tcp and udp')
    t.equal(await ask(lab, timedPort, 6, 1, 3_500), '1', 'without a timeout there is time enough')

    await lab.rules(timed('2s'))
    t.equal(
      await talk.runs('tcp and udp'),
      'tcp and udp',
      'what runs goes on when its ports get a timeout',
    )
    t.match(await stateOf(lab), { state: 'degraded', reason: /not set at s1, s2, since/ })
    await declareDatabases(lab.controller, lab.stage)
    t.equal(await becomes(lab, 'installed'), 'installed')
    t.equal(await policies(lab, 's1'), '2')
    const old = new Talk(lab)

    t.equal(await ask(lab, timedPort, 6, 1, 500), '1', 'an answer in time')
    t.equal(await ask(lab, timedPort, 6, 1, 3_500), 'nothing', 'an answer behind its time')
    t.equal(await ask(lab, plainPort, 6, 1, 3_500), '1', 'others have the time that they had')
    t.equal(await ask(lab, timedPort, 6, 3_000), '3000', 'an answer in pieces')
    t.equal(await ask(lab, timedPort, 3_000, 7), '7', 'a question in pieces')
    t.equal(await ask(lab, timedPort, 3_000, 3_000), '3000')
    t.equal(await ask(lab, closedPort), 'ECONNREFUSED', 'the error that nobody listens there')
    t.equal(await ask(lab, plainPort, 3_000, 3_000), '3000')

    await lab.rules(timed('8h'))
    t.match(await stateOf(lab), { state: 'installed' })
    t.equal(await policies(lab, 's2'), '2,28800', 'what runs keeps the time that it has')
    t.equal(await ask(lab, timedPort, 6, 1, 3_500), '1', 'a longer time')
    await lab.controller.kill()
    await lab.restart()
    const { items } = await lab.controller.get<{ items: { flowModsSent: number }[] }>(
      '/api/v1/switches',
    )
    t.same(
      items.map(each => each.flowModsSent),
      [0, 0],
      'zones are the same after a restart',
    )
    t.equal(await becomes(lab, 'installed'), 'installed')
    t.equal(await talk.runs('tcp and udp'), 'tcp and udp')
    t.equal(await old.runs('tcp and udp'), 'tcp and udp')
    await lab.rules(plain)
    t.equal(await talk.runs('tcp and udp'), 'tcp and udp', 'and none at all')
    t.equal(await old.runs('tcp and udp'), 'tcp and udp')
    await lab.rules('default drop\n')
    t.equal(await talk.runs(''), '', 'a deny ends them in each zone')
    t.equal(await old.runs(''), '')
    await lab.controller.send('DELETE', '/api/v1/objects/switch/s1')
    await gone(lab, 's1')
    await t.rejects(
      policies(lab, 's1'),
      /netdev record not found/,
      'what was made for it goes with the object',
    )
    await Promise.all([talk.end(), old.end(), end(serving)])
  })
})
