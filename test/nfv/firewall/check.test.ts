/** What the tests of rule files ask: when, and about which addresses. */
import t from 'tap'
import { checkFiles } from '../../../src/nfv/firewall/meaning/check-files.js'

const night = Date.parse('2026-12-01T02:00:00Z')
const noon = Date.parse('2026-12-01T12:00:00Z')

const textOf = async (source: string, nowMillis: number, known: readonly string[] = []) => {
  const files = [{ name: 'p', path: 'p.rules', source, includes: {} }]
  return (await checkFiles(files, nowMillis, false, () => false, known)).text
}

t.test('tests do not depend on the clock', async t => {
  const rules = `default drop
work:  allow tcp 443 schedule mon-fri 08:00-18:00 Europe/Berlin
guest: allow tcp 22 until 2026-06-30
test "whenever"         10.0.0.1 -> 10.0.0.2 tcp 443 allow by work
test "when it was so"   10.0.0.1 -> 10.0.0.2 tcp 22  allow by guest at 2026-06-30T23:59
test "not any more"     10.0.0.1 -> 10.0.0.2 tcp 22  drop  by default at 2026-07-01T00:00Z
test "monday"           10.0.0.1 -> 10.0.0.2 tcp 443 allow by work at 2027-03-01T08:00 Europe/Berlin
test "too early"        10.0.0.1 -> 10.0.0.2 tcp 443 drop  at 2027-03-01T07:59 Europe/Berlin
test "another zone"     10.0.0.1 -> 10.0.0.2 tcp 443 allow at 2027-03-01T07:59 UTC
test "clocks are ahead" 10.0.0.1 -> 10.0.0.2 tcp 443 drop  at 2027-07-01T16:00 UTC
`
  for (const now of [night, noon])
    t.match(await textOf(rules, now), /7 of 7 tests passed; 1 of them with every schedule on/)
  const failing = rules.replace('2027-03-01T07:59 UTC', '2027-02-28T07:59 UTC')
  t.match(
    await textOf(failing, noon),
    /"another zone" fails\n {2}expected allow; the rules say drop by default \(p.rules:1\), at 2027-02-28T07:59 UTC/,
  )
  t.notMatch(await textOf('default drop\ntest "a" 10.0.0.1 -> 10.0.0.2 tcp 1 drop\n', noon), /on/)
})

t.test('times that are none', async t => {
  const rows: readonly (readonly [time: string, message: RegExp])[] = [
    ['2027-02-29T09:00', /1:\d+: "2027-02-29T09:00" is no time of UTC/],
    ['2027-03-28T02:30 Europe/Berlin', /is no time of Europe\/Berlin/],
    ['tomorrow', /"tomorrow" is no time/],
    ['2027-03-01', /"2027-03-01" is no time/],
    ['2027-03-01T09:00 Europe/Nowhere', /"Europe\/Nowhere" is no time zone/],
    ['', /the time is missing/],
  ]
  for (const [time, message] of rows)
    t.match(await textOf(`test "a" 10.0.0.1 -> 10.0.0.2 tcp 1 drop at ${time}\n`, noon), message)
  const many = Array.from(
    { length: 65 },
    (_, at) => `test "${at}" 10.0.0.1 -> 10.0.0.2 tcp 1 drop at 2027-01-01T10:${10 + (at % 50)}Z`,
  ).map((line, at) => (at < 50 ? line : line.replace('T10', 'T11')))
  t.match(await textOf(`default drop\n${many.join('\n')}\n`, noon), /more than 64 different times/)
})

t.test('addresses of hosts, networks and ports', async t => {
  const rules = `default drop
zone web = host web1, host web2
a: allow tcp 80 from network ops to web
b: allow tcp 81 from port leaf1:3 to host web1
test "a"     10.9.0.7  -> host web2 tcp 80 allow by a
test "b"     10.3.0.1  -> host web1 tcp 81 allow by b
test "not b" 10.3.0.1  -> host web2 tcp 81 drop by default
`
  const known = ['web1=10.2.0.1', 'web2=10.2.0.2', 'ops=10.9.0.0/24', 'leaf1:3=10.3.0.1']
  t.match(await textOf(rules, noon, known), /3 of 3 tests passed/)
  t.match(
    await textOf(rules, noon),
    /5:32: no address is known of host "web2"[\s\S]*--address web2=ADDRESS/,
  )
  await t.rejects(textOf(rules, noon, ['web1']), /"web1" names no address/)
  await t.rejects(textOf(rules, noon, ['web1=10.2.0.300']), /names no address/)
})

t.test('a test that fails says why the rule that it names did not decide', async t => {
  const said = async (question: string, rest = '') => {
    const rules = `default drop
zone labs = 10.1.80.0/21
tier admin
close: drop any to 10.9.0.0/16
tier main
web:   allow tcp 80, 443 from labs to 10.2.0.0/16, 10.9.0.0/16
try:   audit drop tcp 25
guest: allow tcp 22 until 2026-06-30
test "t" ${question} ${rest}
`
    return (await textOf(rules, noon)).split('\n').find(line => /^ {2}("|no rule)/.test(line))
  }
  // biome-ignore format: a table
  const rows: readonly (readonly [question: string, because: string | undefined])[] = [
    ['10.1.88.4 -> 10.2.0.1 tcp 443 allow by web', '  "web" (p.rules:6) does not have 10.1.88.4 in its "from"'],
    ['10.1.80.4 -> 10.3.0.1 tcp 443 allow by web', '  "web" (p.rules:6) does not have 10.3.0.1 in its "to"'],
    ['10.1.80.4 -> 10.2.0.1 tcp 22 allow by web', '  "web" (p.rules:6) is about other services'],
    ['10.1.80.4 -> 10.9.0.1 tcp 80 allow by web', '  "web" (p.rules:6) would match, and is asked after it'],
    ['10.1.80.4 -> 10.2.0.1 tcp 25 drop by try', '  "try" is audited: it decides nothing'],
    ['10.1.80.4 -> 10.2.0.1 tcp 80 allow by wbe', '  no rule in force is named "wbe"'],
    ['10.1.80.4 -> 10.2.0.1 tcp 22 allow by guest at 2026-07-01T00:00Z', '  no rule in force is named "guest"'],
    ['10.1.80.4 -> 10.2.0.1 tcp 80 drop by default', undefined],
  ]
  for (const [question, because] of rows) t.equal(await said(question), because, question)
})
