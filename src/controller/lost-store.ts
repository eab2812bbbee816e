/**
 * A data folder that has the keys of a controller and no store: its policies are gone, so everything is denied until
 * there are policies again, or somebody says that it is to be a new network. It is kept in the new store, so that
 * another restart does not forget it.
 */
import { join } from 'node:path'
import type { Controller } from './controller.js'

const key = '/meta/store-lost'

export interface LostStore {
  readonly folder: string
  /** There is no store, and there was one. */
  readonly isLost: boolean
  /** Told at the start to open, or to take switches as they are. */
  readonly isTold: boolean
}

/** @param settle closes everything, or opens it again, by the troubles that there are */
export const holdLostStore = async (
  controller: Controller,
  { folder, isLost, isTold }: LostStore,
  settle: () => void,
): Promise<void> => {
  const { store, policies, fileTroubles, journal } = controller
  const wasLost = (await store.get(key)) !== undefined
  const path = join(folder, 'store.mdb')
  const isOver = () => isTold || policies.list().length > 0
  const end = async () => {
    fileTroubles.delete(path)
    settle()
    await store.txn({ if: [], then: [{ op: 'delete', key }] })
  }
  if (!isLost && !wasLost) return
  if (isOver()) {
    if (wasLost) await end()
    return
  }
  if (!wasLost) await store.txn({ if: [], then: [{ op: 'put', key, value: true }] })
  const reason =
    'there was a store here, and it is gone with all policies: restore the data folder, or apply the policies again, or start with --open when this is to be a new network'
  fileTroubles.set(path, { reason, isGiven: true })
  journal.add({ kind: 'store-lost', reason: `${path}: ${reason}` })
  settle()
  const told = (): void => {
    controller.off('adopted', told)
    policies.off('changed', look)
    end().catch((error: unknown) =>
      journal.add({ kind: 'store-lost', reason: `cannot be written: ${String(error)}` }),
    )
  }
  const look = (): void => {
    if (isOver()) told()
  }
  controller.on('adopted', told)
  policies.on('changed', look)
}
