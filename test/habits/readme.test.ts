/** README's first ten minutes run as they stand, and its rule file is right. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { sh } from '../../src/lab/shell.js'
import { office } from '../controller/office.js'
import { asUsersRun } from '../program.js'

const readme = readFileSync('README.md', 'utf8')

t.test('the commands of the first ten minutes do what they say', { timeout: 120_000 }, async t => {
  const at = await office(t)
  const block = /<!-- test:[^>]*-->\n```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const commands = block.split('\n').filter(line => line.startsWith('sluice '))
  t.ok(commands.length >= 10, 'the commands were found')
  for (const command of commands) {
    const words = command.split(' ').slice(1)
    const isNo = words[0] === 'diff' || / tcp 22 /.test(command)
    const run = sh('env', ...asUsersRun('--data', at.data, ...words))
    // A difference, and a packet that does not arrive, are exit code 1.
    if (isNo) await t.rejects(run, command)
    else t.ok((await run).trim().length > 0, command)
  }
})

t.test('the program says which version it is', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.equal((await sh('env', ...asUsersRun('--version'))).trim(), version)
  const said = await sh('env', ...asUsersRun('version', '-o', 'json'))
  t.match(JSON.parse(said), { sluice: version, node: process.versions.node })
})

t.test("README's first two commands are the contract", async t => {
  const commands = [...readme.matchAll(/^ {4}(npm .*)$/gm)].map(([, command]) => command)
  t.same(commands.slice(0, 2), ['npm ci && npm start', 'npm ci && npm test'])
})
