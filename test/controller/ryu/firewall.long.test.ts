/**
 * The paths of Ryu's firewall, through the story that its book tells: three hosts on a switch, one of them shut
 * out of pings by a rule of higher priority; then two tenants told apart by VLAN. As curl sends it: no content type.
 */
import t, { type Test } from 'tap'
import type { Dpid, Ipv4, Mac } from '../../../src/base/addresses.js'
import type { NetworkSpec } from '../../../src/sim/network.js'
import { until } from '../../until.js'
import { items, type Office, office, whole } from '../office.js'

const sw = '0000000000000001'

const hosts = (count: number): NetworkSpec => ({
  switches: [{ name: 's1', dpid: sw as Dpid }],
  hosts: Array.from({ length: count }, (_, at) => ({
    name: `h${at + 1}`,
    at: { name: 's1', port: at + 1 },
    mac: `00:00:00:00:00:0${at + 1}` as Mac,
    ip: `10.0.0.${at + 1}` as Ipv4,
  })),
  limits: { firstBackoffMillis: 20 },
})

const begin = async (t: Test, count: number) => {
  const at = await office(t, { network: hosts(count), ryuFirewall: true })
  const curl = async (method: string, path: string, body?: string) => {
    const reply = await fetch(`http://${at.ryu}${path}`, {
      method,
      ...(body !== undefined && {
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    })
    const text = await reply.text()
    return reply.ok ? JSON.parse(text) : `${reply.status} ${text}`
  }
  return { at, curl }
}

/** Whether a ping is answered, and whether TCP is (a port that is closed answers as well). */
const reach = async (at: Office, from: string, to: string) => {
  const ip = at.net.host(to).ip as Ipv4
  const patience = { timeoutMillis: 300 }
  const ping = (await at.net.host(from).ping(ip, patience)) !== undefined
  const tcp = await at.net.host(from).attempt(ip, 'tcp', 80, patience)
  return `${ping ? 'ping' : '-'} ${tcp === 'silent' ? '-' : 'tcp'}`
}

t.test('one tenant: rules, priorities, what is listed, what is deleted', async t => {
  const { at, curl } = await begin(t, 3)
  t.same(await curl('GET', '/firewall/module/status'), [{ switch_id: sw, status: 'disable' }])
  t.equal(await reach(at, 'h1', 'h2'), 'ping tcp', 'nothing stops because the paths are served')
  t.same(await curl('PUT', `/firewall/module/enable/${sw}`), [
    { switch_id: sw, command_result: { result: 'success', details: 'firewall running.' } },
  ])
  t.same(await curl('GET', '/firewall/module/status'), [{ switch_id: sw, status: 'enable' }])
  t.equal(await reach(at, 'h1', 'h2'), '- -')

  const add = (body: string) => curl('POST', `/firewall/rules/${sw}`, body)
  t.same(await add('{"nw_src": "10.0.0.1/32", "nw_dst": "10.0.0.2/32", "nw_proto": "ICMP"}'), [
    {
      switch_id: sw,
      command_result: [{ result: 'success', details: 'Rule added. : rule_id=1' }],
    },
  ])
  await add('{"nw_src": "10.0.0.2/32", "nw_dst": "10.0.0.1/32", "nw_proto": "ICMP"}')
  await add('{"nw_src": "10.0.0.2/32", "nw_dst": "10.0.0.3/32"}')
  await add('{"nw_src": "10.0.0.3/32", "nw_dst": "10.0.0.2/32"}')
  t.equal(await reach(at, 'h1', 'h2'), 'ping -')
  t.equal(await reach(at, 'h2', 'h3'), 'ping tcp')
  t.equal(await reach(at, 'h1', 'h3'), '- -')

  const deny = { nw_src: '10.0.0.3/32', nw_dst: '10.0.0.2/32', nw_proto: 'ICMP', actions: 'DENY' }
  await add(JSON.stringify({ ...deny, priority: '10' }))
  await add(JSON.stringify({ ...deny, nw_src: deny.nw_dst, nw_dst: deny.nw_src, priority: '10' }))
  t.equal(await reach(at, 'h2', 'h3'), '- tcp', 'the higher number wins')

  const [listed] = await curl('GET', `/firewall/rules/${sw}`)
  t.equal(listed.switch_id, sw)
  t.equal(listed.access_control_list.length, 1)
  t.same(
    listed.access_control_list[0].rules.find((rule: { rule_id: number }) => rule.rule_id === 5),
    {
      rule_id: 5,
      priority: 10,
      dl_type: 'IPv4',
      nw_src: '10.0.0.3',
      nw_dst: '10.0.0.2',
      nw_proto: 'ICMP',
      actions: 'DENY',
    },
  )

  t.same(await curl('DELETE', `/firewall/rules/${sw}`, '{"rule_id": "5"}'), [
    {
      switch_id: sw,
      command_result: [{ result: 'success', details: 'Rule deleted. : ruleID=5' }],
    },
  ])
  await curl('DELETE', `/firewall/rules/${sw}`, '{"rule_id": "6"}')
  t.equal(await reach(at, 'h2', 'h3'), 'ping tcp')
  t.same(await curl('DELETE', `/firewall/rules/${sw}`, '{"rule_id": "5"}'), [
    {
      switch_id: sw,
      command_result: { result: 'failure', details: 'Rule is not exist. : ruleID=5' },
    },
  ])

  await at.restart()
  // What is asked before the switch is back is kept, and reaches it later.
  await until(async () => (await items(at, 'switches')).every(each => each.connected === true))
  t.same(await curl('GET', '/firewall/module/status'), [{ switch_id: sw, status: 'enable' }])
  const [again] = await curl('GET', `/firewall/rules/${sw}`)
  t.equal(again.access_control_list[0].rules.length, 4, 'a restart forgets nothing')
  t.match(await add('{"nw_src": "10.0.0.1"}'), [
    { command_result: [{ details: 'Rule added. : rule_id=7' }] },
  ])

  t.match(await curl('PUT', '/firewall/log/enable/all'), [
    { command_result: { details: 'Log collection started.' } },
  ])
  t.same(await curl('GET', '/firewall/log/status'), [{ switch_id: sw, log_status: 'enable' }])
  await curl('PUT', `/firewall/module/disable/${sw}`)
  t.equal(await reach(at, 'h2', 'h3'), '- -', 'a firewall that is stopped lets nothing through')
})

t.test('two tenants by VLAN', async t => {
  const { at, curl } = await begin(t, 4)
  for (const [name, number, access] of [
    ['red', 2, ['s1:1', 's1:2']],
    ['blue', 3, ['s1:3', 's1:4']],
  ] as const)
    await at.call('PUT', `/api/v1/objects/network/${name}`, { spec: { number, access } })
  await whole(at)
  await curl('PUT', `/firewall/module/enable/${sw}`)
  const body = '{"nw_src": "10.0.0.0/8", "nw_dst": "10.0.0.0/8", "nw_proto": "ICMP"}'
  t.same(await curl('POST', `/firewall/rules/${sw}/2`, body), [
    {
      switch_id: sw,
      command_result: [{ result: 'success', details: 'Rule added. : rule_id=1', vlan_id: 2 }],
    },
  ])
  t.equal(await reach(at, 'h1', 'h2'), 'ping -')
  t.equal(await reach(at, 'h3', 'h4'), '- -', 'the other tenant has no rule')
  const [listed] = await curl('GET', `/firewall/rules/${sw}/all`)
  t.match(listed.access_control_list, [{ vlan_id: 2, rules: [{ rule_id: 1, dl_vlan: 2 }] }])
  t.equal(
    await curl('POST', `/firewall/rules/${sw}/77`, body),
    '400 no network has the VLAN 77: declare a Network first',
  )
})

t.test('what is refused says why, and changes nothing', async t => {
  const { curl } = await begin(t, 2)
  const add = (body: string) => curl('POST', `/firewall/rules/${sw}`, body)
  t.equal(await add('{"priority": 65534}'), '400 Invalid priority value. Set [1-65533]')
  t.equal(await add('{"nw_src": "10.0.0.1/99"}'), '400 Invalid rule parameter. : key=nw_src')
  t.equal(await add('{"constructor": 1}'), '400 Invalid rule parameter. : key=constructor')
  t.equal(await add('{"actions": "MAYBE"}'), '400 Invalid rule parameter. : key=actions')
  t.equal(await add('[1]'), '400 the body must be a JSON object')
  t.equal(await curl('GET', '/firewall/rules/7'), '400 Invalid switchID.')
  t.equal(
    await curl('GET', '/firewall/rules/00000000000000aa'),
    '400 firewall sw is not connected. : switchID=00000000000000aa',
  )
  t.equal(
    await curl('POST', `/firewall/rules/${sw}/1`, '{}'),
    '400 Invalid {vlan_id} value. Set [2-4094]',
  )
  t.same(await curl('GET', '/firewall/rules/all'), [{ switch_id: sw, access_control_list: [] }])
})

t.test('nothing is called done at a switch that is gone, or does not confirm', async t => {
  const { at, curl } = await begin(t, 2)
  const rule = '{"nw_src": "10.0.0.1/32"}'
  const s1 = at.net.switch('s1')
  const gone = '400 firewall sw is not connected. : switchID=0000000000000001'
  const states = async () => (await items(at, 'switches')).map(each => each.connected)
  // It answers no bundle any more.
  const received = s1.received.bind(s1)
  s1.received = (channel, message) => {
    if (!message.kind.startsWith('bundle')) received(channel, message)
  }
  const hung = await curl('POST', `/firewall/rules/${sw}`, rule)
  t.match(hung, [
    {
      switch_id: sw,
      command_result: [{ result: 'failure', details: /Rule added.*not confirmed/ }],
    },
  ])

  s1.stop()
  await until(async () => (await states()).every(each => each === false))
  const before = await curl('GET', `/firewall/rules/${sw}`)
  t.equal(await curl('POST', `/firewall/rules/${sw}`, rule), gone)
  t.equal(await curl('PUT', `/firewall/module/enable/${sw}`), gone)
  t.equal(await curl('DELETE', `/firewall/rules/${sw}`, '{"rule_id": "all"}'), gone)
  t.match(await curl('POST', '/firewall/rules/all', rule), [
    { switch_id: sw, command_result: { result: 'failure', details: /not connected/ } },
  ])
  t.same(await curl('GET', `/firewall/rules/${sw}`), before, 'and nothing was changed')
})

t.test('the paths are not served unless they are asked for', async t => {
  const at = await office(t, { network: hosts(1) })
  t.equal(at.ryu, undefined)
  t.equal((await at.raw('/firewall/module/status')).status, 404)
})

t.test('a form of another page is refused, what curl sends is taken', async t => {
  const { at } = await begin(t, 2)
  const rules = async () =>
    JSON.stringify(await (await fetch(`http://${at.ryu}/firewall/rules/${sw}`)).json())
  const before = await rules()
  const post = async (headers: Record<string, string>, body: string) =>
    (await fetch(`http://${at.ryu}/firewall/rules/${sw}`, { method: 'POST', headers, body })).status
  const form = 'application/x-www-form-urlencoded'
  const rule = '{"nw_src": "10.0.0.1"}'
  for (const [headers, body] of [
    [{ 'content-type': 'text/plain' }, rule],
    [{ 'content-type': 'multipart/form-data; boundary=x' }, rule],
    [{ 'content-type': form }, ''],
    [{ 'content-type': form }, new URLSearchParams({ [rule]: '' }).toString()],
    [{ 'content-type': form, 'sec-fetch-site': 'cross-site' }, rule],
    [{ 'content-type': form, origin: 'http://evil.example' }, rule],
    [{ 'content-type': form, referer: 'http://evil.example/' }, rule],
  ] as [Record<string, string>, string][]) {
    t.ok([400, 403].includes(await post(headers, body)), JSON.stringify(headers))
    t.equal(await rules(), before)
  }
  t.equal(await post({ 'content-type': form }, '{"nw_src": "10.0.0.1"}'), 200)
  t.not(await rules(), before, 'the negative control: this is how a rule comes in')
})

t.test('marks that somebody has broken in the policy cost that rule only', async t => {
  const { at, curl } = await begin(t, 2)
  const good = { switch: sw, vlan: 0, rule_id: 1, priority: 1, match: {}, actions: 'ALLOW' }
  const head = '# ryu {"enabled":[],"logging":[],"last":{}}'
  for (const broken of [
    ...['{}', '{', 'null', '[]', '{"switch":7}', JSON.stringify({ ...good, switch: 'x' })],
    ...[{ nw_src: {} }, { nw_src: null }, { dl_src: [] }].map(match =>
      JSON.stringify({ ...good, match }),
    ),
  ]) {
    const source = `${head}\ndefault allow # ryu ${broken}\n`
    await at.call('PUT', '/api/v1/policies/ryu-firewall', { source })
    t.type(await curl('GET', `/firewall/rules/${sw}`), 'object', broken)
    t.match(await curl('POST', `/firewall/rules/${sw}`, '{"nw_src": "10.0.0.1"}'), [
      { command_result: [{ result: 'success' }] },
    ])
  }
})
