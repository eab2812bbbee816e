/** docs/service.md: its commands run as they stand, on other ports. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { realEnv } from '../../src/base/env/real-env.js'
import { CollectingLog } from '../../src/base/log/log.js'
import { readConfig, restSettings } from '../../src/controller/config.js'
import { run } from '../../src/controller/main.js'
import { sh } from '../../src/lab/shell.js'
import { programPath } from '../program.js'

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

t.test('the commands of docs/service.md do what they say', { timeout: 120_000 }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-service-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const ports = { 8080: await freePort(), 8443: await freePort() }
  const page = readFileSync('docs/service.md', 'utf8').replaceAll(
    /\b(8080|8443)\b/g,
    port => `${ports[Number(port) as keyof typeof ports]}`,
  )
  mkdirSync(join(folder, 'bin'))
  writeFileSync(
    join(folder, 'bin', 'sluice'),
    `#!/bin/sh\nexec env -u NODE_OPTIONS ${process.execPath} ${programPath} "$@"\n`,
    { mode: 0o755 },
  )
  const blocks = [
    ...page.matchAll(/<!-- test: service( file \S+)? -->\n```(?:sh|yaml)\n([\s\S]*?)```/g),
  ]
  t.ok(blocks.length >= 3, 'the blocks were found')
  const env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_DATA_HOME: join(folder, 'share'),
  }
  for (const [, file, text = ''] of blocks) {
    if (file !== undefined) {
      const path = join(folder, file.replace(' file ', ''))
      writeFileSync(path, text)
      const world = realEnv(new CollectingLog())
      const config = await readConfig(world.disk, path)
      const running = await run(world, {
        southbound: { listen: ['127.0.0.1:0'], connect: [] },
        rest: restSettings(undefined, config),
        data: config.data ?? '',
        rules: [],
        variables: env,
        pid: process.pid,
      })
      t.teardown(() => running.stop())
      continue
    }
    for (const command of text.trim().split('\n'))
      await t.resolves(sh('env', ...at(folder, env), 'sh', '-ec', command), command)
  }
})

/** For `env`: where a command runs, and what it finds there. */
const at = (folder: string, env: Record<string, string | undefined>): string[] => [
  `--chdir=${folder}`,
  ...['PATH', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'].map(
    name => `${name}=${env[name]}`,
  ),
]
