/** Events are what the table says: what is not in it does not compile, and what is told in a whole life of a network is in it. */
import t from 'tap'
import { declareEvents, eventKinds, type NetworkEvent } from '../../src/base/events.js'
import '../../src/nfv/functions.js'
import { ring, Whole } from '../topology/whole.js'

const told = (event: NetworkEvent): NetworkEvent => event

t.test('a wrong member does not compile', async t => {
  t.ok(told({ kind: 'audit-lost', reason: 'the disk is full' }))
  // @ts-expect-error: it needs a reason
  t.ok(told({ kind: 'audit-lost' }))
  // @ts-expect-error: it has no colour
  t.ok(told({ kind: 'audit-lost', reason: 'x', colour: 'red' }))
  // @ts-expect-error: a number is no text
  t.ok(told({ kind: 'audit-lost', reason: 1 }))
  // @ts-expect-error: there is no such kind
  t.ok(told({ kind: 'no-such-kind' }))
  t.throws(() => declareEvents({ 'audit-lost': { level: 'info', has: {}, means: '' } }), RangeError)
})

/** What is wrong with an event by its row of the table. */
const mistakes = (entry: Readonly<Record<string, unknown>>): string[] => {
  const kind = eventKinds.get(String(entry.kind))
  if (kind === undefined) return [`${entry.kind} is not in the table`]
  const members = Object.keys(entry).filter(
    name => !['sequence', 'time', 'kind'].includes(name) && entry[name] !== undefined,
  )
  const types = { text: 'string', dpid: 'string', number: 'number', yes: 'boolean' } as const
  return [
    ...members.filter(name => !(name in kind.has)).map(name => `${entry.kind} has ${name}`),
    ...Object.entries(kind.has).flatMap(([name, word]) => {
      const value = entry[name]
      if (value === undefined) return word.endsWith('?') ? [] : [`${entry.kind} lacks ${name}`]
      const type = types[word.replace('?', '') as keyof typeof types]
      return type === undefined || typeof value === type
        ? []
        : [`${entry.kind}.${name} is ${value}`]
    }),
  ]
}

t.test('what is told while a network lives is in the table, member by member', async t => {
  t.same(mistakes({ kind: 'port-up', dpid: '1', port: 'eth0', what: 1 }), [
    'port-up has what',
    'port-up.port is eth0',
    'port-up lacks name',
  ])
  const whole = await Whole.start(ring(3))
  await whole.ping('h1', 'h2')
  whole.network.switches.get('s1')?.stop?.()
  await whole.env.advance(60_000)
  const entries = whole.controller.journal.since(0, 100_000)
  t.ok(new Set(entries.map(({ kind }) => kind)).size >= 5, 'of several kinds')
  t.same([...new Set(entries.flatMap(mistakes))], [])
  await whole.stop()
})
