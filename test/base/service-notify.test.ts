/** The program tells systemd when it is ready, and when it stops: a datagram at the socket that systemd names. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { notifyService } from '../../src/base/env/service-notify.js'
import { asUsersRun } from '../program.js'
import { until } from '../until.js'

const hasNotify = existsSync('/usr/bin/systemd-notify') && existsSync('/usr/bin/python3')

/** Takes datagrams, as systemd does, and writes them to its output. */
const listener = `
import socket, sys
taker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
taker.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(taker.recv(4096).decode(), flush=True)
`

t.test('ready, and stopping', { skip: !hasNotify && 'no systemd-notify here' }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const socket = join(folder, 'notify')
  const said: string[] = []
  const taker = spawn('/usr/bin/python3', ['-c', listener, socket])
  t.teardown(() => taker.kill())
  taker.stdout.on('data', chunk => said.push(String(chunk)))
  await until(() => said.join('').includes('listening'))
  const program = spawn(
    'env',
    asUsersRun(
      ...['run', '--data', join(folder, 'data')],
      ...['--rest', '127.0.0.1:0', '--openflow', '127.0.0.1:0'],
    ),
    {
      stdio: 'ignore',
      env: { ...process.env, NOTIFY_SOCKET: socket, XDG_STATE_HOME: join(folder, 'state') },
    },
  )
  t.teardown(() => program.kill('SIGKILL'))
  await until(() => said.join('').includes('READY=1'))
  t.ok(existsSync(join(folder, 'data', 'endpoints.json')), 'when it answers')
  program.kill('SIGTERM')
  await until(() => said.join('').includes('STOPPING=1'))
  await until(() => program.exitCode !== null)
  t.equal(program.exitCode, 0)
})

t.test('nobody listens, or nobody can say it', async t => {
  t.equal(await notifyService({}, 'READY=1'), undefined)
  t.match(await notifyService({ NOTIFY_SOCKET: '/x', PATH: '/nowhere' }, 'READY=1'), /ENOENT/)
})

t.test('the unit for systemd is one', { skip: !hasNotify && 'no systemd here' }, async t => {
  const { execFileSync } = await import('node:child_process')
  const unit = 'contrib/systemd/sluice.service'
  const said = execFileSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
  t.equal(said, '')
  t.match(readFileSync(unit, 'utf8'), /^Type=notify$/m)
  const report = execFileSync('systemd-analyze', [
    'security',
    '--offline=true',
    '--threshold=20',
    unit,
  ])
  t.match(String(report), /Overall exposure level for sluice.service: 1\./)
})
