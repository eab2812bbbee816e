/** Rules that count what they allow, on real Open vSwitch: rates, caps, half-open, and what a dead controller means. */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { tableId } from '../../../src/pipeline/tables.js'
import { type HostName, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 280_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Opens sessions one after the other, and says which of them run. */
const open = async (lab: TwoSwitches, from: HostName, to: HostName, names: string[]) => {
  // Two SYNs, three seconds: who is not let in gives up soon.
  await lab.inHost(from, 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=1')
  const running: string[] = []
  for (const name of names) {
    const tries = () =>
      lab.stage.openSession(name, from, to, 'tcp', 443, 50).then(
        () => true,
        () => false,
      )
    // A machine with much to do may need longer than that; who is refused is refused twice.
    if ((await tries()) || (await tries())) running.push(name)
  }
  return running
}

/** Which of them got something within half a second. */
const flowing = async (lab: TwoSwitches, names: readonly string[]) => {
  const look = () => Promise.all(names.map(name => lab.stage.sessionState(name)))
  const before = await look()
  await sleep(500)
  const after = await look()
  return names.filter((_, at) => after[at]!.received > before[at]!.received)
}

t.test('rates and caps hold on Open vSwitch', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    await t.test('limit per source', async t => {
      await lab.rules('default drop\nweb: allow tcp 80 from any to any\n')
      t.equal(await lab.attempts('a', 'c', 80, 8), 'oooooooo', 'without a limit all come through')
      await lab.rules('default drop\nweb: allow tcp 80 from any to any limit 5/hour per source\n')
      // Where the machine is busy one that was let in may come too late to be seen.
      t.match(
        await lab.attempts('a', 'c', 80, 7),
        /^(?=.*o.*o.*o.*o)[os]{5}ss$/,
        'five, and no more',
      )
      t.equal(await lab.attempts('b', 'c', 80, 2), 'oo', 'another source has its own')
      t.match((await lab.events('rule-limited')).at(-1), {
        rule: 'web',
        beyond: 'limit 5/hour per source',
        source: '10.1.0.1',
      })
    })

    await t.test('limit of all, over two switches', async t => {
      await lab.rules('default drop\nweb: allow tcp 80 from any to any limit 3/hour\n')
      t.equal(await lab.attempts('a', 'c', 80, 2), 'oo')
      t.equal(await lab.attempts('c', 'a', 80, 2), 'os', 'it is decided at the other switch')
    })

    await t.test('pings, each a connection of its own; and IPv6', async t => {
      const ping = (from: HostName, to: string, count: number) =>
        Array.from({ length: count }).reduce<Promise<string>>(async before => {
          const said = await before
          const isBack = await lab.inHost(from, 'ping', '-c1', '-W1', to).then(
            () => true,
            () => false,
          )
          return said + (isBack ? 'o' : 's')
        }, Promise.resolve(''))
      await lab.rules('default drop\nping: allow icmp echo-request limit 3/hour per source\n')
      t.equal(await ping('a', '10.2.0.10', 5), 'oooss')
      t.equal(await ping('b', '10.2.0.10', 1), 'o')

      for (const [host, address] of [
        ['a', 'fd00::1'],
        ['c', 'fd00::10'],
      ] as const)
        await lab.inHost(host, 'ip', 'addr', 'add', `${address}/16`, 'dev', 'eth0', 'nodad')
      await lab.rules('default drop\nping: allow icmp6 echo-request\n')
      t.match(await ping('a', 'fd00::10', 3), /o$/, 'known to one another')
      await lab.rules('default drop\nping: allow icmp6 echo-request limit 2/hour per source\n')
      t.equal(await ping('a', 'fd00::10', 4), 'ooss')
      t.match((await lab.events('rule-limited')).at(-1), { source: 'fd00::1', protocol: 58 })
    })

    await t.test('udp: the first answer may be late, and only one place is taken', async t => {
      await lab.rules('default drop\ndns: allow udp 53 from any to any limit 2/hour per source\n')
      t.equal(await lab.attempts('a', 'c', 53, 3, 'udp'), 'oos')
    })

    await t.test(
      'max connections per source; a place is free when its connection ends',
      async t => {
        const rule = 'default drop\nweb: allow tcp 443 from any to any'
        await lab.rules(`${rule}\n`)
        t.same(await open(lab, 'a', 'c', ['x1', 'x2', 'x3', 'x4']), ['x1', 'x2', 'x3', 'x4'])
        for (const name of ['x1', 'x2', 'x3', 'x4']) await lab.stage.closeSession(name)
        await lab.rules(`${rule} max 3 connections per source\n`)
        const names = ['s1', 's2', 's3', 's4']
        t.same(await open(lab, 'a', 'c', names), ['s1', 's2', 's3'])
        t.same(await open(lab, 'b', 'c', ['o1']), ['o1'], 'another source has its own')
        t.match((await lab.events('rule-limited')).at(-1), {
          beyond: 'max 3 connections per source',
        })
        await lab.stage.closeSession('s1')
        await sleep(8_000)
        t.same(await open(lab, 'a', 'c', ['s5', 's6']), ['s5'])

        await lab.rules(`${rule} max 4 connections per source\n`)
        t.same(
          await flowing(lab, ['s2', 's3', 's5', 'o1']),
          ['s2', 's3', 's5', 'o1'],
          'kept by an edit',
        )
        t.same(await open(lab, 'a', 'c', ['s7', 's8']), ['s7'])

        await lab.controller.kill()
        t.same(await flowing(lab, ['s2', 's3', 's5', 's7']), ['s2', 's3', 's5', 's7'])
        t.same(await open(lab, 'b', 'c', ['o2']), [], 'nobody is let in without a controller')
        await lab.restart()
        await sleep(500)
        t.same(await open(lab, 'a', 'c', ['s9']), [], 'a restart forgets no place')
        t.same(await open(lab, 'b', 'c', ['o3']), ['o3'])
        t.same(await flowing(lab, ['s2', 's3', 's5', 's7']), ['s2', 's3', 's5', 's7'])
        for (const name of ['s2', 's3', 's5', 's7', 'o1', 'o3']) await lab.stage.closeSession(name)
      },
    )

    await t.test('max half-open per source', async t => {
      const places = async () =>
        (await lab.rows('s1', tableId.counted)).filter(row => row.includes('priority=10')).length
      await lab.rules(
        'default drop\nweb: allow tcp 80 from any to any max 2 half-open per source\n',
      )
      t.equal(await lab.attempts('a', 'c', 80, 4), 'oooo', 'handshakes that are done do not count')
      // c gets the SYN, and its answer goes nowhere.
      await lab.inHost('c', 'ip', 'route', 'add', 'blackhole', '10.1.0.1/32')
      await lab.rules(
        'default drop\nweb: allow tcp 22 from any to any max 2 half-open per source\n',
      )
      await sleep(6_000)
      const before = await places()
      t.equal(await lab.attempts('a', 'c', 22, 3), 'sss')
      t.equal((await places()) - before, 2, 'the third was not let in')
      t.match((await lab.events('rule-limited')).at(-1), { beyond: 'max 2 half-open per source' })
      t.equal(await lab.attempts('b', 'c', 22, 1), 'o')
      await lab.inHost('c', 'ip', 'route', 'del', 'blackhole', '10.1.0.1/32')
    })
  })
})
