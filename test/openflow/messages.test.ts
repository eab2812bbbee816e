import t, { type Test } from 'tap'
import {
  DecodeError,
  decode,
  encode,
  formatReceived,
  type Received,
} from '../../src/openflow/index.js'
import { hex } from './bytes.js'

/** `reads as`, `writes as`, `prints as`, for one fixture. */
const agree = (t: Test, bytes: Buffer, value: Received, text: string): void => {
  t.same(decode(bytes), value, 'reads as')
  t.equal(Buffer.from(encode(value)).toString('hex'), bytes.toString('hex'), 'writes as')
  t.equal(formatReceived(value), text, 'prints as')
}

t.test('a flow-mod', async t => {
  agree(
    t,
    hex(`
      04 0e 0078 00000007          # version 1.3, flow-mod, 120 octets, xid
      5147000100000001             # cookie
      0000000000000000             # cookie mask
      03 00 0005 000a 0064         # table 3, add, idle 5 s, hard 10 s, priority 100
      ffffffff ffffffff ffffffff   # no buffer, any port, any group
      0001 0000                    # send flow removed, padding
      0001 0021                    # match of 33 octets
        80000a02 0800              #   eth_type IPv4
        80001708 0a000000ff000000  #   ip_src 10.0.0.0/8
        80001401 06                #   ip_proto TCP
        80001c02 01bb              #   tcp_dst 443
        00000000000000             #   padding
      0004 0018 00000000           # apply actions
        0000 0010 00000009         #   output to port 9
        0000 000000000000          #   max_len, padding
      0001 0008 04 000000          # go to table 4
    `),
    {
      kind: 'flow-mod',
      xid: 7,
      cookie: 0x5147_0001_0000_0001n,
      cookieMask: 0n,
      tableId: 3,
      command: 'add',
      idleTimeout: 5,
      hardTimeout: 10,
      priority: 100,
      bufferId: 0xffffffff,
      outPort: 0xffffffff,
      outGroup: 0xffffffff,
      flags: 1,
      match: {
        eth_type: 0x0800,
        ip_src: { value: 0x0a000000, mask: 0xff000000 },
        ip_proto: 6,
        tcp_dst: 443,
      },
      instructions: [
        { kind: 'apply-actions', actions: [{ kind: 'output', port: 9 }] },
        { kind: 'goto-table', table: 4 },
      ],
    },
    'OFPT_FLOW_MOD (OF1.3) (xid=0x7): ADD table:3 priority=100,tcp,nw_src=10.0.0.0/8,tp_dst=443 cookie:0x5147000100000001 idle:5 hard:10 send_flow_rem actions=output:9,goto_table:4',
  )
})

t.test('a flow monitor of ONF', async t => {
  agree(
    t,
    hex(`
      04 12 0030 00000009          # version 1.3, multipart request, 48 octets, xid
      ffff 0000 00000000           # experimenter, no flags, padding
      4f4e4600 0000074e            # ONF, flow monitor
      00000005 001f 0004           # monitor 5, all but own changes, match of 4 octets
      ffffffff 02 000000           # any port, table 2, padding
      0001 0004 00000000           # empty match
    `),
    {
      kind: 'flow-monitor-request',
      xid: 9,
      more: false,
      monitors: [{ id: 5, flags: 31, outPort: 0xffffffff, tableId: 2, match: {} }],
    },
    'ONFST_FLOW_MONITOR request (OF1.3) (xid=0x9):\n id=5 flags=initial,add,delete,modify,actions table=2',
  )
})

t.test('what is unknown is kept', async t => {
  const kept = [
    '04 63 000c 00000001 deadbeef  # a type that does not exist',
    '04 04 0014 00000001 00c0ffee 00000007 deadbeef  # an experimenter that nobody knows',
    '04 12 0014 00000001 0063 0000 00000000 deadbeef  # a multipart type that does not exist',
    '04 13 001c 00000001 ffff 0001 00000000 00c0ffee 00000007 deadbeef  # of an experimenter',
    '04 12 0010 00000001 0003 0400 00000000  # flags of multipart that do not exist',
    `04 0e 0048 00000001 00000000000000000000000000000000 00000000 0000 8000 ffffffffffffffffffffffff 00000000
     0001 000e 7abc0206 010203040506 0000  # a field of class 0x7abc
     0063 0008 deadbeef  # an instruction that does not exist`,
  ]
  for (const text of kept) {
    const bytes = hex(text)
    t.equal(Buffer.from(encode(decode(bytes))).toString('hex'), bytes.toString('hex'), text)
  }
})

const refusal = (bytes: Buffer): { offset: number; answer: string } | undefined => {
  try {
    decode(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return { offset: error.offset, answer: error.answer }
    throw error
  }
  return undefined
}

/** A flow-mod with these fields and no actions. */
const flowWith = (fields: string): Buffer => {
  const match = hex(fields)
  const size = 4 + match.length
  const padded = Buffer.alloc(8 * Math.ceil(size / 8))
  padded.writeUInt16BE(1, 0)
  padded.writeUInt16BE(size, 2)
  padded.set(match, 4)
  const head = hex(
    '040e0000 00000001 00000000000000000000000000000000 00000000 0000 8000 ffffffffffffffffffffffff 00000000',
  )
  const bytes = Buffer.concat([head, padded])
  bytes.writeUInt16BE(bytes.length, 2)
  return bytes
}

t.test('prerequisites, masks and values are checked, with the names of OpenFlow', async t => {
  const cases: readonly (readonly [fields: string, answer: string, offset: number])[] = [
    ['80001c02 0050                            # tcp_dst of anything', 'OFPBMC_BAD_PREREQ', 52],
    ['80000a02 0800 80001c02 0050              # of IPv4', 'OFPBMC_BAD_PREREQ', 58],
    ['80001c02 0050 80000a02 0800 80001401 06  # before they are said', 'OFPBMC_BAD_PREREQ', 52],
    ['80000a02 86dd 80001604 0a000001          # ip_src of IPv6', 'OFPBMC_BAD_PREREQ', 58],
    ['80000c02 0005 80000e01 03                # vlan_pcp without a tag', 'OFPBMC_BAD_PREREQ', 58],
    [
      '0001f004 0a000001                        # ct_nw_src without ct_state',
      'OFPBMC_BAD_PREREQ',
      52,
    ],
    ['0001d304 00000020                        # a mask that is half there', 'OFPBMC_BAD_LEN', 52],
    ['80000a02 0800 80000a02 0800              # eth_type twice', 'OFPBMC_DUP_FIELD', 58],
    ['80000b04 0800 ff00                       # eth_type under a mask', 'OFPBMC_BAD_MASK', 52],
    ['80000c02 3000                            # vlan_vid of 14 bits', 'OFPBMC_BAD_VALUE', 52],
    [
      '00010108 00000005 00000004               # bits outside the mask',
      'OFPBMC_BAD_WILDCARDS',
      52,
    ],
    ['80000004 0000ff05                        # a port that cannot be', 'OFPBMC_BAD_VALUE', 52],
    ['80000a02 08                              # a field that is cut off', 'OFPBMC_BAD_LEN', 56],
  ]
  for (const [fields, answer, offset] of cases)
    t.same(refusal(flowWith(fields)), { offset, answer }, fields)
  const right = [
    '80000a02 0800 80001401 06 80001c02 0050',
    '80000c02 1005 80000e01 03',
    '0001d308 00000022 00000022 0001f004 0a000001',
    '80000004 0000feff',
    '80000004 fffffffe',
  ]
  for (const fields of right) t.equal(refusal(flowWith(fields)), undefined, fields)
})

t.test('nesting has an end', async t => {
  let actions = hex('0000 0010 00000001 0000 000000000000')
  for (let depth = 0; depth < 20; depth++) {
    const head = hex('ffff 0000 00002320 002a 000000000000')
    head.writeUInt16BE(head.length + actions.length, 2)
    actions = Buffer.concat([head, actions])
  }
  const instruction = hex('0004 0000 00000000')
  instruction.writeUInt16BE(8 + actions.length, 2)
  const bytes = Buffer.concat([flowWith(''), instruction, actions])
  bytes.writeUInt16BE(bytes.length, 2)
  t.equal(refusal(bytes)?.answer, 'OFPBAC_BAD_LEN')
})
