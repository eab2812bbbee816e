/** Each exit code, of a real process. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exitCodes } from '../../src/cli/exit-codes.js'
import { office } from '../controller/office.js'
import { programPath } from '../program.js'

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** @param stops closes what the program writes to after its first octets */
const run = (
  variables: Readonly<Record<string, string>>,
  words: readonly string[],
  stops = false,
): Promise<Ended> =>
  new Promise(resolve => {
    const { NODE_OPTIONS: _, ...own } = process.env
    const child = spawn(process.execPath, [programPath, ...words], {
      env: { ...own, FORCE_COLOR: '1', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const texts = { out: '', err: '' }
    child.stdout.on('data', chunk => {
      texts.out += chunk
      if (stops) child.stdout.destroy()
    })
    child.stderr.on('data', chunk => {
      texts.err += chunk
    })
    child.on('close', code => resolve({ code, ...texts }))
  })

t.test('every exit code is what its table says', { timeout: 120_000 }, async t => {
  const at = await office(t)
  const here = { SLUICE_SERVER: `http://${at.rest}`, SLUICE_TOKEN: at.token }
  const file = (name: string, text: string) => {
    const path = join(at.data, name)
    writeFileSync(path, text)
    return path
  }
  const good = file('p.rules', 'default allow\n')
  const bad = file('bad.rules', 'no rule\n')
  const viewer = await at.call<{ token: string }>('POST', '/api/v1/tokens', {
    name: 'v',
    role: 'viewer',
    for: '1d',
  })
  const asViewer = { ...here, SLUICE_TOKEN: viewer.token }
  type Row = readonly [keyof typeof exitCodes, readonly string[], object?]
  const rows: readonly Row[] = [
    ['done', ['get', 'switches']],
    ['done', ['--help']],
    ['failed', ['diff', '-f', good]],
    ['failed', ['check', bad]],
    ['failed', ['apply', '-f', bad]],
    ['failed', ['get', 'hosts'], { SLUICE_SERVER: 'http://127.0.0.1:9' }],
    ['usage', ['gte', 'hosts']],
    ['usage', ['get', 'hosts', '--wide']],
    ['usage', ['diff', '-f', bad]],
    ['usage', ['diff', '-f', join(at.data, 'nothing.rules')]],
    ['notFound', ['get', 'host', 'nobody']],
    ['notFound', ['delete', 'policy', 'nothing']],
    ['denied', ['apply', '-f', good], asViewer],
    ['denied', ['apply', '-f', good], { ...here, SLUICE_TOKEN: 'wrong' }],
    ['conflict', ['delete', 'switch', 's1']],
  ]
  for (const [name, words, variables = here] of rows) {
    const ended = await run(variables as Record<string, string>, words)
    t.equal(ended.code, exitCodes[name].code, `${words.join(' ')}: ${ended.err}`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    t.notMatch(`${ended.out}${ended.err}`, /\u001b|\u2500/, 'no colours and no boxes in a pipe')
  }
  t.same([...new Set(rows.map(([name]) => name))].sort(), Object.keys(exitCodes).sort(), 'all')

  const closed = await run(here, ['get', 'flows'], true)
  t.equal(closed.err, '', 'a pipe that is closed is no mistake')
  t.equal(closed.code, 0)
})
