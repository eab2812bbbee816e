/** The API with all its addresses: what `sluice run` serves. */
import type { Env } from '../../base/env/env.js'
import { type Endpoints, formatEndpoint } from '../../base/places.js'
import { Callers } from './callers.js'
import {
  CertificateNames,
  type Listeners,
  openListeners,
  type RestAddress,
  type RestSettings,
  restAddress,
} from './listeners.js'
import { createRest, limitTimes, type RestOptions, type RoutePlugin } from './server.js'

/** @throws {Failure} `bad-request`, `unsafe-address`, `unsafe-file`, `address-in-use` */
export const serveRest = async (
  env: Env,
  settings: RestSettings,
  options: Pick<RestOptions, 'guard' | 'audit'>,
  plugins: readonly RoutePlugin[],
): Promise<Listeners> => {
  const { tls, trustProxy } = settings
  const listen = settings.listen.map(text => restAddress(text, tls !== undefined))
  const certificate = new CertificateNames()
  const given = [...listen.map(({ host }) => inUrl(host)), ...(settings.names ?? [])].map(name =>
    name.toLowerCase(),
  )
  const callers = new Callers(env.log)
  const app = await createRest(
    {
      ...options,
      names: () => [...given, ...certificate.names],
      ...(trustProxy && { trustProxy }),
      log: env.log,
      timers: env.timers,
      callers,
    },
    plugins,
  )
  await app.ready()
  const listeners = await openListeners(env, app, {
    listen,
    ...(tls && { tls: { files: tls, names: certificate } }),
    opened: ({ server, connected }) => {
      limitTimes(server)
      callers.watch(server, connected)
    },
  }).catch(async (error: unknown) => {
    await app.close()
    throw error
  })
  return {
    ...listeners,
    close: async () => {
      // First the readers of events are told, then all connections end.
      await app.close()
      await listeners.close()
    },
  }
}

const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** Where others find it: plainly, where there is such an address. */
export const endpointsOf = (
  addresses: readonly RestAddress[],
): Pick<Endpoints, 'rest' | 'isRestSecure' | 'restUrls'> => {
  const main = addresses.find(({ isSecure }) => !isSecure) ?? addresses[0]
  return {
    rest: main ? formatEndpoint(main.host, main.port) : '',
    ...(main?.isSecure && { isRestSecure: true }),
    restUrls: addresses.map(
      ({ host, port, isSecure }) =>
        `${isSecure ? 'https' : 'http'}://${formatEndpoint(host, port)}`,
    ),
  }
}
