/** The shapes around `transact` and the monitors: what is sent, and what an answer says of each operation. */
import {
  type MonitorRequests,
  type Operation,
  type OperationResult,
  OvsdbError,
} from './protocol.js'
import { cut, show } from './rpc.js'

/** The extensions take a list of requests for each table, where RFC 7047 also takes one. */
export const listed = (tables: MonitorRequests): MonitorRequests =>
  Object.fromEntries(
    Object.entries(tables).map(([table, request]) => [
      table,
      Array.isArray(request) ? request : [request],
    ]),
  )

/** @throws {OvsdbError} for the operation that failed, named by its number and table */
export const checkResults = (
  results: readonly (Record<string, unknown> | null)[],
  operations: readonly Operation[],
): readonly OperationResult[] => {
  results.forEach((result, index) => {
    if (result === null || result.error === undefined || result.error === null) return
    const op = operations[index]
    const where =
      op === undefined
        ? 'the transaction as a whole'
        : `operation ${index + 1}, ${op.op}${'table' in op ? ` ${op.table}` : ''}`
    const { error, message } = detailsOf(result)
    throw new OvsdbError(error, `${message}${message === '' ? '' : ' '}(in ${where})`)
  })
  return results.map(result => result ?? {})
}

const detailsOf = (result: Record<string, unknown>): { error: string; message: string } => ({
  error: show(result.error),
  message: typeof result.details === 'string' ? cut(result.details) : '',
})
