/** A connection that another switch takes over, since a host has moved, holds one place among those of its rule. */
import t from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import { type Ip, ipNumber } from '../../src/base/addresses.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { Admission } from '../../src/nfv/firewall/admission/admission.js'
import { placeKey } from '../../src/nfv/firewall/flows/place-rows.js'
import type { PlacedRule } from '../../src/nfv/firewall/meaning/resolved.js'
import type { Message } from '../../src/openflow/index.js'
import { ctState } from '../../src/openflow/values.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { zoneOf } from '../../src/pipeline/zones.js'
import { fieldsOf } from '../nfv/firewall/one-switch.js'
import { rulesOf } from '../nfv/firewall/random-policy.js'

const slot = 1
const rules = rulesOf(
  'default drop\nweb: allow tcp 443 max 2 connections max 1 half-open\nslow: allow udp max 1 connections\n',
)
const ruleOf = (name: string): PlacedRule =>
  rules.tiers.flat().find(({ rule }) => rule.name === name)!

class Desk {
  readonly told = new Map<string, Message[]>()
  readonly admitted: string[] = []
  readonly #switches = [1, 2].map(index => {
    const dpid = `s${index}`
    this.told.set(dpid, [])
    return {
      dpid: dpid as Dpid,
      zone: zoneOf(index, slot),
      tell: (messages: readonly Message[]) => this.told.get(dpid)!.push(...messages),
      reinject: () => this.admitted.push(dpid),
      request: async () => ({ kind: 'flow-stats-reply', entries: [] }) as never,
    }
  })
  readonly admission = new Admission(realEnv(new CollectingLog()), {
    rule: id => [ruleOf('web'), ruleOf('slow')].find(({ rule }) => rule.id === id),
    switch: dpid => this.#switches.find(each => each.dpid === dpid),
    asItCame: (_at, _match, frame) => frame,
    tell: () => undefined,
    countOnce: () => undefined,
  })

  async start(): Promise<void> {
    for (const each of this.#switches) await this.admission.connected(each)
  }

  /** Whether a packet of the connection from this port is admitted at a switch. */
  asks(dpid: string, sourcePort: number, isNew: boolean, name = 'web'): boolean {
    const before = this.admitted.length
    const protocol = name === 'web' ? 6 : 17
    const ends = { source: '10.0.0.1', destination: '10.0.0.2' } as const
    const one = { ...ends, protocol, sourcePort, destinationPort: 443 }
    const self = this.#switches.find(each => each.dpid === dpid)!
    const fields = { ...fieldsOf(one as never), eth_src: 1, eth_dst: 2 }
    this.admission.ask({
      at: { dpid: self.dpid as Dpid, port: 1 },
      value: ruleOf(name).rule.id,
      fields,
      frame: buildFrame(fields),
      match: {
        reg0: 1,
        reg7: self.zone,
        ct_state: ctState.trk | (isNew ? ctState.new : ctState.est),
        ct_nw_proto: protocol,
        ct_nw_src: ipNumber('10.0.0.1' as Ip) as number,
        ct_nw_dst: ipNumber('10.0.0.2' as Ip) as number,
        ct_tp_src: sourcePort,
        ct_tp_dst: 443,
      },
    })
    return this.admitted.length > before
  }

  count(name = 'web') {
    const { connections, halfOpen } = this.admission.places.countOf(ruleOf(name).rule.id)
    return { connections, halfOpen }
  }

  /** The switch says that the row of a connection has ended, after so many silent seconds. */
  ends(dpid: string, sourcePort: number, idleTimeout: number): void {
    const rows = this.told.get(dpid)!.flatMap(each => (each.kind === 'flow-mod' ? [each] : []))
    const row = rows.findLast(
      each =>
        each.command === 'add' && each.match?.ct_tp_src === sourcePort && each.priority === 10,
    )!
    this.admission.removed(dpid, { tableId: 55, ...row, idleTimeout } as never)
  }

  /** Places that were taken away at a switch. */
  takenAway(dpid: string): number {
    const all = this.told.get(dpid)!
    return all.filter(
      each => each.kind === 'flow-mod' && each.command === 'delete-strict' && each.priority === 10,
    ).length
  }
}

t.test('the place goes with the host', async t => {
  const desk = new Desk()
  await desk.start()
  t.ok(desk.asks('s1', 1_000, true))
  t.same(desk.count(), { connections: 1, halfOpen: 1 })
  t.notOk(desk.asks('s1', 1_001, true), 'one may be half-open')
  t.ok(desk.asks('s2', 1_000, false), 'its host is at another switch now')
  t.same(desk.count(), { connections: 1, halfOpen: 1 }, 'still one')
  t.ok(desk.asks('s1', 1_002, false))
  t.same(desk.count(), { connections: 2, halfOpen: 1 })
  t.ok(desk.asks('s2', 1_002, false), 'all are taken, and it has one')
  t.notOk(desk.asks('s2', 1_003, false), 'others are refused')
  t.same(desk.count(), { connections: 2, halfOpen: 1 })
})

t.test('at its end no switch holds a place for it', async t => {
  const desk = new Desk()
  await desk.start()
  for (const dpid of ['s1', 's2']) desk.asks(dpid, 1_000, false)
  desk.ends('s2', 1_000, 5)
  t.same(desk.count(), { connections: 0, halfOpen: 0 })
  t.equal(desk.takenAway('s1'), 1)
})

t.test('where it was silent because it went, only the place there ends', async t => {
  const desk = new Desk()
  await desk.start()
  for (const dpid of ['s1', 's2']) desk.asks(dpid, 1_000, false, 'slow')
  t.same(desk.count('slow'), { connections: 1, halfOpen: 0 })
  desk.ends('s1', 1_000, 60)
  t.same(desk.count('slow'), { connections: 1, halfOpen: 0 })
  t.equal(desk.takenAway('s2'), 0)
  t.notOk(desk.asks('s1', 1_001, true, 'slow'))
  desk.ends('s2', 1_000, 60)
  t.ok(desk.asks('s1', 1_001, true, 'slow'))
})

t.test('the same ports in another network are another connection', async t => {
  const desk = new Desk()
  await desk.start()
  const { places } = desk.admission
  const of = (zone: number) => {
    const ends = { source: '10.0.0.1', destination: '10.0.0.2', protocol: 6 } as never
    const one = { ...(ends as object), sourcePort: 1, destinationPort: 443, zone } as never
    const place = { ruleId: 7, source: '10.0.0.1', isHalfOpen: false, one }
    return { key: placeKey(one), place }
  }
  for (const [dpid, zone] of [
    ['s1', zoneOf(1, 1)],
    ['s2', zoneOf(2, 1)],
    ['s2', zoneOf(2, 2)],
  ] as const)
    places.set(dpid, of(zone).key, of(zone).place)
  t.equal(places.countOf(7).connections, 2)
  places.replace('s2', new Map())
  t.equal(places.countOf(7).connections, 1)
  places.replace('s1', new Map())
  t.equal(places.countOf(7).connections, 0)
})
