import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  decode,
  encode,
  FlowTextError,
  formatReceived,
  type Message,
  parseFlowMod,
  parseGroupMod,
  parseMeterMod,
} from '../../src/openflow/index.js'

interface Recorded {
  readonly text: string
  readonly as: string
  readonly hex?: string
  readonly error?: string
}

const recorded = readFileSync('test/fixtures/openflow13/texts.jsonl', 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)

const hexOf = (message: Message): string => Buffer.from(encode(message, 0)).toString('hex')

const parse = ({ text, as }: Recorded): Message =>
  as === 'group-mod'
    ? parseGroupMod(text)
    : as === 'meter-mod'
      ? parseMeterMod(text)
      : parseFlowMod(text)

t.test('flows and groups become the octets that ovs-ofctl sends', async t => {
  const sent = recorded.filter(({ hex }) => hex !== undefined)
  t.ok(sent.length > 600)
  for (const one of sent) t.equal(hexOf(parse(one)), one.hex, one.text)
})

t.test('what ovs-ofctl refuses is refused', async t => {
  const wrong = recorded.filter(({ error }) => error !== undefined)
  t.ok(wrong.length > 200)
  for (const one of wrong) t.throws(() => parse(one), FlowTextError, `${one.text}: ${one.error}`)
})

t.test('refusals are clear and carry the names of OpenFlow', async t => {
  const reason = (text: string): string => {
    try {
      parseFlowMod(text)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(
    reason('actions=dec_ttl'),
    'actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)',
  )
  t.equal(
    reason('table=3,actions=goto_table:3'),
    'actions are invalid with specified match (OFPBIC_BAD_TABLE_ID)',
  )
  t.equal(
    reason('actions=output:ANY'),
    'actions are invalid with specified match (OFPBAC_BAD_OUT_PORT)',
  )
  t.equal(
    reason('actions=meter:0'),
    'actions are invalid with specified match (OFPMMFC_INVALID_METER)',
  )
  t.equal(reason('bogus=1,actions=drop'), 'unknown keyword bogus')
  t.equal(reason('tcp'), 'must specify an action')
  t.equal(reason('ip,nw_src=1.2.3,actions=drop'), '1.2.3: invalid IP address')
  t.equal(reason('ip,actions=dec_ttl'), 'taken')
})

t.test('names of ports are looked up', async t => {
  const ports = new Map([['uplink', 7]])
  const flow = decode(encode(parseFlowMod('in_port=uplink,actions=output:"uplink"', ports)))
  t.equal(formatReceived(flow), 'OFPT_FLOW_MOD (OF1.3) (xid=0x0): ADD in_port=7 actions=output:7')
})

t.test('a command may stand in front', async t => {
  const flow = decode(encode(parseFlowMod('delete table=3,tcp,cookie=0x10/0xf0')))
  t.match(flow, {
    kind: 'flow-mod',
    command: 'delete',
    tableId: 3,
    cookie: 0x10n,
    cookieMask: 0xf0n,
  })
  t.match(parseFlowMod('modify_strict table=1,priority=5,actions=drop'), {
    command: 'modify-strict',
    priority: 5,
  })
  t.match(parseGroupMod('delete group_id=5'), { command: 'delete', groupId: 5 })
  t.match(parseMeterMod('delete meter=5'), { command: 'delete', meterId: 5 })
})

t.test('meters become the octets that ovs-ofctl sends', async t => {
  t.equal(
    hexOf(parseMeterMod('meter=1,kbps,burst,bands=type=drop,rate=100,burst_size=10')),
    '041d0020' +
      '00000000' +
      '0000' +
      '0005' +
      '00000001' +
      '0001' +
      '0010' +
      '00000064' +
      '0000000a' +
      '00000000',
  )
  t.equal(
    hexOf(parseMeterMod('meter=controller,pktps,bands=type=drop,rate=20')),
    '041d0020' +
      '00000000' +
      '0000' +
      '0002' +
      'fffffffe' +
      '0001' +
      '0010' +
      '00000014' +
      '00000000' +
      '00000000',
  )
  for (const text of [
    'meter=7,kbps',
    'meter=0,kbps,bands=type=drop,rate=3',
    'meter=8,kbps,bands=rate=5',
  ])
    t.throws(() => parseMeterMod(text), FlowTextError, text)
})
