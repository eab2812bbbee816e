/** Hosts by the beginning of their MAC, and code points that stateless rules ask for. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { createCompiler } from '../../../src/nfv/firewall/flows/compile.js'
import { checkFiles } from '../../../src/nfv/firewall/meaning/check-files.js'
import { decide } from '../../../src/nfv/firewall/meaning/decide.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { specOf, textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { connectionInWords } from '../../../src/nfv/firewall/text/packet-words.js'
import { parse } from '../../../src/nfv/firewall/text/parse.js'
import { OneSwitch } from './one-switch.js'
import { rulesOf } from './random-policy.js'

const checked = (source: string, known: readonly string[] = []) =>
  checkFiles(
    [{ name: 'p', path: 'p.rules', source, includes: {} }],
    Date.UTC(2026, 11, 1),
    false,
    undefined,
    known,
  )

t.test('a prefix of MACs is the hosts that have one of them', async t => {
  const rules = `default drop
zone phones = mac 00:1b:21:00:00:00/24
sip: allow udp 5060 from phones to 10.2.0.5
one: allow tcp 22 from mac 02-00-00-00-00-0A
test "phone"   10.4.0.7 -> 10.2.0.5 udp 5060 allow by sip
test "other"   10.4.0.8 -> 10.2.0.5 udp 5060 drop
test "by name" host 02:00:00:00:00:0a -> 10.2.0.5 tcp 22 allow by one
`
  const known = [
    '00:1b:21:0a:0b:0c=10.4.0.7',
    '00:1b:22:0a:0b:0c=10.4.0.8',
    '02:00:00:00:00:0a=10.9.0.1',
  ]
  const { isGood, text } = await checked(rules, known)
  t.ok(isGood, text)
  t.notOk((await checked(rules)).isGood, 'without addresses it matches nothing')
})

const voice = `default drop
zone voice = 10.4.0.0/16, fd04::/64
rtp:  allow-stateless udp 16384-32767 from voice to voice dscp ef, 34
sip:  allow udp 5060 from voice to voice
test "marked"   10.4.0.1 -> 10.4.0.2 udp 20000 dscp ef allow by rtp
test "by number" fd04::1 -> fd04::2 udp 20000 dscp 34 allow by rtp
test "unmarked" 10.4.0.1 -> 10.4.0.2 udp 20000 drop by default
`

t.test('a stateless rule asks for code points', async t => {
  const { isGood, text } = await checked(voice)
  t.ok(isGood, text)
  const { lines } = parse(voice)
  const written = formatFile(lines)
  t.match(written, 'to voice dscp af41, ef\n')
  t.equal(formatFile(parse(written).lines), written)
  const { text: json, mistakes } = textOfSpec(specOf(lines))
  t.same(mistakes, [])
  t.equal(formatFile(parse(json).lines), written)
})

t.test('switches ask for them in every packet, and change with them', async t => {
  const net = new OneSwitch()
  const says = (rules: string, words: string) => {
    const resolved = rulesOf(rules)
    net.load(createCompiler().compile(resolved, 7))
    const connection = connectionInWords('10.4.0.1' as Ip, '10.4.0.2' as Ip, words)
    t.equal(net.open(connection).verdict, decide(resolved, connection).verdict, words)
    return net.open(connection).verdict
  }
  t.equal(says(voice, 'udp 20000 dscp ef'), 'allow')
  t.equal(says(voice, 'udp 20000 dscp 46'), 'allow')
  t.equal(says(voice, 'udp 20000 dscp cs5'), 'drop')
  t.equal(says(voice, 'udp 20000'), 'drop')
  const moved = voice.replace('ef, 34', 'cs5')
  t.not(rulesOf(moved).hash, rulesOf(voice).hash, 'other code points are other rules')
  t.equal(says(moved, 'udp 20000 dscp ef'), 'drop')
  t.equal(says(moved, 'udp 20000 dscp cs5'), 'allow')
})

t.test('a name of the DNS is answered with the way out', async t => {
  const { text } = await checked('default drop\na: allow tcp 443 to www.example.net\n')
  t.match(text, 'no zone is named "www.example.net"')
  t.match(text, 'names of the DNS are not looked up')
  t.match(
    (await checked('default drop\na: allow tcp 443 to office\n')).text,
    /define it: zone office/,
  )
})

t.test('what cannot be meant', async t => {
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['a: drop tcp from mac 02:00:00:00:00', /"02:00:00:00:00" is no MAC/],
    ['a: drop tcp from mac 02:00:00:00:00:0a/24', /is no MAC, nor the beginning of one/],
    ['a: drop tcp from mac 02:00:00:00:00:00/0', /is no MAC/],
    ['a: drop tcp from mac 02:00:00:00:00:00/49', /is no MAC/],
    ['zone mac = 10.0.0.1', /"mac" is a word of the language/],
    ['a: allow udp 5060 dscp ef', /"dscp" belongs to "allow-stateless"/],
    ['a: drop udp 5060 dscp ef', /"dscp" belongs to "allow-stateless"/],
    ['a: audit allow-stateless udp 5060 dscp ef', /"dscp" belongs to "allow-stateless"/],
    ['a: allow-stateless udp 5060 dscp 64', /"64" is no code point/],
    ['a: allow-stateless udp 5060 dscp 046', /"046" is no code point/],
    ['a: allow-stateless udp 5060 dscp eff', /"eff" is no code point/],
    ['a: allow-stateless udp 5060 dscp ef dscp ef', /stands here a second time/],
    ['section from any except 10.0.0.1 timeout 8h', /"timeout" is not expected here/],
  ]
  for (const [text, message] of rows) t.match(parse(text).complaints[0]?.message, message, text)
  t.match(parse('section to 10.0.0.1 timeout 8h').complaints[0]?.hint, /ports of a service/)
  t.match(parse('default drop timeout 8h').complaints[0]?.hint, /ports of a service/)
})
