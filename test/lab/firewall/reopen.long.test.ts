/**
 * TCP connections that are opened anew from the same ports on real Open vSwitch, while conntrack still holds the old one:
 * their client, or both ends, have forgotten them as in a power cut, or the rules had cut them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { type HostName, hostAddresses, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))
const script = new URL('../../../../test/lab/firewall/reopen.py', import.meta.url).pathname

class Speaker {
  readonly #child: ReturnType<typeof spawn>
  readonly #lines: AsyncIterator<string>

  constructor(net: TwoSwitches, host: HostName, ...words: string[]) {
    const [command = '', ...rest] = [...net.stage.enter(host), '/usr/bin/python3', script, ...words]
    this.#child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value as string
  }

  async ask(command: string): Promise<string> {
    this.#child.stdin!.write(`${command}\n`)
    return this.line()
  }

  async end(): Promise<void> {
    this.#child.stdin!.end()
    await once(this.#child, 'exit')
  }
}

let lastPort = 800
const serverPort = 2049

interface Pair {
  readonly client: Speaker
  readonly server: Speaker
  readonly port: number
}

const v6 = { a: 'fd00::1:1', c: 'fd00::2:10' } as const
const open = `default drop
nfs: allow tcp ${serverPort} from ${hostAddresses.a}, ${v6.a} to ${hostAddresses.b}, ${hostAddresses.c}, ${v6.c}
`

/** An open connection from a, from a port that nobody had before; ends with the work. */
const withPair = async (
  net: TwoSwitches,
  [own, address, host]: readonly [own: string, address: string, host: HostName],
  work: (pair: Pair) => Promise<void>,
): Promise<void> => {
  const port = ++lastPort
  const server = new Speaker(net, host, 'server', address, String(serverPort))
  const client = new Speaker(net, 'a', 'client', address, String(serverPort), own, String(port))
  try {
    await Promise.all([server.line(), client.line()])
    if ((await client.ask('open')) !== 'open') throw new Error('it does not open at all')
    await client.ask('say')
    await work({ client, server, port })
  } finally {
    await Promise.all([client.end(), server.end()])
  }
}

const ways = {
  'on one switch': [hostAddresses.a, hostAddresses.b, 'b'],
  'over two switches': [hostAddresses.a, hostAddresses.c, 'c'],
  'over two switches, IPv6': [v6.a, v6.c, 'c'],
} as const

t.test('ports of old connections', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async net => {
    for (const to of [hostAddresses.b, hostAddresses.c])
      await net.inHost('a', 'ping', '-c1', '-W2', to).catch(() => '')
    await net.inHost('a', 'ping', '-6', '-c2', '-W2', v6.c).catch(() => '')
    const opensAnew = async (t: Tap, { client }: Pair, seconds: number): Promise<void> => {
      const began = performance.now()
      t.equal(await client.ask(`open ${seconds}`), 'open', 'it opens anew')
      t.comment(`after ${Math.round(performance.now() - began)} ms`)
      t.equal(await client.ask('say'), 'heard', 'and speaks')
      t.equal(await client.ask('say'), 'heard')
    }

    for (const [name, way] of Object.entries(ways)) {
      await net.rules(open)
      await t.test(`the client has forgotten, ${name}`, async t => {
        await withPair(net, way, async pair => {
          await pair.client.ask('forget')
          await opensAnew(t, pair, 5)
        })
      })
      await t.test(`both have forgotten, ${name}`, async t => {
        await withPair(net, way, async pair => {
          await pair.client.ask('forget')
          await pair.server.ask('forget')
          await opensAnew(t, pair, 8)
        })
      })
      await t.test(`the rules had cut it, ${name}`, async t => {
        await withPair(net, way, async pair => {
          await net.rules('default reject\n')
          // What is cached under the rules of before may still serve a packet or two.
          let said = 'heard'
          for (let tries = 0; tries < 10 && said === 'heard'; tries++)
            said = await pair.client.ask('say')
          t.equal(said, 'reset')
          await pair.server.ask('forget')
          await net.rules(open)
          await opensAnew(t, pair, 8)
        })
      })
    }

    for (const which of [['s1'], ['s1', 's2']])
      await t.test(`the client and ${which.join(' and ')} have forgotten`, async t => {
        await withPair(net, ways['over two switches'], async pair => {
          await pair.client.ask('forget')
          for (const self of which) await net.stage.rig.appctl(self, 'dpctl/flush-conntrack')
          await opensAnew(t, pair, 20)
        })
      })

    await t.test('ports that have a timeout', async t => {
      await net.rules(`service s = tcp ${serverPort} timeout 1h\n${open}`)
      await withPair(net, ways['over two switches'], async pair => {
        await pair.client.ask('forget')
        await pair.server.ask('forget')
        await opensAnew(t, pair, 8)
      })
    })

    await t.test('a rule that counts: it has one place, as before', async t => {
      await net.rules(`${open.trim()} max 1 connections\n`)
      await withPair(net, ways['over two switches'], async pair => {
        await pair.client.ask('forget')
        await pair.server.ask('forget')
        await opensAnew(t, pair, 8)
      })
    })

    await t.test('what is denied now does not open', async t => {
      await net.rules(open)
      await withPair(net, ways['over two switches'], async pair => {
        await pair.client.ask('forget')
        await net.rules('default drop\n')
        t.equal(await pair.client.ask('open 2'), 'silent')
        t.equal(await pair.server.ask('count'), '1', 'the server has not heard of it')
      })
    })

    for (const spoofer of ['b', 'd'] as const)
      await t.test(`a SYN of ${spoofer} in the name of the client ends nothing`, async t => {
        await net.rules(open)
        await withPair(net, ways['over two switches'], async ({ client, server, port }) => {
          const mac = '02:00:00:00:01:03'
          const words = [hostAddresses.c, String(serverPort), hostAddresses.a, String(port), mac]
          for (let count = 0; count < 5; count++)
            await net.inHost(spoofer, '/usr/bin/python3', script, 'syn', ...words)
          for (let count = 0; count < 3; count++) t.equal(await client.ask('say'), 'heard')
          t.equal(await server.ask('count'), '1', 'it is the connection of before')
        })
      })
  })
})

type Tap = Pick<typeof t, 'equal' | 'comment'>
