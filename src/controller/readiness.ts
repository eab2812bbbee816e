/** Why the controller does not serve as it should, for `/readyz`: one sentence each, none when all is well. */

import type { Store } from '../base/store.js'
import { switchesInOrder } from '../topology/model.js'
import type { Controller } from './controller.js'

export const notReady = (controller: Controller): string[] => [
  ...controller.troubles,
  ...storeTrouble(controller.store),
  ...controller.functions.flatMap(running => running.notReady?.() ?? []),
  ...[...controller.strangers.values()].map(
    ({ attached, reason }) => `switch ${attached.name} (${attached.dpid}) is left alone: ${reason}`,
  ),
  ...switchesInOrder(controller.topology.current)
    .filter(self => self.isConnected && controller.attached(self.dpid)?.connection.role === 'slave')
    .map(({ name, dpid }) => `another controller is master of switch ${name} (${dpid})`),
]

const storeTrouble = (store: Store): string[] => {
  const { mode, reason } = store.status()
  return mode === 'ok' ? [] : [`the store is read-only: ${reason}`]
}
