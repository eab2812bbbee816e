import t from 'tap'
import { formatIpv4, formatIpv6, type Ip, type Mac } from '../../src/base/addresses.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { readPacket } from '../../src/pipeline/packet.js'
import { HostAgeing, hostCookie } from '../../src/topology/hosts/host-ageing.js'
import { type Claim, claimOf } from '../../src/topology/hosts/host-frames.js'
import { defaultHosts, type HostOptions, HostTracker } from '../../src/topology/hosts/hosts.js'
import type { Host } from '../../src/topology/model.js'
import { at, nameOf } from './wires.js'

const macOf = (number: number): Mac =>
  `02:00:00:${[16, 8, 0].map(shift => ((number >> shift) & 255).toString(16).padStart(2, '0')).join(':')}` as Mac
const ipOf = (number: number): Ip => `10.0.${number >> 8}.${number & 255}` as Ip

/** The address that a question is for. */
const askedFor = (frame: Uint8Array): Ip | undefined => {
  const { arp_tpa, nd_target } = readPacket(frame).fields
  if (typeof arp_tpa === 'number') return formatIpv4(arp_tpa)
  return typeof nd_target === 'bigint' ? formatIpv6(nd_target) : undefined
}

/** A network in which hosts that are there answer when they are asked. */
const field = (options: Partial<HostOptions> = {}) => {
  const env = new SimulatedEnv()
  const log: string[] = []
  const down = new Set<string>()
  const roaming = new Set<string>()
  const hung = new Set<string>()
  /** Who sits where, by MAC. */
  const sitting = new Map<Mac, { readonly port: string; readonly ips: readonly Ip[] }>()
  let asked = 0
  const tracker = new HostTracker(
    env,
    {
      async ask(ref, network, frames) {
        if (hung.has(nameOf(ref))) return new Promise(() => undefined)
        asked += frames.length
        for (const frame of frames) {
          const to = claimOf({ eth_src: readPacket(frame).fields.eth_dst! }, ref, network)?.mac
          const who = to && sitting.get(to)
          const ip = askedFor(frame)
          if (to && who?.port === nameOf(ref) && ip && who.ips.includes(ip))
            env.timers.after(5, () => tracker.learn({ mac: to, ips: [ip], at: ref, network }))
        }
      },
      send: (_ref, _network, frames) => {
        asked += frames.length
      },
      isUp: ref => !down.has(nameOf(ref)),
      isRoaming: ref => roaming.has(nameOf(ref)),
      guardAt: () => options.guard ?? defaultHosts.guard,
      notItsMac: () => undefined,
      notItsAddress: () => undefined,
    },
    { ...defaultHosts, ...options },
  )
  const say = (what: string, host: Host, more = '') =>
    log.push(`${what} ${host.mac.slice(-2)} ${nameOf(host.at)} ${host.ips.join()}${more}`)
  tracker.on('host-learnt', host => say('learnt', host))
  tracker.on('host-changed', host => say('changed', host))
  tracker.on('host-gone', (host, reason) => say('gone', host, `: ${reason}`))
  tracker.on('host-refused', (claim, reason) =>
    log.push(`refused ${claim.mac.slice(-2)} ${nameOf(claim.at)}: ${reason}`),
  )
  const claim = (number: number, port: string, ...ips: Ip[]): Claim => ({
    mac: macOf(number),
    ips,
    at: at(port),
    network: 1,
  })
  /** It sits there, answers there, and has just spoken. */
  const sit = (number: number, port: string, ...ips: Ip[]) => {
    sitting.set(macOf(number), { port, ips })
    return tracker.learn(claim(number, port, ...ips))
  }
  const placeOf = (number: number) => {
    const host = tracker.table.get(1, macOf(number))
    return host && nameOf(host.at)
  }
  return {
    env,
    log,
    down,
    roaming,
    hung,
    sitting,
    tracker,
    claim,
    sit,
    placeOf,
    asked: () => asked,
    news: () => log.splice(0),
  }
}

t.test('a host is learnt with its addresses, one after the other', async t => {
  const { sit, news, tracker } = field()
  t.equal(sit(1, '1:1', ipOf(1)), true)
  t.equal(sit(1, '1:1', 'fd00::1' as Ip), true)
  t.same(news(), ['learnt 01 1:1 10.0.0.1', 'changed 01 1:1 10.0.0.1,fd00::1'])
  t.equal(sit(1, '1:1', ipOf(1)), true)
  t.same(news(), [], 'what is known is no news')
  t.same(tracker.hostsAt(at('1:1')), ['02:00:00:00:00:01'])
  t.same(tracker.hostsAt(at('1:2')), [])
})

t.test('a move is believed when the old place is silent', async t => {
  const { env, sit, placeOf, tracker, claim } = field()
  sit(1, '1:1', ipOf(1))
  t.equal(sit(1, '2:1', ipOf(1)), false, 'not at once')
  t.equal(placeOf(1), '1:1')
  await env.advance(310)
  t.equal(placeOf(1), '2:1')
  t.equal(tracker.learn(claim(1, '2:1', ipOf(1))), true)
})

t.test(
  'a move from a port that is down, or between roaming ports, is believed at once',
  async t => {
    const { sit, placeOf, down, roaming, asked } = field()
    sit(1, '1:1', ipOf(1))
    down.add('1:1')
    t.equal(sit(1, '2:1', ipOf(1)), true)
    t.equal(placeOf(1), '2:1')
    roaming.add('2:1').add('3:1')
    t.equal(sit(1, '3:1', ipOf(1)), true)
    t.equal(placeOf(1), '3:1')
    t.equal(asked(), 0)
  },
)

t.test('from a wired place to a roaming port the old place is asked as ever', async t => {
  const { env, sit, tracker, claim, placeOf, roaming, news } = field()
  roaming.add('2:1')
  sit(1, '1:1', ipOf(1))
  tracker.learn(claim(1, '2:1', ipOf(1)))
  await env.advance(1_000)
  t.equal(placeOf(1), '1:1')
  t.match(news().at(-1), 'refused 01 2:1: 02:00:00:00:00:01 answers at')
})

t.test('100 true moves: all accepted, within the time to ask', async t => {
  const { env, sit, placeOf } = field()
  const times: number[] = []
  for (let number = 1; number <= 100; number++) sit(number, '1:1', ipOf(number))
  for (let number = 1; number <= 100; number++) {
    const began = env.clock.nowMillis()
    sit(number, '2:1', ipOf(number))
    await env.until(() => placeOf(number) === '2:1', 1_000)
    times.push(env.clock.nowMillis() - began)
  }
  t.ok(Math.max(...times) <= 301, `the slowest took ${Math.max(...times)} ms`)
})

for (const guard of ['off', 'default', 'strict'] as const) {
  t.test(
    `1,000 tries to take a MAC, an address or both from hosts that answer, guard ${guard}`,
    async t => {
      const { env, sit, tracker, claim, placeOf } = field({ guard })
      for (let number = 1; number <= 10; number++) sit(number, '1:1', ipOf(number))
      let stolen = 0
      for (let run = 0; run < 1_000; run++) {
        const victim = (run % 10) + 1
        const kind = run % 3
        const attempt =
          kind === 0
            ? claim(victim, '2:1', ipOf(victim))
            : kind === 1
              ? claim(99, '2:1', ipOf(victim))
              : claim(victim, '2:1')
        if (tracker.learn(attempt)) stolen++
        await env.advance(kind === 2 ? 700 : 37)
        const holder = tracker.table.holderOf(1, ipOf(victim))
        if (placeOf(victim) !== '1:1' || holder?.mac !== macOf(victim)) stolen++
      }
      t.equal(stolen > 0, guard === 'off')
      tracker.stop()
    },
  )
}

t.test('a switch that cannot be asked gives nothing away', async t => {
  const { env, sit, tracker, claim, placeOf, hung } = field()
  sit(1, '1:1', ipOf(1))
  hung.add('1:1')
  tracker.learn(claim(1, '2:1', ipOf(1)))
  await env.advance(60_000)
  t.equal(placeOf(1), '1:1')
})

for (const guard of ['default', 'strict'] as const)
  t.test(`a host without an address cannot be asked, guard ${guard}`, async t => {
    const { env, sit, tracker, claim, placeOf, news, down } = field({ guard })
    sit(1, '1:1')
    tracker.learn(claim(1, '2:1'))
    t.equal(placeOf(1), guard === 'strict' ? '1:1' : '2:1')
    for (let run = 0; run < 10; run++) {
      tracker.learn(claim(1, run % 2 === 0 ? '1:1' : '2:1'))
      await env.advance(10)
    }
    t.equal(news().filter(line => line.startsWith('changed')).length, guard === 'strict' ? 0 : 1)
    down.add('1:1')
    await env.advance(1_000)
    tracker.learn(claim(1, '2:1'))
    t.equal(placeOf(1), '2:1')
  })

t.test('what is declared is asked of nobody and moves nowhere', async t => {
  const { env, sit, tracker, claim, placeOf, asked, news } = field()
  sit(2, '2:1', ipOf(1))
  tracker.declare({
    mac: macOf(1),
    ips: [ipOf(1)],
    at: at('1:1'),
    network: 1,
    name: 'web1',
    isPinned: true,
  })
  t.equal(tracker.table.holderOf(1, ipOf(1))?.mac, macOf(1), 'it has its address, whoever had it')
  news()
  tracker.learn(claim(1, '2:1', ipOf(1)))
  tracker.learn(claim(2, '2:1', ipOf(1)))
  await env.advance(5_000)
  t.equal(placeOf(1), '1:1')
  t.equal(asked(), 0)
  t.same(news(), [
    'refused 01 2:1: 02:00:00:00:00:01 is declared elsewhere',
    'refused 02 2:1: 10.0.0.1 is declared elsewhere',
  ])
})

t.test('quotas: hosts on a port, and under guard strict addresses of a host', async t => {
  const { tracker, claim, news } = field({ hostsPerPort: 3, ipsPerHost: 2, guard: 'strict' })
  for (let number = 1; number <= 100_000; number++) tracker.learn(claim(number % 5_000, '1:1'))
  t.equal(tracker.table.size, 3)
  news()
  for (let number = 1; number <= 4; number++) tracker.learn(claim(1, '1:1', ipOf(number)))
  t.equal(tracker.table.get(1, macOf(1))?.ips.length, 2)
  t.match(news().at(-1), 'more than 2 addresses on one host')
})

t.test('addresses without end: the oldest of the port make room', async t => {
  const { tracker, claim, sit, news } = field({ addressesPerPort: 100 })
  sit(2, '1:1', ipOf(1))
  let passed = 0
  for (let number = 2; number <= 5_000; number++)
    if (tracker.learn(claim(1, '1:1', ipOf(number)))) passed++
  t.equal(passed, 4_999)
  t.equal(tracker.table.get(1, macOf(1))?.ips.length, 99)
  t.equal(tracker.table.holderOf(1, ipOf(5_000))?.mac, macOf(1))
  t.equal(tracker.table.holderOf(1, ipOf(1))?.mac, macOf(2), 'not those of a neighbour with one')
  t.notOk(news().some(line => line.startsWith('refused')))
})

t.test('an address moves to who announces it, unless its holder answers for it', async t => {
  const { env, sit, sitting, tracker, claim, news } = field()
  const vip = ipOf(100)
  const moved: string[] = []
  tracker.on('address-moved', ({ mac }, ip) => moved.push(`${ip} ${mac.slice(-2)}`))
  sit(1, '1:1', ipOf(1), vip)
  sit(2, '2:1', ipOf(2))
  tracker.learn(claim(2, '2:1', vip))
  await env.advance(500)
  t.equal(tracker.table.holderOf(1, vip)?.mac, macOf(1))
  t.match(news().at(-1), 'refused 02 2:1: 10.0.0.100 answers at')
  // It lives on, with its other address.
  sitting.set(macOf(1), { port: '1:1', ips: [ipOf(1)] })
  await env.advance(1_000)
  tracker.learn(claim(2, '2:1', vip))
  await env.advance(100)
  tracker.learn(claim(1, '1:1', ipOf(1)))
  await env.advance(400)
  t.equal(tracker.table.holderOf(1, vip)?.mac, macOf(2))
  t.same(tracker.table.get(1, macOf(1))?.ips, [ipOf(1)])
  t.same(moved, ['10.0.0.100 02'], 'those who know the old MAC are told')
})

t.test('hosts at one port share an address without a question', async t => {
  const { env, sit, sitting, tracker, claim, asked } = field()
  sit(1, '1:1', ipOf(100))
  t.equal(sit(2, '1:1', ipOf(100)), true)
  t.equal(asked(), 0)
  t.same(
    tracker.table.holdersOf(1, ipOf(100)).map(({ mac }) => mac),
    [macOf(1), macOf(2)],
  )
  // The second gives it up; who asks finds out.
  sitting.set(macOf(2), { port: '1:1', ips: [] })
  await env.advance(4_000)
  tracker.doubt(1, ipOf(100))
  await env.advance(400)
  t.same(
    tracker.table.holdersOf(1, ipOf(100)).map(({ mac }) => mac),
    [macOf(1)],
  )
  t.equal(tracker.learn(claim(3, '2:1', ipOf(100))), false, 'from another port the holder is asked')
})

t.test('an address that is asked for, and not answered for, is lost at once', async t => {
  const { env, sit, sitting, tracker, news } = field()
  const lost: Ip[] = []
  tracker.on('address-lost', (_, ip) => lost.push(ip))
  sit(1, '1:1', ipOf(1), ipOf(2))
  sitting.set(macOf(1), { port: '1:1', ips: [ipOf(1)] })
  await env.advance(4_000)
  tracker.doubt(1, ipOf(1))
  tracker.doubt(1, ipOf(2))
  await env.advance(400)
  t.same(lost, [ipOf(2)])
  t.same(tracker.table.get(1, macOf(1))?.ips, [ipOf(1)])
  t.match(news().at(-1), 'changed 01 1:1 10.0.0.1')
})

t.test('what a router passes on is not its address', async t => {
  const { tracker, sit, asked } = field()
  sit(1, '1:1', ipOf(1))
  const router = { mac: macOf(9), ips: [], at: at('2:1'), network: 1 }
  t.equal(tracker.learn({ ...router, carried: ipOf(1) }), true)
  t.same(tracker.table.get(1, macOf(9))?.ips, [])
  t.equal(asked(), 0, 'whose it is, is known')
  t.equal(tracker.learn({ ...router, mac: macOf(8), carried: ipOf(77) }), true)
  t.equal(asked(), 1, 'whether it is its own is asked')
})

t.test('10,000 hosts are learnt in less than a second, and found by address', async t => {
  const { tracker, claim } = field()
  const began = performance.now()
  for (let number = 1; number <= 10_000; number++)
    tracker.learn(claim(number, `${(number % 100) + 1}:${(number % 7) + 1}`, ipOf(number)))
  t.ok(performance.now() - began < 1_000)
  t.equal(tracker.table.size, 10_000)
  t.equal(tracker.table.holderOf(1, ipOf(7_777))?.mac, macOf(7_777))
})

t.test('the same MAC in two networks is two hosts', async t => {
  const { tracker, claim } = field()
  tracker.learn(claim(1, '1:1', ipOf(1)))
  tracker.learn({ ...claim(1, '2:1', ipOf(1)), network: 2 })
  t.equal(tracker.table.size, 2)
})

t.test('where a switch is heard, hosts that answer stay and the others go', async t => {
  const { env, sit, sitting, tracker, news } = field()
  sit(1, '1:1', ipOf(1))
  sit(2, '1:1', ipOf(2))
  sitting.delete(macOf(2))
  news()
  tracker.challenge(at('1:1'))
  await env.advance(400)
  t.same(news(), ['gone 02 1:1 10.0.0.2: it does not answer where a switch was heard'])
})

/** Packets of each host are counted; those that send get a higher count at each look. */
const ageing = (options: Partial<HostOptions> = {}) => {
  const parts = field({ idleMillis: 300_000, ...options })
  const sending = new Set<number>()
  let looks = 0n
  const aged = new HostAgeing(
    parts.env,
    parts.tracker,
    {
      async hostPackets() {
        looks++
        return new Map(
          [...sending].map(number => [hostCookie({ network: 1, mac: macOf(number) }), looks]),
        )
      },
      isConnected: () => true,
      isUp: ref => !parts.down.has(nameOf(ref)),
    },
    { ...defaultHosts, idleMillis: 300_000, ...options },
  )
  aged.start()
  return { ...parts, sending, aged }
}

t.test(
  'a host that sends stays, one that is idle and answers stays, one that is silent goes',
  async t => {
    const { env, sit, sitting, sending, news, asked, aged, tracker } = ageing()
    sit(1, '1:1', ipOf(1))
    sit(2, '1:1', ipOf(2))
    sit(3, '1:1', ipOf(3))
    sending.add(1)
    sitting.delete(macOf(1))
    sitting.delete(macOf(3))
    news()
    await env.advance(290_000)
    t.equal(asked(), 0, 'nobody is asked before')
    await env.advance(20_000)
    t.same(news(), ['gone 03 1:1 10.0.0.3: idle, and it does not answer', 'changed 01 1:1 '])
    await env.advance(1_000_000)
    t.same(news(), [], 'the first is counted, the second answers whenever it is asked')
    t.ok(asked() < 40, `${asked()} questions`)
    t.same(tracker.table.get(1, macOf(1))?.ips, [], 'an address for which it never answers is not')
    aged.stop()
  },
)

t.test('a thousand idle hosts of one port are asked a few at a time', async t => {
  const { env, sit, asked, news, aged } = ageing()
  for (let number = 1; number <= 1_000; number++) sit(number, '1:1', ipOf(number))
  news()
  await env.advance(300_000)
  const before = asked()
  await env.advance(2_100)
  t.ok(asked() - before <= 120, `${asked() - before} questions in 2 s`)
  await env.advance(60_000)
  t.same(news(), [], 'and all of them stay')
  aged.stop()
})

t.test(
  'idle behind a port that is down is gone; behind a switch that is away it stays',
  async t => {
    const { env, sit, down, hung, sitting, news, aged } = ageing()
    sit(1, '1:1', ipOf(1))
    sit(2, '2:1', ipOf(2))
    sitting.clear()
    hung.add('2:1')
    down.add('1:1')
    news()
    await env.advance(400_000)
    t.same(news(), ['gone 01 1:1 10.0.0.1: idle, and its port is down'])
    aged.stop()
  },
)
