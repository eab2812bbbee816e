/** Switches that stay right: what is altered behind our back is mended, what belongs to others is left alone. */
import t from 'tap'
import type { Message } from '../../src/openflow/index.js'
import type { SimulatedSwitch } from '../../src/sim/switch.js'
import { until } from '../until.js'
import { items, type Office, office, settled, whole } from './office.js'

const flowModsSent = async (at: Office): Promise<number> =>
  (await items(at, 'switches')).reduce(
    (sum, each) => sum + Number(each.flowModsSent) + Number(each.groupModsSent),
    0,
  )

const change = (one: SimulatedSwitch, message: Partial<Message> & { kind: 'flow-mod' }) =>
  one.datapath
    .apply({
      command: 'add',
      xid: 0,
      cookie: 0n,
      cookieMask: 0n,
      tableId: 0,
      idleTimeout: 0,
      hardTimeout: 0,
      priority: 0,
      bufferId: 0xffffffff,
      outPort: 0xffffffff,
      outGroup: 0xffffffff,
      flags: 0,
      match: {},
      instructions: [],
      ...message,
    } as Parameters<SimulatedSwitch['datapath']['apply']>[0])
    .keep()

t.test('a restart of the controller sends nothing to switches that are right', async t => {
  const at = await office(t)
  await at.call('PUT', '/api/v1/policies/p?wait=installed', {
    source: 'default drop\nping: allow icmp from any to any\n',
  })
  t.ok((await flowModsSent(at)) > 100, 'the first time everything was sent')
  await at.restart()
  await until(async () => (await items(at, 'switches')).filter(each => each.connected).length === 4)
  await settled(at)
  await new Promise(resolve => setTimeout(resolve, 500))
  t.equal(await flowModsSent(at), 0)
  t.ok(await at.net.host('ann').ping(at.net.host('web').ip!))
})

t.test('flows that are missing, altered or too many are mended; those of others stay', async t => {
  const at = await office(t)
  const s1 = at.net.switch('s1')
  const ours = s1.datapath.flows.count
  change(s1, { kind: 'flow-mod', tableId: 77, priority: 5, cookie: 0x42n })
  change(s1, { kind: 'flow-mod', tableId: 0, priority: 380, cookie: 0x5147_0001_0000_0000n })
  change(s1, { kind: 'flow-mod', command: 'delete', tableId: 10 })
  const drift = await items(at, 'drift')
  t.same(
    [...new Set(drift.map(each => each.kind))].sort(),
    ['excess', 'foreign', 'missing'],
    'drift names each kind',
  )
  t.ok(drift.every(each => each.switch === 's1'))
  // The switch connects anew: whatever it holds is read back and compared.
  s1.dropConnections()
  await until(async () => (await items(at, 'drift')).every(each => each.kind === 'foreign'))
  t.equal(s1.datapath.flows.count, ours + 1, 'ours are back, and the one of somebody else is there')
  await settled(at)
  const sent = await flowModsSent(at)
  s1.dropConnections()
  await until(async () => (await items(at, 'switches')).every(each => each.connected))
  await settled(at)
  t.equal(await flowModsSent(at), sent, 'a second pass sends nothing')
})

t.test('a switch that was replaced by an empty one is filled again', async t => {
  const at = await office(t)
  at.net.switch('s3').restart()
  t.equal(at.net.switch('s3').datapath.flows.count, 0)
  await whole(at)
  t.ok(await at.net.host('bob').ping(at.net.host('web').ip!))
  t.same(await items(at, 'drift'), [])
})
