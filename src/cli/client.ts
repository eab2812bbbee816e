/** The command line's way to a controller: its REST API, with the token found by itself on the same machine. */
import { join } from 'node:path'
import type { Disk } from '../base/env.js'
import { Failure } from '../base/failures.js'
import {
  controllersFolder,
  dataFolder,
  type Endpoints,
  endpointsFile,
  tokenFile,
} from '../base/places.js'
import { UsageError } from './usage.js'

export interface ClientOptions {
  /** Base URL, as in SLUICE_SERVER. */
  readonly server?: string
  readonly token?: string
  /** The controller's data folder. */
  readonly data?: string
}

type Variables = Readonly<Record<string, string | undefined>>

/** A problem that the controller answered with, RFC 9457. */
export class Problem extends Error {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(`${body.title ?? `HTTP ${status}`}: ${body.detail ?? ''}`)
    this.status = status
    this.body = body
  }
}

export class Client {
  readonly server: string
  readonly #token: () => Promise<string | undefined>

  private constructor(server: string, token: () => Promise<string | undefined>) {
    this.server = server
    this.#token = token
  }

  static async find(disk: Disk, options: ClientOptions, variables: Variables): Promise<Client> {
    const data = options.data ?? variables.SLUICE_DATA
    const asked = options.server ?? variables.SLUICE_SERVER
    const isAddress = asked === undefined || URL.canParse(asked)
    const noted = isAddress ? await noteOf(disk, asked, data, variables) : undefined
    const server = asked ?? (noted ? `http://${noted.rest}` : 'http://127.0.0.1:8080')
    const given = options.token ?? variables.SLUICE_TOKEN
    if (!/^https?:\/\/[^/]/.test(server) || !URL.canParse(server))
      throw new UsageError(
        `"${server}" is no address of a controller, such as http://127.0.0.1:8080`,
      )
    return new Client(server.replace(/\/+$/, ''), async () => {
      if (given !== undefined) return given
      const folder = data ?? noted?.data ?? dataFolder(variables)
      const isThere = (await disk.stat(tokenFile(folder))) !== undefined
      return isThere ? (await disk.readText(tokenFile(folder))).trim() : undefined
    })
  }

  async get<T = unknown>(path: string): Promise<T> {
    return (await this.#call('GET', path, undefined)) as T
  }

  async send<T = unknown>(
    method: 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<T> {
    return (await this.#call(method, path, body)) as T
  }

  /**
   * Server-sent events as they come, until the connection ends or `signal` says so.
   *
   * @param last the number of the event that came last; undefined: as the path says
   */
  async *events(
    path: string,
    last?: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Record<string, unknown>> {
    const response = await this.#fetch(path, {
      headers: {
        accept: 'text/event-stream',
        ...(last !== undefined && { 'last-event-id': String(last) }),
      },
      ...(signal && { signal }),
    })
    if (!response.ok || response.body === null) throw await this.#problemOf(response)
    let text = ''
    const decoder = new TextDecoder()
    const chunks = response.body[Symbol.asyncIterator]()
    for (;;) {
      const { done, value } = await this.#answered(() => chunks.next())
      if (done) return
      text += decoder.decode(value as Uint8Array, { stream: true })
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1]
        text = text.slice(end + 2)
        if (data !== undefined) yield JSON.parse(data) as Record<string, unknown>
      }
    }
  }

  async #call(method: string, path: string, body: unknown): Promise<unknown> {
    const token = method === 'GET' ? undefined : await this.#token()
    const response = await this.#fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw await this.#problemOf(response)
    const text = await this.#answered(() => response.text())
    if (text === '') return undefined
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw this.#noAnswer('what came is no JSON: another program is at this address', cause)
    }
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    return this.#answered(() => fetch(`${this.server}${path}`, init))
  }

  async #problemOf(response: Response): Promise<Problem> {
    const text = await this.#answered(() => response.text())
    return problemOf(response, text)
  }

  /** Says what became of a question that was not answered: nobody was there, or somebody who fell silent. */
  async #answered<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') throw error
      const code = codeOf(error)
      if (nobodyThere.has(code))
        throw new Failure('unreachable', { address: this.server }, { cause: error })
      throw this.#noAnswer(code, error)
    }
  }

  #noAnswer(detail: string, cause: unknown): Failure {
    return new Failure('no-answer', { address: this.server, detail }, { cause })
  }
}

/** No connection was made, so nothing was asked. */
const nobodyThere: ReadonlySet<string> = new Set([
  ...[
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EADDRNOTAVAIL',
    'EACCES',
  ],
  ...['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'bad port'],
])

/** The code of an error, or of what caused it; the innermost message where nothing has one. */
const codeOf = (error: unknown): string => {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? error.message : codeOf(error.cause)
}

const problemOf = (response: Response, text: string): Problem => {
  try {
    return new Problem(response.status, JSON.parse(text) as Record<string, unknown>)
  } catch {
    return new Problem(response.status, { title: `HTTP ${response.status}`, detail: text })
  }
}

/** The note of the controller that is meant: by data folder, by port, or the only one there is. */
const noteOf = async (
  disk: Disk,
  server: string | undefined,
  data: string | undefined,
  variables: Variables,
): Promise<Endpoints | undefined> => {
  if (data !== undefined) return readNote(disk, endpointsFile(data))
  const folder = controllersFolder(variables)
  if ((await disk.stat(folder)) === undefined) return undefined
  const notes = await Promise.all(
    (await disk.list(folder)).map(name => readNote(disk, join(folder, name))),
  )
  const known = notes.filter(note => note !== undefined)
  if (server !== undefined) {
    const port = new URL(server).port
    return known.find(note => note.rest.endsWith(`:${port}`))
  }
  return (
    known.find(note => note.rest === '127.0.0.1:8080') ??
    (known.length === 1 ? known[0] : undefined)
  )
}

const readNote = async (disk: Disk, path: string): Promise<Endpoints | undefined> => {
  if ((await disk.stat(path)) === undefined) return undefined
  try {
    return JSON.parse(await disk.readText(path)) as Endpoints
  } catch {
    // A note half written by a controller that was stopped hard: as good as none.
    return undefined
  }
}
