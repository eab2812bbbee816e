/** A stream of numbered messages through an echo: what a session of a lab carries, on every stage. */
import type { SessionState } from './stage.js'

export interface NumberedSession {
  state(): SessionState
  close(): void
}

export interface Echoing {
  send(message: string): void
  onEcho(take: (text: string) => void): void
  isOpen(): boolean
  end(): void
}

const periodMillis = 10

/** Sends `N\n` every 10 ms and counts the echoes that come back. */
export const numbered = (echoing: Echoing): NumberedSession => {
  let sent = 0
  let received = 0
  let last = performance.now()
  const timer = setInterval(() => {
    if (echoing.isOpen()) echoing.send(`${++sent}\n`)
  }, periodMillis)
  echoing.onEcho(text => {
    received += text.split('\n').length - 1
    last = performance.now()
  })
  return {
    state: () => ({
      sent,
      received,
      quietMillis: performance.now() - last,
      isOpen: echoing.isOpen(),
    }),
    close: () => {
      clearInterval(timer)
      echoing.end()
    },
  }
}
