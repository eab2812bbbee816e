/** What people write into pf.conf and config.xml, as rules; what cannot be said is closed or refused, with its line. */
import t from 'tap'
import { importConfigXml } from '../../../../src/nfv/firewall/import/pf/config-xml.js'
import { importPf } from '../../../../src/nfv/firewall/import/pf/pf.js'
import { ImportError, type ImportOptions } from '../../../../src/nfv/firewall/import/rule-writer.js'
import { loadText } from '../../../../src/nfv/firewall/text/load.js'
import { Parser } from '../../../../src/nfv/firewall/text/parse.js'

type Importer = typeof importPf

const known: ImportOptions = {
  interfaces: new Map([
    ['em1', '10.0.0.0/24'],
    ['em0', 'others'],
  ]),
}

/** The rules alone. */
const rules = (importer: Importer, text: string, options: ImportOptions = known): string[] => {
  const imported = importer(text, options)
  const { complaints } = loadText(new Parser(), 'i.rules', imported.text)
  if (complaints.length > 0) throw new Error(`${complaints[0]!.message}\n${imported.text}`)
  return imported.text.split('\n').filter(line => /^ *[\w.-]+: /.test(line))
}
const notes = (importer: Importer, text: string, options: ImportOptions = known): string[] =>
  importer(text, options).notes.map(({ line, kind, message }) => `${line} ${kind} ${message}`)

t.test('a gateway with macros, tables, lists and anchors', async t => {
  const source = `ext = "em0"
lan_net = "10.0.0.0/24"
ports = "{ ssh, www
  8000:8099 }"
table <bad> persist { 192.0.2.0/24, !192.0.2.8/29, 192.0.2.9 }
table <flood> persist
set skip on lo
set block-policy return
match in all scrub (no-df)
antispoof quick for em1
block log all
block in quick from <bad>
block in quick on $ext from <flood>
pass in on em1 from em1:network \\
  to any
pass out on $ext inet proto { tcp udp } from $lan_net to any modulate state
pass in on $ext inet proto tcp from any to 10.0.0.10 port $ports flags S/SA keep state
pass out on em1 to 10.0.0.10 label "to web"
pass in proto tcp from any port >= 1024 to self port 22
pass inet proto icmp icmp-type { echoreq, unreach }
anchor "shop" in on $ext proto tcp {
  pass to 10.0.0.11 port 443
  block quick to 10.0.0.12
}
`
  const outside = '0.0.0.0/0 except 10.0.0.0/24'
  t.same(rules(importPf, source), [
    'line-12: reject any from 192.0.2.0/29, 192.0.2.9, 192.0.2.16-192.0.2.255 to 0.0.0.0/0',
    `line-23: reject tcp from ${outside} to 10.0.0.12`,
    `line-22: pass tcp 443 from ${outside} to 10.0.0.11`,
    'line-20: pass icmp echo-request from 0.0.0.0/0 to 0.0.0.0/0',
    `line-17: pass tcp 22 80 8000-8099 from ${outside} to 10.0.0.10`,
    'line-14: pass any from 10.0.0.0/24 to 0.0.0.0/0',
    'line-11: reject any from any to any log',
    'line-20-2: allow icmp echo-request from 0.0.0.0/0 to 0.0.0.0/0',
    'to-web: allow any from 0.0.0.0/0 to 10.0.0.10',
    `line-16: allow tcp, udp from 10.0.0.0/24 to ${outside}`,
    'line-11-2: reject any from any to any log',
  ])
})

t.test('rules as FreeBSD and pfSense list them, and of users', async t => {
  const source = `block drop in log all
pass in quick on em1 reply-to (em0 192.0.2.1) inet proto tcp from any to 10.0.0.5 port = ssh flags S/SA keep state
pass in quick on em1 route-to { (em0 192.0.2.1), (em2 198.51.100.1) } round-robin sticky-address inet from 10.0.0.0/25 to any keep state
block drop out log proto { tcp udp } user { build 1001 }
pass out proto carp all no state
block return-icmp (host-unr) in quick on em1 from any to 10.0.3.0/24
`
  t.same(rules(importPf, source), [
    'line-2: allow tcp 22 from 10.0.0.0/24 to 10.0.0.5',
    'line-3: allow any from 10.0.0.0/25 to 0.0.0.0/0',
    'line-6: reject any from 10.0.0.0/24 to 10.0.3.0/24 with host-unreachable',
    'line-1: drop any from any to any log',
  ])
  t.match(notes(importPf, source)[0], /^4 info what passes through is of no user/)
  const own = { ...known, host: ['10.0.0.1'] }
  t.match(notes(importPf, source, own)[0], /^4 closed user build 1001/)
})

t.test('what cannot be said is closed, left out, or ends the import', async t => {
  const rows: readonly (readonly [
    text: string,
    notes: readonly RegExp[],
    rules: readonly string[],
  ])[] = [
    [
      'block all\npass in from any to any user != root\n',
      [/^2 left out user != root/],
      ['line-1: drop any from any to any', 'line-1-2: drop any from any to any'],
    ],
    [
      'pass all\nblock in quick from <bad>\n',
      [/^2 closed the table <bad>, which the file does not have/],
      ['line-2: drop any from any to any'],
    ],
    [
      'table <bad> file "/etc/bad"\npass all\nblock in quick from <bad>\n',
      [/^3 closed the table <bad>, which another file fills/],
      ['line-3: drop any from any to any'],
    ],
    [
      'pass in on em7 all\nblock all\n',
      [],
      ['line-2: drop any from any to any', 'line-2-2: drop any from any to any'],
    ],
    [
      'block in all\npass in quick on em7 proto tcp all\n',
      [/^2 left out the interface em7 .*--interface em7=ZONE/],
      ['line-1: drop any from any to any'],
    ],
    [
      'pass all\nblock in from www.example.net\n',
      [/^2 closed the name www.example.net/],
      ['line-2: drop any from any to any'],
    ],
    [
      'pass in proto tcp to port 80 rdr-to 10.0.0.2\n',
      [/^1 closed address translation/],
      ['line-1: drop tcp 80 from any to any'],
    ],
    [
      'rdr pass on em0 proto tcp from any to any port 80 -> 10.0.0.2\npass all\n',
      [/^1 closed address translation/],
      ['line-1: drop tcp 80 from any except 10.0.0.0/24 to any'],
    ],
    [
      'block out all\nmatch out on em0 from 10.0.0.0/8 nat-to (em0)\npass out from 10.0.0.3\n',
      [/^2 left out address translation/, /^3 left out senders, which line 2 translates/],
      ['line-1: drop any from any to any'],
    ],
    [
      'block all\npass in proto tcp to port 22 keep state (max-src-conn 5, overload <bad>)\npass out all\n',
      [/^2 left out max-src-conn, overload cannot/],
      ['line-1: drop any from any to any'],
    ],
    [
      'block all\nanchor "f2b/*"\n',
      [/^2 left out the anchor "f2b\/\*" is empty/],
      ['line-1: drop any from any to any', 'line-1-2: drop any from any to any'],
    ],
    [
      'block in proto tcp flags A/SA\n',
      [/^1 info a packet that opens a connection has other flags/],
      [],
    ],
  ]
  for (const [text, wanted, said] of rows) {
    const found = notes(importPf, text)
    for (const [at, each] of wanted.entries()) t.match(found[at], each, text)
    t.equal(found.length, wanted.length, `${text}${found.join('\n')}`)
    t.same(rules(importPf, text), said, text)
  }
  t.throws(
    () => importPf(rows[0]![0], { ...known, onLoss: 'fail' }),
    /user != root cannot be said here/,
  )
})

t.test('what pf would refuse, or another file has, is refused with its line', async t => {
  const rows: readonly (readonly [text: string, message: RegExp, line: number])[] = [
    ['', /there is no rule in it/, 0],
    ['root:x:0:0:root\n', /not understood: root:x:0:0:root/, 1],
    ['pass in on $none all\n', /the macro \$none is not defined/, 1],
    ['block all\ninclude "/etc/pf.more"\n', /it names another file: include/, 2],
    ['block all\n\nbinat on em0 from 10.0.0.1 to any -> 192.0.2.1\n', /translated both ways/, 3],
    ['pass in proto tcp to any port nowhere\n', /"nowhere" is no port/, 1],
    ['pass in proto tcp to any port 80 whatever\n', /"whatever" is not understood/, 1],
    ['anchor quick { pass all }\n', /not understood|quick cannot be said/, 1],
    ['pass all "open\n', /a quotation mark is not closed/, 1],
    ['anchor x {\npass all\n', /"}" is missing/, 2],
    ['pass from { 10.0.0.1\n', /the file ends/, 1],
  ]
  for (const [text, message, line] of rows)
    try {
      importPf(text, known)
      t.fail(`${text} is taken`)
    } catch (error) {
      if (!(error instanceof ImportError)) throw error
      t.match(error.message, message, text)
      t.equal(error.line, line, text)
    }
})

const config = (filter: string, more = '') => `<?xml version="1.0"?>
<pfsense>
  <interfaces>
    <wan><if>igb0</if><ipaddr>dhcp</ipaddr>${more}</wan>
    <lan><if>igb1</if><ipaddr>10.1.0.1</ipaddr><subnet>16</subnet></lan>
    <opt1><if>igb2</if><ipaddr>10.2.0.1</ipaddr><subnet>24</subnet></opt1>
  </interfaces>
  <aliases>
    <alias><name>web</name><type>host</type><address>10.2.0.10 10.2.0.11</address></alias>
    <alias><name>webports</name><type>port</type><address>80 443 8000:8099</address></alias>
    <alias><name>all_web</name><type>network</type><address>web 10.2.0.128/25</address></alias>
    <alias><name>evil</name><type>urltable</type><url>https://example.net/list</url></alias>
  </aliases>
  <nat><outbound><mode>disabled</mode></outbound></nat>
  <filter>${filter}</filter>
</pfsense>`

const behindWan: ImportOptions = { interfaces: new Map([['wan', 'others']]) }

const one = (parts: Readonly<Record<string, string>>) => {
  const { type = 'pass', interface: at = 'lan', from = '<any/>', to = '<any/>', more = '' } = parts
  return `<rule><type>${type}</type><interface>${at}</interface><ipprotocol>inet</ipprotocol><source>${from}</source><destination>${to}</destination>${more}</rule>`
}

t.test('rules of interfaces, aliases, and what is dropped without a rule', async t => {
  const web = '<address>all_web</address><port>webports</port>'
  const source = config(
    [
      one({
        from: '<network>lan</network>',
        to: web,
        more: '<protocol>tcp</protocol><descr><![CDATA[to the web & more]]></descr>',
      }),
      one({ type: 'reject', to: '<network>opt1</network>' }),
      one({ to: '<network>lanip</network>' }),
      one({ to: '<network>opt1</network><not/>', more: '<log/>' }),
      one({ more: '<disabled/>' }),
      one({ type: 'block', interface: 'opt1', to: '<network>lan</network>' }),
    ].join('\n'),
  )
  t.same(rules(importConfigXml, source, behindWan), [
    '  to-the-web-more: allow tcp 80 443 8000-8099 to 10.2.0.10/31, 10.2.0.128/25',
    '  line-16: reject any to 10.2.0.0/24',
    '  line-18: allow any to 0.0.0.0/0 except 10.2.0.0/24 log',
    'line-20: drop any from 10.2.0.0/24 to 10.1.0.0/16',
    'r-default: drop any from any to any',
  ])
  t.same(notes(importConfigXml, source, behindWan), [])
})

t.test('what config.xml leaves to others', async t => {
  const evil = config(one({ interface: 'wan', from: '<address>evil</address>', type: 'block' }))
  t.match(notes(importConfigXml, evil, behindWan)[0], /^15 closed evil/)
  const bogus = config(one({ interface: 'wan' }), '<blockbogons/>')
  t.match(notes(importConfigXml, bogus, behindWan)[0], /^4 closed bogons, which another file has/)
  const told = { interfaces: new Map([...behindWan.interfaces!, ['bogons', '192.0.2.0/24']]) }
  t.same(notes(importConfigXml, bogus, told), [])
  t.match(rules(importConfigXml, bogus, told)[0], /allow any from .* except .*, 192.0.2.0\/24 to/)
  const marked = config(one({ more: '<tagged>vpn</tagged>' }))
  t.match(notes(importConfigXml, marked, behindWan)[0], /^15 left out <tagged> vpn/)
  const unknown = config(one({ interface: 'opt7' }))
  t.match(
    notes(importConfigXml, unknown, behindWan)[0],
    /the interface opt7 .*--interface opt7=ZONE/,
  )
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['<html></html>', /<html> is no configuration/],
    ['', /no XML document/],
    ['<pfsense><filter></pfsense>', /closes nothing that is open/],
    ['<pfsense>&evil;</pfsense>', /&evil; is not known/],
    [config('<rule><type>allow</type></rule>'), /"allow" is no type of a rule/],
    [`${'<a>'.repeat(70)}${'</a>'.repeat(70)}`, /too deep/],
    [
      '<opnsense><OPNsense><Firewall><Filter><rules><rule/></rules></Filter></Firewall></OPNsense></opnsense>',
      /under "Automation"/,
    ],
    [config('').replace('</nat>', '<onetoone/></nat>'), /translated both ways/],
  ]
  for (const [text, message] of rows) t.throws(() => importConfigXml(text, behindWan), message)
})
