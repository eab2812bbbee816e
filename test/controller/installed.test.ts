/**
 * `installed` is said when every switch that should have it has confirmed it, and not before: with a switch that is cut
 * off, hangs, refuses, or cannot be read; of policies and of every declared kind; and `/readyz` knows.
 */

import t, { type Test } from 'tap'
import { Declared } from '../../src/controller/declared/declared.js'
import { hostKind, networkKind, portKind } from '../../src/controller/declared/kinds.js'
import { ObjectKeeper } from '../../src/controller/objects/objects.js'
import { notReady } from '../../src/controller/readiness.js'
import { switchItems } from '../../src/controller/rest/views.js'
import { policyItem } from '../../src/nfv/firewall/rest/policy-items.js'
import type { SimulatedSwitch } from '../../src/sim/switch.js'
import { firewallOf } from '../firewall-of.js'
import { ring, switchesOf, Whole } from '../topology/whole.js'

type Received = Parameters<SimulatedSwitch['received']>

/** What is wrong with a switch, by what it does with the messages that it has. */
const faults: Readonly<
  Record<string, { readonly begin: (self: SimulatedSwitch) => void; readonly says: RegExp }>
> = {
  'cut off': { begin: self => self.disconnect(), says: /^s1 is not connected$/ },
  hung: {
    begin: self =>
      instead(self, (_, { kind }) => kind.startsWith('bundle') || kind === 'barrier-request'),
    says: /^s1 (has not confirmed|cannot be read or programmed: no answer to bundle-control)/,
  },
  refusing: {
    begin: self =>
      instead(self, (channel, message) => {
        if (message.kind !== 'bundle-add' || message.message[1] !== 14) return false
        channel.refuse('OFPFMFC_TABLE_FULL', message.message, message.xid)
        return true
      }),
    says: /^s1 refused|OFPFMFC_TABLE_FULL/,
  },
  unreadable: {
    begin: self => {
      instead(self, (channel, message) => {
        if (message.kind !== 'flow-stats-request') return false
        channel.refuse('OFPBRC_BAD_TYPE', new Uint8Array(), message.xid)
        return true
      })
      self.dropConnections()
    },
    says: /^s1 (cannot be read or programmed: .|is not connected)/,
  },
}

/** Messages that are taken by `take` do not come to the switch. */
const instead = (self: SimulatedSwitch, take: (...received: Received) => boolean): void => {
  const received = self.received.bind(self)
  self.received = (...words) => {
    if (!take(...words)) received(...words)
  }
}

const begin = async (t: Test) => {
  const whole = await Whole.start(ring(3))
  t.teardown(() => whole.stop())
  await whole.ping('h1', 'h3')
  const { controller } = whole
  const apply = async (source: string) => {
    await whole.during(
      firewallOf(controller).policies.apply([{ name: 'p', source }], controller.topology.current),
    )
    await whole.env.advance(300)
  }
  return { whole, controller, apply }
}

for (const [fault, { begin: fail, says }] of Object.entries(faults)) {
  t.test(`a policy is not installed while a switch is ${fault}`, async t => {
    const { whole, controller, apply } = await begin(t)
    await apply('default allow\n')
    t.match(policyItem(firewallOf(controller), 'p'), { state: 'installed' })
    t.same(notReady(controller), [])
    fail(whole.network.switches.get('s1')!)
    await whole.env.advance(8_000)
    await apply('default drop\n')
    for (const wait of [0, 10_000, 60_000]) {
      await whole.env.advance(wait)
      const { state, reason } = policyItem(firewallOf(controller), 'p') as {
        state: string
        reason?: string
      }
      t.match(state, /^(pending|degraded|failed)$/, `${fault}, ${wait} ms later`)
      t.match(reason, says)
    }
    t.match(notReady(controller).join(), /not installed everywhere: switch s1/)
    const wait = whole.during(firewallOf(controller).installed(3_000))
    if (fault !== 'refusing') t.equal(await wait, false, 'who waits is not told otherwise')
    await wait
  })

  t.test(`no object is installed while a switch is ${fault}`, async t => {
    const { whole } = await begin(t)
    const kinds = [networkKind, hostKind, portKind]
    const objects = await ObjectKeeper.load(whole.env.timers, whole.store, kinds)
    const declared = new Declared(whole.controller.topology, objects, switchesOf(whole))
    declared.start()
    const specs = {
      Network: { number: 9, access: ['s2:10'] },
      Host: { mac: '02:00:00:00:00:99', ips: ['10.0.0.99'], at: 's3:10' },
      Port: { at: 's2:10', role: 'edge' },
    }
    const apply = async (name: string) => {
      const wishes = Object.entries(specs).map(([kind, spec]) => ({ kind, name, spec }))
      await whole.during(objects.apply(wishes))
      await whole.env.advance(1_000)
      return kinds.map(({ kind }) => declared.status(kind, name))
    }
    for (const status of await apply('x')) t.match(status, { state: 'installed' })
    for (const kind of kinds) await whole.during(objects.remove(kind, 'x'))
    await whole.env.advance(1_000)
    fail(whole.network.switches.get('s1')!)
    await whole.env.advance(8_000)
    const states = await apply('y')
    for (const status of states) {
      t.match(status?.state, /^(pending|degraded|failed)$/, fault)
      t.match(status?.reason, says)
    }
  })
}

t.test('a switch comes back, and has it; one that is forgotten need not have it', async t => {
  const { whole, controller, apply } = await begin(t)
  const self = whole.network.switches.get('s1')!
  self.disconnect()
  await whole.env.advance(8_000)
  await apply('default drop\n')
  t.match(policyItem(firewallOf(controller), 'p'), {
    state: 'degraded',
    reason: 's1 is not connected',
  })
  self.connect({ host: '127.0.0.1', port: 6653 })
  await whole.env.advance(3_000)
  t.match(policyItem(firewallOf(controller), 'p'), { state: 'installed' })
  self.disconnect()
  await whole.env.advance(8_000)
  await apply('default allow\n')
  t.match(policyItem(firewallOf(controller), 'p'), { state: 'degraded' })
  controller.topology.forget(self.dpid, 'by hand')
  await whole.env.advance(1_000)
  t.match(policyItem(firewallOf(controller), 'p'), { state: 'installed' })
  t.same(notReady(controller), [])
})

t.test('with no switch that has it, it is pending', async t => {
  const { whole, controller, apply } = await begin(t)
  for (const self of whole.network.switches.values()) self.disconnect()
  await whole.env.advance(8_000)
  await apply('default drop\n')
  t.match(policyItem(firewallOf(controller), 'p'), {
    state: 'pending',
    reason: 's1 is not connected; s2 is not connected; s3 is not connected',
  })
})

t.test('a switch that refuses is not called installed itself', async t => {
  const { whole, controller, apply } = await begin(t)
  faults.refusing!.begin(whole.network.switches.get('s1')!)
  await apply('default drop\n')
  const [first] = switchItems(controller)
  t.match(first, { name: 's1', state: 'degraded', reason: /^it refused .*OFPFMFC_TABLE_FULL/ })
})
