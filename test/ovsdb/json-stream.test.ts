import t from 'tap'
import { formatJson, parseJson } from '../../src/ovsdb/json.js'
import { type JsonLimits, JsonStream } from '../../src/ovsdb/json-stream.js'

const read = (chunks: readonly (string | Uint8Array)[], limits?: JsonLimits): unknown[] => {
  const stream = new JsonStream(limits)
  const found: unknown[] = []
  for (const chunk of chunks)
    stream.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk, each => found.push(each))
  return found
}

t.test('objects follow one another without a frame, cut anywhere', async t => {
  const text = '{"a":"}{\\"\\\\"}\n {"b":[1,{"c":"é€😀"}]}{}'
  const whole = [{ a: '}{"\\' }, { b: [1, { c: 'é€😀' }] }, {}]
  t.same(read([text]), whole)
  const bytes = Buffer.from(text)
  for (let at = 0; at <= bytes.length; at++)
    t.same(read([bytes.subarray(0, at), bytes.subarray(at)]), whole, `cut at ${at}`)
  t.same(read([...bytes].map(octet => Uint8Array.of(octet))), whole, 'octet by octet')
})

t.test('mistakes end the stream and say what they are', async t => {
  const cases: [string | Uint8Array, RegExp][] = [
    ['[1]', /0x5b where an object begins/],
    ['x', /0x78 where an object begins/],
    ['}', /0x7d where/],
    ['{"a":}', /Unexpected token/],
    ['{"a":1]}', /./],
    ['{"a":[1}]', /./],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /no UTF-8/],
    [Buffer.from('\ufeff{}'), /0xef where/],
  ]
  for (const [input, complaint] of cases) t.throws(() => read([input]), complaint)
})

t.test('what came whole before a mistake was handed over', async t => {
  const found: unknown[] = []
  t.throws(() => new JsonStream().push(Buffer.from('{"a":1}{"b":2}!'), each => found.push(each)))
  t.same(found, [{ a: 1 }, { b: 2 }])
})

t.test('size and depth have limits, and what is within them passes', async t => {
  const limits = { size: 20, depth: 3 }
  t.same(read(['{"a":"0123456789ab"}'], limits), [{ a: '0123456789ab' }])
  t.throws(() => read(['{"a":"0123456789abc"}'], limits), /more than 20 octets/)
  t.throws(() => read(['{"a":"0123456', '789abcdefgh'], limits), /more than 20 octets/)
  t.same(read(['{"a":[[1]]}'], limits), [{ a: [[1]] }])
  t.throws(() => read(['{"a":[[[1'], limits), /more than 3 objects within one another/)
})

t.test('an object of which the end never comes holds no more than the limit', async t => {
  const stream = new JsonStream({ size: 1_000_000, depth: 8 })
  const take = () => t.fail('nothing is complete')
  stream.push(Buffer.from('{"a":"'), take)
  const piece = Buffer.alloc(1, 0x61)
  for (let sent = 0; sent < 999_000; sent++) stream.push(piece, take)
  t.equal(stream.waitingSize, 999_006)
  t.throws(() => stream.push(Buffer.alloc(2_000, 0x61), take), /more than 1000000 octets/)
})

t.test('work is linear in the bytes', async t => {
  const time = (size: number): number => {
    const stream = new JsonStream()
    const chunk = Buffer.alloc(1_000, 0x61)
    const start = performance.now()
    stream.push(Buffer.from('{"a":"'), () => undefined)
    for (let sent = 0; sent < size; sent += chunk.length) stream.push(chunk, () => undefined)
    stream.push(Buffer.from('"}'), () => undefined)
    return performance.now() - start
  }
  const median = (size: number) => [1, 2, 3].map(() => time(size)).sort((a, b) => a - b)[1]!
  time(1_000_000)
  const [small, large] = [median(1_000_000), median(16_000_000)]
  t.ok(large < small * 16 * 4, `16 times the bytes: ${small.toFixed(1)} and ${large.toFixed(1)} ms`)
})

t.test('integers of 64 bits keep all their digits', async t => {
  const text = '{"a":9223372036854775807,"b":[-9223372036854775808,12],"c":"9223372036854775807"}'
  const [value] = read([text])
  t.same(value, {
    a: 9223372036854775807n,
    b: [-9223372036854775808n, 12],
    c: '9223372036854775807',
  })
  t.equal(formatJson(value), text)
  t.same(
    read(['{"a":9007199254740991}']),
    [{ a: 9007199254740991 }],
    'a number where one is enough',
  )
  t.same(read(['{"a":1.00000000000000000001, "b" : "\\"1234567890123456789\\""}']), [
    { a: 1, b: '"1234567890123456789"' },
  ])
  t.throws(() => formatJson({ a: Number.NaN }), /NaN has no form/)
})

t.test('names that mean something in JavaScript are names', async t => {
  for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1234567890123456789}}']) {
    const value = parseJson(text, true) as Record<string, unknown>
    t.same(Object.keys(value), ['__proto__'])
    t.equal(value.x, undefined)
  }
})
