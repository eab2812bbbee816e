/** The words of RFC 7047 as types: values, operations, monitors, and the errors of a server. */
import { defaultLimits, type JsonLimits } from './json-stream.js'

/** Columns of a row in the notation of RFC 7047 section 5.1; integers beyond 2^53 are bigints. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | readonly ['uuid' | 'named-uuid', string]
  | readonly ['set', readonly Value[]]
  | readonly ['map', readonly (readonly [Value, Value])[]]
export type Row = Readonly<Record<string, Value>>

export type Condition = readonly [
  column: string,
  test: '==' | '!=' | 'includes' | 'excludes' | '<' | '<=' | '>' | '>=',
  value: Value,
]

export type Mutator = '+=' | '-=' | '*=' | '/=' | '%=' | 'insert' | 'delete'
export type Mutation = readonly [column: string, mutator: Mutator, value: Value]

/** Operations of `transact`, RFC 7047 section 5.2. */
export type Operation =
  | {
      readonly op: 'insert'
      readonly table: string
      readonly row: Row
      readonly 'uuid-name'?: string
      /** OVS extension: the UUID that the new row is to have. */
      readonly uuid?: string
    }
  | {
      readonly op: 'select'
      readonly table: string
      readonly where: readonly Condition[]
      readonly columns?: readonly string[]
    }
  | {
      readonly op: 'update'
      readonly table: string
      readonly where: readonly Condition[]
      readonly row: Row
    }
  | {
      readonly op: 'mutate'
      readonly table: string
      readonly where: readonly Condition[]
      readonly mutations: readonly Mutation[]
    }
  | { readonly op: 'delete'; readonly table: string; readonly where: readonly Condition[] }
  | {
      readonly op: 'wait'
      readonly table: string
      readonly where: readonly Condition[]
      readonly columns?: readonly string[]
      readonly until: '==' | '!='
      readonly rows: readonly Row[]
      /** Milliseconds; 0: now or never. */
      readonly timeout?: number
    }
  | { readonly op: 'comment'; readonly comment: string }
  | { readonly op: 'assert'; readonly lock: string }
  | { readonly op: 'abort' }
  | { readonly op: 'commit'; readonly durable: boolean }

export interface OperationResult {
  readonly uuid?: readonly ['uuid', string]
  readonly rows?: readonly Row[]
  readonly count?: number
}

/** What of a table is watched, RFC 7047 section 4.1.5; `where` from ovsdb-server(7) 4.1.12. */
export interface MonitorRequest {
  readonly columns?: readonly string[]
  readonly where?: readonly (Condition | boolean)[]
  readonly select?: {
    readonly initial?: boolean
    readonly insert?: boolean
    readonly delete?: boolean
    readonly modify?: boolean
  }
}
export type MonitorRequests = Readonly<Record<string, MonitorRequest | readonly MonitorRequest[]>>

/** RFC 7047 section 4.1.6. */
export type TableUpdates = Readonly<
  Record<string, Readonly<Record<string, { readonly old?: Row; readonly new?: Row }>>>
>

/** Of ovsdb-server(7) 4.1.14: differences instead of whole rows. */
export type TableUpdates2 = Readonly<
  Record<
    string,
    Readonly<
      Record<
        string,
        {
          readonly initial?: Row
          readonly insert?: Row
          readonly modify?: Row
          readonly delete?: null | Row
        }
      >
    >
  >
>

/** What the server answered instead of a result, or why there is no answer. */
export class OvsdbError extends Error {
  /** The error's own name, such as `constraint violation`. */
  readonly error: string

  constructor(error: string, details: string, options?: ErrorOptions) {
    super(details === '' ? error : `${error}: ${details}`, options)
    this.name = 'OvsdbError'
    this.error = error
  }
}

/** The other end broke the protocol: nothing that it says can be relied on, the connection is closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

export interface ClientLimits extends JsonLimits {
  /** Requests that wait for their replies. */
  readonly pending: number
  /** Octets that the other end has not read. */
  readonly unsent: number
  /** Replies that nobody asked for. */
  readonly strays: number
}

export const clientLimits: ClientLimits = {
  ...defaultLimits,
  pending: 1_000,
  unsent: 64 * 1024 * 1024,
  strays: 1_000,
}
