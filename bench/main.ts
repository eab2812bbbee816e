/** `npm run bench -- NAME [WORDS]`: a figure with its conditions; `npm run bench` lists what there is. */
import { readdirSync } from 'node:fs'

interface Bench {
  run(words: readonly string[]): Promise<void>
}

const here = new URL('.', import.meta.url)

const isBench = (value: object): value is Bench => 'run' in value && typeof value.run === 'function'

const load = async (file: string): Promise<Bench | undefined> => {
  const loaded = (await import(new URL(file, here).href)) as object
  return isBench(loaded) ? loaded : undefined
}

const [name, ...words] = process.argv.slice(2)
const files = readdirSync(here).filter(file => file.endsWith('.js') && file !== 'main.js')
const chosen = files.find(file => file === `${name}.js`)
const bench = chosen === undefined ? undefined : await load(chosen)
if (bench) await bench.run(words)
else {
  const names: string[] = []
  for (const file of files) if (await load(file)) names.push(file.replace(/\.js$/, ''))
  process.stdout.write(`npm run bench -- NAME\n${names.map(each => `  ${each}\n`).join('')}`)
  process.exitCode = name === undefined ? 0 : 2
}
