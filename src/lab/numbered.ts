/** A stream of numbered messages through an echo: what a session of a lab carries, on every stage. */
import type { SessionState } from './stage.js'

export interface NumberedSession {
  state(): SessionState
  close(): void
}

export interface Echoing {
  /** Absent where sessions have none of their own. */
  localPort?(): number
  send(message: string): void
  onEcho(take: (text: string) => void): void
  isOpen(): boolean
  end(): void
}

const usualPeriodMillis = 10

/** Sends `N\n` every 10 ms, or in the period asked for, and counts the echoes that come back. */
export const numbered = (echoing: Echoing, periodMillis = usualPeriodMillis): NumberedSession => {
  const localPort = echoing.localPort?.() ?? 0
  let sent = 0
  let received = 0
  let highest = 0
  let rest = ''
  let last = performance.now()
  const timer = setInterval(() => {
    if (echoing.isOpen()) echoing.send(`${++sent}\n`)
  }, periodMillis)
  echoing.onEcho(text => {
    const lines = (rest + text).split('\n')
    // TCP cuts where it likes.
    rest = lines.pop()!
    received += lines.length
    highest = Math.max(highest, ...lines.map(Number))
    last = performance.now()
  })
  return {
    state: () => ({
      sent,
      received,
      highest,
      localPort,
      quietMillis: performance.now() - last,
      isOpen: echoing.isOpen(),
    }),
    close: () => {
      clearInterval(timer)
      echoing.end()
    },
  }
}
