/** What rules name beside addresses, on real Open vSwitch: a VLAN, the beginning of a MAC, and code points of packets. */
import { spawn } from 'node:child_process'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { until } from '../../until.js'
import { end, type HostName, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

const macOf = async (lab: TwoSwitches, host: HostName): Promise<string> =>
  (await lab.inHost(host, 'cat', '/sys/class/net/eth0/address')).trim()

/** Resolves when hosts are known by their addresses. */
const known = (lab: TwoSwitches, ...macs: readonly string[]) =>
  until(async () => {
    const { items } = await lab.controller.get<{ items: { mac: string; ips: string[] }[] }>(
      '/api/v1/hosts',
    )
    return macs.every(mac => items.some(each => each.mac === mac && each.ips.length > 0))
  }, 20_000)

t.test('a VLAN is the network with its number, on both switches', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const objects = [
      { kind: 'Network', name: 'blue', spec: { number: 20, access: ['s1:2', 's2:1', 's2:2'] } },
    ]
    await lab.controller.send('POST', '/api/v1/objects?wait=installed', { objects })
    await lab.rules('default allow\n')
    for (const to of ['c', 'd'] as const)
      await until(async () => (await lab.stage.attempt('b', to, 'tcp', 80)) === 'open', 20_000)
    const rule = (number: number) =>
      `default drop\nweb: allow tcp 80 from vlan ${number} to vlan 20 except 10.2.0.20\n`
    await lab.rules(rule(20))
    // No subnet is declared: its hosts are meant, as they become known.
    for (const [from, to] of [
      ['b', 'c'],
      ['c', 'b'],
    ] as const)
      await until(async () => (await lab.stage.attempt(from, to, 'tcp', 80)) === 'open', 20_000)
    t.equal(await lab.stage.attempt('b', 'd', 'tcp', 80), 'silent', 'it is excepted')
    t.equal(await lab.stage.attempt('b', 'c', 'tcp', 22), 'silent')
    await lab.rules(rule(21))
    t.equal(await lab.stage.attempt('b', 'c', 'tcp', 80), 'silent', 'nobody is in that VLAN')
  })
})

t.test('hosts whose MAC begins so, and answers with another MAC', root, async t => {
  await withTwoSwitches(env, async lab => {
    await lab.rules('default allow\n')
    for (const [from, to] of [
      ['a', 'c'],
      ['b', 'c'],
    ] as const)
      await until(async () => (await lab.stage.attempt(from, to, 'tcp', 80)) === 'open', 20_000)
    const [a, b, c] = await Promise.all((['a', 'b', 'c'] as const).map(one => macOf(lab, one)))
    await known(lab, a!, b!, c!)
    await lab.rules(`default drop\nweb: allow tcp 80 from mac ${a} to 10.2.0.10\n`)
    t.equal(await lab.stage.attempt('a', 'c', 'tcp', 80), 'open')
    t.equal(await lab.stage.attempt('b', 'c', 'tcp', 80), 'silent')
    const first = `${a!.slice(0, 2)}:00:00:00:00:00/8`
    await lab.rules(`default drop\nweb: allow tcp 80 from mac ${first} to mac ${c}\n`)
    t.equal(await lab.stage.attempt('a', 'c', 'tcp', 80), 'open')
    t.equal(await lab.stage.attempt('b', 'c', 'tcp', 80), 'open')
    t.equal(await lab.stage.attempt('b', 'd', 'tcp', 80), 'silent')
  })
})

/** Sends back what it gets with a code point of its own, until its input ends. */
const echoing = `import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.2.0.10', 20000))
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 46 << 2)
while sys.stdin not in select.select([s, sys.stdin], [], [])[0]:
    data, who = s.recvfrom(2000)
    s.sendto(data, who)
`
/** Says for each code point whether an answer came back. */
const asking = `import socket, sys
for point in sys.argv[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(point) << 2)
    s.settimeout(0.7)
    answer = '-'
    for again in range(3):
        s.sendto(b'x' * 1000, ('10.2.0.10', 20000))
        try:
            s.recv(2000)
            answer = '+'
            break
        except OSError:
            pass
    sys.stdout.write(answer)
`

t.test('code points are looked at in each packet, at both ends', root, async t => {
  await withTwoSwitches(env, async lab => {
    const [enter = '', ...words] = lab.stage.enter('c')
    const echo = spawn(enter, [...words, '/usr/bin/python3', '-c', echoing], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    try {
      const asked = (...points: number[]) =>
        lab.inHost('a', '/usr/bin/python3', '-c', asking, ...points.map(String))
      await lab.rules('default drop\nway: allow-stateless udp\n')
      await until(async () => (await asked(0)).trim() === '+', 20_000)
      const rules = (back: string) => `default drop
  out:  allow-stateless udp 20000 from 10.1.0.1 to 10.2.0.10 dscp ef, 10
  back: allow-stateless udp source 20000 from 10.2.0.10 to 10.1.0.1${back}
  `
      await lab.rules(rules(' dscp ef'))
      t.equal((await asked(46, 10, 0, 34)).trim(), '++--')
      await lab.rules(rules(' dscp af41'))
      t.equal((await asked(46, 10, 0)).trim(), '---', 'the answer has another one')
      await lab.rules(rules(''))
      t.equal((await asked(46, 0)).trim(), '+-')
    } finally {
      await end(echo)
    }
  })
})
