/**
 * Frames that hide IP behind a second tag or an LLC header, on real Open vSwitch, whether it reads one tag or two
 * (`vlan-limit`). The same datagram sent openly arrives, so the test would notice if nothing did.
 */
import { pino } from 'pino'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { ensurePackages, isRoot, ovsNeeds } from '../../src/lab/install.js'
import { sh, sleep } from '../../src/lab/shell.js'
import { buildFrame } from '../../src/pipeline/build.js'
import { end, inside, withTwoSwitches } from './firewall/two-switches.js'

const root = { skip: isRoot() ? false : 'it needs root for network namespaces', timeout: 120_000 }
const env = realEnv(pino({ level: 'silent' }))

/** Says the name of every frame that comes in, whatever its header. */
const listening = `import re, socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(('eth0', 0))
print('ready', flush=True)
while True:
    frame, sender = wire.recvfrom(2000)
    if sender[2] == socket.PACKET_OUTGOING: continue
    for name in re.findall(rb'<(.*?)>', frame): print(name.decode(), flush=True)
`

const macs = { a: 0x020000000101, c: 0x020000000201 }

/** A datagram from a to c that carries its own name. */
const datagram = (header: string): Buffer => {
  const open = buildFrame(
    {
      eth_dst: macs.c,
      eth_src: macs.a,
      eth_type: 0x0800,
      ip_proto: 17,
      ip_src: 0x0a010001,
      ip_dst: 0x0a02000a,
      udp_src: 1,
      udp_dst: 5555,
    },
    Buffer.from(`<${header}>`),
  )
  const ip = Buffer.from(open.subarray(14))
  const octets = header.replace('LENGTH', (ip.length + 8).toString(16).padStart(4, '0'))
  return Buffer.concat([open.subarray(0, 12), Buffer.from(octets, 'hex'), ip])
}

const inner = ['81000000', '81000007', '88a80000', '91000000']
const hiding = [
  ...inner.flatMap(tag => [`81000064${tag}0800`, `88a80064${tag}0800`]),
  '8100006481000000810000000800',
  '81000064LENGTH060603',
  '81000064LENGTHaaaa030000f80800',
  '81000064LENGTHaaaa030000008100000800',
]
/** Frames that say what they are, so that rules judge them. */
const open = ['810000640800', '88a800640800', '81000064LENGTHaaaa030000000800']

t.test('what hides IP arrives nowhere, and what does not is judged', root, async t => {
  await ensurePackages(ovsNeeds, text => t.comment(text))
  await withTwoSwitches(env, async lab => {
    await lab.controller.send('POST', '/api/v1/objects?wait=installed', {
      objects: [
        {
          kind: 'Network',
          name: 'blue',
          spec: { number: 2, access: ['s2:1'], trunk: [{ port: 's1:1', vlan: 100 }] },
        },
      ],
    })
    const a = (await lab.inHost('a', 'cat', '/sys/class/net/eth0/address')).trim()
    const c = (await lab.inHost('c', 'cat', '/sys/class/net/eth0/address')).trim()
    macs.a = Number.parseInt(a.replaceAll(':', ''), 16)
    macs.c = Number.parseInt(c.replaceAll(':', ''), 16)
    const arp = buildFrame({
      eth_dst: 0xffffffffffff,
      eth_src: macs.a,
      eth_type: 0x0806,
      vlan_vid: 0x1064,
      arp_op: 1,
      arp_sha: macs.a,
      arp_spa: 0x0a010001,
      arp_tha: 0,
      arp_tpa: 0x0a02000a,
    })
    const script = listening.replaceAll("'", "\\'")
    const listener = inside(
      lab,
      'c',
      `const child = require('child_process').spawn('/usr/bin/python3', ['-c', '${script.replaceAll('\n', '\\n')}'], { stdio: ['ignore', 'inherit', 'inherit'] })
      process.stdin.on('end', () => { child.kill(); process.exit(0) }).resume()`,
    )
    let heard: string[] = []
    listener.stdout.on('data', (text: Buffer) => {
      heard.push(...text.toString().split('\n').filter(Boolean))
    })
    /** What of these frames has come to c. */
    const arrived = async (headers: readonly string[]): Promise<string[]> => {
      heard = []
      await lab.stage.sendFrames('a', headers.map(datagram))
      await sleep(500)
      return heard.filter(name => headers.includes(name))
    }
    try {
      while (!heard.includes('ready')) await sleep(50)
      await lab.stage.sendFrames('a', [arp])
      await lab.inHost('c', 'ping', '-c1', '-W1', '10.1.0.1').catch(() => undefined)
      await sleep(500)
      for (const limit of [1, 2]) {
        for (const { socket } of lab.stage.rig.switches.values())
          await sh(
            'ovs-vsctl',
            `--db=unix:${socket}`,
            'set',
            'Open_vSwitch',
            '.',
            `other_config:vlan-limit=${limit}`,
          )
        await sleep(1_000)
        await lab.rules('default allow\n')
        t.same(await arrived(open), open, `vlan-limit ${limit}: frames arrive`)
        t.same(await arrived(hiding), [], `vlan-limit ${limit}: hidden ones do not`)
        await lab.rules('default drop\n')
        t.same(await arrived([...open, ...hiding]), [], `vlan-limit ${limit}: default drop`)
      }
    } finally {
      await end(listener)
    }
  })
})
