/** Why the controller does not serve as it should, for `/readyz`: one sentence each, none when all is well. */

import type { Store } from '../base/store.js'
import { switchesInOrder } from '../topology/model.js'
import type { Controller } from './controller.js'

export const notReady = (controller: Controller): string[] => [
  ...storeTrouble(controller.store),
  ...[...controller.fileTroubles]
    .filter(([, { isGiven }]) => isGiven)
    .map(([file, { reason }]) => `${file} is not in force: ${reason.split('\n')[0]}`),
  ...[...controller.strangers.values()].map(
    ({ attached, reason }) => `switch ${attached.name} (${attached.dpid}) is left alone: ${reason}`,
  ),
  ...switchesInOrder(controller.topology.current)
    .filter(self => self.isConnected && controller.attached(self.dpid)?.connection.role === 'slave')
    .map(({ name, dpid }) => `another controller is master of switch ${name} (${dpid})`),
  ...uninstalled(controller),
]

/** Rules that are wanted and not everywhere; what was asked for only just now is no reason. */
const uninstalled = (controller: Controller): string[] => {
  if (controller.policies.list().length === 0) return []
  return controller
    .lackingPolicies()
    .filter(({ kind }) => kind !== 'waiting')
    .map(lack => `the policies are not installed everywhere: switch ${lack.switch} ${lack.why}`)
}

const storeTrouble = (store: Store): string[] => {
  const { mode, reason } = store.status()
  return mode === 'ok' ? [] : [`the store is read-only: ${reason}`]
}
