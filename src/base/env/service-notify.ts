/** What systemd is told of a service (sd_notify(3)): Node cannot write to its datagram socket, systemd-notify(1) can. */
import { spawn } from 'node:child_process'

/** Says nothing where nobody listens. @returns why it could not be said; undefined when it was, or nobody listens */
export const notifyService = (
  variables: Readonly<Record<string, string | undefined>>,
  ...states: readonly string[]
): Promise<string | undefined> => {
  if (!variables.NOTIFY_SOCKET) return Promise.resolve(undefined)
  return new Promise(resolve => {
    const child = spawn('systemd-notify', states, {
      stdio: 'ignore',
      env: { ...variables },
    })
    child.once('error', error => resolve(error.message))
    child.once('exit', code =>
      resolve(code === 0 ? undefined : `systemd-notify ended with ${code}`),
    )
  })
}
