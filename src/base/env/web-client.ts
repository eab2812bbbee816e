/** One question over HTTP/1.1, plain or over TLS with an authority of one's own, which `fetch` cannot be given. */
import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'

/** PEM texts. */
export interface TrustOptions {
  /** Whom to believe; absent: those that the system believes. */
  readonly authority?: string
  /** What to show who asks for a certificate. */
  readonly certificate?: string
  readonly key?: string
}

export interface WebQuestion {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
  readonly trust?: TrustOptions
}

export interface WebAnswer {
  readonly status: number
  readonly isOk: boolean
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly chunks: AsyncIterable<Uint8Array>
  /** The whole body. */
  text(): Promise<string>
}

const connectMillis = 10_000
/** Longer than any answer takes. */
const silentMillis = 300_000

/**
 * @throws errors of sockets and TLS, with their `code`; an error named AbortError when `signal` says so
 */
export const askWeb = (url: string, question: WebQuestion = {}): Promise<WebAnswer> =>
  new Promise((resolve, reject) => {
    const { trust, body } = question
    const isSecure = url.startsWith('https:')
    const options: RequestOptions & { ca?: string; cert?: string; key?: string } = {
      method: question.method ?? 'GET',
      headers: {
        ...question.headers,
        ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      },
      ...(question.signal && { signal: question.signal }),
      ...(isSecure && trust?.authority !== undefined && { ca: trust.authority }),
      ...(isSecure &&
        trust?.certificate !== undefined && { cert: trust.certificate, key: trust.key ?? '' }),
    }
    const asked = (isSecure ? secureRequest : plainRequest)(url, options, reply => {
      resolve(answerOf(reply))
    })
    const connecting = setTimeout(
      () => asked.destroy(withCode('no connection within 10 s', 'ETIMEDOUT')),
      connectMillis,
    )
    const connected = () => clearTimeout(connecting)
    asked.on('socket', socket => {
      // One that is used again is connected already.
      if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', connected)
      else connected()
    })
    asked.on('close', connected)
    asked.setTimeout(silentMillis, () =>
      asked.destroy(withCode('nothing came for 300 s', 'ESILENT')),
    )
    asked.on('error', reject)
    asked.end(body)
  })

const withCode = (text: string, code: string): Error => Object.assign(new Error(text), { code })

const answerOf = (reply: IncomingMessage): WebAnswer => {
  const status = reply.statusCode ?? 0
  return {
    status,
    headers: reply.headers,
    isOk: status >= 200 && status < 300,
    chunks: reply,
    text: async () => {
      const chunks: Buffer[] = []
      for await (const chunk of reply) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
  }
}
