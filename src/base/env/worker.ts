/** What runs in a worker thread: loads the module that it is asked for, and answers with what its `work` gives. */
import { parentPort } from 'node:worker_threads'
import { Failure } from '../failures.js'

/** A piece of work as it comes in. */
export interface WorkMessage {
  readonly module: string
  readonly input: unknown
}

/** How it ended; a failure of ours is told by its code, since classes do not come through. */
export type WorkAnswer =
  | { readonly value: unknown }
  | { readonly failure: { readonly code: string; readonly context: Record<string, unknown> } }
  | { readonly error: string }

parentPort?.on('message', ({ module, input }: WorkMessage) => {
  answer(module, input).then(
    found => parentPort?.postMessage(found),
    (error: unknown) => parentPort?.postMessage({ error: String(error) }),
  )
})

const answer = async (module: string, input: unknown): Promise<WorkAnswer> => {
  const { work } = (await import(module)) as { work(input: unknown): unknown }
  try {
    return { value: await work(input) }
  } catch (error) {
    if (error instanceof Failure)
      return { failure: { code: error.code, context: { ...error.context } } }
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
