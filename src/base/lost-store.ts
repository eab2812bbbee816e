/** That there was a store, and it is gone: kept in the new one, so that a restart does not forget it. */
import type { Env } from './env/env.js'
import type { Store } from './store.js'

const key = '/meta/store-lost'

/** Notes the loss in the new store. */
export const noteOfLoss = { op: 'put', key, value: true } as const

/** It is known now what holds in the place of what was lost. What cannot be written denies too much at the next start. */
export const noteFound = async (env: Pick<Env, 'log'>, store: Store): Promise<void> => {
  try {
    await store.txn({ if: [], then: [{ op: 'delete', key }] })
  } catch (error) {
    env.log.error({ err: error }, 'the store cannot be written: that it was lost stays noted')
  }
}

export const isLost = async (store: Store): Promise<boolean> => (await store.get(key)) !== undefined
