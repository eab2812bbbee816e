/**
 * Reading takes a time in proportion to the octets, for every message and every list in one: what a hostile switch sends
 * in one message costs the others no more than what it sends in many. Lists are made sixteen times as long; a list
 * that is copied for each of its elements then takes 256 times as long.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { DecodeError, decode, encode, type Message } from '../../src/openflow/index.js'
import { messageTables } from '../../src/openflow/messages/index.js'
import { hex } from './bytes.js'

const folder = 'test/fixtures/openflow13'
const lines = (name: string) => readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n')

const change = { reason: 0, priority: 1, idleTimeout: 0, hardTimeout: 0, tableId: 1, cookie: 0n }
const unknownField = hex('7fff0204 01020304')
const unknownAction = { kind: 'unknown', bytes: hex('7fff0008 00000000') } as const
const unknownInstruction = { kind: 'unknown', bytes: hex('7fff0008 00000000') } as const
const masks = { master: 1, slave: 2 }

/** What the fixtures do not have: rare kinds, and whatever a kind keeps of what it does not know. */
const samples: readonly Message[] = [
  { kind: 'hello', versions: { bitmap: [4], unknown: [hex('7fff0008 00000000')] } },
  { kind: 'role-status', role: 'master', reason: 0, generationId: 1n },
  { kind: 'set-controller-id', controllerId: 1 },
  { kind: 'flow-mod-table-id', isEnabled: 1 },
  { kind: 'flow-age' },
  { kind: 'packet-in2', properties: { data: hex('00'), unknown: [hex('0063000400000000')] } },
  { kind: 'resume', properties: { match: { unknown: [unknownField] } } },
  { kind: 'nicira-monitor-request' },
  {
    kind: 'nicira-monitor-reply',
    updates: [{ event: 'added', ...change, match: { in_port: 1 }, actions: [unknownAction] }],
  },
  {
    kind: 'flow-monitor-reply',
    updates: [
      {
        event: 'added',
        ...change,
        match: { unknown: [unknownField] },
        instructions: [unknownInstruction],
      },
    ],
  },
  { kind: 'nicira-monitor-cancel', monitorId: 1 },
  { kind: 'nicira-monitor-paused' },
  { kind: 'nicira-monitor-resumed' },
  {
    kind: 'flow-mod',
    command: 'add',
    match: { unknown: [unknownField] },
    instructions: [
      unknownInstruction,
      {
        kind: 'apply-actions',
        actions: [
          unknownAction,
          { kind: 'clone', actions: [{ kind: 'output', port: 1 }] },
          { kind: 'note', note: hex('0102') },
        ],
      },
    ],
  },
  { kind: 'nicira-set-async', packetIn: masks, portStatus: masks, flowRemoved: masks },
]

type Value = Record<string, unknown>
type Path = readonly (string | number)[]

const isObject = (value: unknown): value is Value => typeof value === 'object' && value !== null

/** Where in a value there is a list or a string of octets. */
const growing = (value: unknown, path: Path = []): Path[] => {
  if (value instanceof Uint8Array) return value.length > 0 ? [path] : []
  if (Array.isArray(value))
    return value.length === 0
      ? []
      : [path, ...value.slice(0, 2).flatMap((each, index) => growing(each, [...path, index]))]
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, each]) => growing(each, [...path, name]))
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Value)[step], value)

const replaced = (value: unknown, [step, ...rest]: Path, by: unknown): unknown => {
  if (step === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...(value as Value) }) as Value
  copy[step] = replaced(copy[step], rest, by)
  return copy
}

const repeated = (value: unknown, count: number): unknown =>
  value instanceof Uint8Array
    ? Buffer.concat(Array.from({ length: count }, () => value))
    : Array.from({ length: count }, () => value as unknown[]).flat()

/** The octets of a message in which one list is longer; undefined when there is no such message. */
const grown = (message: Message, path: Path, count: number): Uint8Array | undefined => {
  try {
    const longer = replaced(message, path, repeated(at(message, path), count)) as Message
    const bytes = encode(longer)
    decode(bytes)
    return bytes
  } catch (error) {
    if (error instanceof RangeError || error instanceof DecodeError) return undefined
    throw error
  }
}

const cpuMillis = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Milliseconds of processor time for one reading, the least of several measurements of enough of them. */
const readingMillis = (bytes: Uint8Array, times: number): number => {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const before = cpuMillis()
    for (let time = 0; time < times; time++) decode(bytes)
    least = Math.min(least, (cpuMillis() - before) / times)
  }
  return least
}

const wholeSize = 60_000
const factor = 16

interface Growth {
  readonly kind: string
  readonly path: string
  readonly small: Uint8Array
  readonly large: Uint8Array
}

const growths: Growth[] = []
const kinds = new Set<string>()
const seen = new Set<string>()
const messages: Message[] = [...samples]
for (const line of [
  ...lines('vectors.jsonl').map(text => JSON.parse(text).hex),
  ...lines('session.hex'),
])
  try {
    messages.push(decode(Buffer.from(line, 'hex')))
  } catch (error) {
    // Some vectors are wrong on purpose.
    if (!(error instanceof DecodeError)) throw error
  }
for (const message of messages) {
  kinds.add(message.kind)
  for (const path of growing(message)) {
    const name = path.filter(step => typeof step === 'string').join('.')
    if (seen.has(`${message.kind} ${name}`)) continue
    const [one, two] = [grown(message, path, 1), grown(message, path, 2)]
    if (one === undefined || two === undefined || two.length === one.length) continue
    const count = Math.floor((wholeSize - one.length) / (two.length - one.length))
    const large = grown(message, path, count)
    const small = grown(message, path, Math.max(1, Math.floor(count / factor)))
    if (large === undefined || small === undefined || large.length < wholeSize / 2) continue
    seen.add(`${message.kind} ${name}`)
    growths.push({ kind: message.kind, path: name, small, large })
  }
}

/** How many times longer the large one takes for each octet; measured again where it looks bad. */
const slowness = ({ small, large }: Pick<Growth, 'small' | 'large'>): number => {
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 4 && best > 3; attempt++) {
    const perOctet = (bytes: Uint8Array, times: number) =>
      readingMillis(bytes, times) / bytes.length
    best = Math.min(best, perOctet(large, 4) / perOctet(small, 4 * factor))
  }
  return best
}

t.test('every kind of message is here, with the lists that it may have', t => {
  t.same(
    messageTables.map(({ kind }) => kind).filter(kind => !kinds.has(kind)),
    [],
  )
  t.ok(growths.length > 60, `${growths.length} lists and strings of octets can grow`)
  for (const [kind, path] of [
    ['packet-in2', 'properties.unknown'],
    ['flow-stats-reply', 'entries'],
    ['flow-mod', 'match.unknown'],
    ['flow-mod', 'instructions.actions'],
    ['hello', 'versions.unknown'],
  ])
    t.ok(
      growths.some(each => each.kind === kind && each.path === path),
      `${kind} ${path}`,
    )
  t.end()
})

t.test('no list takes longer for each octet when it is longer', t => {
  for (const growth of growths) decode(growth.large)
  for (const growth of growths) {
    const times = slowness(growth)
    t.ok(times < 4, `${growth.kind} ${growth.path}: ${times.toFixed(1)} times`)
  }
  t.end()
})

t.test('the other way round: a reader that copies what it has for each element is found', t => {
  const read = (bytes: Uint8Array): number => {
    let found: number[] = []
    for (let at = 0; at < bytes.length; at += 8) found = [...found, at]
    return found.length
  }
  const millis = (size: number, times: number) => {
    const bytes = new Uint8Array(size)
    const before = cpuMillis()
    for (let time = 0; time < times; time++) read(bytes)
    return (cpuMillis() - before) / times / size
  }
  millis(4_000, 50)
  t.ok(millis(64_000, 4) / millis(4_000, 64) > 4)
  t.end()
})
