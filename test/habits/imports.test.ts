import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import t from 'tap'

const root = join(process.cwd(), 'src')

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => ({ name, text: readFileSync(join(root, name), 'utf8') }))

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(found => found[1]!)

/** Who may look at whom: docs/architecture.md. */
const looksAt: Readonly<Record<string, readonly string[]>> = {
  base: [],
  openflow: ['base'],
  ovsdb: ['base'],
  pipeline: ['base', 'openflow'],
  topology: ['base', 'openflow', 'pipeline'],
  nfv: ['base', 'openflow', 'ovsdb', 'pipeline', 'topology'],
  controller: ['base', 'openflow', 'ovsdb', 'pipeline', 'topology', 'nfv'],
  cli: ['base'],
  sim: ['base', 'openflow', 'pipeline'],
  lab: ['base', 'nfv', 'ovsdb', 'pipeline', 'sim'],
  'sluice.ts': ['base', 'cli', 'controller', 'lab', 'nfv', 'openflow', 'ovsdb'],
}

const folderOf = (path: string): string => path.split('/')[0]!

t.test('imports point one way', async t => {
  t.ok(files.length > 50, 'the sources were found')
  const wrong = files.flatMap(({ name, text }) =>
    importsOf(text)
      .filter(path => path.startsWith('.'))
      .map(path => folderOf(relative(root, normalize(join(root, dirname(name), path)))))
      .filter(folder => folder !== folderOf(name) && !looksAt[folderOf(name)]?.includes(folder))
      .map(folder => `${name} looks at ${folder}`),
  )
  t.same(wrong, [])
})

/** Files that come back to themselves by imports, those of types included. */
const circlesOf = (arrows: ReadonlyMap<string, readonly string[]>): string[] => {
  const done = new Set<string>()
  const circles: string[] = []
  const walk = (name: string, path: readonly string[]): void => {
    const at = path.indexOf(name)
    if (at >= 0) circles.push([...path.slice(at), name].join(' -> '))
    if (at >= 0 || done.has(name)) return
    for (const next of arrows.get(name) ?? []) walk(next, [...path, name])
    done.add(name)
  }
  for (const name of arrows.keys()) walk(name, [])
  return circles
}

t.test('imports never go round, not those of types either', async t => {
  const arrows = new Map(
    files.map(({ name, text }) => [
      name,
      importsOf(text)
        .filter(path => path.startsWith('.'))
        .map(path => normalize(join(dirname(name), path)).replace(/\.js$/, '.ts')),
    ]),
  )
  t.same(circlesOf(arrows), [])
  const round = new Map([
    ['a.ts', ['b.ts', 'c.ts']],
    ['b.ts', ['c.ts']],
    ['c.ts', ['d.ts']],
    ['d.ts', ['b.ts']],
  ])
  t.same(circlesOf(round), ['b.ts -> c.ts -> d.ts -> b.ts'], 'a circle would be found')
})

/** Modules that reach the world; the labs build namespaces and start switches. */
const effects = [
  'node:net',
  'node:fs',
  'node:fs/promises',
  'node:tls',
  'node:dgram',
  'node:http',
  'node:http2',
  'node:https',
  'node:child_process',
  'node:worker_threads',
  'node:perf_hooks',
]
const mayTouch = (name: string): boolean =>
  (name.startsWith('base/env/') && !/simulated/.test(name)) || name.startsWith('lab/')

t.test(
  'only the real environment and the labs touch clock, timers, randomness, sockets and disk',
  async t => {
    const imports = files
      .filter(({ name }) => !mayTouch(name))
      .flatMap(({ name, text }) =>
        importsOf(text)
          .filter(path => effects.includes(path))
          .map(path => `${name} imports ${path}`),
      )
    t.same(imports, [])
    const calls = files
      .filter(({ name }) => !mayTouch(name))
      .flatMap(({ name, text }) =>
        [
          ...text.matchAll(
            /^(?!\s*(?:\*|\/\/)).*?(?<!socket\.)\b(Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|randomBytes|randomUUID)\b/gm,
          ),
        ].map(found => `${name} uses ${found[1]}`),
      )
    t.same(calls, [])
  },
)

t.test('a file that did touch the world would be found', async t => {
  t.same(importsOf("import { readFileSync } from 'node:fs'\nconst x = await import('./a.js')"), [
    'node:fs',
    './a.js',
  ])
})

/** Files of one folder that a stranger can take in. */
const mostFlat = 26

t.test('no folder has more files than can be taken in', async t => {
  const counts = new Map<string, number>()
  for (const { name } of files) {
    const folder = dirname(name)
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  t.ok(counts.size > 20, 'the folders were found')
  t.same(
    [...counts].filter(([, count]) => count > mostFlat),
    [],
  )
})
