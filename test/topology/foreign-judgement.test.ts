/** What a frame says of its own judgement is believed between our switches, and nowhere else (ADR 16). */
import t from 'tap'
import type { Mac } from '../../src/base/addresses.js'
import { carriedJudgement } from '../../src/pipeline/registers.js'
import { fabricSection } from '../../src/topology/forwarding/port-rows.js'
import type { Network, Port, Switch } from '../../src/topology/model.js'
import { dpidOf } from './networks.js'

const port: Port = {
  number: 3,
  name: 's1-eth3',
  mac: '02:00:00:00:00:03' as Mac,
  isUp: true,
  kind: 'fabric',
  speedKbps: 0,
}
const self: Switch = {
  dpid: dpidOf(1),
  name: 's1',
  index: 1,
  isConnected: true,
  ports: new Map([[3, port]]),
}
const networks = [
  { number: 1, name: 'default' },
  { number: 7, name: 'blue' },
] as unknown as readonly Network[]

/** Rows of the port that take the bits of a tag for a judgement. */
const believing = (isForeign: boolean) =>
  fabricSection(self, port, true, networks, false, undefined, isForeign).flows.filter(
    ({ actions }) =>
      actions.some(
        action => action.kind === 'move' && action.from.field === carriedJudgement.field,
      ),
  )

t.test('a judgement that a frame carries is believed from a cable', async t => {
  t.ok(believing(false).length >= networks.length)
})

t.test('and not from a segment that is not ours, where hosts may write it', async t => {
  t.same(believing(true), [])
})
