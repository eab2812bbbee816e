/** Statements of address translation: what cannot be is said, with the place and a way out. */
import t from 'tap'
import type { Ip } from '../../../src/base/addresses.js'
import { check } from '../../../src/nfv/firewall/meaning/check.js'
import { noFacts } from '../../../src/nfv/firewall/meaning/environment.js'
import { resolve } from '../../../src/nfv/firewall/meaning/resolve.js'
import { published, sourceStatement } from '../../../src/nfv/firewall/nat/resolve-nat.js'
import { loadText } from '../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../src/nfv/firewall/text/parse.js'

const policy = (text: string, name = 'p') => ({
  name,
  order: 0,
  loaded: loadText(new Parser(), `${name}.rules`, text),
})
const mistakes = (text: string): string[] =>
  check([policy(text)], noFacts(0)).complaints.map(
    ({ line, column, message }) => `${line}:${column} ${message}`,
  )

t.test('what a statement cannot say', t => {
  for (const [text, ...expected] of [
    ['nat', '1:4 what is done is missing'],
    ['nat masqerade out wan', '1:5 "masqerade" is no translation'],
    ['nat masquerade from 10.0.0.0/8', '1:31 "out" is expected here'],
    ['nat masquerade from ofice out wan', '1:21 no zone is named "ofice"'],
    ['nat masquerade out wan ports 80-90', '1:30 ports below 1024 are those of servers'],
    ['nat source 10.0.0.0/8 out wan', '1:12 "10.0.0.0/8" is no address'],
    ['nat source 10.0.1.9-10.0.1.1 out wan', '1:12 "10.0.1.9-10.0.1.1" is no pool of addresses'],
    ['nat source 10.0.1.9-10.0.4.1 out wan', '1:12 "10.0.1.9-10.0.4.1" is no pool of addresses'],
    ['nat forward tcp 443 to 10.2.0.1', '1:21 "at" is expected here'],
    ['nat forward tcp 443 at 203.0.113.1 to 10.2.0.1:0', '1:39 "0" is no port'],
    ['nat forward tcp 1-9 at 203.0.113.1 to 10.2.0.1:80', '1:39 several ports keep their numbers'],
    ['nat forward tcp 443 at 203.0.113.1 to fd00::1', '1:39 IPv4 is not translated to IPv6'],
    [
      'nat forward icmp6 at 203.0.113.1 to 10.2.0.1',
      '1:1 ICMP of IPv6 does not come to an address of IPv4',
    ],
    [
      'nat forward tcp 1 source 5 at 203.0.113.1 to 10.2.0.1',
      '1:1 what is published does not look at source ports',
    ],
    [
      'nat one-to-one 203.0.113.1 10.2.0.1:80',
      '1:28 one address stands for another, with all its ports',
    ],
    ['nat masquerade out wan log', '1:24 "log" is not expected here'],
  ] as const)
    t.match(
      mistakes(`${text}\n`),
      expected.map(each => new RegExp(`^${each.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)),
      text,
    )
  t.end()
})

t.test('what two statements cannot say together', t => {
  const forward = 'nat forward tcp 443 at 203.0.113.1 to 10.2.0.1'
  for (const [text, expected] of [
    [`${forward}\n${forward}`, '2:1 some of it at 203.0.113.1 is published already'],
    [`nat one-to-one 203.0.113.1 10.2.0.2\n${forward}`, '2:1 some of it at'],
    [
      'nat one-to-one 203.0.113.1 10.2.0.2\nnat one-to-one 203.0.113.1 10.2.0.3',
      '2:1 203.0.113.1 is published already',
    ],
    [
      'nat one-to-one 203.0.113.1 10.2.0.2\nnat one-to-one 203.0.113.2 10.2.0.2',
      '2:1 the host has an address outside already',
    ],
    [
      'nat masquerade out wan\nnat forward udp 40000 at 203.0.113.1 to 10.2.0.1',
      '2:1 port 40000 is among those',
    ],
    [
      'nat source 203.0.113.1 out wan\nnat forward udp 40000 at 203.0.113.1 to 10.2.0.1',
      '2:1 port 40000 is among those',
    ],
  ] as const)
    t.match(mistakes(`${text}\n`), [new RegExp(`^${expected}`)], text)
  for (const text of [
    `${forward}\nnat forward tcp 443 at 203.0.113.2 to 10.2.0.1`,
    `${forward}\nnat forward udp 443 at 203.0.113.1 to 10.2.0.1`,
    `nat forward tcp 443 from 10.0.0.0/8 at 203.0.113.1 to 10.2.0.9\n${forward}`,
    `${forward}\nnat one-to-one 203.0.113.1 10.2.0.2`,
    `nat none tcp 443 at 203.0.113.1\n${forward}`,
    'nat source 203.0.113.9 out wan\nnat forward udp 40000 at 203.0.113.1 to 10.2.0.1',
    'nat masquerade out wan ports 50000-60000\nnat forward udp 40000 at 203.0.113.1 to 10.2.0.1',
  ])
    t.same(mistakes(`${text}\n`), [], text)
  t.end()
})

t.test('the first that matches wins, of sources and destinations separately', t => {
  const { nat = [] } = resolve(
    [
      policy(
        [
          'nat none from 10.1.0.0/16 to 10.0.0.0/8',
          'nat source 198.51.100.7 from 10.1.0.25 out wan',
          'nat one-to-one 198.51.100.10 10.1.0.10',
          'nat masquerade from 10.1.0.0/16 out wan',
          'nat none tcp 22 at 203.0.113.10',
          'nat forward tcp 443 from 192.0.2.0/24 at 203.0.113.10 to 10.2.0.11',
          'nat forward tcp 443 at 203.0.113.10 to 10.2.0.10:8443',
          'nat forward any at 203.0.113.10 to 10.2.0.12',
          '',
        ].join('\n'),
      ),
    ],
    noFacts(0),
  )
  const source = (from: number, to: number, network = 'wan') =>
    sourceStatement(nat, from, to, network)?.line
  t.equal(source(0x0a010007, 0x0a020001), 1)
  t.equal(source(0x0a010019, 0xc0000201), 2)
  t.equal(source(0x0a01000a, 0xc0000201), 3)
  t.equal(source(0x0a010007, 0xc0000201), 4)
  t.equal(source(0x0a010007, 0xc0000201, 'dmz'), undefined)
  t.equal(source(0x0a090007, 0xc0000201), undefined)
  const to = (from: string, port: number, protocol = 6) => {
    const { connection } = published(nat, {
      source: from as Ip,
      destination: '203.0.113.10' as Ip,
      protocol,
      sourcePort: 5_000,
      destinationPort: port,
    })
    return `${connection.destination}:${connection.destinationPort}`
  }
  t.equal(to('198.51.100.1', 443), '10.2.0.10:8443')
  t.equal(to('192.0.2.7', 443), '10.2.0.11:443')
  t.equal(to('198.51.100.1', 22), '203.0.113.10:22')
  t.equal(to('198.51.100.1', 80), '10.2.0.12:80')
  t.equal(to('198.51.100.1', 53, 17), '10.2.0.12:53')
  t.end()
})

t.test('what is only audited is not translated, and other statements make another hash', t => {
  const of = (text: string) => resolve([policy(text)], noFacts(0))
  t.equal(of('default allow\n').nat, undefined)
  t.equal(of('file audit\nnat masquerade out wan\n').nat, undefined)
  const [a, b, c] = ['', 'nat masquerade out wan\n', 'nat masquerade out lan\n'].map(
    text => of(`default allow\n${text}`).hash,
  )
  t.equal(new Set([a, b, c]).size, 3)
  t.equal(of('default allow\n\nnat masquerade out wan\n').hash, b)
  t.end()
})
