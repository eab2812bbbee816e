/** The other end of a client, in memory: what it sends and hears is in the hands of the test. */
import type { Connection } from '../../src/base/env/env.js'
import { SimulatedEnv } from '../../src/base/env/simulated-env.js'
import { type ClientOptions, OvsdbClient } from '../../src/ovsdb/client.js'
import { JsonStream } from '../../src/ovsdb/json-stream.js'

export interface Heard {
  readonly method?: string
  readonly params?: readonly unknown[]
  readonly id?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

export class FakeServer {
  readonly env: SimulatedEnv
  readonly heard: Heard[] = []
  /** Answers by method: a result, or undefined for silence. */
  readonly answers: Record<string, (params: readonly unknown[]) => unknown> = {}
  isClosed = false
  #connection: Connection | undefined

  constructor(env = new SimulatedEnv()) {
    this.env = env
  }

  /** Everything that was heard of one method. */
  calls(method: string): readonly Heard[] {
    return this.heard.filter(each => each.method === method)
  }

  async listen(): Promise<void> {
    await this.env.net.listen({ path: '/db.sock' }, connection => {
      this.#connection = connection
      this.isClosed = false
      const stream = new JsonStream()
      connection.onClose(() => {
        this.isClosed = true
      })
      connection.onBytes(chunk => stream.push(chunk, message => this.#hear(message as Heard)))
    })
  }

  #hear(message: Heard): void {
    this.heard.push(message)
    if (message.method === undefined || message.id === null) return
    const answer = this.answers[message.method]
    if (answer === undefined) return
    const result = answer(message.params ?? [])
    if (result instanceof Error)
      this.send({ id: message.id, result: null, error: { error: result.message } })
    else if (result !== undefined) this.send({ id: message.id, result, error: null })
  }

  send(message: unknown): void {
    this.sendText(JSON.stringify(message))
  }

  sendText(text: string | Uint8Array): void {
    this.#connection!.send(Buffer.from(text as string))
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#connection!.pause()
  }

  drop(): void {
    this.#connection!.destroy()
  }
}

export const connected = async (
  options: ClientOptions = {},
): Promise<{ server: FakeServer; client: OvsdbClient; env: SimulatedEnv }> => {
  const server = new FakeServer()
  await server.listen()
  const client = await OvsdbClient.connect(server.env, { path: '/db.sock' }, options)
  return { server, client, env: server.env }
}

/** How a promise ended, once it has. */
export const outcomeOf = <T>(promise: Promise<T>): { value?: T; error?: Error } => {
  const outcome: { value?: T; error?: Error } = {}
  promise.then(
    value => {
      outcome.value = value
    },
    (error: Error) => {
      outcome.error = error
    },
  )
  return outcome
}
