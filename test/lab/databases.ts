/** Kind Switch for every switch of a lab, so that what only databases can set is set. */
import type { ControllerProcess } from '../../src/lab/controller-process.js'
import type { NetnsStage } from '../../src/lab/stages/netns.js'

/** Resolves when they are right. */
export const declareDatabases = async (
  controller: ControllerProcess,
  stage: NetnsStage,
): Promise<void> => {
  const objects = [...stage.rig.switches].map(([name, { socket }]) => ({
    kind: 'Switch',
    name,
    spec: { ovsdb: { address: `unix:${socket}` } },
  }))
  await controller.send('POST', '/api/v1/objects?wait=installed', { objects })
}
