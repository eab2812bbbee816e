/** Sessions as the daemon on this machine tells them, with rule and hosts by name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { Dpid, Ipv4, Mac } from '../../../src/base/addresses.js'
import { realEnv } from '../../../src/base/env/real-env.js'
import { unreadText } from '../../../src/cli/reading/get.js'
import { MemoryStore } from '../../../src/controller/store/memory-store.js'
import { PolicyKeeper } from '../../../src/nfv/firewall/service/policies.js'
import { parseConntrack } from '../../../src/nfv/firewall/sessions/conntrack-dump.js'
import { judgeSessions, SessionReader } from '../../../src/nfv/firewall/sessions/sessions.js'
import { askDaemon, controlSockets } from '../../../src/ovsdb/local-daemons.js'
import { emptyTopology, type Topology } from '../../../src/topology/model.js'

const env = realEnv(pino({ level: 'silent' }))

t.test('lines of dpctl/dump-conntrack are read', async t => {
  const text = [
    'tcp,orig=(src=10.1.0.1,dst=10.2.0.10,sport=51380,dport=53),reply=(src=10.2.0.10,dst=10.1.0.1,sport=53,dport=51380),zone=1025,labels=0x2987eb7f0011,protoinfo=(state=TIME_WAIT)',
    'icmp,orig=(src=10.1.0.2,dst=10.2.0.10,id=7,type=8,code=0),reply=(src=10.2.0.10,dst=10.1.0.2,id=7,type=0,code=0),zone=1025,labels=0x1',
    'udp,orig=(src=fd00::1,dst=fd00::2,sport=5,dport=6),reply=(src=fd00::2,dst=fd00::1,sport=6,dport=5),labels=0x100000000000000000000',
    'what is no connection',
    '',
  ].join('\n')
  t.match(parseConntrack(text), [
    {
      zone: 1025,
      protocol: 6,
      source: '10.1.0.1',
      destination: '10.2.0.10',
      sourcePort: 51380,
      destinationPort: 53,
      state: 'TIME_WAIT',
      label: { generation: 0x11, rule: 0x2987eb7f, isElsewhere: false },
    },
    { zone: 1025, protocol: 1, sourcePort: 8, destinationPort: 0, label: { generation: 1 } },
    { zone: 0, protocol: 17, source: 'fd00::1', label: { isElsewhere: true } },
  ])
  t.equal(parseConntrack(text).length, 3)
})

/** A daemon that answers from a table, and hangs up on what is not in it. */
const daemon = async (t: Test, answers: Readonly<Record<string, string>>): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  const server = createServer(socket => {
    socket.on('data', chunk => {
      const { id, method } = JSON.parse(chunk.toString()) as { id: number; method: string }
      const result = answers[method]
      if (result === undefined) socket.end(JSON.stringify({ id, result: null, error: 'unknown' }))
      else socket.write(JSON.stringify({ id, result, error: null }))
    })
  })
  await new Promise<void>(resolve => server.listen(join(folder, 'ovs-vswitchd.7.ctl'), resolve))
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

const network = (): Topology => {
  const one = (dpid: string, name: string, index: number) =>
    [
      dpid as Dpid,
      { dpid: dpid as Dpid, name, index, isConnected: true, ports: new Map() },
    ] as const
  return {
    ...emptyTopology,
    switches: new Map([one('0000000000000001', 's1', 1), one('0000000000000002', 's2', 2)]),
    hosts: new Map([
      [
        '02:00:00:00:00:01',
        {
          mac: '02:00:00:00:00:01' as Mac,
          name: 'ann',
          ips: ['10.1.0.1' as Ipv4],
          at: { dpid: '0000000000000001' as Dpid, port: 1 },
          network: 1,
        } as never,
      ],
    ]),
  }
}

t.test('sessions have names; switches that cannot be read are said to be', async t => {
  const topology = network()
  const policies = await PolicyKeeper.load(env, new MemoryStore(env))
  t.teardown(() => policies.stop())
  await policies.apply(
    [{ name: 'p', source: 'default drop\nweb: allow tcp 80 from any to any\n' }],
    topology,
  )
  policies.compile(topology)
  const id = policies.rules().find(({ rule }) => rule.name === 'web')!.rule.id
  const label = (generation: number) =>
    `0x${((BigInt(id) << 16n) | BigInt(generation)).toString(16)}`
  const line = (port: number, zone: number, labels: string) =>
    `tcp,orig=(src=10.1.0.1,dst=10.2.0.10,sport=${port},dport=80),reply=(),zone=${zone},labels=${labels},protoinfo=(state=ESTABLISHED)`
  const folder = await daemon(t, {
    'ofproto/list': 's1\nbr-other\n',
    'dpctl/dump-conntrack': [
      line(1000, 1025, label(1)),
      line(1001, 1025, label(0)),
      line(1002, 7, label(1)),
      line(1003, 1025, '0x100000000000000000000'),
    ].join('\n'),
  })
  const reader = new SessionReader(env, [folder, '/nowhere'], () => topology, policies)
  const { items, unread } = await reader.read()
  t.match(items, [
    {
      switch: 's1',
      sourcePort: 1000,
      sourceHost: 'ann',
      rule: 'web',
      policy: 'p',
      isCurrent: true,
    },
    { switch: 's1', sourcePort: 1001, isCurrent: false },
  ])
  t.equal(items.length, 2, 'neither zones of others nor what another switch has decided')
  t.match(
    unreadText(unread),
    /^sessions of s2 are not known: only a controller on the machine of its ovs-vswitchd/,
  )
  t.equal(unread.length, 1)

  const next = await policies.preview(
    [{ name: 'p', source: 'default drop\nweb: allow tcp 80 from 10.9.0.0/16 to any\n' }],
    topology,
    items,
  )
  t.equal(next.sessions.cut.length, 2)
  t.equal(judgeSessions(items, policies.resolved, policies.resolved!).kept.length, 2)
  t.same(next.sessions.kept, [])
})

t.test('a daemon that refuses or is gone is an error with its reason', async t => {
  const folder = await daemon(t, {})
  const [socket] = (await controlSockets(env, [folder])).sockets
  await t.rejects(askDaemon(env, socket!, 'ofproto/list'), /was refused: unknown/)
  writeFileSync(join(folder, 'vsw.ctl'), '')
  await t.rejects(askDaemon(env, join(folder, 'vsw.ctl'), 'ofproto/list'), /ECONNREFUSED|ENOTSOCK/)
  t.same(await controlSockets(env, ['/nowhere']), { sockets: [], unread: [] })
})

t.test('a folder that may not be read is said, and costs no answer', async t => {
  const folder = await daemon(t, { 'ofproto/list': 's1\n', 'dpctl/dump-conntrack': '' })
  const refused = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  const closed = '/run/closed'
  const disk = {
    ...env.disk,
    stat: async (path: string) =>
      path === closed ? { isFolder: true, mode: 0o750, size: 0 } : env.disk.stat(path),
    list: (path: string) => (path === closed ? Promise.reject(refused) : env.disk.list(path)),
  } as typeof env.disk
  const { sockets, unread } = await controlSockets({ disk }, [closed, folder])
  t.equal(sockets.length, 1)
  t.same(unread, [`${closed}: the user that runs sluice may not use it`])
})
