/** What a switch holds is not known while it is being changed: whoever compares then would see drift that is none. */
import { pino } from 'pino'
import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { Programmer } from '../../../src/controller/program/programmer.js'
import type { SwitchChannel } from '../../../src/controller/program/read-back.js'
import type { Reply } from '../../../src/openflow/index.js'
import { flow, section } from '../../../src/pipeline/program.js'

const env = realEnv(pino({ level: 'silent' }))
const dpid = '0000000000000001' as Dpid

const program = (port: number) => [
  section('ports', {
    flows: [flow('admit', 100, { in_port: port }, {}, 'a port', { kind: 'base', name: 'test' })],
  }),
]

t.test('nothing is agreed upon between a bundle and its confirmation', async t => {
  let confirm = (): void => undefined
  const channel: SwitchChannel = {
    dpid,
    request: async ({ kind }) =>
      ({ kind: kind.replace('request', 'reply'), entries: [] }) as unknown as Reply,
    sendAll: async () => [],
    bundle: () =>
      new Promise(resolve => {
        confirm = () => resolve([])
      }),
  }
  const programmer = new Programmer(env, dpid)
  programmer.connect(channel)
  const [first, second] = [program(1), program(2)]
  const settle = () => new Promise<void>(resolve => env.timers.after(10, resolve))

  programmer.want(first, 1)
  await settle()
  confirm()
  t.equal(await programmer.confirmed(1, 1_000), true)
  t.equal(programmer.state.agreed, first)

  programmer.want(second, 2)
  await settle()
  t.equal(programmer.state.agreed, undefined, 'it may hold the one or the other')
  const passed = programmer.passed(1_000)
  confirm()
  t.equal(await passed, true)
  t.equal(await programmer.confirmed(2, 1_000), true)
  t.equal(programmer.state.agreed, second)
  t.equal(await programmer.passed(20), false, 'nothing is under way')
})
