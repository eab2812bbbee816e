/**
 * HTTP/1.1 servers, plain or over TLS, that others hang their handlers into. A TLS handshake has a deadline and there is
 * an end to how many may wait in one, as with switches.
 */
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Handshakes } from '../handshakes.js'
import type { Timers } from './env.js'

/** PEM texts. */
export interface WebTls {
  readonly key: string
  readonly certificate: string
  /** Who signs the certificates of clients; without it none is asked for. */
  readonly clientAuthority?: string
}

export interface WebServer {
  readonly server: Server
  /** Connections are ready to be listened to with this event, and carry requests. */
  readonly connected: 'connection' | 'secureConnection'
  listen(host: string, port: number): Promise<AddressInfo>
  /** Puts new TLS material to use for connections from now on. @throws when it is none; the old one stays */
  reload(tls: WebTls): void
  /** Ends all connections. */
  close(): Promise<void>
}

const handshakeLimits = { deadlineMillis: 5_000, maxWaiting: 512 }

const contextOf = ({ key, certificate, clientAuthority }: WebTls) => ({
  key,
  cert: certificate,
  minVersion: 'TLSv1.2' as const,
  ...(clientAuthority !== undefined && { ca: clientAuthority }),
})

/** @throws when key or certificate are none, or do not fit each other */
export const checkWebTls = (tls: WebTls): void => {
  createSecureContext(contextOf(tls))
}

/** @param timers for the deadline of handshakes */
export const createWebServer = (
  timers: Pick<Timers, 'after'>,
  handler: RequestListener,
  tls?: WebTls,
): WebServer => {
  const server: Server = tls
    ? createSecureServer(
        {
          ...contextOf(tls),
          ALPNProtocols: ['http/1.1'],
          requestCert: tls.clientAuthority !== undefined,
          // Whoever has none comes with a token; one that is not believed is refused with a reason.
          rejectUnauthorized: false,
          // The deadline is ours, below.
          handshakeTimeout: 2 * handshakeLimits.deadlineMillis,
        },
        handler,
      )
    : createServer(handler)
  if (tls) boundHandshakes(server, timers)
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  return {
    server,
    connected: tls ? 'secureConnection' : 'connection',
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          // Accepting may fail for a moment, when files are short: whoever calls tries again.
          server.on('error', () => undefined)
          resolve(server.address() as AddressInfo)
        })
      }),
    reload: fresh => {
      if (!('setSecureContext' in server)) return
      checkWebTls(fresh)
      const secure = server as ReturnType<typeof createSecureServer>
      secure.setSecureContext(contextOf(fresh))
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

const boundHandshakes = (server: Server, timers: Pick<Timers, 'after'>): void => {
  const handshakes = new Handshakes(timers, handshakeLimits, () => undefined)
  const remoteOf = (socket: Socket): string => `${socket.remoteAddress}:${socket.remotePort}`
  server.on('connection', (socket: Socket) => {
    const remote = remoteOf(socket)
    handshakes.began(remote, socket)
    socket.on('close', () => handshakes.closed(remote, 'it ended'))
  })
  server.on('secureConnection', (socket: Socket) => handshakes.ended(remoteOf(socket)))
  server.on('tlsClientError', (_: Error, socket: Socket) => socket.destroy())
}
