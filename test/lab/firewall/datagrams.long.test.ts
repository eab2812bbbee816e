/** Datagrams of all sizes on real Open vSwitch, whole and in fragments, under each kind of rule that speaks of them in its own way. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { hostAddresses, inside, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Tells the sizes of the datagrams that come to port 5001, and sends others from there when it is told to. */
const script = `const s = require('dgram').createSocket('udp4').on('message', m => console.log(m.length))
s.bind(5001, () => console.log('ready'))
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const [size, to] = line.split(' ')
  s.send(Buffer.alloc(+size), 5001, to)
}).on('close', () => process.exit(0))`

class Talker {
  readonly #child: ReturnType<typeof inside>
  readonly heard: string[] = []

  constructor(lab: TwoSwitches, host: 'a' | 'b' | 'c') {
    this.#child = inside(lab, host, script)
    createInterface({ input: this.#child.stdout! }).on('line', line => this.heard.push(line))
  }

  /** What of these sizes the other one hears, one after the other. */
  async sends(sizes: readonly string[], to: string, other: Talker, patience = 3_000) {
    other.heard.length = 0
    for (const size of sizes) {
      const before = other.heard.length
      this.#child.stdin!.write(`${size} ${to}\n`)
      for (let waited = 0; waited < patience && other.heard.length === before; waited += 20)
        await sleep(20)
    }
    return [...other.heard]
  }

  async ready(): Promise<void> {
    while (!this.heard.includes('ready')) await sleep(20)
  }

  async end(): Promise<void> {
    this.#child.stdin!.end()
    await once(this.#child, 'exit')
  }
}

const sizes = ['100', '1400', '1600', '3000', '9000']
const ipOfA = hostAddresses.a

t.test('datagrams, whole and in fragments', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    for (const to of ['b', 'c'] as const)
      await lab.inHost('a', 'ping', '-c1', '-W2', hostAddresses[to]).catch(() => '')
    const talkers = (['a', 'b', 'c'] as const).map(host => new Talker(lab, host))
    const [a, b, c] = talkers as [Talker, Talker, Talker]
    try {
      for (const each of talkers) await each.ready()
      for (const [name, far, to] of [
        ['on one switch', b, hostAddresses.b],
        ['over two switches', c, hostAddresses.c],
      ] as const) {
        await t.test(`a stateless rule, ${name}`, async t => {
          const way = `default drop\nway: allow-stateless udp 5001 from ${ipOfA} to ${to}\n`
          await lab.rules(way)
          t.same(await a.sends(sizes, to, far), sizes)
          t.same(await far.sends(sizes, ipOfA, a, 300), [], 'no answer: nothing is remembered')
          await lab.rules(`${way}back: allow-stateless udp 5001 from ${to} to ${ipOfA}\n`)
          t.same(await far.sends(sizes, ipOfA, a), sizes, 'but by a rule of its own')
          await lab.rules('default drop\nway: allow-stateless udp 5002\n')
          t.same(await a.sends(sizes, to, far, 300), [], 'other ports are others')
        })

        await t.test(`two timeouts of UDP, ${name}`, async t => {
          for (const [own, others] of [
            ['5001', '5003'],
            ['5003', '5001'],
          ])
            for (const opening of ['9000', '100']) {
              await lab.rules('default drop\n')
              for (const self of ['s1', 's2'])
                await lab.stage.rig.appctl(self, 'dpctl/flush-conntrack')
              await lab.rules(
                `service one = udp ${own} timeout 1h\nservice two = udp ${others} timeout 2h\ndefault drop\nway: allow udp 5001 from ${ipOfA} to ${to}\n`,
              )
              t.same(await far.sends(['3000'], ipOfA, a, 300), [], 'no answer before a question')
              t.same(await a.sends([opening, ...sizes], to, far), [opening, ...sizes])
              t.same(await far.sends(sizes, ipOfA, a), sizes, 'its answers')
            }
        })

        await t.test(`rules that count, ${name}`, async t => {
          for (const option of ['max 3 connections', 'limit 30/minute']) {
            await lab.rules(
              `default drop\n${option.split(' ')[0]}-${to}: allow udp 5001 from ${ipOfA} to ${to} ${option}\n`,
            )
            // The datagram that opens it must come in one piece; what comes behind it need not.
            const came = await a.sends(['3000', '3000', ...sizes], to, far, 1_000)
            t.same(came.slice(-sizes.length), sizes, option)
            t.ok(came.length >= sizes.length + 1, 'the first may be lost, and no other')
            t.same(await far.sends(sizes, ipOfA, a), sizes, 'its answers')
          }
        })
      }
    } finally {
      for (const each of talkers) await each.end()
    }
  })
})
