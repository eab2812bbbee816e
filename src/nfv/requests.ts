/** What routes of the API know of a request: who asks, what they may, and how a change is written down. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../base/failures.js'

/** Hangs routes into a server. */
export type Routes = (app: FastifyInstance) => void

export type Role = 'viewer' | 'author' | 'operator' | 'admin'

export const everybody: readonly Role[] = ['viewer', 'author', 'operator', 'admin']
export const authors: readonly Role[] = ['author', 'admin']
export const operators: readonly Role[] = ['operator', 'admin']
export const workers: readonly Role[] = ['author', 'operator', 'admin']
export const admins: readonly Role[] = ['admin']

/** Those who may; `public` is whoever can reach it, without a token. */
export type Right = readonly Role[] | 'public'

/** By method and path, as the router has them. */
export type Rights = Readonly<Record<string, Right>>

/** Who asks, as it was proven. */
export interface Identity {
  readonly name: string
  readonly role: Role
  /** By what: the token of the data folder, a named token, a certificate; or nothing, on this machine. */
  readonly how: 'first-token' | 'token' | 'certificate' | 'nothing'
  /** Names and patterns of policies that may be changed; absent: all. */
  readonly policies?: readonly string[]
  /** False when it was revoked or has ended since. */
  isGood(): boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Absent on public routes that somebody unknown asks. */
    identity: Identity | undefined
    /** Writes it down; absent where there is no log, or nothing is to be changed. */
    noteChange: ((difference: unknown, status: number) => Promise<void>) | undefined
  }
}

/** Writes down what a request has changed, before its answer waits for anything. @param status of the answer */
export const noteChange = async (
  request: Pick<FastifyRequest, 'noteChange'>,
  difference: unknown,
  status = 200,
): Promise<void> => {
  await request.noteChange?.(difference, status)
}

/** A route that changes nothing, though it may be a POST because its question has a body. */
export const reading = (summary: string, more: object = {}) => ({
  schema: { summary, tags: ['reading'], ...more },
})

/** A route that changes something. */
export const writing = (summary: string, more: object = {}) => ({
  schema: { summary, tags: ['writing'], security: [{ token: [] }], ...more },
})

/** @throws {Failure} `out-of-scope` when a token is for other policies */
export const mustBeInScope = (identity: Identity | undefined, names: readonly string[]): void => {
  const patterns = identity?.policies
  if (patterns === undefined) return
  const other = names.find(name => !isNamedBy(patterns, name))
  if (other !== undefined)
    throw new Failure('out-of-scope', {
      token: identity?.name,
      name: other,
      policies: patterns.join(', '),
    })
}

/** @returns whether a name is one of those that patterns mean, where `*` is any characters */
export const isNamedBy = (patterns: readonly string[], name: string): boolean =>
  patterns.some(pattern => {
    const parts = pattern.split('*')
    const [first = '', last = ''] = [parts[0], parts.at(-1)]
    if (parts.length === 1) return name === pattern
    if (!name.startsWith(first) || !name.endsWith(last)) return false
    let at = first.length
    for (const part of parts.slice(1, -1)) {
      const found = name.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= name.length - last.length
  })
