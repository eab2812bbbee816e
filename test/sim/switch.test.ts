import t, { type Test } from 'tap'
import type { Dpid, Mac } from '../../src/base/addresses.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import {
  bundleFlags,
  encode,
  errorName,
  flowFlags,
  listenForSwitches,
  type Message,
  type SwitchConnection,
} from '../../src/openflow/index.js'
import { type Action, ports } from '../../src/openflow/values.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { readPacket } from '../../src/pipeline/packet.js'
import { SimulatedSwitch } from '../../src/sim/switch.js'
import { type Line, TinyController } from './tiny-controller.js'

const env = realEnv(new CollectingLog())
const limits = { firstBackoffMillis: 10, maxBackoffMillis: 20 }

interface Bench {
  readonly controller: TinyController
  readonly line: Line
  readonly one: SimulatedSwitch
  readonly address: { host: string; port: number }
  /** What left, as `port: octets` in hex. */
  readonly left: { port: number; frame: Uint8Array }[]
}

const bench = async (t: Test): Promise<Bench> => {
  const controller = new TinyController()
  const address = await controller.start(env)
  const left: Bench['left'] = []
  const one = new SimulatedSwitch(env, {
    dpid: '000000000000002a' as Dpid,
    name: 's42',
    ports: [1, 2, 3].map(number => ({
      number,
      name: `s42-eth${number}`,
      mac: `0e:00:00:00:00:0${number}` as Mac,
    })),
    send: (port, frame) => left.push({ port, frame }),
    limits,
  })
  one.connect(address)
  const line = (await controller.switches(1)).get(42n)!
  t.teardown(async () => {
    one.stop()
    await controller.stop()
  })
  return { controller, line, one, address, left }
}

const output = (port: number): Action => ({ kind: 'output', port })
const apply = (...actions: Action[]) => [{ kind: 'apply-actions', actions } as const]
const add = (priority: number, more: Partial<Message & { kind: 'flow-mod' }> = {}): Message => ({
  kind: 'flow-mod',
  command: 'add',
  priority,
  ...more,
})
const flowsOf = async (line: Line, more = {}) => {
  const reply = await line.ask({ kind: 'flow-stats-request', ...more }, 'flow-stats-reply')
  return reply.entries.map(entry => `${entry.tableId} ${entry.priority} ${entry.cookie}`).sort()
}

const udp = buildFrame(
  {
    eth_src: 0x020000000001,
    eth_dst: 0x020000000002,
    eth_type: 0x0800,
    ip_proto: 17,
    ip_src: 0x0a000001,
    ip_dst: 0x0a000002,
    udp_src: 1000,
    udp_dst: 2000,
  },
  new Uint8Array([1, 2, 3, 4]),
)

t.test('a switch says who it is, as Open vSwitch does', async t => {
  const { line } = await bench(t)
  const description = await line.ask({ kind: 'desc-request' }, 'desc-reply')
  t.match(description, { manufacturer: 'Nicira, Inc.', software: '3.1.0', datapath: 's42' })
  const { entries } = await line.ask({ kind: 'port-desc-request' }, 'port-desc-reply')
  t.match(entries, [
    { port: 1, name: 's42-eth1', hardwareAddress: '0e:00:00:00:00:01', config: 0, state: 4 },
    { port: 2 },
    { port: 3 },
    { port: 0xfffffffe, name: 's42', hardwareAddress: '00:00:00:00:00:2a', config: 1, state: 1 },
  ])
  const echo = await line.ask({ kind: 'echo-request', data: new Uint8Array([7]) }, 'echo-reply')
  t.same([...echo.data], [7])
})

t.test('flows are added, replaced, modified and deleted', async t => {
  const { line } = await bench(t)
  const ip = { eth_type: 0x0800 }
  t.same(
    await line.does(
      add(10, { cookie: 1n, match: { ...ip, ip_dst: 5 }, instructions: apply(output(1)) }),
      add(10, { cookie: 2n, match: { ...ip, ip_dst: 5 }, instructions: apply(output(2)) }),
      add(20, { cookie: 0x10n, match: ip, tableId: 3, instructions: apply(output(3)) }),
      add(30, { cookie: 0x11n, match: { in_port: 1 }, tableId: 3 }),
    ),
    [],
  )
  t.same(await flowsOf(line), ['0 10 2', '3 20 16', '3 30 17'])
  t.same(await flowsOf(line, { tableId: 3 }), ['3 20 16', '3 30 17'])
  t.same(await flowsOf(line, { cookie: 0x10n, cookieMask: 0xf0n }), ['3 20 16', '3 30 17'])
  t.same(await flowsOf(line, { match: ip }), ['0 10 2', '3 20 16'], 'as narrow or narrower')
  t.same(await flowsOf(line, { outPort: 3 }), ['3 20 16'])
  const overlap = add(20, { match: { in_port: 2 }, tableId: 3, flags: flowFlags.checkOverlap })
  t.same(await line.does(overlap), ['0 OFPFMFC_OVERLAP'])

  const modify: Message = {
    kind: 'flow-mod',
    command: 'modify',
    tableId: 3,
    match: ip,
    cookie: 99n,
    instructions: apply(output(1)),
  }
  t.same(await line.does(modify), [])
  t.same(await flowsOf(line, { outPort: 1 }), ['3 20 16'], 'modify leaves the cookie')
  t.same(
    await line.does({
      kind: 'flow-mod',
      command: 'delete',
      tableId: 0xff,
      cookie: 0x11n,
      cookieMask: 0xffn,
    }),
    [],
  )
  t.same(await flowsOf(line), ['0 10 2', '3 20 16'])
  const strict: Message = { kind: 'flow-mod', command: 'delete-strict', tableId: 3, match: ip }
  await line.does({ ...strict, priority: 21 })
  t.equal((await flowsOf(line)).length, 2, 'strict means the priority too')
  await line.does({ ...strict, priority: 20 })
  t.same(await flowsOf(line), ['0 10 2'])
  const sum = await line.ask({ kind: 'aggregate-stats-request' }, 'aggregate-stats-reply')
  t.equal(sum.flowCount, 1)
})

t.test('what Open vSwitch refuses is refused', async t => {
  const { line } = await bench(t)
  const group = { kind: 'group', group: 5 } as const
  t.same(
    await line.does(
      add(1, { instructions: apply(group) }),
      add(1, { tableId: 254 }),
      add(1, { tableId: 4, instructions: [{ kind: 'goto-table', table: 4 }] }),
      add(1, { instructions: [{ kind: 'meter', meter: 9 }] }),
      add(1, { instructions: apply({ kind: 'set_field', field: 'ip_dst', value: 1 }) }),
      { kind: 'group-mod', command: 'modify', groupId: 5 },
      { kind: 'group-mod', command: 'add', type: 'indirect', groupId: 5, buckets: [] },
      { kind: 'group-mod', command: 'add', type: 'ff', groupId: 5, buckets: [{ actions: [] }] },
      { kind: 'meter-mod', command: 'add', meterId: 1, flags: 3, bands: [] },
      add(1, { instructions: apply(output(0xffffff00)) }),
      add(2),
    ),
    [
      '0 OFPBAC_BAD_OUT_GROUP',
      '1 OFPBRC_BAD_TABLE_ID',
      '2 OFPBIC_BAD_TABLE_ID',
      '3 OFPMMFC_INVALID_METER',
      '4 OFPBAC_MATCH_INCONSISTENT',
      '5 OFPGMFC_UNKNOWN_GROUP',
      '6 OFPGMFC_INVALID_GROUP',
      '7 OFPGMFC_INVALID_GROUP',
      '8 OFPMMFC_BAD_FLAGS',
      '9 OFPBAC_BAD_OUT_PORT',
    ],
  )
  t.same(await flowsOf(line), ['0 2 0'])
})

t.test('a bundle is all or nothing, and its error names the message', async t => {
  const { line, one } = await bench(t)
  const flags = bundleFlags.atomic | bundleFlags.ordered
  const control = (bundleId: number, what: 'open' | 'close' | 'commit') =>
    ({ kind: 'bundle-control', bundleId, control: `${what}-request`, flags }) as const
  const bundle = async (bundleId: number, ...messages: Message[]) => {
    await line.ask(control(bundleId, 'open'), 'bundle-control')
    const xids = messages.map((message, index) => {
      const xid = 0x2000 + index
      return line.sendAs(
        { kind: 'bundle-add', bundleId, flags, message: encode(message, xid) },
        xid,
      )
    })
    await line.ask(control(bundleId, 'close'), 'bundle-control')
    const commit = line.send(control(bundleId, 'commit'))
    const errors: string[] = []
    for (;;) {
      const reply = await line.next(['error', 'bundle-control'])
      if (reply.kind !== 'error') return errors
      const name = errorName(reply.type, reply.code, reply.experimenter)
      errors.push(`${reply.xid === commit ? 'commit' : xids.indexOf(reply.xid)} ${name}`)
      if (reply.xid === commit) return errors
    }
  }
  const groupMod = (command: 'add' | 'delete'): Message => ({
    kind: 'group-mod',
    command,
    type: 'all',
    groupId: 5,
    buckets: command === 'add' ? [{ actions: [output(2)] }] : [],
  })
  const useGroup = add(5, { instructions: apply({ kind: 'group', group: 5 }) })
  await line.does(add(1, { cookie: 7n }), add(2, { cookie: 8n, tableId: 1 }))
  t.same(
    await bundle(
      1,
      { kind: 'flow-mod', command: 'delete', tableId: 0xff },
      groupMod('add'),
      useGroup,
      add(9, { instructions: apply({ kind: 'group', group: 6 }) }),
    ),
    ['3 OFPBAC_BAD_OUT_GROUP', 'commit OFPBFC_MSG_FAILED'],
  )
  t.same(await flowsOf(line), ['0 1 7', '1 2 8'], 'everything is as before')
  t.notOk(one.datapath.groups.has(5))

  t.same(await bundle(2, groupMod('add'), useGroup), [])
  t.same(await flowsOf(line), ['0 1 7', '0 5 0', '1 2 8'])
  t.same(await bundle(3, groupMod('delete')), [])
  t.same(await flowsOf(line), ['0 1 7', '1 2 8'], 'flows go with their group')
})

t.test('there is one master, and an older generation is refused', async t => {
  const { controller, line, one, address } = await bench(t)
  one.connect(address)
  await t.resolves(controller.switches(2))
  const other = controller.lines[1]!
  const master = (generationId: bigint) =>
    ({ kind: 'role-request', role: 'master', generationId }) as const
  t.match(await line.ask(master(5n), 'role-reply'), { role: 'master', generationId: 5n })
  t.same(await other.does(master(4n)), ['0 OFPRRFC_STALE'])
  t.match(await other.ask(master(6n), 'role-reply'), { role: 'master' })
  t.match(await line.next('role-status'), { role: 'slave', generationId: 6n })
  t.same(await line.does(add(1), { kind: 'packet-out', actions: [] }), [
    '0 OFPBRC_IS_SLAVE',
    '1 OFPBRC_IS_SLAVE',
  ])
  const noChange = { kind: 'role-request', role: 'nochange' } as const
  t.match(await line.ask(noChange, 'role-reply'), { role: 'slave', generationId: 6n })
  const slave = { kind: 'role-request', role: 'slave', generationId: 6n } as const
  t.match(await line.ask(slave, 'role-reply'), { role: 'slave' })
})

t.test('packets come up with their userdata, and go down through ports and tables', async t => {
  const { line, one, left } = await bench(t)
  const toController = { kind: 'controller', userdata: new Uint8Array([1, 2]) } as const
  await line.does(
    add(9, {
      match: { in_port: 1 },
      cookie: 0x77n,
      instructions: apply(
        { kind: 'load', to: { field: 'reg3', offset: 0, size: 8 }, value: 9 },
        toController,
      ),
    }),
    add(9, { match: { in_port: 2 }, instructions: apply(output(ports.controller)) }),
    add(0, { instructions: apply(output(ports.controller)) }),
    add(9, { match: { in_port: 0xfffffffd }, instructions: apply(output(3)) }),
  )
  one.receive(1, udp)
  const { properties } = await line.next('packet-in2')
  t.match(properties, {
    cookie: 0x77n,
    reason: 'action',
    tableId: 0,
    match: { in_port: 1, reg3: 9 },
  })
  t.same([...(properties.userdata ?? [])], [1, 2])
  t.same(Buffer.from(properties.data ?? []), Buffer.from(udp))
  one.receive(2, udp)
  t.match(await line.next('packet-in'), { reason: 'action', match: { in_port: 2 } })
  one.receive(3, udp)
  t.match(await line.next('packet-in'), { reason: 'no-match' })

  await line.does({ kind: 'set-packet-in-format', format: 'nxt2' })
  one.receive(3, udp)
  t.match(await line.next('packet-in2'), { properties: { reason: 'no-match' } })

  await line.does(
    { kind: 'packet-out', actions: [output(2)], data: udp },
    { kind: 'packet-out', actions: [output(ports.table)], data: udp },
    { kind: 'packet-out', inPort: 1, actions: [output(ports.inPort), output(1)], data: udp },
    { kind: 'packet-out', inPort: 1, actions: [output(ports.flood)], data: udp },
  )
  t.same(
    left.map(({ port }) => port),
    [2, 3, 1, 2, 3],
  )
})

t.test('rewritten frames have right checksums, tags come and go', async t => {
  const { line, one, left } = await bench(t)
  const set = (field: 'ip_dst' | 'udp_dst' | 'eth_dst' | 'vlan_vid', value: number): Action => ({
    kind: 'set_field',
    field,
    value,
  })
  const match = { in_port: 1, eth_type: 0x0800, ip_proto: 17 }
  const tagged = { in_port: 2, vlan_vid: 0x1005 }
  t.same(
    await line.does(
      add(1, {
        match,
        instructions: apply(
          set('eth_dst', 0x02000000000a),
          set('ip_dst', 0x0a00000a),
          set('udp_dst', 53),
          { kind: 'dec_ttl' },
          { kind: 'push_vlan', ethertype: 0x8100 },
          set('vlan_vid', 0x1005),
          output(2),
        ),
      }),
      add(1, { match: tagged, instructions: apply({ kind: 'pop_vlan' }, output(3)) }),
    ),
    [],
  )
  one.receive(1, udp)
  const there = left[0]!.frame
  t.equal(
    Buffer.from(there).toString('hex'),
    '02000000000a' + // eth_dst
      '020000000001' + // eth_src
      '81000005' + // the tag
      '0800' + // eth_type
      '4500002000004000' + // version to fragment offset
      '3f1127c3' + // TTL 63, UDP, header checksum
      '0a000001' + // ip_src
      '0a00000a' + // ip_dst
      '03e80035000ce3a8' + // ports, length, checksum
      '01020304', // payload
  )
  one.receive(2, there)
  t.equal(left[1]!.frame.length, udp.length)
  t.match(readPacket(left[1]!.frame).fields, { vlan_vid: 0, udp_dst: 53, nw_ttl: 63 })
})

t.test('flows end by themselves and tell', async t => {
  const { line, one } = await bench(t)
  await line.does(add(3, { cookie: 3n, hardTimeout: 1, flags: flowFlags.sendFlowRemoved }))
  one.receive(1, udp)
  t.match(await line.next('flow-removed'), {
    cookie: 3n,
    reason: 'hard-timeout',
    packetCount: 1n,
    byteCount: 46n,
  })
  await line.does(add(4, { flags: flowFlags.sendFlowRemoved }), {
    kind: 'flow-mod',
    command: 'delete',
  })
  t.match(await line.next('flow-removed'), { priority: 4, reason: 'delete' })
  t.same(await flowsOf(line), [])
})

t.test('a meter lets its burst pass and then its rate', async t => {
  const { line, one, left } = await bench(t)
  t.same(
    await line.does(
      {
        kind: 'meter-mod',
        command: 'add',
        meterId: 1,
        flags: 2 | 4 | 8,
        bands: [{ type: 'drop', rate: 1, burstSize: 10 }],
      },
      add(1, { instructions: [{ kind: 'meter', meter: 1 }, ...apply(output(2))] }),
    ),
    [],
  )
  for (let count = 0; count < 30; count++) one.receive(1, udp)
  t.equal(left.length, 10)
  const { entries } = await line.ask({ kind: 'meter-stats-request' }, 'meter-stats-reply')
  t.match(entries, [{ packetCount: 30n, flowCount: 1, bands: [{ packetCount: 20n }] }])
  t.same(await line.does({ kind: 'meter-mod', command: 'delete', meterId: 1 }), [])
  t.same(await flowsOf(line), [], 'flows go with their meter')
})

t.test('a port that goes down is told and flips fast failover; select spares it', async t => {
  const { line, one, left } = await bench(t)
  const buckets = [2, 3].map(port => ({ watchPort: port, actions: [output(port)] }))
  const weighed = buckets.map(bucket => ({ ...bucket, weight: 1 }))
  await line.does(
    { kind: 'group-mod', command: 'add', type: 'ff', groupId: 1, buckets },
    { kind: 'group-mod', command: 'add', type: 'select', groupId: 2, buckets: weighed },
    add(1, { instructions: apply({ kind: 'group', group: 1 }) }),
  )
  one.receive(1, udp)
  one.setPort(2, false)
  t.match(await line.next('port-status'), { reason: 'modify', description: { port: 2, state: 1 } })
  one.receive(1, udp)
  await line.does(add(2, { instructions: apply({ kind: 'group', group: 2 }) }))
  one.receive(1, udp)
  one.setPort(2, true)
  t.match(await line.next('port-status'), { description: { port: 2, state: 4 } })
  await line.does({ kind: 'flow-mod', command: 'delete-strict', priority: 2 })
  one.receive(1, udp)
  t.same(
    left.map(({ port }) => port),
    [2, 3, 3, 2],
  )
})

t.test('a switch comes back with its flows when the controller does', async t => {
  const { controller, line } = await bench(t)
  await line.does(add(1), add(2))
  line.close()
  const again = (await controller.switches(1)).get(42n)!
  t.not(again, line)
  t.same(await flowsOf(again), ['0 1 0', '0 2 0'])
})

t.test('a long list of flows comes in several parts', async t => {
  const { line } = await bench(t)
  const match = (index: number) => ({ eth_type: 0x0800, ip_src: index, ip_dst: 1, ip_proto: 17 })
  await line.does(...Array.from({ length: 2_000 }, (_, index) => add(5, { match: match(index) })))
  const xid = line.send({ kind: 'flow-stats-request' })
  let count = 0
  let parts = 0
  for (;;) {
    const part = await line.next('flow-stats-reply', xid)
    count += part.entries.length
    parts++
    if (!part.more) break
  }
  t.equal(count, 2_000)
  t.equal(parts, 8)
})

t.test('the real connection gets on with it', async t => {
  let onSwitch = (_: SwitchConnection): void => undefined
  const found = new Promise<SwitchConnection>(resolve => {
    onSwitch = resolve
  })
  const listener = await listenForSwitches(env, { host: '127.0.0.1', port: 0 }, { onSwitch })
  const one = new SimulatedSwitch(env, {
    dpid: '0000000000000007' as Dpid,
    name: 's7',
    ports: [{ number: 1, name: 's7-eth1', mac: '0e:00:00:00:00:01' as Mac }],
    send: () => undefined,
    limits,
  })
  t.teardown(() => listener.close())
  t.teardown(() => one.stop())
  const { address } = listener
  one.connect(address)
  const connection = await found
  t.equal(connection.dpid, '0000000000000007')
  await connection.becomeMaster(1n)
  await connection.bundle([add(1, { cookie: 5n }), add(2)])
  t.equal(one.datapath.flows.count, 2)
  await t.rejects(
    connection.bundle([add(3), add(4, { instructions: apply({ kind: 'group', group: 1 }) })]),
    { message: /message 1: OFPBAC_BAD_OUT_GROUP/ },
  )
  t.equal(one.datapath.flows.count, 2)
})
