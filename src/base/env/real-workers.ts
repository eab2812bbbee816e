/** Work in a thread of its own, with an end to its time and memory; the thread stays for a while, to be used again. */
import { Worker } from 'node:worker_threads'
import { Failure, type FailureCode } from '../failures.js'
import type { Cancel, Timers, WorkBounds, Workers } from './env.js'
import type { WorkAnswer, WorkMessage } from './worker.js'

const idleMillis = 20_000

export const realWorkers = (timers: Timers): Workers => {
  let idle: { readonly worker: Worker; readonly memoryMib: number } | undefined
  let cancelIdle: Cancel = () => undefined
  const take = (memoryMib: number): Worker => {
    cancelIdle()
    const kept = idle
    idle = undefined
    if (kept?.memoryMib === memoryMib) return kept.worker
    void kept?.worker.terminate()
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: memoryMib },
    })
    worker.unref()
    return worker
  }
  const giveBack = (worker: Worker, memoryMib: number) => {
    cancelIdle()
    void idle?.worker.terminate()
    idle = { worker, memoryMib }
    const stay = timers.after(idleMillis, () => {
      if (idle?.worker === worker) idle = undefined
      void worker.terminate()
    })
    cancelIdle = stay
  }
  return {
    run: async (module, input, bounds) => {
      const worker = take(bounds.memoryMib)
      const answer = await ask(timers, worker, { module, input }, bounds)
      giveBack(worker, bounds.memoryMib)
      if ('value' in answer) return answer.value
      if ('failure' in answer)
        // The code was one of ours in the worker, and is one of ours here.
        throw new Failure(answer.failure.code as FailureCode, answer.failure.context)
      throw new Error(`the work failed: ${answer.error}`)
    },
  }
}

/** @throws {Failure} `too-much-work` when it takes too long or too much memory; the thread is gone then */
const ask = (
  timers: Timers,
  worker: Worker,
  message: WorkMessage,
  { seconds }: WorkBounds,
): Promise<WorkAnswer> =>
  new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      cancel()
      worker.off('message', told)
      worker.off('error', failed)
      settle()
    }
    const tooMuch = (why: string) => end(() => reject(new Failure('too-much-work', { why })))
    const told = (answer: WorkAnswer) => end(() => resolve(answer))
    const failed = (error: Error & { readonly code?: string }) =>
      error.code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? tooMuch('it needed more memory than there is for it')
        : end(() => reject(error))
    const cancel = timers.after(seconds * 1_000, () => {
      tooMuch(`it was not done within ${seconds} s`)
      void worker.terminate()
    })
    worker.on('message', told)
    worker.on('error', failed)
    worker.postMessage(message)
  })
