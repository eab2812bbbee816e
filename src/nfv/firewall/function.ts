/** The firewall: rule files to rows that judge connections. */
import type { NetworkFunction } from '../function.js'
import { authors, everybody, type Rights, type Routes, workers } from '../requests.js'
import { firewallRows } from './flows/function-rows.js'
import { firewallFamilies } from './metrics.js'
import { learningRoutes } from './rest/learning-routes.js'
import { policyRoutes } from './rest/policy-routes.js'
import { ryuRoutes } from './ryu/routes.js'
import { Firewall, loadParts } from './service/service.js'

// biome-ignore format: a table
const rights: Rights = {
  'GET /api/v1/rules':             everybody,
  'GET /api/v1/remarks':           everybody,
  'GET /api/v1/sessions':          everybody,
  'GET /api/v1/policies':          everybody,
  'GET /api/v1/policies/:name':    everybody,
  'GET /api/v1/history':           everybody,
  'GET /api/v1/learning':          everybody,
  // A question; it is a POST only because it has a body.
  'POST /api/v1/plan':             everybody,

  'POST /api/v1/policies':         authors,
  'PUT /api/v1/policies/:name':    authors,
  'DELETE /api/v1/policies/:name': authors,
  'POST /api/v1/history/confirm':  authors,
  'POST /api/v1/history/undo':     authors,

  'POST /api/v1/learning':         workers,
  'DELETE /api/v1/learning':       workers,
}

/** With its part of the API. */
class ServedFirewall extends Firewall {
  readonly routes: readonly Routes[] = [policyRoutes(this), learningRoutes(this)]
  readonly sites: Readonly<Record<string, Routes>> = { ryuFirewall: ryuRoutes(this) }
}

export const firewallFunction: NetworkFunction = {
  ...firewallRows,
  tracks: true,
  rights,
  metrics: firewallFamilies,
  create: async host => new ServedFirewall(host, await loadParts(host)),
}
