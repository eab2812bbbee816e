import t from 'tap'
import { ctState, type Match } from '../../src/openflow/values.js'
import { buildFrame } from '../../src/pipeline/build.js'
import type { RunGroup } from '../../src/pipeline/choice.js'
import { Conntrack } from '../../src/pipeline/conntrack.js'
import { evaluate, type RunRow } from '../../src/pipeline/evaluate.js'
import { FlowTable } from '../../src/pipeline/flow-table.js'
import { checksum, type Fields, readPacket } from '../../src/pipeline/packet.js'

const row = (
  table: number,
  priority: number,
  match: Match,
  rest: Partial<RunRow> = {},
): RunRow => ({ table, priority, match, cookie: 0n, actions: [], ...rest })

const switchOf = (
  rows: readonly RunRow[],
  groups: Record<number, RunGroup> = {},
  dead: number[] = [],
) => {
  const byId = new Map<number, FlowTable<RunRow>>()
  for (const each of rows) {
    const table = byId.get(each.table) ?? new FlowTable<RunRow>()
    byId.set(each.table, table)
    table.add(each)
  }
  return {
    table: (id: number) => byId.get(id),
    group: (id: number) => groups[id],
    isLive: (port: number) => !dead.includes(port),
    conntrack: new Conntrack(),
  }
}

const tcp = (flags: number, from = 1, to = 2): Fields => ({
  eth_src: 0x020000000000 + from,
  eth_dst: 0x020000000000 + to,
  eth_type: 0x0800,
  ip_proto: 6,
  ip_src: 0x0a000000 + from,
  ip_dst: 0x0a000000 + to,
  tcp_src: from === 1 ? 40000 : 80,
  tcp_dst: from === 1 ? 80 : 40000,
  tcp_flags: flags,
})

t.test('a frame is read back as the fields it was built from', async t => {
  const frame = buildFrame(tcp(2))
  const { fields } = readPacket(frame)
  t.match(fields, { ...tcp(2), vlan_vid: 0, nw_ttl: 64, ip_frag: 0 })
  t.equal(checksum(frame.subarray(14, 34)), 0, 'the IPv4 header sums up')
  const arp = readPacket(
    buildFrame({
      eth_type: 0x0806,
      arp_op: 1,
      arp_sha: 0x020000000001,
      arp_spa: 0x0a000001,
      arp_tpa: 0x0a000002,
      vlan_vid: 0x1005,
    }),
  )
  t.match(arp.fields, {
    vlan_vid: 0x1005,
    arp_op: 1,
    arp_sha: 0x020000000001,
    arp_spa: 0x0a000001,
    arp_tpa: 0x0a000002,
  })
  t.equal(readPacket(new Uint8Array(5)).fields.eth_type, undefined, 'a stump has no fields')
})

t.test('the row of highest priority wins, masks included', async t => {
  const net = switchOf([
    row(
      0,
      10,
      { eth_type: 0x0800, ip_src: { value: 0x0a000000, mask: 0xff000000 } },
      { actions: [{ kind: 'output', port: 2 }] },
    ),
    row(
      0,
      20,
      { eth_type: 0x0800, ip_proto: 6, tcp_dst: { value: 80, mask: 0xfff0 } },
      { goto: 1 },
    ),
    row(
      1,
      0,
      {},
      {
        actions: [
          { kind: 'output', port: 3 },
          { kind: 'output', port: 1 },
        ],
      },
    ),
  ])
  const seen = evaluate(net, readPacket(buildFrame(tcp(2))), 1)
  t.same(
    seen.outputs.map(o => o.port),
    [3],
    'never back to where it came from',
  )
  t.same(
    seen.steps.map(s => s.table),
    [0, 1],
  )
})

t.test('a conjunction needs every clause', async t => {
  const clause = (match: Match, index: number) =>
    row(
      0,
      50,
      { eth_type: 0x0800, ...match },
      { actions: [{ kind: 'conjunction', id: 7, clause: index, clauseCount: 2 }] },
    )
  const net = switchOf([
    clause({ ip_src: 0x0a000001 }, 0),
    clause({ ip_src: 0x0a000009 }, 0),
    clause({ ip_dst: 0x0a000002 }, 1),
    row(0, 50, { eth_type: 0x0800, conj_id: 7 }, { actions: [{ kind: 'output', port: 5 }] }),
    row(0, 0, {}, { actions: [{ kind: 'output', port: 6 }] }),
  ])
  t.same(evaluate(net, readPacket(buildFrame(tcp(2))), 1).outputs[0]?.port, 5)
  t.same(evaluate(net, readPacket(buildFrame(tcp(2, 1, 3))), 1).outputs[0]?.port, 6)
})

t.test(
  'a connection is new, then established in both directions, with its label and original tuple',
  async t => {
    const net = switchOf([
      row(0, 1, { eth_type: 0x0800 }, { actions: [{ kind: 'ct', zone: 9, table: 1 }] }),
      row(
        1,
        5,
        { ct_state: { value: ctState.trk | ctState.new, mask: ctState.trk | ctState.new } },
        {
          actions: [
            {
              kind: 'ct',
              zone: 9,
              commit: true,
              exec: [{ kind: 'load', to: { field: 'ct_label', offset: 0, size: 16 }, value: 3 }],
              table: 2,
            },
          ],
        },
      ),
      row(1, 1, {}, { actions: [{ kind: 'output', port: 7 }] }),
      row(2, 1, {}, { actions: [{ kind: 'output', port: 8 }] }),
    ])
    const send = (fields: Fields) => evaluate(net, readPacket(buildFrame(fields)), 1)
    t.equal(
      send(tcp(0x12, 2, 1)).steps.at(-1)?.fields.ct_state,
      ctState.trk | ctState.inv,
      'SYN+ACK first is invalid',
    )
    t.equal(send(tcp(2)).outputs[0]?.port, 8)
    const reply = send(tcp(0x12, 2, 1)).outputs[0]
    t.equal(reply?.port, 7)
    t.match(reply?.fields, {
      ct_state: ctState.trk | ctState.est | ctState.rpl,
      ct_label: 3n,
      ct_nw_src: 0x0a000001,
      ct_tp_dst: 80,
    })
    t.equal(send(tcp(0x10)).outputs[0]?.fields.ct_state, ctState.trk | ctState.est)
  },
)

t.test(
  'select keeps a connection on one live bucket, fast failover takes the first live one',
  async t => {
    const bucket = (port: number) => ({
      watchPort: port,
      actions: [{ kind: 'output', port } as const],
    })
    const rows = [row(0, 1, {}, { actions: [{ kind: 'group', group: 1 }] })]
    const out = (type: RunGroup['type'], dead: number[], fields: Fields) =>
      evaluate(
        switchOf(rows, { 1: { type, buckets: [bucket(2), bucket(3)] } }, dead),
        readPacket(buildFrame(fields)),
        1,
      ).outputs.map(o => o.port)
    t.same(out('ff', [], tcp(2)), [2])
    t.same(out('ff', [2], tcp(2)), [3])
    t.same(out('all', [], tcp(2)), [2, 3])
    t.same(out('select', [], tcp(2)), out('select', [], tcp(2, 2, 1)), 'both directions alike')
    t.same(out('select', [2], tcp(2)), [3])
  },
)

t.test('the action set is done once, at the end, and a resubmit comes back', async t => {
  const net = switchOf([
    row(
      0,
      1,
      {},
      {
        actions: [
          { kind: 'resubmit', table: 5 },
          { kind: 'output', port: 2 },
        ],
        goto: 1,
      },
    ),
    row(5, 1, {}, { writeActions: [{ kind: 'output', port: 3 }] }),
    row(1, 1, {}, { actions: [{ kind: 'output', port: 4 }] }),
  ])
  t.same(
    evaluate(net, readPacket(buildFrame(tcp(2))), 1).outputs.map(o => o.port),
    [2, 4, 3],
  )
})

t.test('a TTL that runs out ends the table and goes to the controller', async t => {
  const net = switchOf([
    row(0, 1, {}, { actions: [{ kind: 'dec_ttl' }, { kind: 'output', port: 2 }], goto: 1 }),
    row(1, 1, {}, { actions: [{ kind: 'output', port: 3 }] }),
  ])
  const send = (ttl: number) => evaluate(net, readPacket(buildFrame({ ...tcp(2), nw_ttl: ttl })), 1)
  t.match(send(2).outputs, [
    { port: 2, fields: { nw_ttl: 1 } },
    { port: 3, fields: { nw_ttl: 1 } },
  ])
  t.same(send(1).outputs, [])
  t.match(send(1).toController, [{ reason: 2 }])
})

t.test('copies are changed alone, exit ends, weight 0 gets nothing', async t => {
  const net = switchOf(
    [
      row(
        0,
        1,
        {},
        {
          actions: [
            {
              kind: 'clone',
              actions: [
                { kind: 'set_field', field: 'eth_dst', value: 9 },
                { kind: 'output', port: 2 },
                { kind: 'exit' },
                { kind: 'output', port: 9 },
              ],
            },
            { kind: 'group', group: 1 },
            { kind: 'exit' },
            { kind: 'output', port: 9 },
          ],
        },
      ),
    ],
    {
      1: {
        type: 'select',
        buckets: [
          { weight: 0, actions: [{ kind: 'output', port: 7 }] },
          { weight: 1, actions: [{ kind: 'output', port: 3 }] },
        ],
      },
    },
  )
  t.match(evaluate(net, readPacket(buildFrame(tcp(2))), 1).outputs, [
    { port: 2, fields: { eth_dst: 9 } },
    { port: 3, fields: { eth_dst: 0x020000000002 } },
  ])
})
