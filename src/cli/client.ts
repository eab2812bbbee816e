/** The command line's way to a controller: its REST API, with the token found by itself on the same machine. */
import { join } from 'node:path'
import type { Disk } from '../base/env/env.js'
import {
  askWeb,
  type TrustOptions,
  type WebAnswer,
  type WebQuestion,
} from '../base/env/web-client.js'
import { Failure } from '../base/failures.js'
import {
  controllersFolder,
  dataFolder,
  type Endpoints,
  endpointsFile,
  isLoopback,
  tokenFile,
} from '../base/places.js'
import { UsageError } from './usage.js'

export interface ClientOptions {
  /** Base URL, as in SLUICE_SERVER. */
  readonly server?: string
  readonly token?: string
  /** The controller's data folder. */
  readonly data?: string
  /** File of the authority that signs its certificate. */
  readonly ca?: string
}

/** A controller, whom to believe that it is there, and who one is. */
interface Known extends TrustOptions {
  readonly server: string
  readonly token?: string
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
  readonly #trust: TrustOptions

  private constructor(
    server: string,
    token: () => Promise<string | undefined>,
    trust: TrustOptions,
  ) {
    this.server = server
    this.#token = token
    this.#trust = trust
  }

  /** Of a controller that is known by name. */
  static of({ server, token, ...trust }: Known): Client {
    return new Client(server, async () => token, trust)
  }

  /** @param known a context, for when neither a server nor a data folder is named; undefined: there is none */
  static async find(
    disk: Disk,
    options: ClientOptions,
    variables: Variables,
    known: () => Promise<Known | undefined> = async () => undefined,
  ): Promise<Client> {
    const isNamed = [options.server, options.data, variables.SLUICE_SERVER, variables.SLUICE_DATA]
    if (isNamed.every(each => each === undefined)) {
      const context = await known()
      const token = options.token ?? variables.SLUICE_TOKEN
      if (context) return Client.of({ ...context, ...(token !== undefined && { token }) })
    }
    const data = options.data ?? variables.SLUICE_DATA
    const asked = options.server ?? variables.SLUICE_SERVER
    const isAddress = asked === undefined || URL.canParse(asked)
    const noted = isAddress ? await noteOf(disk, asked, data, variables) : undefined
    const server = asked ?? (noted ? urlOf(noted) : 'http://127.0.0.1:8080')
    const given = options.token ?? variables.SLUICE_TOKEN
    if (!/^https?:\/\/[^/]/.test(server) || !URL.canParse(server))
      throw new UsageError(
        `"${server}" is no address of a controller, such as http://127.0.0.1:8080`,
      )
    const ca = options.ca ?? variables.SLUICE_CA
    const trust = ca === undefined ? {} : { authority: await disk.readText(ca) }
    const token = async () => {
      if (given !== undefined) return given
      // The secret of this machine's controller is not for another one.
      if (data === undefined && !isLoopback(new URL(server).hostname.replace(/^\[|\]$/g, '')))
        return undefined
      // Nor for a program that took its address: whoever names address and folder knows better.
      const isNamed = asked !== undefined && data !== undefined
      if (!isNamed && !(noted && isOwnProcess(noted.pid))) return undefined
      const folder = data ?? noted?.data ?? dataFolder(variables)
      const isThere = (await disk.stat(tokenFile(folder))) !== undefined
      return isThere ? (await disk.readText(tokenFile(folder))).trim() : undefined
    }
    return new Client(server.replace(/\/+$/, ''), token, trust)
  }

  async get<T = unknown>(path: string): Promise<T> {
    return (await this.#call('GET', path, undefined)) as T
  }

  /** How far the clock of the controller is ahead of ours, as far as its seconds tell; 0 where it does not say. */
  async aheadMillis(nowMillis: number): Promise<number> {
    const response = await this.#ask('/livez', {})
    await this.#answered(() => response.text())
    const theirs = Date.parse(String(response.headers.date))
    return Number.isNaN(theirs) ? 0 : theirs - nowMillis
  }

  async send<T = unknown>(
    method: 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<T> {
    return (await this.#call(method, path, body, headers)) as T
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
    const token = await this.#secret()
    const response = await this.#ask(path, {
      headers: {
        accept: 'text/event-stream',
        ...bearer(token),
        ...(last !== undefined && { 'last-event-id': String(last) }),
      },
      ...(signal && { signal }),
    })
    if (!response.isOk) throw await this.#problemOf(response)
    let text = ''
    const decoder = new TextDecoder()
    const chunks = response.chunks[Symbol.asyncIterator]()
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

  async #call(
    method: string,
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<unknown> {
    const response = await this.#ask(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
        ...bearer(await this.#secret()),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.isOk) throw await this.#problemOf(response)
    const text = await this.#answered(() => response.text())
    if (text === '') return undefined
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw this.#noAnswer('what came is no JSON: another program is at this address', cause)
    }
  }

  /** @throws {UsageError} when it would go over a network in the clear */
  async #secret(): Promise<string | undefined> {
    const token = await this.#token()
    const { protocol, hostname } = new URL(this.server)
    if (
      token !== undefined &&
      protocol === 'http:' &&
      !isLoopback(hostname.replace(/^\[|\]$/g, ''))
    )
      throw new UsageError(
        `${this.server} is not asked with a token, which everybody on the way could read: use its https:// address`,
      )
    return token
  }

  #ask(path: string, question: WebQuestion): Promise<WebAnswer> {
    return this.#answered(() =>
      askWeb(`${this.server}${path}`, { ...question, trust: this.#trust }),
    )
  }

  async #problemOf(response: WebAnswer): Promise<Problem> {
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
      const why = untrusted[code]
      if (why !== undefined)
        throw new Failure('not-trusted', { address: this.server, why }, { cause: error })
      if (nobodyThere.has(code))
        throw new Failure('unreachable', { address: this.server }, { cause: error })
      throw this.#noAnswer(code, error)
    }
  }

  #noAnswer(detail: string, cause: unknown): Failure {
    return new Failure('no-answer', { address: this.server, detail }, { cause })
  }
}

/** Whether a process lives, and is one of this user's (or everybody's is, for root). */
const isOwnProcess = (pid: unknown): boolean => {
  if (!Number.isSafeInteger(pid) || Number(pid) <= 0) return false
  try {
    process.kill(Number(pid), 0)
    return true
  } catch {
    // ESRCH, EPERM: it is gone, or somebody else's.
    return false
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
  'ETIMEDOUT',
])

/** What there is against a certificate, by the code of Node. */
const untrusted: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known here',
  CERT_SIGNATURE_FAILURE: 'it is not signed by this authority',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for other names',
}

const bearer = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

const urlOf = ({ rest, isRestSecure }: Endpoints): string =>
  `${isRestSecure ? 'https' : 'http'}://${rest}`

/** The code of an error, or of what caused it; the innermost message where nothing has one. */
const codeOf = (error: unknown): string => {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? error.message : codeOf(error.cause)
}

const problemOf = (response: WebAnswer, text: string): Problem => {
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
