import type { Controller } from '../src/controller/controller.js'
import { Firewall } from '../src/nfv/firewall/service/service.js'

/** The firewall of a controller that was built with it. */
export const firewallOf = (controller: Controller): Firewall => {
  const found = controller.running('firewall')
  if (!(found instanceof Firewall)) throw new Error('the controller has no firewall')
  return found
}
