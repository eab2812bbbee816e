/** Rows of somebody else, missing rows and switches that are not there, as `trace` and `path` tell of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { decode, encode, type Message, parseFlowMod } from '../../src/openflow/index.js'
import { until } from '../until.js'
import { items, office, settled } from './office.js'

interface Answer {
  readonly verdict: string
  readonly because: string
  readonly notes: readonly string[]
  readonly verified?: {
    readonly unasked: readonly { readonly switch: string }[]
    readonly mismatches: readonly object[]
  }
}

t.test('trace and path tell what decides besides what is wanted', async t => {
  const at = await office(t)
  const ask = (service: string, more: object = {}) =>
    at.call<Answer>('POST', '/api/v1/trace', {
      from: '10.1.0.2',
      to: '10.2.0.10',
      service,
      ...more,
    })
  const s1 = at.net.switch('s1')
  const tell = (message: Message) => {
    const received = decode(encode(message, 1))
    if (received.kind === 'flow-mod') s1.datapath.apply(received).keep()
  }
  const path = () =>
    at.call<{ notes?: readonly string[] }>('GET', '/api/v1/paths?from=10.1.0.2&to=10.2.0.10')
  t.match(await ask('icmp'), { verdict: 'delivered' })
  t.equal((await path()).notes, undefined)

  await t.test('a row of somebody else that drops', async t => {
    tell(parseFlowMod('cookie=0x77,priority=65000,icmp,actions=drop'))
    const row = /s1 holds a row of somebody else.*cookie=0x77, table=0, priority=65000,icmp/
    t.match(await ask('icmp'), { verdict: 'dropped', notes: [/^as if/, row] })
    t.match(await ask('tcp 80'), { verdict: 'delivered' }, 'others do not meet it')
    t.match((await path()).notes, [row])
    tell(parseFlowMod('cookie=0x78,priority=65000,udp,nw_dst=10.9.9.9,actions=drop'))
    t.equal((await path()).notes?.length, 1, 'a row for another machine does not matter')
  })

  await t.test('what a row does that is not followed is not known', async t => {
    tell(parseFlowMod('cookie=0x77,priority=65000,tcp,tp_dst=80,actions=NORMAL'))
    t.match(await ask('tcp 80'), { verdict: 'unknown', because: /learning switch/ })
  })

  await t.test('no daemon of this machine can be asked, and that is said', async t => {
    const { verified } = await ask('tcp 22', { verify: true })
    t.equal(verified?.unasked[0]?.switch, 's1')
  })

  await t.test('nobody has the address, or the sender is nobody', async t => {
    t.match(
      await at.call('POST', '/api/v1/trace', {
        from: '10.1.0.2',
        to: '8.8.8.8',
        service: 'tcp 443',
      }),
      {
        verdict: 'not-delivered',
        because: 'not delivered: no host with the address 8.8.8.8 is known',
        question: /^tcp from 10.1.0.2:40000 to 8.8.8.8:443, in at s\d:\d$/,
      },
    )
    const group = await at.call<{ verdict: string; deliveredTo: readonly unknown[] }>(
      'POST',
      '/api/v1/trace',
      {
        from: '10.1.0.2',
        to: '224.0.0.251',
        service: 'udp 5353',
      },
    )
    t.equal(group.verdict, 'delivered')
    t.equal(group.deliveredTo.length, at.net.hosts.size - 1, 'every port that gets a copy')
  })

  await t.test('a switch that is not connected is not known', async t => {
    s1.disconnect()
    await until(async () => (await items(at, 'switches')).some(each => !each.connected))
    t.match(await ask('tcp 22'), { verdict: 'unknown', because: /^not known: s1 is not connected/ })
    t.match((await path()).notes, [/s1 is not connected/])
  })
})

t.test('a row of somebody else in a table of ours is told once, with its text', async t => {
  const at = await office(t)
  const s1 = at.net.switch('s1')
  const add = (text: string) => {
    const received = decode(encode(parseFlowMod(text), 1))
    if (received.kind === 'flow-mod') s1.datapath.apply(received).keep()
  }
  const told = async () => (await items(at, 'events')).filter(each => each.kind === 'foreign-flow')
  const again = async () => {
    const connected = async () =>
      (await items(at, 'events')).filter(each => each.kind === 'switch-connected').length
    const before = await connected()
    s1.dropConnections()
    await until(async () => (await connected()) > before)
    await settled(at)
  }
  t.same(await told(), [])
  add('cookie=0x77,priority=65535,ip,actions=NORMAL')
  add('cookie=0x78,table=200,priority=65535,actions=drop')
  await again()
  const [first, ...others] = await told()
  t.match(first, { dpid: String, text: /priority=65535,ip.*NORMAL/, reason: /pass by the rules/ })
  t.same(others, [], 'a table that no packet of ours gets to is no matter')
  const drift = await items(at, 'drift')
  t.match(
    drift.filter(each => each.kind === 'foreign').map(each => each.text),
    [/NORMAL/, /table=200/],
  )
  await again()
  t.equal((await told()).length, 1, 'and not at each reading')
  for (let n = 0; n < 40; n++) add(`cookie=0x79,priority=65534,ip,nw_dst=10.9.9.${n},actions=drop`)
  await again()
  const many = (await told()).slice(1)
  t.equal(many.length, 5)
  t.equal(many.at(-1)?.more, 35)
})

/** Control socket of a daemon that has the bridge s1 and is asked about packets. */
const daemon = async (t: Test, trace: () => string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-daemon-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const server = createServer(socket =>
    socket.on('data', chunk => {
      const { id, method } = JSON.parse(String(chunk)) as { id: number; method: string }
      const result = method === 'ofproto/list' ? 's1\n' : trace()
      socket.write(JSON.stringify({ id, result, error: null }))
    }),
  )
  await new Promise<void>(resolve => server.listen(join(folder, 'vsw.ctl'), resolve))
  t.teardown(() => new Promise(resolve => server.close(resolve)))
  return folder
}

t.test('what a daemon of this machine does and we do not see is an alarm', async t => {
  let asked = 0
  let slipped = ''
  /** As the switch has it, by the row that it was told; a row that is slipped in comes first. */
  const rows: string[] = []
  const folder = await daemon(t, () => {
    asked++
    return slipped || rows.join('\n')
  })
  const at = await office(t, { more: { openvswitch: [folder] } })
  const ask = () =>
    at.call<Answer>('POST', '/api/v1/trace', {
      from: '10.1.0.1',
      to: '10.1.0.2',
      service: 'icmp',
      verify: true,
    })
  const alarms = async () =>
    (await items(at, 'events')).filter(each => each.kind === 'trace-mismatch')

  // What the daemon says is learnt from the first question, which it answers with nothing.
  const [first] = (await ask()).verified!.mismatches
  const { sluice, sluicePorts } = first as { sluice: string[]; sluicePorts: number[] }
  t.ok(sluice.length > 3)
  t.equal(asked, 2, 'a mismatch is asked about twice')
  t.match((await alarms()).at(-1), { switch: 's1', openvswitch: [] })
  rows.push(...sluice.map(row => ` ${row.replace(' ', '. ip, priority ')}`))
  rows.push(...sluicePorts.map(port => `    output:${port}`))
  const before = (await alarms()).length
  t.same((await ask()).verified, { asked: ['s1'], unasked: [], mismatches: [] }, 'the same: none')
  t.equal((await alarms()).length, before)

  slipped = ' 0. icmp, priority 65001, cookie 0x99\n    drop'
  const [slip] = (await ask()).verified!.mismatches
  t.match(slip, { switch: 's1', openvswitch: ['0 65001'], openvswitchPorts: [] })
  const last = (await alarms()).at(-1)
  t.equal((await alarms()).length, before + 1)
  t.match(last, { question: /10\.1\.0\.1/, openvswitch: ['0 65001'] })
})
