/**
 * Hosts move between real Open vSwitch, switches start anew and forget: connections that are allowed go on, whoever
 * speaks first, and what is denied then stops, for both ends. One ovs-vswitchd a switch.
 */
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import type { Lab } from '../../../src/lab/main.js'
import { sleep } from '../../../src/lab/shell.js'
import { readLab } from '../../../src/lab/spec.js'
import { pick, seeded } from '../../nfv/firewall/random-policy.js'
import { inside, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 400_000 }
const env = realEnv(pino({ level: 'silent' }))

const [ipOfA, ipOfB, ipOfC] = ['10.1.0.1', '10.1.0.2', '10.1.0.3']

const lab: Lab = {
  spec: readLab(
    'moves',
    'moves.yaml',
    `title: Three switches in a ring
rules: firewall.rules
switches: [s1, s2, s3]
links:
  - [s1:3, s2:3]
  - [s2:4, s3:4]
  - [s3:3, s1:4]
hosts:
  a: { at: s1:1, ips: [${ipOfA}/24] }
  b: { at: s2:1, ips: [${ipOfB}/24] }
  c: { at: s3:1, ips: [${ipOfC}/24] }
steps:
  - move: { host: a, to: s3:9 }
  - move: { host: b, to: s3:8 }
`,
  ),
  rules: 'default allow\n',
  folder: '.',
}

/** One connection of TCP and one of UDP; each line that comes in is sent on both, or told: what has arrived. */
const program = `
const net = require('net'), dgram = require('dgram')
const [role, own, peer, port] = process.argv.slice(1)
const seen = { tcp: 0, udp: 0 }
let socket, to = { port: 53, address: peer }
const take = one => { socket = one; one.setNoDelay(); one.on('data', d => { seen.tcp += d.length }); one.on('error', () => { seen.error = true }) }
const udp = dgram.createSocket('udp4')
udp.on('message', (_, from) => { seen.udp++; if (role === 'server') to = from })
const ready = () => console.log('ready')
if (role === 'server') { net.createServer(take).listen(8080, own); udp.bind(5353, own, ready) }
else udp.bind(+port, own, () => { to = { port: 5353, address: peer }; const one = net.connect({ host: peer, port: 8080, localAddress: own, localPort: +port }, ready); take(one) })
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  if (line === 'seen') return console.log(JSON.stringify(seen))
  if (line.includes('tcp')) socket.write('x')
  if (line.includes('udp')) udp.send('x', to.port, to.address)
  console.log('sent')
}).on('close', () => process.exit())
`

interface Seen {
  readonly tcp: number
  readonly udp: number
  readonly error?: boolean
}

class Speaker {
  readonly #child: ReturnType<typeof inside>
  readonly #lines: AsyncIterator<string>

  constructor(net: TwoSwitches, host: 'a' | 'b', words: readonly string[]) {
    this.#child = inside(net, host, program, words)
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value as string
  }

  async #ask(word: string): Promise<string> {
    this.#child.stdin!.write(`${word}\n`)
    return this.line()
  }

  async send(what = 'tcp udp'): Promise<void> {
    await this.#ask(what)
  }

  async seen(): Promise<Seen> {
    return JSON.parse(await this.#ask('seen')) as Seen
  }

  end(): void {
    this.#child.kill()
  }
}

/** Which interface of an end is plugged in. */
const device = { a: 'eth0', b: 'eth0' }

/** Of who opens: each connection has its own. */
let lastPort = 4_000

/** A connection between two hosts that move. */
class Pair {
  readonly net: TwoSwitches
  readonly a: Speaker
  readonly b: Speaker

  private constructor(net: TwoSwitches, b: Speaker, port: number) {
    this.net = net
    this.b = b
    this.a = new Speaker(net, 'a', ['client', ipOfA, ipOfB, String(port)])
  }

  static async open(net: TwoSwitches, port = ++lastPort): Promise<Pair> {
    const server = new Speaker(net, 'b', ['server', ipOfB, ipOfA])
    await server.line()
    const pair = new Pair(net, server, port)
    await pair.a.line()
    for (const word of ['a', 'b', 'a'] as const) {
      await pair[word].send()
      await sleep(100)
    }
    return pair
  }

  /** What came of one word of an end on both connections, within the time. */
  async says(from: 'a' | 'b', millis: number, what = 'tcp udp'): Promise<string> {
    const to = from === 'a' ? this.b : this.a
    const before = await to.seen()
    await this[from].send(what)
    let now = before
    for (let waited = 0; waited < millis; waited += 100) {
      await sleep(100)
      now = await to.seen()
      if (wordOf(before, now) === what) break
    }
    return wordOf(before, now)
  }

  /** Unplugs an end and plugs it in at its other place; it lets everybody know. */
  async move(end: 'a' | 'b'): Promise<void> {
    const [ip, mac] = [end === 'a' ? ipOfA : ipOfB, await this.#macOf(end)]
    const old = device[end]
    const now = old === 'eth0' ? 'eth1' : 'eth0'
    const run = (line: string) => this.net.inHost(end, 'ip', ...line.split(' '))
    await run(`addr flush dev ${old}`)
    await run(`link set ${old} down`)
    await run(`link set ${now} address ${mac}`)
    await run(`link set ${now} up`)
    await run(`addr add ${ip}/24 dev ${now}`)
    device[end] = now
    const place = now === 'eth0' ? (end === 'a' ? 's1' : 's2') : 's3'
    for (let tries = 0; tries < 60; tries++) {
      await this.net.inHost(end, 'ping', '-c1', '-W1', ipOfC).catch(() => '')
      if ((await this.#placeOf(mac)) === place) {
        await this.net.settled()
        return
      }
    }
    throw new Error(`${end} was not seen at ${place}`)
  }

  end(): void {
    this.a.end()
    this.b.end()
  }

  async #macOf(end: 'a' | 'b'): Promise<string> {
    return lab.spec.hosts.find(({ name }) => name === end)!.mac
  }

  async #placeOf(mac: string): Promise<string | undefined> {
    const { items } = await this.net.controller.get<{ items: { mac: string; switch: string }[] }>(
      '/api/v1/hosts',
    )
    return items.find(each => each.mac === mac)?.switch
  }
}

const wordOf = (before: Seen, now: Seen): string =>
  (['tcp', 'udp'] as const).filter(each => now[each] > before[each]).join(' ')

const open = `default drop\nit: allow tcp 8080, udp 5353 from ${ipOfA} to ${ipOfB}\n`
const shut = 'default drop\n'

/** Long enough for a segment that is sent again. */
const patience = 8_000

t.test('connections of hosts that move, of switches that start anew', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(
    env,
    async net => {
      for (const host of ['a', 'b', 'c'] as const)
        await net.inHost(host, 'ping', '-c1', '-W1', host === 'c' ? ipOfA : ipOfC)
      /** How it goes on under rules that allow, and stops under rules that do not. */
      const goesOn = async (
        t: Tap,
        pair: Pair,
        first: 'a' | 'b',
        what = 'tcp udp',
      ): Promise<void> => {
        const second = first === 'a' ? 'b' : 'a'
        t.equal(await pair.says(first, patience, what), what, `${first} speaks first, and is heard`)
        t.equal(await pair.says(second, patience), 'tcp udp', `${second} is heard`)
        t.equal(await pair.says(first, patience), 'tcp udp', `${first} is heard`)
      }
      const stops = async (t: Tap, pair: Pair): Promise<void> => {
        await net.rules(shut)
        await sleep(100)
        for (const from of ['b', 'a', 'b', 'a'] as const)
          t.equal(await pair.says(from, 700), '', `${from} is not heard any more`)
      }
      const story = async (
        name: string,
        happen: (pair: Pair) => Promise<void>,
        first: 'a' | 'b',
        what = 'tcp udp',
        rules = () => open,
      ): Promise<void> => {
        await t.test(name, async t => {
          await net.rules(rules())
          const pair = await Pair.open(net)
          try {
            await happen(pair)
            await goesOn(t, pair, first, what)
            await stops(t, pair)
          } finally {
            pair.end()
          }
        })
      }

      await story('a moves, b speaks first', pair => pair.move('a'), 'b')
      await story('a moves back, a speaks first', pair => pair.move('a'), 'a')
      await story('b moves, a speaks first', pair => pair.move('b'), 'a')
      // A datagram of who answers could be the first of a connection of its own, which nobody allows.
      await story('b moves back, b speaks first', pair => pair.move('b'), 'b', 'tcp')
      await story(
        'both move, to one switch',
        async pair => {
          await pair.move('a')
          await pair.move('b')
        },
        'a',
      )
      await story('and one goes', pair => pair.move('b'), 'a')
      await story('and the other', pair => pair.move('a'), 'b')
      // Two are there, and two there may be: the switch that decides now takes them over.
      // A rule of its own each: older ones send their last words again and again, and places outlive a rule for a minute.
      const counted = () => {
        const port = lastPort + 1
        const services = `tcp 8080 source ${port}, udp 5353 source ${port}`
        return `default drop\nof-${port}: allow ${services} from ${ipOfA} to ${ipOfB} max 2 connections\n`
      }
      const move = (pair: Pair) => pair.move('a')
      await story('a moves, under a rule that counts', move, 'a', 'tcp udp', counted)
      await story('and back', move, 'a', 'tcp udp', counted)
      const restart = async (name: string): Promise<void> => {
        await net.stage.rig.restartSwitch(name)
        await sleep(1_000)
        await net.settled()
      }
      await story("a's switch starts anew, b speaks first", () => restart('s1'), 'b')
      await story("b's switch starts anew, a speaks first", () => restart('s2'), 'a')
      await story(
        'all start anew, a speaks first',
        async () => {
          for (const name of ['s1', 's2', 's3']) await restart(name)
        },
        'a',
      )
      const forget = (name: string) => net.stage.rig.appctl(name, 'dpctl/flush-conntrack')
      await story(
        "a's switch has forgotten, a speaks first",
        async () => {
          await forget('s1')
        },
        'a',
      )
      await t.test("a's switch has forgotten, and b speaks first", async t => {
        await net.rules(open)
        const pair = await Pair.open(net)
        await forget('s1')
        await pair.says('b', 500)
        await stops(t, pair)
        pair.end()
      })

      await t.test('without a policy all go on, whoever speaks first', async t => {
        await net.controller.send('DELETE', '/api/v1/policies/firewall?wait=installed')
        const pair = await Pair.open(net)
        await pair.move('b')
        await goesOn(t, pair, 'b')
        await pair.move('a')
        await goesOn(t, pair, 'b')
        await restart('s3')
        await goesOn(t, pair, 'b')
        await restart('s3')
        await goesOn(t, pair, 'a')
        await stops(t, pair)
        await pair.move('a')
        await pair.move('b')
        for (const from of ['b', 'a'] as const) t.equal(await pair.says(from, 700), '')
        pair.end()
      })

      await t.test('at random', async t => {
        const dice = seeded(20_261_130)
        await net.rules(open)
        const pair = await Pair.open(net)
        let isOpen = true
        const said: string[] = []
        for (let step = 0; step < 40; step++) {
          const event = pick(dice, [
            'a',
            'b',
            'a',
            'b',
            'move',
            'forget',
            'restart',
            'edit',
            'edit',
          ])
          said.push(event)
          if (event === 'move') await pair.move(pick(dice, ['a', 'b']))
          else if (event === 'forget') await forget(pick(dice, ['s1', 's2', 's3']))
          else if (event === 'restart') await restart(pick(dice, ['s1', 's2', 's3']))
          else if (event === 'edit') {
            isOpen = !isOpen
            await net.rules(isOpen ? open : shut)
            await sleep(100)
          } else {
            const heard = await pair.says(event as 'a' | 'b', isOpen ? 2_000 : 500, 'udp')
            const isWrong = isOpen ? event === 'a' && heard !== 'udp' : heard !== ''
            if (isWrong) t.fail(`${isOpen ? 'open' : 'shut'}: "${heard}" after ${said.join(' ')}`)
          }
        }
        t.pass(said.join(' '))
        pair.end()
      })
    },
    lab,
  )
})

type Tap = Pick<typeof t, 'equal'>
