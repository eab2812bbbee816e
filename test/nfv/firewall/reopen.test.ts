/** A SYN of ports whose connection conntrack still holds asks the rules; what the server answers decides, and nothing else. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { emptyBook, planZones } from '../../../src/nfv/firewall/flows/timeout-zones.js'
import type { Connection } from '../../../src/pipeline/connection.js'
import { fieldsOf, laterFieldsOf, OneSwitch, outPort, turned } from './one-switch.js'
import { rulesOf } from './random-policy.js'

const connection: Connection = {
  source: '10.0.0.1' as Ip,
  destination: '10.0.0.2' as Ip,
  protocol: 6,
  sourcePort: 800,
  destinationPort: 2049,
}
const back = turned(connection)
const synAck = { ...fieldsOf(back), tcp_flags: 0x12 }
const reset = { ...fieldsOf(connection), tcp_flags: 0x04 }

const open = 'default drop\nnfs: allow tcp 2049 from 10.0.0.1 to 10.0.0.2\n'
const [fromHost, fromFabric, judgement] = [0x0001, 0x10001, 0x18_0000]
type Flags = Parameters<OneSwitch['send']>[0]

/** What a switch lets out, with the bits that its tag would carry; undefined when it lets nothing out. */
const passes = (net: OneSwitch, fields: Flags, sequence?: number, reg0 = fromHost) => {
  const { outputs } = net.send(fields, { reg0 }, undefined, sequence)
  const out = outputs.find(({ port }) => port === outPort)
  return out && Number(out.fields.reg0) & judgement
}

/** A connection that runs, begun with the numbers 100 and 200. */
const running = (net: OneSwitch, text = open, generation = 1): void => {
  net.load(createCompiler().compile(rulesOf(text), generation))
  passes(net, fieldsOf(connection), 100)
  passes(net, synAck, 200)
  passes(net, laterFieldsOf(connection))
}

t.test('a SYN alone is let past and ends nothing', async t => {
  const net = new OneSwitch()
  running(net)
  const before = net.conntrack.list().map(({ label, hasReply }) => ({ label, hasReply }))
  t.not(passes(net, fieldsOf(connection), 7_777), undefined)
  t.match(net.conntrack.list(), before)
  t.not(passes(net, laterFieldsOf(back)), undefined, 'the server goes on')
  t.not(passes(net, laterFieldsOf(connection)), undefined, 'and the client')
})

t.test('a server that has no connection makes the switch forget it', async t => {
  const net = new OneSwitch()
  running(net)
  passes(net, fieldsOf(connection), 7_777)
  t.equal(passes(net, synAck, 9_999), undefined, 'the SYN+ACK goes no further')
  t.same(net.conntrack.list(), [])
  t.not(passes(net, fieldsOf(connection), 7_777), undefined, 'the next SYN opens')
  t.not(passes(net, synAck, 9_999), undefined)
  t.not(passes(net, laterFieldsOf(connection)), undefined)
})

t.test('a server that holds it is reset, and the next SYN opens', async t => {
  const net = new OneSwitch()
  running(net)
  passes(net, fieldsOf(connection), 7_777)
  t.not(passes(net, laterFieldsOf(back)), undefined, 'its answer reaches the client')
  t.not(passes(net, reset), undefined)
  t.not(passes(net, fieldsOf(connection), 7_777), undefined)
  t.not(passes(net, synAck, 9_999), undefined)
})

t.test('a SYN+ACK that answers nothing ends nothing', async t => {
  const net = new OneSwitch()
  running(net)
  t.equal(passes(net, synAck, 9_999), undefined)
  t.not(passes(net, laterFieldsOf(back)), undefined, 'the connection goes on')
})

t.test('what rules deny is not let past, and leaves no mark', async t => {
  const net = new OneSwitch()
  running(net)
  net.load(createCompiler().compile(rulesOf('default drop\n'), 2))
  t.equal(passes(net, fieldsOf(connection), 7_777), undefined)
  t.same(
    net.conntrack.list().map(({ mark }) => mark),
    [0],
  )
  t.equal(passes(net, synAck, 9_999), undefined)
  t.equal(net.conntrack.list().length, 1)
  // Nor the other way round: who answers opens nothing.
  net.load(createCompiler().compile(rulesOf(open), 3))
  t.equal(passes(net, fieldsOf(back), 7_777), undefined)
  t.same(
    net.conntrack.list().map(({ mark }) => mark),
    [0],
  )
})

t.test('a rule that rejects rejects it', async t => {
  const net = new OneSwitch()
  running(net)
  net.load(createCompiler().compile(rulesOf('default reject\n'), 2))
  const { toController } = net.send(fieldsOf(connection), { reg0: fromHost }, undefined, 7_777)
  t.same(
    toController.map(({ userdata }) => userdata![0]),
    [11, 2],
    'looked at for its checksum, and rejected',
  )
})

t.test('a cut connection opens again once rules allow it', async t => {
  const net = new OneSwitch()
  running(net)
  net.load(createCompiler().compile(rulesOf('default drop\n'), 2))
  t.equal(passes(net, laterFieldsOf(connection)), undefined, 'it is cut')
  net.load(createCompiler().compile(rulesOf(open), 3))
  t.not(passes(net, fieldsOf(connection), 7_777), undefined)
  t.equal(passes(net, synAck, 9_999), undefined)
  t.not(passes(net, fieldsOf(connection), 7_777), undefined)
  t.not(passes(net, synAck, 9_999), undefined)
})

t.test('two switches forget it with one SYN+ACK', async t => {
  const [a, b] = [new OneSwitch(false), new OneSwitch(false)]
  const crosses = (first: OneSwitch, second: OneSwitch, fields: Flags, sequence?: number) => {
    const sent = passes(first, fields, sequence)
    if (sent === undefined) return undefined
    return passes(second, fields, sequence, fromFabric | sent)
  }
  for (const net of [a, b]) net.load(createCompiler().compile(rulesOf(open), 1))
  crosses(a, b, fieldsOf(connection), 100)
  t.not(crosses(b, a, synAck, 200), undefined)
  t.not(crosses(a, b, fieldsOf(connection), 7_777), undefined, 'the SYN arrives')
  t.equal(crosses(b, a, synAck, 9_999), undefined, 'the SYN+ACK does not')
  t.same([a.conntrack.list(), b.conntrack.list()], [[], []])
  t.not(crosses(a, b, fieldsOf(connection), 7_777), undefined)
  t.not(crosses(b, a, synAck, 9_999), undefined)
  // One that nobody has judged asks the rules where it arrives.
  b.load(createCompiler().compile(rulesOf('default drop\n'), 2))
  t.equal(passes(b, fieldsOf(connection), 5_555, fromFabric), undefined)
})

t.test('where ports have a timeout', async t => {
  const net = new OneSwitch()
  const timeout = { seconds: 3_600, ports: { tcp: [{ from: 2_049, to: 2_049 }] } }
  const book = planZones(emptyBook, [timeout], [1])
  net.load(createCompiler().compile(rulesOf(open), 1, book))
  passes(net, fieldsOf(connection), 100)
  passes(net, synAck, 200)
  t.not(passes(net, fieldsOf(connection), 7_777), undefined)
  t.equal(passes(net, synAck, 9_999), undefined)
  t.same(net.conntrack.list(), [])
})
