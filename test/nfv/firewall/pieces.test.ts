/**
 * Laws of what comes out of ct(), over every table that a ct() of the compiled rows leads to. What waited in vain for
 * the rest of its datagram comes out of any of them, 15 seconds later, with `inv` and nothing else in its state.
 */
import t from 'tap'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { learningRows } from '../../../src/nfv/firewall/flows/tables.js'
import type { TimeoutBook } from '../../../src/nfv/firewall/flows/timeout-zones.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { Resolver } from '../../../src/nfv/firewall/meaning/resolve.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'
import { type Action, type CtAction, ctState } from '../../../src/openflow/values.js'
import type { Flow } from '../../../src/pipeline/program.js'
import { bitsEqual, registers } from '../../../src/pipeline/registers.js'
import { type TableName, tableName } from '../../../src/pipeline/tables.js'
import { readUserdata } from '../../../src/pipeline/userdata.js'

const policy = `default reject log
ftp: allow tcp 21 helper ftp from 10.0.0.1 to any
few: allow udp 53 max 5 connections
slow: allow tcp 80 limit 10/minute
way: allow-stateless udp 4789 from 10.0.0.1 to 10.0.0.2
tier admin
ask: pass any from 10.9.0.0/16
see: audit drop tcp
`

const book: TimeoutBook = {
  networks: [1, 2],
  zones: [7, 9].map(seconds => ({
    seconds,
    ports: { udp: [{ from: seconds, to: seconds }] },
    portsEver: { udp: [{ from: seconds, to: seconds }] },
    unused: 0,
    slots: { 1: 40 + seconds, 2: 50 + seconds },
  })),
}

const compiled = (): Flow[] => {
  const loaded = loadText(new Parser(), 'p.rules', policy)
  const resolved = new Resolver().resolve([{ name: 'p', order: 0, loaded }], noFacts(0))
  t.same(resolved.complaints, [])
  const sections = createCompiler().compile(resolved, 5, book)
  return [...sections.flatMap(({ flows }) => flows), ...learningRows(5, 1, [{ from: 21, to: 21 }])]
}

const ctActions = (actions: readonly Action[]): CtAction[] =>
  actions.flatMap(action =>
    action.kind === 'ct' ? [action] : action.kind === 'clone' ? ctActions(action.actions) : [],
  )

/** Tables that some ct() leads to. */
const behindCt = (flows: readonly Flow[]): TableName[] => [
  ...new Set(
    flows
      .flatMap(({ actions }) => ctActions(actions))
      .flatMap(({ table }) => (table === undefined ? [] : [tableName(table)!])),
  ),
]

/** Nothing goes on: at most a copy goes to the controller, which does not give it back. */
const isDrop = ({ actions, goto }: Flow): boolean =>
  goto === undefined &&
  actions.every(
    action => action.kind === 'controller' && readUserdata(action.userdata)?.reason === 'invalid',
  )

/** Whether the row can match a packet of this state. */
const takes = ({ match }: Flow, state: number): boolean => {
  const { ct_state: wanted } = match
  if (wanted === undefined) return true
  const { value, mask } =
    typeof wanted === 'object' && 'value' in wanted ? wanted : { value: wanted, mask: 0xffffffff }
  return (state & Number(mask)) === Number(value)
}

/** No piece of a datagram meets it. */
const isOfWhole = ({ match }: Flow): boolean => match.ip_frag === 0

/** Tables behind ct() in which something else than a drop may happen to a packet of this state. */
const passed = (flows: readonly Flow[], state: number): TableName[] =>
  behindCt(flows).filter(table => {
    const rows = flows.filter(flow => flow.table === table).sort((a, b) => b.priority - a.priority)
    const end = rows.findIndex(
      row => isDrop(row) && Object.keys(row.match).join() === 'ct_state' && takes(row, state),
    )
    return (
      end < 0 ||
      rows.some(row => !isDrop(row) && row.priority >= rows[end]!.priority && takes(row, state))
    )
  })

t.test('what is only invalid is dropped behind every ct()', async t => {
  const flows = compiled()
  t.same(behindCt(flows).sort(), ['accepted', 'pieces', 'reopen', 'session', 'zones'])
  t.same(passed(flows, ctState.inv), [])
  t.same(
    passed(
      flows.filter(flow => !isOfWhole(flow)),
      ctState.inv | ctState.trk,
    ).filter(table => table !== 'zones' && table !== 'reopen'),
    [],
    'tracked as well, but where the next zone is looked into, and segments of TCP',
  )
  for (const table of behindCt(flows)) {
    const fewer = flows.filter(
      flow =>
        !(flow.table === table && isDrop(flow) && takes(flow, ctState.inv) && flow.priority > 0),
    )
    t.same(passed(fewer, ctState.inv), [table], `a table without such a row is found: ${table}`)
  }
})

t.test('nothing is accepted because no row matched', async t => {
  const flows = compiled()
  for (const table of behindCt(flows)) {
    const misses = flows.filter(
      flow => flow.table === table && Object.keys(flow.match).length === 0,
    )
    t.equal(misses.length, 1)
    t.ok(isDrop(misses[0]!) || misses[0]!.goto === 'ports', `${table}: the rules, or a drop`)
  }
  t.ok(isDrop(flows.find(({ table, priority }) => table === 'commit' && priority === 0)!))
})

t.test('no piece goes to ct(commit) before the rules have spoken of its datagram', async t => {
  const flows = compiled().filter(flow => !isOfWhole(flow))
  // All pieces of what another switch has let in go the same way.
  const isJudged = bitsEqual(
    [registers.fromFabric, 1],
    [registers.judged, 1],
    [registers.answers, 0],
  )
  const isBelieved = ({ table, match }: Flow) =>
    table === 'session' && JSON.stringify(match.reg0) === JSON.stringify(isJudged)
  const keeping = flows.filter(({ actions }) => ctActions(actions).some(({ commit }) => commit))
  t.same(
    [...new Set(keeping.filter(flow => !isBelieved(flow)).map(({ table }) => table))],
    ['commit'],
  )
  // To `commit` lead the rules, which see no later piece, and the row for a first piece that they have accepted.
  const later = flows.filter(({ table, match }) => table === 'ports' && match.ip_frag === 3)
  t.equal(later.length, 2)
  for (const row of later) {
    t.same(row.match, { eth_type: row.match.eth_type, ip_frag: 3 })
    t.ok(flows.every(({ table, priority }) => table !== 'ports' || priority <= row.priority))
    t.equal(row.goto, undefined)
  }
  t.same(
    flows
      .filter(({ table, goto }) => table === 'pieces' && goto !== undefined)
      .map(({ goto, match }) => [goto, match.ip_frag]),
    [
      ['commit', 1],
      ['commit', 1],
    ],
  )
})

t.test(
  'what passes by its session is judged, each piece of it, so that the next switch believes all or none',
  async t => {
    const flows = compiled()
    const { offset } = registers.judged
    const isJudgedThere = ({ match: { reg0 } }: Flow) =>
      typeof reg0 === 'object' &&
      'value' in reg0 &&
      ((Number(reg0.value) & Number(reg0.mask)) >> offset) % 2 === 1
    const isJudgedHere = ({ actions }: Flow) =>
      actions.some(action => action.kind === 'load' && action.to === registers.judged)
    const passing = (rows: readonly Flow[]) =>
      rows.filter(({ table, goto }) => table === 'session' && goto === 'forward')
    const unjudged = (rows: readonly Flow[]) =>
      passing(rows).filter(flow => !isJudgedThere(flow) && !isJudgedHere(flow))
    t.ok(passing(flows).length > 10)
    t.same(unjudged(flows), [])
    const silent = flows.map(flow => (flow.match.ip_frag === 3 ? { ...flow, actions: [] } : flow))
    t.equal(unjudged(silent).length, 2, 'later pieces that were not would be found')
  },
)

/** Whether a row may be meant for later pieces of IPv6, and asks for a protocol, which they do not say: it is 44 for all. */
const asksForProtocol = ({ match }: Flow): boolean => {
  const { eth_type, ip_frag, ip_proto } = match
  if (eth_type !== 0x86dd || ip_proto === undefined || ip_frag === undefined) return false
  const [value, mask] = typeof ip_frag === 'object' ? [ip_frag.value, ip_frag.mask] : [ip_frag, 3]
  return (Number(value) & Number(mask)) === (3 & Number(mask))
}

t.test('no row asks for the protocol of later pieces of IPv6', async t => {
  const flows = compiled()
  t.same(flows.filter(asksForProtocol), [])
  const ofPieces = { eth_type: 0x86dd, ip_proto: 17, ip_frag: { value: 1, mask: 1 } }
  t.ok(asksForProtocol({ match: ofPieces } as unknown as Flow), 'one that did would be found')
  t.notOk(asksForProtocol({ match: { ...ofPieces, ip_frag: 1 } } as unknown as Flow), 'the first')
})
