/** What others wrote moves no cursor and colours nothing; errors of the system are said in words. */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import t from 'tap'
import { shown } from '../../src/base/shown.js'
import { sentenceOf, systemWords } from '../../src/base/system-errors.js'

t.test('every control and mark of direction is escaped, everything else stays', async t => {
  const stays = new Set(['\t', '\n'])
  for (let code = 0; code < 0x2100; code++) {
    const text = String.fromCharCode(code)
    const isControl = /[\p{Cc}\p{Bidi_Control}]/u.test(text) && !stays.has(text)
    const wanted = isControl ? `\\u${code.toString(16).padStart(4, '0')}` : text
    if (shown(text) !== wanted) t.fail(`U+${code.toString(16)}: ${JSON.stringify(shown(text))}`)
  }
  t.equal(shown('a\u001b]52;c;aGk=\u0007b\u009b2J'), 'a\\u001b]52;c;aGk=\\u0007b\\u009b2J')
  const value = { who: 'x\u009b2J\u202e' }
  t.same(JSON.parse(shown(JSON.stringify(value))), value, 'JSON says the same')
})

t.test('the program writes to a terminal by these ways only', async t => {
  const source = readFileSync(new URL('../../../src/sluice.ts', import.meta.url), 'utf8')
  const writes = source.match(/process\.std(out|err)\.write\(.*/g) ?? []
  for (const write of writes)
    t.match(write, /write\((`\$\{shown\(text\)\}\\n`\)|shown\(text\)\)|$)/, write)
  t.ok(writes.length >= 3)
})

t.test('no error of files reaches people as its code', async t => {
  // What open, read, write, mkdir, rename, fsync, readdir and unlink may give (their manual pages), as this system numbers them.
  const codes =
    'EACCES EAGAIN EBADF EBUSY EDQUOT EEXIST EFBIG EINTR EINVAL EIO EISDIR ELOOP EMFILE EMLINK ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENOTEMPTY ENXIO EPERM EROFS ESTALE ETXTBSY EXDEV'
  for (const code of codes.split(' ')) {
    t.type((constants.errno as Record<string, number>)[code], 'number', code)
    const error = Object.assign(new Error(`${code}: bad, open '/x'`), { code, path: '/x' })
    t.match(systemWords(error), /^[a-z].* /, code)
    t.equal(sentenceOf(error), `/x: ${systemWords(error)}`)
  }
  t.equal(sentenceOf(new Error('another')), 'another')
})
