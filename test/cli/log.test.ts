/** `sluice log`: which events are shown, and how. */
import { Command } from 'commander'
import t from 'tap'
import { Failure } from '../../src/base/failures.js'
import type { Client } from '../../src/cli/client.js'
import { addLog } from '../../src/cli/reading/log.js'

const hit = (sequence: number, verdict: string, rule: string, more: object = {}) => ({
  sequence,
  time: `2026-11-25T17:40:0${sequence}.000Z`,
  kind: verdict === 'reject' ? 'rule-rejected' : 'rule-logged',
  verdict,
  rule,
  policy: 'campus',
  file: 'campus.rules',
  line: 5,
  source: '10.1.0.7',
  destination: '10.2.0.10',
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 22,
  ...more,
})

const kept = [
  { sequence: 1, kind: 'link-up' },
  hit(2, 'drop', 'default'),
  hit(3, 'reject', 'mail', { text: 'mail leaves through the relay' }),
]

/** Pages of one event, and what comes later: on one connection, and on the next after it was lost. */
const client = (asked: string[], ended: AbortController, items: readonly object[]): Client =>
  ({
    get: async (path: string) => {
      asked.push(path)
      const since = Number(/since=(\d+)/.exec(path)![1])
      return { items: items.filter(each => 'sequence' in each && each.sequence === since + 1) }
    },
    events: async function* (path: string, last: number) {
      asked.push(`${path} behind ${last}`)
      if (last === 3) {
        yield hit(4, 'drop', 'default')
        yield { sequence: 5, kind: 'host-moved' }
        throw new Failure('no-answer', { address: 'here', detail: 'UND_ERR_SOCKET' })
      }
      yield { sequence: 8, kind: 'gap', after: 5, reason: 'lost', time: 'then' }
      yield hit(9, 'drop', 'default')
      ended.abort()
    },
  }) as unknown as Client

const run = (...words: string[]) => runWith(kept, ...words)

const runWith = async (items: readonly object[], ...words: string[]) => {
  const lines: string[] = []
  const asked: string[] = []
  const complaints: string[] = []
  const ended = new AbortController()
  const program = new Command()
  const cli = {
    print: (text: string) => lines.push(text),
    complain: (text: string) => complaints.push(text),
    pause: async () => undefined,
    signal: ended.signal,
  }
  addLog(program, cli, async () => client(asked, ended, items))
  await program.parseAsync(['log', ...words], { from: 'user' })
  return { lines, asked, complaints }
}

t.test('what rules logged and rejected, and nothing else', async t => {
  t.same((await run()).lines, [
    '2026-11-25T17:40:02.000Z drop tcp 10.1.0.7:40000 -> 10.2.0.10:22 by default (campus.rules:5)',
    '2026-11-25T17:40:03.000Z reject tcp 10.1.0.7:40000 -> 10.2.0.10:22 by mail (campus.rules:5) "mail leaves through the relay"',
  ])
})

t.test('what is logged and rejected in one moment is one line, and two events', async t => {
  const twins = [
    { ...hit(1, 'reject', 'mail'), kind: 'rule-logged' },
    { ...hit(2, 'reject', 'mail'), time: hit(1, 'reject', 'mail').time },
    { ...hit(3, 'reject', 'mail'), kind: 'rule-logged' },
    { ...hit(4, 'reject', 'mail', { sourcePort: 40001 }), time: hit(3, 'reject', 'mail').time },
  ]
  t.equal((await runWith(twins)).lines.length, 3, 'another connection is a line of its own')
  t.equal((await runWith(twins, '-o', 'json')).lines.length, 4)
})

t.test('only of a verdict or a rule', async t => {
  t.equal((await run('--verdict', 'drop')).lines.length, 1)
  t.equal((await run('--rule', 'mail')).lines.length, 1)
  t.same((await run('--rule', 'mail', '--verdict', 'drop')).lines, [])
})

t.test('following goes on behind what was kept, and when the connection was lost', async t => {
  const { lines, asked, complaints } = await run('-f', '--verdict', 'drop')
  t.same(
    lines.map(line => line.slice(0, 40)),
    [
      '2026-11-25T17:40:02.000Z drop tcp 10.1.0.',
      '2026-11-25T17:40:04.000Z drop tcp 10.1.0.',
      'then events behind 5 are missing: lost',
      '2026-11-25T17:40:09.000Z drop tcp 10.1.0.',
    ].map(line => line.slice(0, 40)),
  )
  t.same(asked.slice(-2), ['/api/v1/events behind 3', '/api/v1/events behind 5'])
  t.same(complaints, ['sluice: the connection to the controller is lost; trying again'])
})
