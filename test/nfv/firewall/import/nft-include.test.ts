import t from 'tap'
import { withIncludes } from '../../../../src/nfv/firewall/import/netfilter/nft-include.js'

const disk = (texts: Readonly<Record<string, string>>) => ({
  readText: async (path: string) => texts[path]!,
  list: async (folder: string) =>
    Object.keys(texts).flatMap(path =>
      path.slice(0, path.lastIndexOf('/')) === folder ? path.slice(folder.length + 1) : [],
    ),
})

t.test('files stand where they are named, and lines keep their place', async t => {
  const main =
    'define A = 1\ninclude "sets.nft"\ninclude "/etc/nft.d/*.nft" # all of them\ntable ip t\n'
  const files = disk({
    '/home/sets.nft': 'define B = 2\ndefine C = 3',
    '/etc/nft.d/a.nft': 'include "part"',
    '/etc/nft.d/b.nft': 'define D = 4',
    '/etc/nft.d/.hidden.nft': 'no',
    '/etc/part': 'define E = 5',
  })
  const { text, placeOf } = await withIncludes('/home/main.nft', main, files)
  t.equal(
    text,
    'define A = 1\ndefine B = 2\ndefine C = 3\ndefine E = 5\ndefine D = 4\ntable ip t\n',
  )
  t.match(placeOf(3), { file: '/home/sets.nft', line: 2 })
  t.match(placeOf(6), { file: '/home/main.nft', line: 4 })
})

t.test('a file that is not there, or includes itself, ends the import', async t => {
  const files = disk({ '/home/loop.nft': 'include "loop.nft"' })
  await t.rejects(withIncludes('/home/main.nft', '\ninclude "none.nft"', files), {
    message: /include "none.nft": there is no such file/,
    line: 2,
  })
  await t.rejects(withIncludes('/home/loop.nft', 'include "./loop.nft"', files), {
    message: /without an end/,
  })
  const { text } = await withIncludes('/home/main.nft', 'include "/none/*.nft"\nx', files)
  t.equal(text, 'x')
})
