/** Addresses translated on simulated switches: what the other end sees, and that nothing else gets out. */
import t from 'tap'
import { formatIpv4 } from '../../../src/base/addresses.js'
import { readPacket } from '../../../src/pipeline/packet.js'
import { apply, connect, startOffice } from './office.js'

/** Whoever a host hears from: addresses of TCP and UDP, in order, each once. */
const heardBy = (whole: Awaited<ReturnType<typeof startOffice>>, name: string) => {
  const host = whole.host(name)
  const receive = host.receive.bind(host)
  const seen = new Set<string>()
  host.receive = frame => {
    const { fields } = readPacket(frame)
    if (fields.ip_src !== undefined && (fields.tcp_src ?? fields.udp_src) !== undefined)
      seen.add(formatIpv4(Number(fields.ip_src)))
    receive(frame)
  }
  return seen
}

t.test('masquerade: from one switch and over two', async t => {
  const whole = await startOffice('default allow\nnat masquerade from 10.1.0.0/16 out wan\n')
  const seen = heardBy(whole, 'out')
  whole.host('out').listen(80)
  t.equal(await connect(whole, 'bob', '203.0.113.1', 80), 'open', 'where the uplink is')
  t.equal(await connect(whole, 'ann', '203.0.113.1', 80), 'open', 'over two switches')
  t.equal(await connect(whole, 'ann', '203.0.113.1', 81), 'refused')
  t.same([...seen], ['203.0.113.10'])
  t.equal(await connect(whole, 'db', '203.0.113.1', 80), 'open', 'no statement speaks of it')
  t.same([...seen], ['203.0.113.10', '10.2.0.2'])
  await whole.stop()
})

t.test('published: from outside, from inside, and from its own network', async t => {
  const whole = await startOffice(
    [
      'default drop',
      'nat masquerade from 10.0.0.0/8 out wan',
      'nat forward tcp 80 at 203.0.113.10 to 10.2.0.1:8080',
      'nat forward tcp 81 at 203.0.113.10 to 10.2.0.2',
      'shop: allow tcp 8080 to 10.2.0.1',
      'more: allow tcp 81 to 10.2.0.2',
      '',
    ].join('\n'),
  )
  whole.host('web').listen(8080)
  whole.host('db').listen(81)
  const seen = heardBy(whole, 'web')
  t.equal(await connect(whole, 'out', '203.0.113.10', 80), 'open', 'over two switches')
  t.equal(await connect(whole, 'out', '203.0.113.10', 81), 'open', 'where the uplink is')
  t.equal(await connect(whole, 'out', '203.0.113.10', 82), 'refused', 'it is not published')
  t.equal(await connect(whole, 'ann', '203.0.113.10', 80), 'open', 'by the office, one switch')
  t.equal(await connect(whole, 'bob', '203.0.113.10', 80), 'open', 'by the office, over two')
  t.same([...seen].sort(), ['10.1.0.1', '10.1.0.2', '203.0.113.1'])
  t.equal(await connect(whole, 'db', '203.0.113.10', 80), 'open', 'hairpin over two switches')
  t.equal(await connect(whole, 'web', '203.0.113.10', 80), 'open', 'to itself')
  t.ok(seen.has('10.2.0.254'), 'in its own network the router comes between')
  await whole.stop()
})

t.test('an edit keeps what stays and cuts the rest', async t => {
  const rules = (...lines: string[]) => ['default allow', ...lines, ''].join('\n')
  const whole = await startOffice(rules('nat masquerade from 10.1.0.0/16 out wan'))
  whole.host('out').listen(80)
  const session = await whole.during(whole.host('bob').connect('203.0.113.1' as never, 80))
  const echoes = async (): Promise<boolean> => {
    let isBack = false
    session.onBytes(() => {
      isBack = true
    })
    session.send(new TextEncoder().encode('x'))
    await whole.env.advance(800)
    return isBack
  }
  t.ok(await echoes())
  await apply(
    whole,
    rules('nat none from 10.1.0.0/16 to 192.0.2.0/24', 'nat masquerade from 10.0.0.0/8 out wan'),
  )
  t.ok(await echoes(), 'it is translated as before')
  await apply(whole, rules('nat source 203.0.113.77 from 10.1.0.0/16 out wan'))
  t.notOk(await echoes(), 'it would have another address now')
  t.match(whole.events('translation-failed').at(-1), { reason: /translated otherwise before/ })
  t.equal(await connect(whole, 'bob', '203.0.113.1', 80), 'open', 'a new one has it')
  await whole.stop()
})

t.test('without a free port nothing leaves', async t => {
  const whole = await startOffice(
    'default allow\nnat masquerade from 10.1.0.0/16 out wan ports 5000-5001\n',
  )
  whole.host('out').listen(80)
  const seen = heardBy(whole, 'out')
  t.equal(await connect(whole, 'bob', '203.0.113.1', 80), 'open')
  t.equal(await connect(whole, 'ann', '203.0.113.1', 80), 'open')
  t.equal(await connect(whole, 'bob', '203.0.113.1', 80), 'silent', 'the third')
  t.same([...seen], ['203.0.113.10'])
  t.match(whole.events('translation-failed').at(-1), { reason: /no address or port is free/ })
  await whole.stop()
})

t.test('one to one, both ways, and what is published above it', async t => {
  const whole = await startOffice(
    [
      'default allow',
      'nat forward tcp 81 at 203.0.113.20 to 10.2.0.1',
      'nat one-to-one 203.0.113.20 10.2.0.2',
      '',
    ].join('\n'),
  )
  const seen = heardBy(whole, 'out')
  for (const name of ['out', 'web', 'db'])
    for (const port of [80, 81]) whole.host(name).listen(port)
  t.equal(await connect(whole, 'db', '203.0.113.1', 80), 'open')
  t.same([...seen], ['203.0.113.20'])
  const [web, db] = [heardBy(whole, 'web'), heardBy(whole, 'db')]
  t.equal(await connect(whole, 'out', '203.0.113.20', 80), 'open')
  t.equal(await connect(whole, 'out', '203.0.113.20', 81), 'open')
  t.same([[...web], [...db]], [['203.0.113.1'], ['203.0.113.1']])
  await whole.stop()
})
