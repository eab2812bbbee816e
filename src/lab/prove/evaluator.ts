import type { Connection } from '../../pipeline/connection.js'

/** How to answer for a connection by itself. */
export interface Evaluator {
  readonly words?: string
  readonly known?: readonly string[]
  passes(connection: Connection): boolean
}
