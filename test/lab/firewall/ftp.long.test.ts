/** FTP on real Open vSwitch: what a control connection agrees upon is let in with it, and cut with it. */
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../../src/lab/install.js'
import { sleep } from '../../../src/lab/shell.js'
import { end, inside, type TwoSwitches, withTwoSwitches } from './two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 200_000 }
const env = realEnv(pino({ level: 'silent' }))

type Version = 4 | 6
const at = {
  4: { client: '10.1.0.1', server: '10.2.0.10', rule: 'from 10.1.0.0/16 to 10.2.0.10' },
  6: { client: 'fd00::1:1', server: 'fd00::2:10', rule: 'from fd00::1:0/112 to fd00::2:10' },
} as const

/** A server as small as it can be (RFC 959, RFC 2428): PORT and PASV, EPRT and EPSV; the data is a stream that does not end. */
const server = (version: Version) => `const net = require('net')
const stream = socket => {
  const timer = setInterval(() => socket.write('data'), 20)
  socket.on('error', () => {}).on('close', () => clearInterval(timer))
}
net.createServer(control => {
  control.on('error', () => {})
  control.write('220 ready\\r\\n')
  control.on('data', text => {
    const port = /^PORT (\\d+,\\d+,\\d+,\\d+),(\\d+),(\\d+)/.exec(text)
    const extended = /^EPRT \\|2\\|([0-9a-f:]+)\\|(\\d+)\\|/.exec(text)
    if (port || extended) {
      control.write('200 well\\r\\n')
      stream(net.connect(port ? { host: port[1].replaceAll(',', '.'), port: port[2] * 256 + +port[3] } : { host: extended[1], port: +extended[2] }))
    }
    if (/^(PASV|EPSV)/.test(text)) {
      const data = net.createServer(stream).listen(0, '${at[version].server}', () => {
        const { port } = data.address()
        if (/^P/.test(text)) control.write('227 Entering Passive Mode (10,2,0,10,' + (port >> 8) + ',' + (port & 255) + ')\\r\\n')
        else control.write('229 Entering Extended Passive Mode (|||' + port + '|)\\r\\n')
      })
    }
  })
}).listen(21, '${at[version].server}')
process.stdin.on('end', () => process.exit(0)).resume()`

/** Asks for data, and tells every 50 ms how many octets have come. */
const client = (mode: 'active' | 'passive', version: Version) => `const net = require('net')
let octets = 0
const host = '${at[version].server}'
const take = socket => socket.on('error', () => {}).on('data', chunk => { octets += chunk.length })
const control = net.connect({ host, port: 21 })
control.on('error', () => {})
if (${mode === 'active'}) {
  const data = net.createServer(take).listen(0, '${at[version].client}', () => {
    const { port } = data.address()
    control.once('data', () => control.write(${
      version === 4
        ? `'PORT 10,1,0,1,' + (port >> 8) + ',' + (port & 255) + '\\r\\n'`
        : `'EPRT |2|${at[6].client}|' + port + '|\\r\\n'`
    }))
  })
} else {
  control.once('data', () => control.write('${version === 4 ? 'PASV' : 'EPSV'}\\r\\n'))
  control.on('data', text => {
    const found = /^227 .*\\((\\d+,\\d+,\\d+,\\d+),(\\d+),(\\d+)\\)/.exec(text)
    if (found) take(net.connect({ host, port: found[2] * 256 + +found[3] }))
    const extended = /^229 .*\\(\\|\\|\\|(\\d+)\\|\\)/.exec(text)
    if (extended) take(net.connect({ host, port: +extended[1] }))
  })
}
setInterval(() => console.log(octets), 50)
process.stdin.on('end', () => process.exit(0)).resume()`

const transfer = (lab: TwoSwitches, mode: 'active' | 'passive', version: Version) => {
  const child = inside(lab, 'a', client(mode, version))
  let octets = 0
  createInterface({ input: child.stdout! }).on('line', line => {
    octets = Number(line)
  })
  return {
    /** Whether something comes within half a second. */
    runs: async () => {
      const before = octets
      await sleep(500)
      return octets > before
    },
    end: () => end(child),
  }
}

const kinds = ([4, 6] as const).flatMap(version =>
  (['active', 'passive'] as const).map(mode => ({ version, mode })),
)

t.test('the data of FTP', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    const serving = [inside(lab, 'c', server(4)), inside(lab, 'c', server(6))]
    await sleep(500)
    // What is agreed upon is found also where data ports have a zone of their own.
    const ftp = `service data = tcp 1024-65535 timeout 1h\ndefault drop\nftp: allow tcp 21 helper ftp ${at[4].rule}\nftp6: allow tcp 21 helper ftp ${at[6].rule}\n`
    try {
      for (const { mode, version } of kinds) {
        const named = `${mode}, IPv${version}`
        await lab.rules(`default drop\nftp: allow tcp 21 ${at[version].rule}\n`)
        const without = transfer(lab, mode, version)
        await sleep(1_500)
        t.equal(await without.runs(), false, `${named}: without the helper there is no data`)
        await without.end()

        await lab.rules(ftp)
        const running = transfer(lab, mode, version)
        await sleep(1_000)
        t.equal(await running.runs(), true, `${named}: the data comes`)
        await lab.rules(`${ftp}more: allow tcp 9999\n`)
        await sleep(200)
        t.equal(await running.runs(), true, `${named}: an edit that allows it still keeps it`)
        await lab.rules('default drop\nmore: allow tcp 9999\n')
        await sleep(200)
        t.equal(await running.runs(), false, `${named}: it is cut with its control connection`)
        await running.end()
      }
      await lab.rules(ftp)
      t.equal(await lab.attempts('a', 'c', 80, 1), 's', 'nothing else is let in')
      t.equal(await lab.attempts('c', 'a', 80, 1), 's', 'nor the other way round')

      await lab.controller.send('POST', '/api/v1/learning', { seconds: 60 })
      await sleep(500)
      const watched = transfer(lab, 'passive', 4)
      await sleep(1_500)
      t.equal(await watched.runs(), true, 'the data comes while it is watched')
      await watched.end()
      const { rules } = await lab.controller.get<{ rules: string }>('/api/v1/learning')
      t.match(rules, 'allow tcp 21 helper ftp from', 'the control connection was seen')

      // Nobody listens at UDP 9: c says so by an ICMP error that quotes the datagram.
      await lab.rules('default drop\nu: allow udp 9 from any to any\n')
      t.equal(await lab.attempts('a', 'c', 9, 1, 'udp'), 'r', 'errors about a connection pass')
      await lab.rules('default drop\nu: allow udp 9 from any to any max 9 connections\n')
      t.equal(await lab.attempts('a', 'c', 9, 2, 'udp'), 'rr', 'also of one that is counted')
    } finally {
      await Promise.all(serving.map(end))
    }
  })
})
