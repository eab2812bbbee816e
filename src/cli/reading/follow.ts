/** Events without an end: when the connection is lost, it goes on behind the last one that came. */
import { Failure } from '../../base/failures.js'
import type { Cli } from '../cli.js'
import type { Client } from '../client.js'

const pauseMillis = 1_000

type Following = Pick<Cli, 'signal' | 'pause' | 'complain'>

/**
 * Events behind `since`, until the command is interrupted. What was missed meanwhile comes as an event of kind `gap`.
 *
 * @throws when the first connection cannot be made, or the controller refuses
 */
export async function* follow(
  cli: Following,
  client: Client,
  since: number,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  let last = since
  let hasBegun = false
  let isTold = false
  while (!cli.signal.aborted) {
    try {
      for await (const event of client.events('/api/v1/events', last, cli.signal)) {
        hasBegun = true
        isTold = false
        last = Number(event.sequence)
        yield event
      }
      hasBegun = true
    } catch (error) {
      const isLost = error instanceof Failure && ['unreachable', 'no-answer'].includes(error.code)
      if (!isLost || (!hasBegun && error.code === 'unreachable')) throw error
      hasBegun = true
    }
    if (cli.signal.aborted) return
    if (!isTold) cli.complain('sluice: the connection to the controller is lost; trying again')
    isTold = true
    await cli.pause(pauseMillis)
  }
}

/** `... too much happened to keep all of it: events behind 17 are missing` */
export const gapLine = (event: Readonly<Record<string, unknown>>): string =>
  `${event.time} events behind ${event.after} are missing: ${event.reason}`
