/**
 * Who may do what: the one table of routes and roles. A route that is not in it does not start, so whoever adds one
 * decides here who may use it. docs/rights.md is written from it.
 */
import Type, { type Static } from 'typebox'

export const roles = {
  viewer: 'reads everything but tokens and the audit log',
  author: 'reads, and changes policies: all of them, or those that its token names',
  operator:
    'reads, and changes switches, networks, hosts, ports, intents; forgets what is gone, adopts',
  admin: 'may do everything, tokens and the audit log too',
} as const

export type Role = keyof typeof roles

export const roleSchema = Type.Union(
  [Type.Literal('viewer'), Type.Literal('author'), Type.Literal('operator'), Type.Literal('admin')],
  { title: 'viewer, author, operator or admin' },
)

export type RoleName = Static<typeof roleSchema>

const everybody = ['viewer', 'author', 'operator', 'admin'] as const
const authors = ['author', 'admin'] as const
const operators = ['operator', 'admin'] as const
const workers = ['author', 'operator', 'admin'] as const
const admins = ['admin'] as const

/** Those who may; `public` is whoever can reach it, without a token. */
export type Right = readonly Role[] | 'public'

/** By method and path, as the router has them. */
export type Rights = Readonly<Record<string, Right>>

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
  'GET /api/v1/rules':                   everybody,
  'GET /api/v1/remarks':                 everybody,
  'GET /api/v1/sessions':                everybody,
  'GET /api/v1/drift':                   everybody,
  'GET /api/v1/policies':                everybody,
  'GET /api/v1/policies/:name':          everybody,
  'GET /api/v1/history':                 everybody,
  'GET /api/v1/learning':                everybody,
  'GET /api/v1/paths':                   everybody,
  'GET /api/v1/paths/all':               everybody,
  'GET /api/v1/events':                  everybody,
  'GET /api/v1/events/socket':           everybody,
  'GET /api/v1/objects':                 everybody,
  'GET /api/v1/objects/:kind':           everybody,
  'GET /api/v1/objects/:kind/:name':     everybody,
  // Questions that are a POST only because they have a body.
  'POST /api/v1/trace':                  everybody,
  'POST /api/v1/plan':                   everybody,

  'POST /api/v1/policies':               authors,
  'PUT /api/v1/policies/:name':          authors,
  'DELETE /api/v1/policies/:name':       authors,
  'POST /api/v1/history/confirm':        authors,
  'POST /api/v1/history/undo':           authors,

  'POST /api/v1/learning':               workers,
  'DELETE /api/v1/learning':             workers,

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

/** What functions show is for everybody who may read, whatever it is. */
export const rightsOfViews = (views: readonly { readonly name: string }[]): Rights =>
  Object.fromEntries(views.map(({ name }) => [`GET /api/v1/${name}`, everybody]))

/** Every kind of object has routes of its own; who may use them does not depend on the kind. */
export const rightOf = (table: Rights, method: string, path: string): Right | undefined =>
  table[`${method} ${path}`] ??
  table[`${method} ${path.replace(/^(\/api\/v1\/objects)\/[^/:]+/, '$1/:kind')}`]

/** @returns whether a name is one of those that patterns mean, where `*` is any characters */
export const isNamedBy = (patterns: readonly string[], name: string): boolean =>
  patterns.some(pattern => {
    const parts = pattern.split('*')
    const [first = '', last = ''] = [parts[0], parts.at(-1)]
    if (parts.length === 1) return name === pattern
    if (!name.startsWith(first) || !name.endsWith(last)) return false
    let at = first.length
    for (const part of parts.slice(1, -1)) {
      const found = name.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= name.length - last.length
  })
