/** Where databases are, in the words of ovsdb(7): `unix:`, `tcp:`, `ssl:` to call, `punix:`, `ptcp:`, `pssl:` to listen. */
import type { Address, Disk, TlsOptions } from '../base/env/env.js'

export const defaultPort = 6640

export interface DatabaseAddress {
  /** Passive: the switch calls us, as `ovs-vsctl set-manager` tells it. */
  readonly isPassive: boolean
  readonly isTls: boolean
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number }
}

/** PEM files, for `ssl:` and `pssl:`. */
export interface KeyFiles {
  readonly key?: string | undefined
  readonly certificate?: string | undefined
  /** What the other end's certificate must be signed by. */
  readonly authority?: string | undefined
}

const host = String.raw`(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)`
const active = new RegExp(`^(tcp|ssl):${host}(?::(\\d{1,5}))?$`)
const passive = new RegExp(`^(ptcp|pssl):(?:(\\d{1,5})(?::${host})?)?$`)
const socket = /^(p?unix):(.+)$/

export const addressForms =
  'unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT, punix:PATH, ptcp:PORT:HOST or pssl:PORT:HOST'

/** Undefined when it is none; without a port it is 6640, without a host to listen at 127.0.0.1. */
export const parseAddress = (text: string): DatabaseAddress | undefined => {
  const path = socket.exec(text)
  if (path) return { isPassive: path[1] === 'punix', isTls: false, at: { path: path[2]! } }
  const to = active.exec(text)
  if (to) return withPort(false, to[1] === 'ssl', bare(to[2]!), to[3])
  const from = passive.exec(text)
  if (from) return withPort(true, from[1] === 'pssl', bare(from[3] ?? '127.0.0.1'), from[2])
  return undefined
}

export const formatAddress = ({ isPassive, isTls, at }: DatabaseAddress): string => {
  if ('path' in at) return `${isPassive ? 'punix' : 'unix'}:${at.path}`
  const name = at.host.includes(':') ? `[${at.host}]` : at.host
  const method = isTls ? 'ssl' : 'tcp'
  return isPassive ? `p${method}:${at.port}:${name}` : `${method}:${name}:${at.port}`
}

/** @throws when a file is missing, or TLS is asked for without all three */
export const resolveAddress = async (
  disk: Disk,
  address: DatabaseAddress,
  files: KeyFiles,
): Promise<Address> => {
  if ('path' in address.at) return address.at
  if (!address.isTls) return address.at
  return { ...address.at, tls: await readKeys(disk, address, files) }
}

const readKeys = async (
  disk: Disk,
  address: DatabaseAddress,
  files: KeyFiles,
): Promise<TlsOptions> => {
  const { key, certificate, authority } = files
  if (key === undefined || certificate === undefined || authority === undefined)
    throw new Error(
      `${formatAddress(address)} needs three PEM files: a private key, its certificate, and the certificate of the authority`,
    )
  return {
    key: await disk.readText(key),
    certificate: await disk.readText(certificate),
    authority: await disk.readText(authority),
  }
}

const bare = (text: string): string => text.replace(/^\[|\]$/g, '')

const withPort = (
  isPassive: boolean,
  isTls: boolean,
  name: string,
  port: string | undefined,
): DatabaseAddress | undefined => {
  const number = Number(port ?? defaultPort)
  if (number > 65_535 || (number === 0 && !isPassive)) return undefined
  return { isPassive, isTls, at: { host: name, port: number } }
}
