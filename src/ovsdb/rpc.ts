/** JSON-RPC 1.0 as RFC 7047 section 4 uses it: what a message is, and nothing of what it is about. */
import { formatJson } from './json.js'
import { OvsdbError, ProtocolError } from './protocol.js'

export type Incoming =
  | { readonly kind: 'reply'; readonly id: unknown; readonly result: unknown }
  | { readonly kind: 'refusal'; readonly id: unknown; readonly error: unknown }
  | {
      readonly kind: 'request'
      readonly id: unknown
      readonly method: string
      readonly params: readonly unknown[]
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly unknown[] }

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws {ProtocolError} when it is neither a request, a reply nor a notification */
export const readMessage = (value: unknown): Incoming => {
  if (!isObject(value)) throw new ProtocolError('a message that is no object')
  const { method, params, id } = value
  if (method === undefined) return readReply(value)
  if (typeof method !== 'string') throw new ProtocolError('a method that is no string')
  if (!Array.isArray(params)) throw new ProtocolError(`${cut(method)} without an array of params`)
  if (id === null || id === undefined) return { kind: 'notification', method, params }
  return { kind: 'request', id, method, params }
}

const readReply = (value: Record<string, unknown>): Incoming => {
  const { id, result, error } = value
  if (id === null || id === undefined) throw new ProtocolError('a reply without an id')
  if (error !== null && error !== undefined) return { kind: 'refusal', id, error }
  if (result === undefined) throw new ProtocolError('a reply with neither result nor error')
  return { kind: 'reply', id, result }
}

/** The error of a refusal, of whatever shape; text of a stranger is shortened. */
export const errorOf = (error: unknown, method: string): OvsdbError => {
  if (typeof error === 'string') return new OvsdbError(cut(error), `in answer to ${method}`)
  if (!isObject(error)) return new OvsdbError('error', `${method} was refused without a reason`)
  const { error: name, details } = error
  return new OvsdbError(
    typeof name === 'string' ? cut(name) : 'error',
    typeof details === 'string' ? cut(details) : `in answer to ${method}`,
  )
}

/** At most so much of a stranger's text goes into messages and logs, without control characters. */
export const cut = (text: string, length = 500): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = text.slice(0, length).replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
  return text.length > length ? `${clean}...` : clean
}

/** Any value of a stranger as text; `String` would run into members named toString. */
export const show = (value: unknown, length = 80): string =>
  value === undefined
    ? 'nothing'
    : cut(typeof value === 'string' ? value : formatJson(value), length)
