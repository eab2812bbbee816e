/** Declared switches on a real ovs-vswitchd: made, confirmed, kept right, taken down. */
import t, { type Test } from 'tap'
import { ObjectKeeper } from '../../../src/controller/objects/objects.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { switchKind } from '../../../src/controller/switch-setup/kind.js'
import type { SwitchSpec } from '../../../src/controller/switch-setup/spec.js'
import { SwitchSetup } from '../../../src/controller/switch-setup/switch-setup.js'
import { env } from '../../ovsdb/real-server.js'
import { until } from '../../until.js'
import { RealSwitch, skipWithoutNamespaces } from './real-switch.js'

const skip = skipWithoutNamespaces

const rig = async (t: Test) => {
  const real = new RealSwitch()
  t.teardown(() => real.remove())
  await real.create()
  await real.start()
  const store = new MemoryStore(env)
  const objects = await ObjectKeeper.load(env.timers, store, [switchKind])
  const setup = new SwitchSetup(env, objects)
  t.teardown(() => setup.stop())
  const repairs: number[] = []
  setup.on('repaired', (_, operations) => repairs.push(operations))
  setup.on('state', (name, { state, reason }) => t.comment(`${name} ${state} ${reason ?? ''}`))
  setup.start()
  const apply = (spec: SwitchSpec, name = 's1') => objects.apply([{ kind: 'Switch', name, spec }])
  const state = (name = 's1') => setup.status(name)?.state
  return { real, objects, store, setup, repairs, apply, state }
}

const specFor = (real: RealSwitch): SwitchSpec => ({
  ovsdb: { address: `unix:${real.socket}` },
  bridges: {
    br0: {
      datapathId: '00000000000000aa',
      datapathType: 'netdev',
      failMode: 'secure',
      protocols: ['OpenFlow13'],
      ports: {
        i1: { type: 'internal', ofport: 5 },
        pa: { type: 'patch', options: { peer: 'pb' } },
        vx1: { type: 'vxlan', options: { remote_ip: '127.0.0.2', key: 'flow' }, ofport: 10 },
      },
    },
    br1: { datapathType: 'netdev', ports: { pb: { type: 'patch', options: { peer: 'pa' } } } },
  },
  conntrack: { netdev: { 40: { timeouts: { udp_first: 3 } } } },
})

t.test('a switch is made, confirmed by ovs-vswitchd, and kept right', { skip }, async t => {
  const { real, setup, repairs, apply, state } = await rig(t)
  await real.vsctl('set', 'open', '.', 'ovs-version=3.1.0')
  await apply(specFor(real))
  t.equal(state(), 'pending')
  await until(() => state() === 'installed')
  const status = setup.status('s1')!
  t.equal(status.version, '3.1.0')
  t.same(
    status.parts.map(each => each.part),
    ['bridge br0', 'port i1', 'port pa', 'port vx1', 'bridge br1', 'port pb'],
  )
  const shown = await real.ofctl('br0', 'show')
  t.match(shown, /dpid:00000000000000aa/)
  t.match(shown, / 5\(i1\)/)
  t.match(shown, / 10\(vx1\)/)
  const sent = status.operationsSent
  await apply({ ...specFor(real) })
  await new Promise(resolve => setTimeout(resolve, 200))
  t.equal(setup.status('s1')!.operationsSent, sent, 'the same again sends nothing')

  await t.test('what is undone behind our back comes back', async t => {
    await real.ofctl('br1', 'add-flow', 'table=3,actions=drop')
    await real.vsctl('del-port', 'i1', '--', 'set', 'interface', 'vx1', 'options:key=5')
    await until(() => repairs.length > 0 && state() === 'installed')
    t.match(await real.ofctl('br0', 'show'), / 5\(i1\)/)
    t.match(await real.vsctl('get', 'interface', 'vx1', 'options'), /key=flow/)
    t.match(await real.ofctl('br1', 'dump-flows'), /table=3/, 'what was right was not touched')
    await real.vsctl('del-br', 'br0')
    await until(() => repairs.length > 1 && state() === 'installed')
    t.match(await real.ofctl('br0', 'show'), /dpid:00000000000000aa/)
  })

  await t.test('what the switch cannot do is said of the part', async t => {
    const spec = specFor(real)
    spec.bridges!.br0!.ports!.nodev = { ofport: 5 }
    spec.bridges!.br0!.controllers = ['tcp:127.0.0.1:1']
    await apply(spec)
    await until(() => state() === 'degraded')
    await until(() => setup.status('s1')!.parts.some(each => each.state === 'failed'))
    t.match(
      setup.status('s1')!.parts.filter(each => each.state !== 'installed'),
      [
        { part: 'port nodev', state: 'failed', reason: /nodev/ },
        {
          part: 'controller tcp:127.0.0.1:1',
          state: 'degraded',
          reason: 'the switch is not connected to it',
        },
      ],
    )
    await apply(specFor(real))
    await until(() => state() === 'installed')
  })

  await t.test('a switch that stops is not said to be installed', async t => {
    await real.stopDaemon()
    const spec = specFor(real)
    spec.bridges!.br1!.ports!.i2 = { type: 'internal' }
    await apply(spec)
    await new Promise(resolve => setTimeout(resolve, 300))
    t.match(setup.status('s1'), { state: 'pending', reason: 'ovs-vswitchd is carrying it out' })
    await real.startDaemon()
    await until(() => state() === 'installed')
  })
})

t.test('a switch that is declared no more is taken down to what was there', { skip }, async t => {
  const { real, objects, apply, state, setup } = await rig(t)
  await real.vsctl('add-br', 'mine', '--', 'set', 'bridge', 'mine', 'datapath_type=netdev')
  const spec = specFor(real)
  spec.bridges!.mine = { ports: { extra: { type: 'internal' } } }
  await apply(spec)
  await until(() => state() === 'installed')
  t.match(await real.vsctl('list-ports', 'mine'), /extra/)
  await objects.remove(switchKind, 's1')
  await until(() => objects.find(switchKind, 's1') === undefined)
  t.equal(setup.status('s1'), undefined)
  t.equal((await real.vsctl('list-br')).trim(), 'mine')
  t.equal((await real.vsctl('list-ports', 'mine')).trim(), '')
  t.equal(
    (await real.vsctl('get', 'bridge', 'mine', 'external_ids', 'other_config')).trim(),
    '{}\n{}',
  )
})

t.test(
  'an object that was leaving when the controller stopped is taken down by the next',
  { skip },
  async t => {
    const { real, objects, apply, state, setup, store } = await rig(t)
    await apply(specFor(real))
    await until(() => state() === 'installed')
    await setup.stop()
    await objects.remove(switchKind, 's1')
    t.match(await real.vsctl('list-br'), /br0/)
    const again = await ObjectKeeper.load(env.timers, store, [switchKind])
    t.equal(again.get(switchKind, 's1').isLeaving, true)
    const next = new SwitchSetup(env, again)
    t.teardown(() => next.stop())
    next.start()
    await until(() => again.find(switchKind, 's1') === undefined)
    t.equal((await real.vsctl('list-br')).trim(), '')
    t.same((await store.list('/objects/')).kvs, [])
  },
)

t.test('an object can go and leave what it made', { skip }, async t => {
  const { real, objects, apply, state } = await rig(t)
  await apply(specFor(real))
  await until(() => state() === 'installed')
  await objects.remove(switchKind, 's1', {}, true)
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(await real.vsctl('list-br'), /br0\nbr1/)
})

t.test('only one controller writes: the other waits for the lock', { skip }, async t => {
  const { real, apply, state, setup } = await rig(t)
  await apply(specFor(real))
  await until(() => state() === 'installed')
  const objects = await ObjectKeeper.load(env.timers, new MemoryStore(env), [switchKind])
  const second = new SwitchSetup(env, objects)
  t.teardown(() => second.stop())
  second.start()
  await objects.apply([{ kind: 'Switch', name: 's1', spec: specFor(real) }])
  await until(() => second.status('s1')!.isConnected)
  t.match(second.status('s1'), {
    state: 'pending',
    reason: 'another controller sets this switch up',
  })
  await setup.stop()
  await until(() => second.status('s1')!.state === 'installed')
  t.equal(second.status('s1')!.operationsSent, 0, 'and finds everything right')
})

t.test('switches call us, and are told apart by their system-id', { skip }, async t => {
  const { real, apply, state, setup } = await rig(t)
  const other = new RealSwitch()
  t.teardown(() => other.remove())
  await other.create()
  await other.start()
  const port = 20_000 + (process.pid % 20_000)
  const address = `ptcp:${port}:127.0.0.1`
  const only = (systemId: string): SwitchSpec => ({
    ovsdb: { address, systemId },
    bridges: { [`br-${systemId}`]: { datapathType: 'netdev' } },
  })
  await apply(only('one'), 's1')
  await apply(only('two'), 's2')
  t.match(setup.status('s1'), { state: 'pending', reason: /has not called yet/ })
  for (const [each, id] of [
    [real, 'one'],
    [other, 'two'],
  ] as const)
    await each.vsctl(
      'set',
      'open',
      '.',
      `external-ids:system-id=${id}`,
      '--',
      'set-manager',
      `tcp:127.0.0.1:${port}`,
    )
  await until(() => state('s1') === 'installed' && state('s2') === 'installed')
  t.equal((await real.vsctl('list-br')).trim(), 'br-one')
  t.equal((await other.vsctl('list-br')).trim(), 'br-two')
  await apply({ ovsdb: { address: `ptcp:${port}:127.0.0.1`, systemId: 'three' } }, 's3')
  t.equal(state('s3'), 'pending')
})

t.test('a database that is not there is called again, and its reason shown', { skip }, async t => {
  const { real, apply, state, setup } = await rig(t)
  await real.stop()
  await apply(specFor(real))
  await until(() => /ENOENT|ECONNREFUSED/.test(setup.status('s1')!.reason ?? ''))
  t.equal(state(), 'pending')
})
