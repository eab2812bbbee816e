/** Where things are on a machine: the data folder of a user, and the note a running controller leaves. */
import { homedir } from 'node:os'
import { join } from 'node:path'

type Variables = Readonly<Record<string, string | undefined>>

/** `$XDG_DATA_HOME/sluice`, by default `~/.local/share/sluice`. */
export const dataFolder = (variables: Variables): string =>
  join(variables.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'sluice')

/** `$XDG_CONFIG_HOME/sluice`, by default `~/.config/sluice`: what the command line keeps. */
export const configFolder = (variables: Variables): string =>
  join(variables.XDG_CONFIG_HOME || join(homedir(), '.config'), 'sluice')

/** Where controllers of this user say that they run: one file each, named after the REST port. */
export const controllersFolder = (variables: Variables): string =>
  join(variables.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'sluice', 'controllers')

export const tokenFile = (data: string): string => join(data, 'token')

/** Also in the data folder, for whoever started the controller with port 0. */
export const endpointsFile = (data: string): string => join(data, 'endpoints.json')

export interface Endpoints {
  /** `HOST:PORT`; the first plain one, where there is one. */
  readonly rest: string
  /** There is no plain one: `rest` takes TLS. */
  readonly isRestSecure?: true
  /** All addresses of the API, with their scheme. */
  readonly restUrls: readonly string[]
  readonly openflow: string
  /** Where the paths of Ryu's firewall are, if they are served. */
  readonly ryuFirewall?: string
  readonly data: string
  readonly pid: number
}

/** `127.0.0.1:8080` or `[::1]:8080` to its parts; undefined when it is neither. */
export const parseEndpoint = (text: string): { host: string; port: number } | undefined => {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const host = found?.[1] ?? found?.[2]
  const port = Number(found?.[3])
  return host === undefined || port > 65535 ? undefined : { host, port }
}

export const formatEndpoint = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
