/** The example of docs/switch.md, through the program as people use it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../ovsdb/real-server.js'
import { asUsersRun } from '../../program.js'
import { until } from '../../until.js'
import { RealSwitch, skipWithoutNamespaces } from './real-switch.js'

const example = /<!-- test: this file is applied[^>]*-->\n```yaml\n([\s\S]*?)```/.exec(
  readFileSync('docs/switch.md', 'utf8'),
)?.[1]

t.test(
  'the example of docs/switch.md',
  { skip: skipWithoutNamespaces, timeout: 60_000 },
  async t => {
    const real = new RealSwitch()
    t.teardown(() => real.remove())
    await real.create()
    await real.start()
    const home = mkdtempSync(join(tmpdir(), 'sluice-test-'))
    t.teardown(() => rmSync(home, { recursive: true, force: true }))
    const variables = { ...process.env, HOME: home, XDG_STATE_HOME: '', XDG_DATA_HOME: '' }
    const controller = spawn(
      'env',
      asUsersRun(
        'run',
        '--openflow',
        '127.0.0.1:0',
        '--rest',
        '127.0.0.1:0',
        '--data',
        join(home, 'data'),
      ),
      { env: variables, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    t.teardown(() => controller.kill('SIGKILL'))
    let said = ''
    controller.stdout.on('data', chunk => {
      said += String(chunk)
    })
    await until(() => said.includes('sluice is ready'), 20_000)
    const sluice = async (...words: string[]): Promise<string> => {
      const all = ['dist/src/sluice.js', '--data', join(home, 'data'), ...words]
      return (await run('node', all, { env: variables })).stdout.trimEnd()
    }
    const file = join(home, 'edge1.yaml')
    const text = example!.replace('unix:DB', `unix:${real.socket}`)

    writeFileSync(file, text.replace('secure', 'open'))
    const line = 1 + text.split('\n').findIndex(each => each.includes('failMode'))
    const refused = await sluice('apply', '-f', file).then(
      () => 'taken',
      (error: { stderr: string }) => error.stderr.trim(),
    )
    t.equal(
      refused,
      `${file}:${line}:7: spec.bridges.br0.failMode: takes one of secure, standalone`,
    )

    writeFileSync(file, text)
    t.equal(await sluice('apply', '-f', file, '--dry-run'), 'Switch edge1 would be added')
    // What is degraded is not installed: the words stand on standard output, the exit code is 1.
    const waited = await sluice('apply', '-f', file, '--wait').then(
      () => 'exit code 0',
      (error: { stdout: string }) => error.stdout.trimEnd(),
    )
    t.match(
      waited,
      /^Switch edge1 added: revision \d+, degraded \(controller tcp:127.0.0.1:6653: the switch is not connected to it\)$/,
    )
    t.match(
      await sluice('get', 'switches'),
      /^DECLARED +OVSDB +BRIDGES +OVS +REVISION +STATE\nedge1 +unix:\S+ +br0 +- +\d+ +degraded/m,
    )
    t.match(JSON.parse(await sluice('get', 'switches', '-o', 'json')).declared, [
      { kind: 'Switch', name: 'edge1', status: { isConnected: true } },
    ])
    t.match(
      await real.ofctl('br0', 'show'),
      /dpid:00000000000000e1[\s\S]* 1\(web\)[\s\S]* 10\(to-edge2\)/,
    )
    t.match(await real.vsctl('list-zone-tp', 'netdev'), /Zone:40/)
    t.match(await sluice('apply', '-f', file), /^Switch edge1 unchanged/)
    t.match(await sluice('delete', 'switch', 'edge1'), /^switch edge1 is leaving/)
    const bridges = async () => (await real.vsctl('list-br')).trim()
    for (let tries = 0; tries < 50 && (await bridges()) !== ''; tries++)
      await new Promise(resolve => setTimeout(resolve, 50))
    t.equal(await bridges(), '')
    t.equal(await sluice('get', 'switches'), 'none')
  },
)
