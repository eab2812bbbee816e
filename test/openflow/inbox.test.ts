/** How long one switch may be listened to before others have their turn. */
import t from 'tap'
import { encode } from '../../src/openflow/index.js'
import { Inbox } from '../../src/openflow/session/inbox.js'

/** Messages handled before others had a turn, when each takes so many milliseconds. */
const inOneTurn = (size: number, millisEach: number): number => {
  let nowMillis = 0
  let handled = 0
  const inbox = new Inbox(
    { pause: () => undefined, resume: () => undefined },
    {
      clock: { nowMillis: () => nowMillis, wallMillis: () => 0 },
      timers: {
        after: () => () => undefined,
        every: () => () => undefined,
        soon: () => () => undefined,
      },
    },
    {
      message: () => {
        handled++
        nowMillis += millisEach
      },
      malformed: error => {
        throw error
      },
      broken: error => {
        throw error
      },
    },
  )
  const one = encode({ kind: 'echo-request', data: new Uint8Array(size - 8) }, 1)
  inbox.push(Buffer.concat(Array.from({ length: 64 }, () => one)))
  return handled
}

t.test('after a large message that took long the others have their turn', t => {
  t.equal(inOneTurn(60_000, 44), 1)
  t.equal(inOneTurn(2_000, 44), 3)
  t.end()
})

t.test('many small ones that take no time are handled together', t => {
  t.equal(inOneTurn(64, 0), 64)
  t.equal(inOneTurn(64, 1), 8)
  t.end()
})
