import t from 'tap'
import { FileMistakes } from '../../src/cli/writing/file-mistakes.js'
import { readObjects } from '../../src/cli/writing/object-files.js'

const good = `# two switches
kind: Switch
name: s1
spec:
  ovsdb: {address: "unix:/db.sock"}
  bridges:
    br0:
      ports:
        p1: {ofport: 0}
---
kind: Switch
name: s2
spec: {ovsdb: {address: x}}
`

t.test('documents of one file, and the place of what is in them', async t => {
  const [first, second] = readObjects('net.yaml', good)
  t.match(first, { kind: 'Switch', name: 's1' })
  t.match(second, { name: 's2', spec: { ovsdb: { address: 'x' } } })
  t.equal(first!.place(['spec', 'bridges', 'br0', 'ports', 'p1', 'ofport']), 'net.yaml:9:14')
  t.equal(first!.place(['spec', 'bridges', 'br0', 'missing']), 'net.yaml:7:5')
  t.equal(first!.place(['name']), 'net.yaml:3:1')
  t.equal(second!.place(['spec', 'ovsdb', 'address']), 'net.yaml:13:16')
})

t.test('JSON is read the same', async t => {
  const [only] = readObjects('net.json', '{"kind": "Switch",\n "name": "s", "spec": {"a": [1]}}')
  t.equal(only!.place(['spec', 'a']), 'net.json:2:24')
})

t.test('mistakes of the frame have their places', async t => {
  const cases: [string, string[]][] = [
    [
      'kind: Switch\nname: [\n',
      [
        'f.yaml:3:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
      ],
    ],
    ['kind: Switch\nspec: {}\n', ['f.yaml:1:1: name is missing']],
    ['kind: Switch\nname: 7\nspec: {}\n', ['f.yaml:2:1: name is no text']],
    [
      'kind: Switch\nname: s\nspec: {}\nstatus: {}\n',
      ['f.yaml:4:1: status does not belong here; a document is kind, name and spec'],
    ],
    ['- a\n', ['f.yaml:1:1: a document is kind, name and spec']],
    ['kind: a\nkind: b\nname: s\nspec: {}\n', ['f.yaml:2:1: Map keys must be unique']],
  ]
  for (const [text, mistakes] of cases) {
    try {
      readObjects('f.yaml', text)
      t.fail(text)
    } catch (error) {
      t.ok(error instanceof FileMistakes)
      t.same(
        (error as FileMistakes).mistakes.map(each => each.replace(/ at line.*$/, '')),
        mistakes,
      )
    }
  }
})
