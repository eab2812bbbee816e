/**
 * `npm run bench -- wire`: how fast one core decodes packet-ins and encodes flow-mods of six fields and
 * three actions, median of five rounds; and what a million messages leave behind in memory.
 */
import { decode, encode, type Message } from '../src/openflow/index.js'

const rounds = 5
const roundMillis = 1000

/** A packet-in of Open vSwitch: in_port, a cookie, a TCP SYN of 54 octets. */
const packetIn = encode({
  kind: 'packet-in',
  totalLength: 54,
  reason: 'action',
  tableId: 3,
  cookie: 0x5147_0001_0000_0007n,
  match: { in_port: 7 },
  data: Buffer.from(
    '505400000007505400000008080045000028000000004006f97cc0a80001c0a800020008000a0000000000000000500200002e7d0000',
    'hex',
  ),
})

const flowMod: Message = {
  kind: 'flow-mod',
  command: 'add',
  tableId: 4,
  priority: 900,
  cookie: 0x5147_0001_0000_0007n,
  match: {
    in_port: 7,
    eth_type: 0x0800,
    ip_proto: 6,
    ip_src: { value: 0x0a000000, mask: 0xff000000 },
    ip_dst: 0x0a010203,
    tcp_dst: 443,
  },
  instructions: [
    {
      kind: 'apply-actions',
      actions: [
        { kind: 'set_field', field: 'eth_dst', value: 0x020000000001 },
        { kind: 'dec_ttl' },
        { kind: 'output', port: 9 },
      ],
    },
  ],
}

/** Calls per second, the loop's own cost in it. */
const measure = (work: () => void): number => {
  const start = performance.now()
  let count = 0
  let now = start
  while (now - start < roundMillis) {
    for (let index = 0; index < 2000; index++) work()
    count += 2000
    now = performance.now()
  }
  return (count * 1000) / (now - start)
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!

const report = (name: string, goal: number, work: () => void): void => {
  measure(work)
  const rates = Array.from({ length: rounds }, () => measure(work))
  const rate = median(rates)
  const range = `${(Math.min(...rates) / 1e6).toFixed(2)} to ${(Math.max(...rates) / 1e6).toFixed(2)}`
  process.stdout.write(
    `${name}: ${(rate / 1e6).toFixed(2)} M/s, median of ${rounds} (${range}); goal ${goal / 1e6} M/s: ${rate >= goal ? 'met' : 'missed'}\n`,
  )
}

export const run = async (_words: string[]): Promise<void> => {
  const encoded = encode(flowMod)
  let sum = 0
  report('packet-ins decoded', 1.5e6, () => {
    const message = decode(packetIn)
    if (message.kind === 'packet-in') sum += message.data.length
  })
  report('flow-mods encoded', 0.6e6, () => {
    sum += encode(flowMod, 7).length
  })
  report('flow-mods decoded', 0.3e6, () => {
    sum += decode(encoded).xid
  })
  if (sum === 0) throw new Error('nothing was done')
  const before = process.memoryUsage().rss
  for (let index = 0; index < 1_000_000; index++) encode(decode(packetIn) as Message, index)
  const after = process.memoryUsage().rss
  process.stdout.write(
    `a million packet-ins decoded and encoded: RSS ${(before / 1e6).toFixed(0)} MB before, ${(after / 1e6).toFixed(0)} MB after\n`,
  )
}
