/** A command starts with little: what is loaded before its first word is read is a small part of the program. */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'

/** Modules that a file loads when it is loaded; types are none, and neither is what is asked for later. */
const loads = (text: string): string[] =>
  [...text.matchAll(/^(?:import|export) (?!type )(?:[^'"]*? from )?'([^']+)'/gm)].map(
    found => found[1]!,
  )

const reached = (first: string, text: (path: string) => string) => {
  const [own, packages, open] = [new Set<string>(), new Set<string>(), [first]]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (own.has(path)) continue
    own.add(path)
    for (const name of loads(text(path)))
      if (name.startsWith('.'))
        open.push(normalize(join(dirname(path), name)).replace(/\.js$/, '.ts'))
      else if (!name.startsWith('node:')) packages.add(name)
  }
  return { own, packages }
}

t.test('the program starts with one package and its own verbs', async t => {
  const { own, packages } = reached('src/sluice.ts', path => readFileSync(path, 'utf8'))
  t.same([...packages], ['commander'], 'a package more costs 10 to 200 ms')
  t.ok(own.size > 30 && own.size < 80, `${own.size} files`)
  const fake: Record<string, string> = {
    'a.ts': "import type { X } from 'x'\nimport {\n  y,\n} from './b.js'\n",
    'b.ts': "import { z } from 'yaml'\nawait import('w')\n",
  }
  t.same([...reached('a.ts', path => fake[path]!).packages], ['yaml'], 'one more would be found')
})
