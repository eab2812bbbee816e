/** TCP and TLS, calling and being called, with certificates made here; what must be refused is. */
import { join } from 'node:path'
import { Command } from 'commander'
import t, { type Test } from 'tap'
import { formatAddress, parseAddress, resolveAddress } from '../../src/ovsdb/address.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { DatabaseLink } from '../../src/ovsdb/link.js'
import { addOvsdb } from '../../src/ovsdb/tool/commands.js'
import { until } from '../until.js'
import { env, RealServer, run, skipWithoutOvs } from './real-server.js'

t.test('addresses as Open vSwitch writes them', async t => {
  const cases: [string, object, string?][] = [
    ['unix:/a b', { isPassive: false, isTls: false, at: { path: '/a b' } }],
    ['punix:/s', { isPassive: true, at: { path: '/s' } }],
    ['tcp:10.0.0.1:6641', { isPassive: false, isTls: false, at: { host: '10.0.0.1', port: 6641 } }],
    ['tcp:sw.example', { at: { host: 'sw.example', port: 6640 } }, 'tcp:sw.example:6640'],
    ['ssl:[::1]:6640', { isTls: true, at: { host: '::1', port: 6640 } }],
    [
      'ptcp:6640',
      { isPassive: true, at: { host: '127.0.0.1', port: 6640 } },
      'ptcp:6640:127.0.0.1',
    ],
    ['ptcp:', { isPassive: true, at: { port: 6640 } }, 'ptcp:6640:127.0.0.1'],
    ['pssl:6641:[::]', { isPassive: true, isTls: true, at: { host: '::', port: 6641 } }],
  ]
  for (const [text, address, written] of cases) {
    const parsed = parseAddress(text)
    t.match(parsed, address, text)
    t.equal(formatAddress(parsed!), written ?? text)
  }
  for (const text of [
    '',
    'tcp',
    'tcp:',
    'tcp:1.2.3.4:70000',
    'udp:1.2.3.4',
    'unix:',
    'tcp:a b:1',
    'tcp:x:0',
  ])
    t.equal(parseAddress(text), undefined, text)
  const tls = parseAddress('ssl:127.0.0.1:1')!
  await t.rejects(
    resolveAddress(env.disk, tls, { key: 'k' }),
    /ssl:127.0.0.1:1 needs three PEM files/,
  )
})

interface Keys {
  readonly key: string
  readonly certificate: string
  readonly authority: string
}

/** A certificate for `name`, signed by an authority of its own `family`. */
const makeKeys = async (folder: string, family: string, name: string): Promise<Keys> => {
  const path = (file: string) => join(folder, `${file}.pem`)
  const authority = path(`${family}-ca`)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  if ((await env.disk.stat(authority)) === undefined)
    await run('openssl', [
      'req',
      '-x509',
      ...curve,
      '-days',
      '2',
      '-subj',
      `/CN=${family}`,
      '-keyout',
      path(`${family}-ca-key`),
      '-out',
      authority,
    ])
  await run('openssl', [
    'req',
    ...curve,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    path(`${name}-key`),
    '-out',
    path(`${name}-req`),
  ])
  await run('openssl', [
    'x509',
    '-req',
    '-days',
    '2',
    '-in',
    path(`${name}-req`),
    '-CA',
    authority,
    '-CAkey',
    path(`${family}-ca-key`),
    '-CAcreateserial',
    '-out',
    path(name),
  ])
  return { key: path(`${name}-key`), certificate: path(name), authority }
}

const rig = async (t: Test, remote: string) => {
  const server = new RealServer()
  t.teardown(() => server.remove())
  await server.create()
  const ours = await makeKeys(server.folder, 'house', 'controller')
  const theirs = await makeKeys(server.folder, 'house', 'switch')
  const strange = await makeKeys(server.folder, 'elsewhere', 'stranger')
  await server.start(
    `--remote=${remote}`,
    `--private-key=${theirs.key}`,
    `--certificate=${theirs.certificate}`,
    `--ca-cert=${theirs.authority}`,
  )
  await server.vsctl('init')
  return { server, ours, strange }
}

const freePort = async (): Promise<number> => {
  const listener = await env.net.listen({ host: '127.0.0.1', port: 0 }, connection =>
    connection.destroy(),
  )
  await listener.close()
  return 'port' in listener.address ? listener.address.port : 0
}

const call = async (text: string, files: Partial<Keys> = {}): Promise<string[]> => {
  const client = await OvsdbClient.connect(
    env,
    await resolveAddress(env.disk, parseAddress(text)!, files),
    { requestTimeoutMillis: 2_000 },
  )
  try {
    return await client.listDatabases()
  } finally {
    client.close()
  }
}

const skip = skipWithoutOvs

t.test('TCP', { skip }, async t => {
  const port = await freePort()
  await rig(t, `ptcp:${port}:127.0.0.1`)
  t.same(await call(`tcp:127.0.0.1:${port}`), ['Open_vSwitch', '_Server'])
})

t.test('TLS, called by us', { skip }, async t => {
  const port = await freePort()
  const { ours, strange } = await rig(t, `pssl:${port}:127.0.0.1`)
  const address = `ssl:127.0.0.1:${port}`
  t.same(await call(address, ours), ['Open_vSwitch', '_Server'])
  await t.rejects(
    call(address, { ...ours, authority: strange.authority }),
    /self.signed|unable to|verify/i,
    'a switch of another house',
  )
  await t.rejects(
    call(address, { ...strange, authority: ours.authority }),
    'a stranger at the switch',
  )
  await t.rejects(call(`tcp:127.0.0.1:${port}`), 'and nothing without TLS')
  const printed: string[] = []
  const program = new Command().exitOverride()
  addOvsdb(program, env, text => printed.push(text), new AbortController().signal)
  await program.parseAsync(
    ['ovsdb', 'dbs', address, '-p', ours.key, '-c', ours.certificate, '-C', ours.authority],
    { from: 'user' },
  )
  t.same(printed, ['Open_vSwitch\n_Server'])
})

t.test('TLS, called by the switch, again after each loss', { skip }, async t => {
  const port = await freePort()
  const { ours, strange } = await rig(t, `ssl:127.0.0.1:${port}`)
  const link = new DatabaseLink(env, {
    database: 'Open_vSwitch',
    watched: { Open_vSwitch: ['next_cfg'] },
  })
  t.teardown(() => link.stop())
  link.start()
  const listen = async (keys: Keys) => {
    const at = await resolveAddress(env.disk, parseAddress(`pssl:${port}:127.0.0.1`)!, keys)
    return env.net.listen(at, connection => link.accept(new OvsdbClient(env, connection)))
  }
  const wrong = await listen(strange)
  await new Promise(resolve => setTimeout(resolve, 1_500))
  t.equal(link.isLive, false, 'a certificate of another house is not spoken to')
  await wrong.close()
  const listener = await listen(ours)
  t.teardown(() => listener.close())
  await until(() => link.isLive, 20_000)
  t.equal(link.client!.peerName, 'switch')
  link.client!.close()
  await until(() => !link.isLive)
  await until(() => link.isLive, 20_000)
})
