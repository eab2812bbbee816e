/** Generations of rules wrap at 16 bits: no old session may look like one of today. */
import { pino } from 'pino'
import t from 'tap'
import type { Dpid } from '../../../src/base/addresses.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { Programmer } from '../../../src/controller/program/programmer.js'
import type { SwitchChannel } from '../../../src/controller/program/read-back.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { firewallRows } from '../../../src/nfv/firewall/flows/function-rows.js'
import { pipelineRows } from '../../../src/nfv/firewall/flows/tables.js'
import { PolicyKeeper } from '../../../src/nfv/firewall/service/policies.js'
import type { Message, Reply } from '../../../src/openflow/index.js'
import { flow, section } from '../../../src/pipeline/program.js'
import { load, registers } from '../../../src/pipeline/registers.js'
import { emptyTopology } from '../../../src/topology/model.js'

const env = realEnv(pino({ level: 'silent' }))

/** A switch that takes everything and writes down in which order. */
const channel = (sent: string[]): SwitchChannel => ({
  dpid: '0000000000000001' as Dpid,
  request: async ({ kind }) =>
    ({
      kind: kind.replace('request', 'reply'),
      entries: [],
      groups: [],
      meters: [],
    }) as unknown as Reply,
  sendAll: async messages => {
    sent.push(...messages.map(wordOf))
    return []
  },
  bundle: async messages => {
    sent.push(`bundle of ${messages.length > 0 ? 'rows' : 'nothing'}`)
    return []
  },
})

const wordOf = (message: Message): string =>
  message.kind === 'ct-flush-zone' ? `flush zone ${message.zone}` : message.kind

const ports = section('ports', {
  flows: [1025, 1026].map((zone, at) =>
    flow('admit', 100, { in_port: at + 1 }, { actions: [load(registers.zone, zone)] }, 'a port', {
      kind: 'base',
      name: 'test',
    }),
  ),
})
const rules = (generation: number) => [
  ports,
  section('firewall/pipeline', { flows: pipelineRows(generation, 1, false) }),
]

const change = async (from: number, to: number): Promise<string[]> => {
  const sent: string[] = []
  const programmer = new Programmer(env, '0000000000000001' as Dpid, [firewallRows])
  programmer.connect(channel(sent))
  programmer.want(rules(from), 1)
  await programmer.confirmed(1, 1_000)
  sent.length = 0
  programmer.want(rules(to), 2)
  await programmer.confirmed(2, 1_000)
  return sent
}

t.test(
  'where the numbers begin anew, every zone is flushed three times before the rows',
  async t => {
    const once = ['flush zone 1025', 'flush zone 1026']
    t.same(await change(65_535, 1), [...once, ...once, ...once, 'bundle of rows'])
    t.same(
      await change(500, 7),
      [...once, ...once, ...once, 'bundle of rows'],
      'a store that was lost',
    )
  },
)

t.test('else no session is touched', async t => {
  t.same(await change(4, 5), ['bundle of rows'])
  t.same(await change(65_534, 65_535), ['bundle of rows'])
})

t.test('the number after 65535 is 1: 0 is what sessions without a label carry', async t => {
  const store = new MemoryStore(env)
  const stamp = { hash: 'rules of before', generation: 65_535 }
  await store.txn({ if: [], then: [{ op: 'put', key: '/firewall/generation', value: stamp }] })
  const keeper = await PolicyKeeper.load(env, store)
  await keeper.apply([{ name: 'p', source: 'default drop\n' }], emptyTopology)
  keeper.compile(emptyTopology)
  t.equal(keeper.generation, 1)
  keeper.stop()
})
