/**
 * What a switch of the load generator holds. Messages that change it are kept as they came, and only looked at when
 * the controller reads the switch back: one that held nothing would be programmed anew each time.
 */
import { pino } from 'pino'
import { formatMac } from '../src/base/addresses.js'
import { realEnv } from '../src/base/env/real-env.js'
import { decode, type Message, type Received } from '../src/openflow/index.js'
import { answer } from '../src/sim/answers.js'
import { Datapath } from '../src/sim/datapath.js'
import { sendList } from '../src/sim/switch.js'

const questions: ReadonlySet<Received['kind']> = new Set([
  'flow-stats-request',
  'aggregate-stats-request',
  'group-desc-request',
  'meter-config-request',
])

const env = realEnv(pino({ level: 'silent' }))

export class Held {
  readonly #datapath = new Datapath(env, { name: 's', mac: formatMac(0) }, [], {
    send: () => undefined,
    packetIn: () => undefined,
    tell: () => undefined,
  })
  #behind: Uint8Array[] = []

  /** @param bytes of a flow-mod, group-mod or meter-mod, which may be used for something else afterwards */
  note(bytes: Uint8Array): void {
    this.#behind.push(Uint8Array.from(bytes))
  }

  /** Answers when the message asks for what is held. @returns false when it does not */
  answers(message: Received, send: (reply: Message, xid: number) => void): boolean {
    if (!questions.has(message.kind)) return false
    this.#catchUp()
    const told = answer(message, this.#datapath, 's', performance.now())!
    if ('kind' in told) send(told, message.xid)
    else sendList({ send }, told, message.xid)
    return true
  }

  #catchUp(): void {
    for (const bytes of this.#behind) {
      const message = decode(bytes)
      if (message.kind === 'meter-mod') this.#datapath.applyMeter(message).keep()
      else if (message.kind === 'flow-mod' || message.kind === 'group-mod')
        this.#datapath.apply(message).keep()
    }
    this.#behind = []
  }
}
