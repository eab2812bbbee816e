/** A controller that does what a test says, message by message. */
import type { Connection, Env, Listener } from '../../src/base/env/env.js'
import {
  decode,
  encode,
  errorName,
  Framer,
  type Message,
  type MessageKind,
  type Received,
  type ReceivedOf,
} from '../../src/openflow/index.js'

/** One switch on the line. */
export class Line {
  readonly heard: Received[] = []
  isClosed = false
  readonly #connection: Connection
  readonly #framer = new Framer()
  #watchers: (() => void)[] = []
  #xid = 0x1000

  constructor(connection: Connection) {
    this.#connection = connection
    connection.onBytes(chunk => {
      this.#framer.push(chunk)
      for (let bytes = this.#framer.next(); bytes; bytes = this.#framer.next())
        this.heard.push(decode(bytes.slice()))
      for (const watch of this.#watchers.splice(0)) watch()
    })
    connection.onClose(() => {
      this.isClosed = true
    })
    this.send({ kind: 'hello' })
  }

  send(message: Message): number {
    return this.sendAs(message, ++this.#xid)
  }

  sendAs(message: Message, xid: number): number {
    this.#connection.send(encode(message, xid))
    return xid
  }

  /** Waits for a message of this kind, or of one of these, which is then taken off the list. */
  async next<K extends MessageKind>(kinds: K | readonly K[], xid?: number): Promise<ReceivedOf<K>> {
    const wanted = ([] as MessageKind[]).concat(kinds)
    for (;;) {
      const at = this.heard.findIndex(
        message => wanted.includes(message.kind) && (xid === undefined || message.xid === xid),
      )
      if (at >= 0) return this.heard.splice(at, 1)[0] as ReceivedOf<K>
      await new Promise<void>(resolve => this.#watchers.push(resolve))
    }
  }

  /** Sends with a barrier behind; the names of what was refused, with the xid of the message each. */
  async does(...messages: Message[]): Promise<string[]> {
    const xids = messages.map(message => this.send(message))
    await this.next('barrier-reply', this.send({ kind: 'barrier-request' }))
    const errors = this.heard.filter(message => message.kind === 'error')
    for (const error of errors) this.heard.splice(this.heard.indexOf(error), 1)
    return errors.map(
      error =>
        `${xids.indexOf(error.xid)} ${errorName(error.type, error.code, error.experimenter)}`,
    )
  }

  async ask<K extends MessageKind>(message: Message, kind: K): Promise<ReceivedOf<K>> {
    return this.next(kind, this.send(message))
  }

  close(): void {
    this.isClosed = true
    this.#connection.destroy()
  }
}

export class TinyController {
  readonly lines: Line[] = []
  #listener: Listener | undefined

  async start(env: Env, port = 0): Promise<{ host: string; port: number }> {
    this.#listener = await env.net.listen({ host: '127.0.0.1', port }, connection =>
      this.lines.push(new Line(connection)),
    )
    const { address } = this.#listener
    return 'port' in address ? { host: address.host, port: address.port } : { host: '', port: 0 }
  }

  /** By dpid, once every switch has told its own. */
  async switches(count: number): Promise<Map<bigint, Line>> {
    while (this.lines.filter(line => !line.isClosed).length < count)
      await new Promise(resolve => setTimeout(resolve, 5))
    const open = this.lines.filter(line => !line.isClosed)
    const features = await Promise.all(
      open.map(line => line.ask({ kind: 'features-request' }, 'features-reply')),
    )
    return new Map(features.map((reply, index) => [reply.datapathId, open[index]!]))
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
  }
}
