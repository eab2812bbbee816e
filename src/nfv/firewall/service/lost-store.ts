/**
 * A data folder that has the keys of a controller and no store: its policies are gone. Everything is denied until
 * policies are applied, a switch is adopted, or the controller is told at the start to open. The new store keeps this, so
 * that a restart does not forget it.
 */
import { join } from 'node:path'
import { isLost, noteFound } from '../../../base/lost-store.js'
import type { FunctionHost, Given } from '../../function.js'
import type { FileTroubles } from './file-troubles.js'
import type { PolicyKeeper } from './policies.js'

/** Whose policies are gone. */
interface Loser {
  readonly host: FunctionHost
  readonly policies: PolicyKeeper
  readonly files: FileTroubles
}

/**
 * Denies everything while the store is lost.
 *
 * @param settle closes everything, or opens it again, by the troubles that there are
 * @returns ends it
 */
export const holdLostStore = async (
  { host, policies, files }: Loser,
  given: Given,
  settle: () => void,
): Promise<() => void> => {
  const nothing = () => {}
  const { data, opens, adopts } = given
  if (!given.isLost && !(await isLost(host.store))) return nothing
  if (opens || adopts || policies.list().length > 0) {
    await noteFound(host, host.store)
    return nothing
  }
  const path = join(data, 'store.mdb')
  const reason =
    'there was a store here, and it is gone with all policies: restore the data folder, or apply the policies again, or start with --open when this is to be a new network'
  files.set(path, { reason, isGiven: true })
  host.tell({ kind: 'store-lost', reason: `${path}: ${reason}` })
  settle()
  const end = (): void => {
    if (!files.delete(path)) return
    policies.off('changed', look)
    settle()
    void noteFound(host, host.store)
  }
  const look = (): void => {
    if (policies.list().length > 0) end()
  }
  policies.on('changed', look)
  return end
}
