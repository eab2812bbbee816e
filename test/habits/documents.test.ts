import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { documents } from './documents.js'

const textOf = (path: string): string => readFileSync(path, 'utf8')

t.test('documents that are written from the code are up to date (npm run docs)', async t => {
  for (const [path, write] of Object.entries(documents)) t.equal(textOf(path), write(), path)
})

t.test('links in documents lead somewhere', async t => {
  const pages = readdirSync('.', { recursive: true, encoding: 'utf8' }).filter(
    path => path.endsWith('.md') && !/(^|\/)(node_modules|dist|\.tap|\.git)\//.test(path),
  )
  t.ok(pages.length > 6, 'the pages were found')
  for (const page of pages)
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const path = normalize(join(dirname(page), target))
      t.ok(existing(path), `${page} leads to ${path}`)
    }
})

const existing = (path: string): boolean => {
  try {
    readdirSync(path)
    return true
  } catch (error) {
    // ENOTDIR: a file is there.
    return error instanceof Error && 'code' in error && error.code === 'ENOTDIR'
  }
}
