/**
 * A data folder that has the keys of a controller and no store: its policies are gone. Everything is denied until
 * policies are applied, a switch is adopted, or the controller is told at the start to open. The new store keeps this, so
 * that a restart does not forget it.
 */
import type { Env } from '../base/env.js'
import type { Store } from '../base/store.js'
import type { Controller } from './controller.js'

const key = '/meta/store-lost'

/** Notes the loss in the new store, before anything else is written there. */
export const noteLoss = (env: Env, store: Store): Promise<void> => write(env, store, true)

/** What cannot be written is read again at the next start, and then denies too much rather than too little. */
const write = async (env: Env, store: Store, isLost: boolean): Promise<void> => {
  try {
    const op = isLost
      ? ({ op: 'put', key, value: true } as const)
      : ({ op: 'delete', key } as const)
    await store.txn({ if: [], then: [op] })
  } catch (error) {
    env.log.error({ err: error }, 'the store cannot be written: whether it was lost is not noted')
  }
}

/**
 * Denies everything while the store is lost.
 *
 * @param path of the store, for people
 * @param isTold the controller was told at the start to open, or to take switches as they are
 * @param settle closes everything, or opens it again, by the troubles that there are
 */
export const holdLostStore = async (
  env: Env,
  controller: Controller,
  path: string,
  isTold: boolean,
  settle: () => void,
): Promise<void> => {
  const { store, policies, fileTroubles, journal } = controller
  if ((await store.get(key)) === undefined) return
  if (isTold || policies.list().length > 0) return write(env, store, false)
  const reason =
    'there was a store here, and it is gone with all policies: restore the data folder, or apply the policies again, or start with --open when this is to be a new network'
  fileTroubles.set(path, { reason, isGiven: true })
  journal.add({ kind: 'store-lost', reason: `${path}: ${reason}` })
  settle()
  const end = (): void => {
    controller.off('adopted', end)
    policies.off('changed', look)
    fileTroubles.delete(path)
    settle()
    void write(env, store, false)
  }
  const look = (): void => {
    if (policies.list().length > 0) end()
  }
  controller.on('adopted', end)
  policies.on('changed', look)
}
