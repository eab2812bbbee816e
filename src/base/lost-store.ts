/** That there was a store, and it is gone: kept in the new one, so that a restart does not forget it. */
import type { Env } from './env.js'
import type { Store } from './store.js'

const key = '/meta/store-lost'

/** Notes the loss in the new store, before anything else is written there. */
export const noteLoss = (env: Pick<Env, 'log'>, store: Store): Promise<void> =>
  write(env, store, true)

/** What cannot be written is read again at the next start, and then denies too much rather than too little. */
const write = async (env: Pick<Env, 'log'>, store: Store, isLost: boolean): Promise<void> => {
  try {
    const op = isLost
      ? ({ op: 'put', key, value: true } as const)
      : ({ op: 'delete', key } as const)
    await store.txn({ if: [], then: [op] })
  } catch (error) {
    env.log.error({ err: error }, 'the store cannot be written: whether it was lost is not noted')
  }
}

/** It is known now what holds in the place of what was lost. */
export const noteFound = (env: Pick<Env, 'log'>, store: Store): Promise<void> =>
  write(env, store, false)

export const isLost = async (store: Store): Promise<boolean> => (await store.get(key)) !== undefined
