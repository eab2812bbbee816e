/** Mutual TLS between switches and the controller: who may come, with which name, and certificates that are renewed. */
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import type { Dpid } from '../../src/base/addresses.js'
import type { TlsOptions } from '../../src/base/env/env.js'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import {
  openSouthbound,
  type SouthboundOptions,
} from '../../src/controller/southbound/southbound.js'
import type { RefusedInfo, SwitchConnection } from '../../src/openflow/index.js'
import { SimulatedSwitch } from '../../src/sim/switch.js'
import { Authority } from '../certificates.js'

const env = realEnv(new CollectingLog())

const contents = (files: { key: string; certificate: string; authority: string }): TlsOptions => ({
  key: readFileSync(files.key, 'utf8'),
  certificate: readFileSync(files.certificate, 'utf8'),
  authority: readFileSync(files.authority, 'utf8'),
})

const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const ours = new Authority(folder, 'ours')
const theirs = new Authority(folder, 'theirs')
const controllerFiles = ours.sign('controller')

const open = async (t: Test, more: Partial<SouthboundOptions> = {}) => {
  const switches: SwitchConnection[] = []
  const refused: (RefusedInfo & { readonly more: number })[] = []
  const southbound = await openSouthbound(
    env,
    { listen: ['127.0.0.1:0'], connect: [], tls: controllerFiles, ...more },
    {
      switchConnected: async connection => void switches.push(connection),
      refused: info => refused.push(info),
    },
  )
  t.teardown(() => southbound.stop())
  const port = Number(southbound.addresses[0]?.split(':')[1])
  return { southbound, switches, refused, port }
}

const dial = (t: Test, port: number, dpid: string, tls?: TlsOptions) => {
  const one = new SimulatedSwitch(env, {
    dpid: dpid as Dpid,
    name: 's',
    ports: [],
    send: () => undefined,
    limits: { firstBackoffMillis: 50 },
  })
  one.connect({ host: '127.0.0.1', port, ...(tls && { tls }) })
  t.teardown(() => one.stop())
  return one
}

const soon = async (look: () => boolean, patienceMillis = 3_000): Promise<boolean> => {
  const last = performance.now() + patienceMillis
  while (!look() && performance.now() < last) await new Promise(resolve => setTimeout(resolve, 10))
  return look()
}

const first = '0000000000000001'
const second = '0000000000000002'

t.test('a switch with a certificate of our authority comes in; others do not', async t => {
  const at = await open(t)
  dial(t, at.port, first, contents(ours.sign('s1')))
  t.ok(await soon(() => at.switches.length === 1))
  t.equal(at.switches[0]?.peerName, 's1')
  dial(
    t,
    at.port,
    second,
    contents({ ...theirs.sign('alien'), authority: controllerFiles.authority }),
  )
  dial(t, at.port, '0000000000000003', contents(ours.sign('old', '-1')))
  dial(t, at.port, '0000000000000004')
  await new Promise(resolve => setTimeout(resolve, 500))
  t.equal(at.switches.length, 1, 'neither a stranger, nor an expired one, nor one without')
})

t.test('a certificate is bound to its switch', async t => {
  const at = await open(t, { names: { [first]: 's1' } })
  dial(t, at.port, first, contents(ours.sign('s2')))
  t.ok(await soon(() => at.refused.some(info => /may not connect/.test(info.reason))))
  t.equal(at.switches.length, 0)
  dial(t, at.port, second, contents(ours.sign('s2')))
  t.ok(await soon(() => at.switches.length === 1), 'as another switch it may come')
})

t.test('the other way round: without the binding it would have been let in', async t => {
  const at = await open(t)
  dial(t, at.port, first, contents(ours.sign('s2')))
  t.ok(await soon(() => at.switches.length === 1))
})

t.test('renewed certificates are put to use, and open connections stay', async t => {
  const renewed = {
    ...controllerFiles,
    certificate: join(folder, 'live.pem'),
    key: join(folder, 'live.key'),
  }
  copyFileSync(controllerFiles.certificate, renewed.certificate)
  copyFileSync(controllerFiles.key, renewed.key)
  const at = await open(t, { tls: renewed })
  dial(t, at.port, first, contents(ours.sign('s1')))
  t.ok(await soon(() => at.switches.length === 1))
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls(
        {
          port: at.port,
          host: '127.0.0.1',
          ...pem(ours.sign('probe')),
          checkServerIdentity: () => undefined,
        },
        () => {
          resolve(socket.getPeerCertificate().serialNumber)
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  const before = await serial()
  const fresh = ours.sign('controller-renewed')
  copyFileSync(fresh.certificate, renewed.certificate)
  copyFileSync(fresh.key, renewed.key)
  await at.southbound.reload()
  t.not(await serial(), before, 'new connections see the new one')
  t.notOk(at.switches[0]?.isClosed, 'the old connection goes on')
  t.ok(await at.switches[0]?.isAlive(1_000))
})

const pem = (files: { key: string; certificate: string; authority: string }) => {
  const { key, certificate, authority } = contents(files)
  return { key, cert: certificate, ca: authority }
}

t.test('plain connections stay on loopback, and keys are for their owner', async t => {
  const never = { switchConnected: async () => undefined, refused: () => undefined }
  await t.rejects(openSouthbound(env, { listen: ['0.0.0.0:0'], connect: [] }, never), {
    code: 'unsafe-address',
  })
  await t.rejects(openSouthbound(env, { listen: [], connect: ['tcp:192.0.2.1:6634'] }, never), {
    code: 'unsafe-address',
  })
  const loose = ours.sign('loose')
  chmodSync(loose.key, 0o644)
  await t.rejects(
    openSouthbound(env, { listen: ['127.0.0.1:0'], connect: [], tls: loose }, never),
    {
      code: 'unsafe-file',
    },
  )
})

t.test('switches that wait to be called are called, and called again', async t => {
  const { createServer } = await import('node:net')
  const calls: import('node:net').Socket[] = []
  const server = createServer(socket => calls.push(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  await open(t, { listen: [], connect: [`tcp:127.0.0.1:${port}`] })
  t.ok(await soon(() => calls.length === 1))
  const hello = await new Promise<Buffer>(resolve => calls[0]!.once('data', resolve))
  t.equal(hello.subarray(0, 2).toString('hex'), '0400')
  calls[0]!.destroy()
  t.ok(await soon(() => calls.length === 2, 4_000), 'after the connection is lost, again')
  calls[1]!.destroy()
})

/** Connections that never say anything. */
const silent = async (t: Test, port: number, count: number): Promise<Socket[]> => {
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let done = 0; done < count; done += 250)
    await Promise.all(
      Array.from({ length: Math.min(250, count - done) }, async () => {
        const socket = connectTcp({ port, host: '127.0.0.1' })
        sockets.push(socket)
        socket.resume()
        socket.on('error', () => undefined)
        await new Promise<void>(resolve => socket.once('connect', resolve).once('close', resolve))
      }),
    )
  return sockets
}

t.test('5,000 connections that never finish their handshake are closed', async t => {
  const at = await open(t)
  const sockets = await silent(t, at.port, 5_000)
  const opened = () => sockets.filter(socket => !socket.closed).length
  // Half a ClientHello is no better than nothing.
  for (const socket of sockets.slice(4_900)) if (socket.writable) socket.write('1603010200')
  dial(t, at.port, first, contents(ours.sign('s1')))
  t.ok(await soon(() => at.switches.length === 1, 20_000), 'a switch comes in beside them')
  t.ok(await soon(() => opened() === 0, 30_000), `${opened()} are open at the end`)
  t.ok(await at.switches[0]?.isAlive(5_000), 'and stays')
  const reasons = new Set(at.refused.map(({ reason }) => reason))
  t.ok(reasons.has('too many connections wait for their TLS handshake'))
  const told = at.refused.reduce((sum, { more }) => sum + 1 + more, 0)
  t.ok(told > 2_900, `${told} are counted, in ${at.refused.length} events`)
})

t.test('the other way round: without the deadline they would be open', async t => {
  const key = readFileSync(controllerFiles.key)
  const server = createTlsServer({
    key,
    cert: readFileSync(controllerFiles.certificate),
    handshakeTimeout: 500,
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const sockets = await silent(t, (server.address() as { port: number }).port, 10)
  await new Promise(resolve => setTimeout(resolve, 1_500))
  t.equal(sockets.filter(socket => !socket.closed).length, 10, 'the deadline of Node closes none')
  for (const socket of sockets) socket.destroy()
})

t.test('a certificate that is not believed leaves a trace', async t => {
  const at = await open(t)
  const { authority } = controllerFiles
  dial(t, at.port, second, contents({ ...theirs.sign('stranger'), authority }))
  t.ok(await soon(() => at.refused.length > 0))
  t.match(at.refused[0], { remote: /^127\.0\.0\.1:\d+$/, reason: /./ })
})
