import t from 'tap'
import { importNft } from '../../../../src/nfv/firewall/import/nft.js'
import { loadText } from '../../../../src/nfv/firewall/load.js'
import { Parser } from '../../../../src/nfv/firewall/parse.js'

const at = { family: 'inet', table: 'f' }
const payload = (protocol: string, field: string, right: unknown, op = '==') => ({
  match: { op, left: { payload: { protocol, field } }, right },
})
const rule = (handle: number, ...expr: object[]) => ({
  rule: { ...at, chain: 'fwd', handle, expr },
})

t.test('chains at hook forward become rules, sets and jumps included', async t => {
  const ruleset = {
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: at },
      {
        set: {
          ...at,
          name: 'office',
          type: 'ipv4_addr',
          elem: [{ prefix: { addr: '10.1.0.0', len: 16 } }, '10.9.0.7'],
        },
      },
      { chain: { ...at, name: 'fwd', type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
      { chain: { ...at, name: 'web' } },
      rule(
        4,
        { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } },
        { accept: null },
      ),
      rule(
        5,
        payload('ip', 'saddr', '@office'),
        payload('tcp', 'dport', { set: [80, { range: [8000, 8099] }] }),
        { counter: { packets: 0, bytes: 0 } },
        { accept: null },
      ),
      rule(
        6,
        payload('ip', 'daddr', '10.2.0.0', '!='),
        { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'udp' } },
        { log: { prefix: 'odd udp ' } },
        { reject: { type: 'icmp', expr: 'port-unreachable' } },
      ),
      rule(7, payload('ip', 'daddr', { prefix: { addr: '10.2.0.0', len: 24 } }), {
        jump: { target: 'web' },
      }),
      rule(
        8,
        { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'eth0' } },
        { accept: null },
      ),
      {
        rule: {
          ...at,
          chain: 'web',
          handle: 9,
          comment: 'only https',
          expr: [payload('tcp', 'dport', 443), { accept: null }],
        },
      },
    ],
  }
  const { text, notes } = importNft(JSON.stringify(ruleset))
  t.equal(
    text,
    `# from nft -j list ruleset, hook forward
default drop

handle-5: allow tcp 80, 8000-8099 from 10.1.0.0/16, 10.9.0.7 to any
handle-6: audit allow udp from any to any except 10.2.0.0 log "odd udp"
handle-6-2: reject udp from any to any except 10.2.0.0
only-https: allow tcp 443 from any to 10.2.0.0/24  # only https
# no equivalent, handle 8: {"meta":{"key":"iifname"}}: [{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}},{"accept":null}]
`,
  )
  t.same(
    notes.map(note => note.line),
    [8],
  )
  t.same(loadText(new Parser(), 'imported.rules', text).complaints, [])
})

t.test('what is no ruleset is refused', async t => {
  t.throws(() => importNft('{'), SyntaxError)
  t.throws(() => importNft('{}'), { message: /"nftables" is missing/ })
})
