/**
 * Where the API listens: plainly on loopback, over TLS everywhere else, and on loopback too where the address begins with
 * `https://`. All addresses lead to one and the same API.
 */

import { X509Certificate } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Env } from '../../base/env/env.js'
import {
  checkWebTls,
  createWebServer,
  type WebServer,
  type WebTls,
} from '../../base/env/web-server.js'
import { Failure } from '../../base/failures.js'
import { formatEndpoint, isLoopback } from '../../base/places.js'
import type { Role } from '../../nfv/requests.js'
import { secretFiles } from '../secret-files.js'
import { endpointOf, listening } from '../southbound/southbound.js'

/** Paths of PEM files. */
export interface RestTlsFiles {
  readonly key: string
  readonly certificate: string
  /** Who signs the certificates of clients; absent: none is asked for. */
  readonly clientAuthority?: string
}

export interface RestAddress {
  readonly host: string
  readonly port: number
  readonly isSecure: boolean
}

/** The API as it is asked for. */
export interface RestSettings {
  /** `HOST:PORT` or `https://HOST:PORT`, each; port 0 for a free one. */
  readonly listen: readonly string[]
  readonly tls?: RestTlsFiles
  /** More names that a Host header may carry. */
  readonly names?: readonly string[]
  /** Addresses and networks of proxies that say whom they ask for. */
  readonly trustProxy?: readonly string[]
  /** Roles of clients by the common name of their certificate. */
  readonly clients?: Readonly<Record<string, Role>>
  /** Requests a second of one who asks from elsewhere. */
  readonly requestsPerSecond?: number
}

/** @throws {Failure} `bad-request`; `unsafe-address` beyond loopback without TLS */
export const restAddress = (text: string, hasTls: boolean): RestAddress => {
  const [, scheme, rest = text] = /^(https?):\/\/(.*)$/.exec(text) ?? []
  if (scheme === 'https' && !hasTls)
    throw new Failure('bad-request', {
      detail: `"${text}" needs rest.tls with key and certificate in the file of --config.`,
    })
  const { host } = endpointOf(rest, '--rest', true)
  const isSecure = scheme === 'https' || (scheme === undefined && hasTls && !isLoopback(host))
  return { ...endpointOf(rest, '--rest', isSecure), isSecure }
}

export interface Listeners {
  /** Where it listens, in the order asked for. */
  readonly addresses: readonly RestAddress[]
  /** @throws {Failure} when a file cannot be read or is none; what was in use stays in use */
  reload(): Promise<void>
  close(): Promise<void>
}

/** What a certificate says that its owner is called: those names may be in a Host header. */
export class CertificateNames {
  #names: readonly string[] = []

  get names(): readonly string[] {
    return this.#names
  }

  set(certificate: string): void {
    const { subjectAltName = '' } = new X509Certificate(certificate)
    this.#names = subjectAltName
      .split(', ')
      // Nobody calls it by the others: mail addresses, URIs.
      .filter(each => /^(DNS|IP Address):/.test(each))
      .map(each => each.replace(/^(DNS|IP Address):/, '').toLowerCase())
      .map(each => (each.includes(':') ? `[${compressed(each)}]` : each))
  }
}

/** `0:0:0:0:0:0:0:1` as it is written in addresses: `::1`. */
const compressed = (ipv6: string): string => new URL(`http://[${ipv6}]/`).hostname.slice(1, -1)

/** @throws {Failure} `bad-request`, `unsafe-file` */
export const readWebTls = async (env: Env, files: RestTlsFiles): Promise<WebTls> => {
  const read = await secretFiles(env, 'rest.tls', files.key)
  const tls: WebTls = {
    key: await read(files.key),
    certificate: await read(files.certificate),
    ...(files.clientAuthority !== undefined && {
      clientAuthority: await read(files.clientAuthority),
    }),
  }
  try {
    checkWebTls(tls)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Failure(
      'bad-request',
      {
        detail: `rest.tls: ${files.key} and ${files.certificate} are no key and its certificate (${why}).`,
      },
      { cause },
    )
  }
  return tls
}

export interface ListenOptions {
  readonly listen: readonly RestAddress[]
  readonly tls?: { readonly files: RestTlsFiles; readonly names: CertificateNames }
  /** Told of each server before it listens. */
  readonly opened: (server: WebServer) => void
}

/**
 * @param app ready to answer
 * @throws {Failure} `bad-request`, `unsafe-file`, `address-in-use`
 */
export const openListeners = async (
  env: Env,
  app: FastifyInstance,
  { listen, tls, opened }: ListenOptions,
): Promise<Listeners> => {
  const texts = tls && (await readWebTls(env, tls.files))
  if (texts) tls.names.set(texts.certificate)
  const servers: WebServer[] = []
  const close = async () => {
    await Promise.all(servers.map(server => server.close()))
  }
  const addresses: RestAddress[] = []
  try {
    for (const { host, port, isSecure } of listen) {
      const server = createWebServer(
        env.timers,
        (request, response) => app.routing(request, response),
        isSecure ? texts : undefined,
      )
      // The library for WebSockets knows one server only.
      server.server.on('upgrade', (...upgrade) => app.server.emit('upgrade', ...upgrade))
      opened(server)
      servers.push(server)
      const at = await listening(
        () => server.listen(host, port),
        formatEndpoint(host, port),
        '--rest',
      )
      addresses.push({ host: at.address, port: at.port, isSecure })
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    addresses,
    reload: async () => {
      if (tls === undefined) return
      const fresh = await readWebTls(env, tls.files)
      for (const server of servers) server.reload(fresh)
      tls.names.set(fresh.certificate)
    },
    close,
  }
}
