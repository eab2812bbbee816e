/** What a switch must be sent: the same whether all is compared or only what is another object, and rows that stay are not looked at. */
import t from 'tap'
import {
  difference,
  emptyHolding,
  type Holding,
} from '../../../src/controller/program/difference.js'
import { canonicalFlow } from '../../../src/pipeline/canonical.js'
import { type Flow, flow, type Section, section } from '../../../src/pipeline/program.js'
import { randomOf } from '../../topology/networks.js'

const rowOf = (mac: number, port: number): Flow =>
  flow('forward', 100, { eth_dst: mac }, { actions: [{ kind: 'output', port }] }, 'a host', {
    kind: 'host',
    name: String(mac),
  })

const holdingOf = (sections: readonly Section[]): Holding => {
  const held = emptyHolding()
  for (const each of sections.flatMap(({ flows }) => flows)) {
    const { key, body } = canonicalFlow(each)
    held.flows.set(key, {
      body,
      cookie: each.cookie,
      strict: { tableId: 90, priority: 100, match: each.match },
    })
  }
  return held
}

/** Keys by what is done to them. */
const saidOf = (wanted: readonly Section[], held: Holding, before?: readonly Section[]) => {
  const { addFlows, modifyFlows, deleteFlows } = difference(wanted, held, before)
  const keysOf = (flows: readonly Flow[]) => flows.map(each => canonicalFlow(each).key).sort()
  return {
    added: keysOf(addFlows),
    modified: keysOf(modifyFlows),
    deleted: deleteFlows.map(({ key }) => key).sort(),
  }
}

t.test('what is known to agree changes nothing of what is sent', async t => {
  const random = randomOf(7)
  const below = (limit: number) => Math.floor(random() * limit)
  const names = ['a', 'b', 'c', 'c']
  const rows = new Map<number, Flow>()
  const places = new Map<number, number>()
  let before: readonly Section[] = []
  let changes = 0
  for (let round = 0; round < 400; round++) {
    for (let count = below(4); count >= 0; count--) {
      const mac = below(30)
      const what = below(4)
      if (what === 0) rows.delete(mac)
      // Whoever comes or changes is last, as in the lists of hosts.
      else if (what < 3) {
        rows.delete(mac)
        rows.set(mac, rowOf(mac, below(3)))
      }
      places.set(mac, below(names.length))
    }
    const next = names.map((name, place) => {
      const flows = [...rows]
        .filter(([mac]) => (places.get(mac) ?? 0) === place)
        .map(([, row]) => row)
      const known = before[place]
      const isSame =
        known?.flows.length === flows.length && flows.every((row, at) => row === known.flows[at])
      return isSame ? known : section(name, { flows })
    })
    const held = holdingOf(before)
    const said = saidOf(next, held, before)
    t.same(said, saidOf(next, held), `round ${round}`)
    changes += said.added.length + said.modified.length + said.deleted.length
    before = next
  }
  t.ok(changes > 400, `${changes} rows were sent`)
})

t.test('rows that stay are not looked at', async t => {
  const rows = Array.from({ length: 1_000 }, (_, mac) => rowOf(mac, 1))
  const before = [section('hosts', { flows: rows })]
  const held = holdingOf(before)
  const next = [section('hosts', { flows: [...rows, rowOf(5_000, 1)] })]
  let looks = 0
  const get = held.flows.get.bind(held.flows)
  held.flows.get = key => {
    looks++
    return get(key)
  }
  t.match(saidOf(next, held, before), { added: [/./], modified: [], deleted: [] })
  t.equal(looks, 1, 'the new one')
  looks = 0
  saidOf(next, held)
  t.equal(looks, 1_001, 'all, when nothing is known to agree')
})
