/** Under guard level strict each switch has the rules for its own hosts, and for all; who comes to a switch comes in with the rules for it. */
import t from 'tap'
import { until } from '../until.js'
import { lab, type Office, office, settled } from './office.js'

/** Names of rules that a switch has rows of, the built-in one and the default aside. */
const rulesAt = async (at: Office, name: string): Promise<string[]> => {
  const { items } = await at.call<{ items: { origin?: string }[] }>(
    'GET',
    `/api/v1/flows?name=${name}`,
  )
  const names = items.flatMap(({ origin }) => /^policy\/p\/(\S+)/.exec(origin ?? '')?.[1] ?? [])
  return [...new Set(names)].filter(each => each !== 'default').sort()
}

const ipOf = (name: string): string =>
  lab.spec.hosts.find(host => host.name === name)!.ips[0]!.split('/')[0]!
const switchOf = (name: string): string => lab.spec.hosts.find(host => host.name === name)!.at.name

t.test('each switch has what concerns its hosts', { timeout: 60_000 }, async t => {
  const at = await office(t, { guard: 'strict' })
  const [ann, web] = [switchOf('ann'), switchOf('web')]
  t.not(ann, web, 'the lab has them at two switches')
  await at.call('PUT', '/api/v1/policies/p?wait=installed', {
    source: `default allow
a: drop icmp from ${ipOf('ann')} to ${ipOf('web')}
w: drop icmp from ${ipOf('web')} to ${ipOf('db')}
c: drop icmp from ${ipOf('cat')} to ${ipOf('db')}
every: drop tcp 99 from any to any
towards: drop tcp 98 from any to ${ipOf('web')}
`,
  })
  t.same(await rulesAt(at, ann), ['a', 'every', 'towards'])
  t.same(await rulesAt(at, web), ['a', 'c', 'every', 'towards', 'w'], 'it has db, too')
  t.same(await rulesAt(at, switchOf('cat')), ['c', 'every', 'towards'])

  const host = (name: string) => at.net.host(name)
  t.notOk(await host('ann').ping(host('web').ip!), 'both are denied')
  t.notOk(await host('web').ping(host('db').ip!))
  const other = lab.spec.hosts.find(each => ![ann, web].includes(each.at.name))
  t.ok(await host(other?.name ?? 'bob').ping(host('web').ip!), 'others are not')

  const { items } = await at.call<{ items: { name: string; packets: number }[] }>(
    'GET',
    '/api/v1/rules',
  )
  const counted = new Map(items.map(({ name, packets }) => [name, packets]))
  t.ok(counted.get('a')! > 0 && counted.get('w')! > 0, 'rules count wherever they are')
})

t.test('who is new is denied with its first packet', { timeout: 60_000 }, async t => {
  const at = await office(t, { whole: false, guard: 'strict' })
  await until(async () => {
    const { items } = await at.call<{ items: unknown[] }>('GET', '/api/v1/links')
    return items.length === 2 * (at.network.links?.length ?? 0)
  })
  await at.call('PUT', '/api/v1/policies/p?wait=installed', {
    source: `default allow\na: drop icmp from ${ipOf('ann')} to 10.2.0.0/16\n`,
  })
  await settled(at)
  const web = at.net.host('web')
  await until(async () => {
    web.announce()
    const { items } = await at.call<{ items: { mac: string }[] }>('GET', '/api/v1/hosts')
    return items.some(({ mac }) => mac === web.mac)
  })
  t.same(await rulesAt(at, switchOf('ann')), [], 'nobody is known there yet')
  // It is asked about what is opened to web, too.
  await until(async () => (await rulesAt(at, switchOf('web'))).join() === 'a')
  let heard = 0
  const { receive } = web
  web.receive = frame => {
    // An ICMP echo request.
    if (frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === 8) heard++
    receive.call(web, frame)
  }
  t.notOk(await at.net.host('ann').ping(web.ip!, { timeoutMillis: 2_000 }))
  t.equal(heard, 0)
  t.same(await rulesAt(at, switchOf('ann')), ['a'], 'the rule came with the host')
  const bob = at.net.host('bob')
  t.ok(await again(() => bob.ping(web.ip!, { timeoutMillis: 1_000 })), 'this way is open to others')
  t.ok(heard > 0, 'and a request would have been heard')
})

const again = async (ask: () => Promise<unknown>): Promise<boolean> => {
  for (let tries = 0; tries < 5; tries++) if (await ask()) return true
  return false
}

t.test('where any source may come, all rules are', { timeout: 60_000 }, async t => {
  const at = await office(t)
  const [ann, web] = [switchOf('ann'), switchOf('web')]
  await at.call('PUT', '/api/v1/policies/p?wait=installed', {
    source: `default allow
a: drop icmp from ${ipOf('ann')} to any
far: drop icmp from 203.0.113.7 to any
`,
  })
  for (const name of [ann, web]) t.same(await rulesAt(at, name), ['a', 'far'])
})
