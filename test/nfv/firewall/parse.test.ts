import t from 'tap'
import { formatComplaint } from '../../../src/nfv/firewall/text/complaint.js'
import { formatFile } from '../../../src/nfv/firewall/text/format.js'
import { textOfSpec } from '../../../src/nfv/firewall/text/json.js'
import { loadPolicy } from '../../../src/nfv/firewall/text/load.js'
import { Parser, parse } from '../../../src/nfv/firewall/text/parse.js'
import type { Statement } from '../../../src/nfv/firewall/text/rule.js'

const campus = `# The campus, by design.
zone office   = 10.1.0.0/16, fd00:1::/48
zone servers  = 10.2.0.0/24, host web1
zone printers = 10.1.9.1-10.1.9.20
service web   = tcp 80, tcp 443, tcp 8000-8099
service ping  = icmp echo-request, icmp6 echo-request

tier admin
quarantine: drop any from port s2:4 to any log new 5/s
tier main
default drop log

browse:  allow   web          from office except printers   to servers  # for everybody
public:  allow   web          from any      to servers   via inspect
admin:   allow   tcp 22       from host ops to servers   limit 10/minute per source  until 2027-01-31
mail:    reject  tcp 25       from any      to any       log "mail leaves only through the relay"
ntp:     allow   udp 123 source 123 from network lab to any schedule mon-fri 08:00-18:00 Europe/Berlin
audit drop proto gre, icmp 3/4
allow-stateless udp 4789 from 10.1.0.0/16 to 10.2.0.0/24

test "people may browse" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by browse
`

/** A statement without the places of its names. */
const meaning = (statement: Statement): unknown =>
  JSON.parse(
    JSON.stringify(statement, (key, value) =>
      key === 'at' ? undefined : typeof value === 'bigint' ? `${value}` : value,
    ),
  )

t.test('text is written back in one way, with its comments and its meaning', async t => {
  const { lines, complaints } = parse(campus, 'campus.rules')
  t.same(complaints, [])
  const written = formatFile(lines)
  t.equal(
    written,
    `# The campus, by design.
zone office = 10.1.0.0/16, fd00:1::/48
zone servers = 10.2.0.0/24, host web1
zone printers = 10.1.9.1-10.1.9.20
service web = tcp 80, tcp 443, tcp 8000-8099
service ping = icmp echo-request, icmp6 echo-request

tier admin
  quarantine: drop any from port s2:4 to any log new 5/s
tier main
  default drop log

  browse: allow web from office except printers to servers  # for everybody
  public: allow web from any to servers via inspect
  admin: allow tcp 22 from host ops to servers limit 10/minute per source until 2027-01-31
  mail: reject tcp 25 from any to any log "mail leaves only through the relay"
  ntp: allow udp 123 source 123 from network lab to any schedule mon-fri 08:00-18:00 Europe/Berlin
  audit drop proto gre, icmp destination-unreachable/4 from any to any
  allow-stateless udp 4789 from 10.1.0.0/16 to 10.2.0.0/24

test "people may browse" 10.1.0.7 -> 10.2.0.10 tcp 443 allow by browse
`,
  )
  const again = parse(written, 'campus.rules')
  t.same(
    again.lines.map(line => meaning(line.statement)),
    lines.map(line => meaning(line.statement)),
  )
  t.equal(formatFile(again.lines), written)
})

t.test('a rule becomes what it says', async t => {
  const { lines } = parse(
    'web: allow tcp 80, 443, udp 443 from 10.0.0.0/8 except host a to any log\n',
  )
  t.match(lines[0]!.statement, {
    kind: 'rule',
    name: 'web',
    verb: 'allow',
    isAudit: false,
    services: [
      {
        kind: 'ports',
        transport: 'tcp',
        ports: [
          { from: 80, to: 80 },
          { from: 443, to: 443 },
        ],
      },
      { kind: 'ports', transport: 'udp', ports: [{ from: 443, to: 443 }] },
    ],
    from: {
      of: [{ kind: 'cidr', cidr: { version: 4, address: 0x0a000000, length: 8 } }],
      except: [{ kind: 'host', name: 'a' }],
    },
    to: { of: [{ kind: 'any' }], except: [] },
    log: {},
  })
})

t.test('a line that ends in a comma goes on in the next', async t => {
  const { lines, complaints } = parse(
    'zone a = 10.0.0.1,  # the first\n  10.0.0.2,\n  10.0.0.3\ndrop any\n',
  )
  t.same(complaints, [])
  t.same(
    lines.map(line => line.line),
    [1, 4],
  )
  t.equal(
    formatFile(lines),
    'zone a = 10.0.0.1, 10.0.0.2, 10.0.0.3  # the first\ndrop any from any to any\n',
  )
})

t.test('lines that stayed are the same objects after an edit', async t => {
  const parser = new Parser()
  const before = parser.parse('allow tcp 80\ndrop any\n', 'x').lines
  const after = parser.parse('# new\nallow tcp 80\ndrop any\n', 'x').lines
  t.equal(after[1]!.statement, before[0]!.statement)
  t.equal(after[2]!.statement, before[1]!.statement)
  t.equal(after[2]!.line, 3)
})

/** Text, and what is said about it. */
const mistakes: readonly (readonly [text: string, said: string])[] = [
  [
    'web: alow tcp 80 from any to any',
    `x.rules:1:6: "alow" is no verb
  web: alow tcp 80 from any to any
       ^~~~
did you mean "allow"?`,
  ],
  [
    'zoen office = 10.0.0.0/8',
    `x.rules:1:1: "zoen" is no verb
  zoen office = 10.0.0.0/8
  ^~~~
did you mean "zone"?`,
  ],
  [
    'allow tcp 80 from 10.0.0.0/33 to any',
    `x.rules:1:19: "10.0.0.0/33" is no address
  allow tcp 80 from 10.0.0.0/33 to any
                    ^~~~~~~~~~~
the prefix length goes to 32 for IPv4 and to 128 for IPv6`,
  ],
  [
    'allow tcp 80 from 10.1.2.3/16 to any',
    `x.rules:1:19: "10.1.2.3/16" is no address
  allow tcp 80 from 10.1.2.3/16 to any
                    ^~~~~~~~~~~
bits stand behind the prefix: write 10.1.2.3 for the one address, or clear what follows the first 16 bits`,
  ],
  [
    'allow tcp 80 from 10.0.0.9-10.0.0.1 to any',
    `x.rules:1:19: "10.0.0.9-10.0.0.1" is no address
  allow tcp 80 from 10.0.0.9-10.0.0.1 to any
                    ^~~~~~~~~~~~~~~~~
a range is two addresses of one kind, the lower one first`,
  ],
  [
    'allow tcp 80-70 from any to any',
    `x.rules:1:11: the range 80-70 is empty
  allow tcp 80-70 from any to any
            ^~~~~
write 70-80`,
  ],
  [
    'allow tcp 70000 from any to any',
    `x.rules:1:11: "70000" is no port
  allow tcp 70000 from any to any
            ^~~~~
ports go from 1 to 65535; a range is 8000-8099`,
  ],
  [
    'allow 80 from any to any',
    `x.rules:1:7: "80" is no service
  allow 80 from any to any
        ^~
name the protocol: tcp 80`,
  ],
  [
    'allow from any to any',
    `x.rules:1:7: a service is expected before "from"
  allow from any to any
        ^~~~
write for example "tcp 443", "udp 53", "icmp echo-request", "proto gre", a service or "any"`,
  ],
  [
    'allow icmp echo-requst from any to any',
    `x.rules:1:12: "echo-requst" is no ICMP type
  allow icmp echo-requst from any to any
             ^~~~~~~~~~~
did you mean "echo-request"?`,
  ],
  [
    'allow any from any to any logg',
    `x.rules:1:27: "logg" is not expected here
  allow any from any to any logg
                            ^~~~
did you mean "log"?`,
  ],
  [
    'allow any from any to',
    `x.rules:1:22: an address or zone is missing
  allow any from any to
                       ^
write an address, a CIDR, a range, "host NAME", "network NAME", "vlan NUMBER", "port SWITCH:NUMBER", "mac PREFIX", a zone or "any"`,
  ],
  [
    'mail: reject tcp 25 log "no mail',
    `x.rules:1:25: the text has no end
  mail: reject tcp 25 log "no mail
                          ^~~~~~~~
close it with "`,
  ],
  [
    'allow tcp 22 until 2027-02-30',
    `x.rules:1:20: "2027-02-30" is no date
  allow tcp 22 until 2027-02-30
                     ^~~~~~~~~~
write a day, 2027-01-31 (to its end, UTC), or a time, 2027-01-31T18:00Z`,
  ],
  [
    'tier mian',
    `x.rules:1:6: "mian" is no tier
  tier mian
       ^~~~
did you mean "main"?`,
  ],
  [
    'default pass',
    `x.rules:1:9: "pass" cannot be the default
  default pass
          ^~~~
write: default drop, default reject or default allow`,
  ],
  [
    'zone any = 10.0.0.1',
    `x.rules:1:6: "any" is a word of the language
  zone any = 10.0.0.1
       ^~~
choose another name for the zone`,
  ],
  [
    'drop any log all',
    `x.rules:1:14: "log all" is not offered
  drop any log all
               ^~~
each connection is logged once, when it is judged: write "log" or "log new 10/s"`,
  ],
  [
    'test "one" 10.0.0.0/24 -> 10.0.0.1 tcp 80 allow',
    `x.rules:1:12: a test speaks of one address
  test "one" 10.0.0.0/24 -> 10.0.0.1 tcp 80 allow
             ^~~~~~~~~~~
write an address or "host NAME"`,
  ],
  [
    '\tallow tcp eighty from any to any',
    `x.rules:1:12: "eighty" is not expected here
  \tallow tcp eighty from any to any
  \t          ^~~~~~
after the addresses come with, dscp, log, limit, max, via, until and schedule`,
  ],
]

for (const [text, said] of mistakes)
  t.test(`"${text.trim()}" is complained about`, async t => {
    const { complaints } = parse(text, 'x.rules')
    t.equal(complaints.map(error => formatComplaint(error, text)).join('\n'), said)
  })

t.test('all mistakes of a file are found, each in its line', async t => {
  const { complaints } = parse(mistakes.map(([text]) => text).join('\n'), 'x.rules')
  t.same(
    complaints.map(error => error.line),
    mistakes.map((_, index) => index + 1),
  )
})

t.test('included files stand where they are named', async t => {
  const files: Record<string, string> = {
    'net/objects/zones.rules': 'zone a = 10.0.0.1\ninclude "more.rules"\n',
    'net/objects/more.rules': 'tier admin\ndrop tcp 23\n',
  }
  const root =
    'include "objects/zones.rules"\ninclude "objects/more.rules"\nallow any from a to any\n'
  const loaded = await loadPolicy(new Parser(), 'net/main.rules', root, path => files[path]!)
  t.same(loaded.complaints, [])
  t.same(
    loaded.lines.map(({ file, line, tier, statement }) => [file, line, tier, statement.kind]),
    [
      ['net/main.rules', 1, 'main', 'include'],
      ['net/objects/zones.rules', 1, 'main', 'zone'],
      ['net/objects/zones.rules', 2, 'main', 'include'],
      ['net/objects/more.rules', 1, 'admin', 'tier'],
      ['net/objects/more.rules', 2, 'admin', 'rule'],
      ['net/main.rules', 2, 'main', 'include'],
      ['net/main.rules', 3, 'main', 'rule'],
    ],
  )
})

t.test(
  'files that include one another, and files that are not there, are complained about',
  async t => {
    const files: Record<string, string> = { 'b.rules': 'include "a.rules"\n' }
    const root = 'include "b.rules"\ninclude "c.rules"\n'
    const loaded = await loadPolicy(new Parser(), 'a.rules', root, path => {
      const text = files[path]
      if (text === undefined) throw new Error('there is no such file')
      return text
    })
    t.same(
      loaded.complaints.map(error => formatComplaint(error, loaded.texts.get(error.file))),
      [
        `b.rules:1:9: the files include one another: a.rules -> b.rules -> a.rules
  include "a.rules"
          ^~~~~~~~~
the path is relative to the file that names it`,
        `a.rules:2:9: "c.rules" cannot be read: there is no such file
  include "c.rules"
          ^~~~~~~~~
the path is relative to the file that names it`,
      ],
    )
  },
)

t.test('ports that would be read in two ways are mistakes, with both ways to say it', async t => {
  const complaints = (services: string) =>
    parse(`default drop\na: allow ${services} from any to any\n`, 'a.rules').complaints.map(
      ({ message, hint }) => `${message} | ${hint}`,
    )
  t.same(complaints('tcp, udp 53'), [
    '"tcp, udp 53" would be all of TCP, and udp 53 | write "tcp+udp 53" for these ports of both, or "udp 53, tcp" for all of TCP',
  ])
  t.same(complaints('tcp 080'), ['"080" begins with a zero | write 80'])
  t.same(complaints('tcp 0'), ['port 0 is never on the wire | ports go from 1 to 65535'])
  t.match(complaints('tcp+icmp 53'), [/no protocols with the same ports/])
  for (const right of [
    'tcp+udp 53',
    'udp 53, tcp',
    'tcp, udp',
    'tcp, icmp',
    'tcp+udp 53, 5353 source 53',
    'udp 53 source 0-1023',
  ])
    t.same(complaints(right), [], right)
})

t.test('ports of several protocols are those of each, also after a comma', async t => {
  const { lines } = parse(
    'default drop\na: allow tcp+udp 53, 853, icmp from any to any\n',
    'a.rules',
  )
  t.match(formatFile(lines), 'a: allow tcp 53 853, udp 53 853, icmp')
})

t.test('all of a protocol is written behind the ports of others', async t => {
  const { lines } = parse('default drop\na: allow udp 53, tcp, sctp from any to any\n', 'a.rules')
  const text = formatFile(lines)
  t.same(parse(text, 'a.rules').complaints, [], text)
})

t.test('a helper reads at its own port, wherever the port is written', async t => {
  const wrong = [
    'a: allow tcp 2121 helper ftp',
    'a: allow tcp 20-21 helper ftp',
    'a: allow tcp helper ftp',
    'a: allow udp 21 helper ftp',
    'service f = tcp 2121 helper ftp',
    'let p = 2121\na: allow tcp $p helper ftp',
  ]
  for (const text of wrong)
    t.match(
      parse(`${text}\n`, 'a.rules')
        .complaints.map(each => formatComplaint(each))
        .join('\n'),
      /the helper ftp reads connections to TCP port 21 only/,
      text,
    )
  const spec = { statements: [{ kind: 'service', name: 'f', members: ['tcp 2121 helper ftp'] }] }
  const { text, mistakes } = textOfSpec(spec as never)
  const said = [
    ...mistakes,
    ...parse(text ?? '', 'a.rules').complaints.map(each => formatComplaint(each)),
  ]
  t.match(JSON.stringify(said), /TCP port 21 only/, 'also in JSON')
})
