/**
 * Who may do what: the one table of routes and roles. A route that is not in it does not start, so whoever adds one
 * decides here who may use it. docs/rights.md is written from it.
 */

import Type, { type Static } from 'typebox'
import type { NetworkFunction } from '../../nfv/function.js'
import {
  admins,
  everybody,
  operators,
  type Right,
  type Rights,
  type Role,
} from '../../nfv/requests.js'

export const roles = {
  viewer: 'reads everything but tokens and the audit log',
  author: 'reads, and changes policies: all of them, or those that its token names',
  operator:
    'reads, and changes switches, networks, hosts, ports, intents; forgets what is gone, adopts',
  admin: 'may do everything, tokens and the audit log too',
} as const satisfies Readonly<Record<Role, string>>

export const roleSchema = Type.Union(
  [Type.Literal('viewer'), Type.Literal('author'), Type.Literal('operator'), Type.Literal('admin')],
  { title: 'viewer, author, operator or admin' },
)

export type RoleName = Static<typeof roleSchema>

// biome-ignore format: a table
export const rights: Rights = {
  'GET /livez':                          'public',
  // Its reasons, which name switches and files, are for those who may read.
  'GET /readyz':                         'public',

  'GET /metrics':                        everybody,
  'GET /api/v1/openapi.json':            everybody,
  'GET /api/v1/whoami':                  everybody,
  'GET /api/v1/switches':                everybody,
  'GET /api/v1/switches/:name':          everybody,
  'GET /api/v1/links':                   everybody,
  'GET /api/v1/hosts':                   everybody,
  'GET /api/v1/flows':                   everybody,
  'GET /api/v1/views':                   everybody,
  'GET /api/v1/drift':                   everybody,
  'GET /api/v1/paths':                   everybody,
  'GET /api/v1/paths/all':               everybody,
  'GET /api/v1/events':                  everybody,
  'GET /api/v1/events/socket':           everybody,
  'GET /api/v1/objects':                 everybody,
  'GET /api/v1/objects/:kind':           everybody,
  'GET /api/v1/objects/:kind/:name':     everybody,
  // Questions that are a POST only because they have a body.
  'POST /api/v1/trace':                  everybody,

  'POST /api/v1/switches/:name/adopt':   operators,
  'DELETE /api/v1/switches/:name':       operators,
  'DELETE /api/v1/hosts/:name':          operators,
  'POST /api/v1/objects':                operators,
  'PUT /api/v1/objects/:kind/:name':     operators,
  'DELETE /api/v1/objects/:kind/:name':  operators,

  'GET /api/v1/audit':                   admins,
  'GET /api/v1/audit/verify':            admins,
  'GET /api/v1/tokens':                  admins,
  'POST /api/v1/tokens':                 admins,
  'DELETE /api/v1/tokens/:name':         admins,
}

/** With the routes that functions bring. */
export const rightsWith = (list: readonly Pick<NetworkFunction, 'rights'>[]): Rights =>
  Object.assign({ ...rights }, ...list.map(each => each.rights))

/** What functions show is for everybody who may read, whatever it is. */
export const rightsOfViews = (views: readonly { readonly name: string }[]): Rights =>
  Object.fromEntries(views.map(({ name }) => [`GET /api/v1/${name}`, everybody]))

/** Every kind of object has routes of its own; who may use them does not depend on the kind. */
export const rightOf = (table: Rights, method: string, path: string): Right | undefined =>
  table[`${method} ${path}`] ??
  table[`${method} ${path.replace(/^(\/api\/v1\/objects)\/[^/:]+/, '$1/:kind')}`]
