/** The log holds nobody up: a disk that is full and a reader that does not read cost log lines, and say how many. */
import t from 'tap'
import { LogSink } from '../../src/base/log/log-sink.js'

/** A place to write that answers when it is told to. */
const place = () => {
  const written: string[] = []
  let answer: ((error: unknown) => void) | undefined
  const sink = new LogSink(
    (text, done) => {
      answer = error => {
        if (!error) written.push(text)
        done(error)
      }
    },
    () => 7,
  )
  return { sink, written, answer: (error?: unknown) => answer!(error) }
}

t.test('lines are written in order, several at once', async t => {
  const { sink, written, answer } = place()
  sink.write('a\n')
  sink.write('b\n')
  sink.write('c\n')
  answer()
  answer()
  t.same(written, ['a\n', 'b\nc\n'])
  await sink.flushed()
})

t.test('a write that fails throws at nobody, and is told by the next that does not', async t => {
  const { sink, written, answer } = place()
  sink.write('a\n')
  sink.write('b\n')
  answer(new Error('ENOSPC'))
  answer(new Error('ENOSPC'))
  sink.write('c\n')
  answer()
  sink.write('d\n')
  answer()
  t.match(written[0], /"lost":2.*\nc\n$/s)
  t.equal(written[1], 'd\n', 'and told once')
})

t.test('a reader that does not read costs lines, not memory', async t => {
  const { sink, written, answer } = place()
  const line = `${'x'.repeat(999)}\n`
  for (let n = 0; n < 5_000; n++) sink.write(line)
  answer()
  answer()
  t.equal(written.join('').length < 1_100_000, true)
  sink.write('on\n')
  answer()
  t.match(written.join(''), /"lost":3999/)
  t.match(written.join(''), /on\n$/)
})
