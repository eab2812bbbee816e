/** What a question is answered: from names of our own, from memory, by others, or not. */
import type { Env } from '../../base/env/env.js'
import { DnsCache } from './cache.js'
import type { Upstream } from './kind.js'
import {
  formErr,
  type Query,
  type Rcode,
  rcodes,
  readQuery,
  relayed,
  writeAnswer,
} from './message.js'
import type { Names } from './names.js'
import { type Answered, askUpstream } from './upstream.js'

export interface Asker {
  readonly names: Names
  readonly upstream: readonly Upstream[]
  /** Who pays for questions to others: a port. */
  readonly port: string
}

/** Questions to others at once, and of one port. */
const most = { all: 1_024, ofPort: 64 } as const
const classes = { internet: 1 } as const

export class Resolver {
  readonly #env: Pick<Env, 'net' | 'timers' | 'random' | 'clock'>
  readonly #cache: DnsCache
  /** By question: those who ask the same wait for the same answer. */
  readonly #open = new Map<string, Promise<Answered | undefined>>()
  readonly #byPort = new Map<string, number>()
  readonly counts = { asked: 0, own: 0, remembered: 0, others: 0, refused: 0 }

  constructor(env: Pick<Env, 'net' | 'timers' | 'random' | 'clock'>) {
    this.#env = env
    this.#cache = new DnsCache(env.clock)
  }

  get remembered(): number {
    return this.#cache.size
  }

  /** @returns the answer at once where we know it; undefined for what is no question */
  answer(
    bytes: Uint8Array,
    asker: Asker,
  ): Uint8Array | Promise<Uint8Array | undefined> | undefined {
    const query = readQuery(bytes)
    if (query === undefined) return undefined
    this.counts.asked++
    if (!('name' in query)) return formErr(query.id)
    const rcode = problemOf(query)
    if (rcode !== undefined) return writeAnswer(query, { rcode })
    const own = asker.names.find(query.name, query.type)
    if (own !== undefined) {
      this.counts.own++
      return writeAnswer(query, {
        rcode: own.exists ? rcodes.ok : rcodes.nxDomain,
        isAuthoritative: true,
        answers: own.records,
        authority: own.records.length === 0 && own.soa ? [own.soa] : [],
      })
    }
    // What has no dot is a name of this network or of none: nobody outside is to hear of it.
    if (!query.name.includes('.') && query.name !== '') return this.#local(query, asker)
    if (asker.upstream.length === 0 || !query.wantsRecursion) {
      this.counts.refused++
      return writeAnswer(query, { rcode: rcodes.refused })
    }
    return this.#elsewhere(query, asker)
  }

  /** `web1` is `web1.ZONE`, in the first zone that has it. */
  #local(query: Query, { names }: Asker): Uint8Array {
    this.counts.own++
    for (const zone of names.zones) {
      const found = names.find(`${query.name}.${zone}`, query.type)
      if (found?.exists)
        return writeAnswer(query, {
          rcode: rcodes.ok,
          answers: found.records.map(each => ({ ...each, name: query.name })),
        })
    }
    return writeAnswer(query, { rcode: rcodes.nxDomain })
  }

  #elsewhere(query: Query, asker: Asker): Uint8Array | Promise<Uint8Array | undefined> {
    const key = keyOf(query, asker)
    const kept = this.#cache.find(key)
    if (kept !== undefined) {
      this.counts.remembered++
      return relayed(kept.bytes, kept.response, query, kept.passedSeconds)
    }
    const ofPort = this.#byPort.get(asker.port) ?? 0
    if (ofPort >= most.ofPort) return writeAnswer(query, { rcode: rcodes.servFail })
    this.#byPort.set(asker.port, ofPort + 1)
    return this.#ask(key, query, asker).finally(() => {
      const left = (this.#byPort.get(asker.port) ?? 1) - 1
      if (left > 0) this.#byPort.set(asker.port, left)
      else this.#byPort.delete(asker.port)
    })
  }

  async #ask(key: string, query: Query, { upstream }: Asker): Promise<Uint8Array> {
    const open = this.#open.get(key)
    if (open === undefined && this.#open.size >= most.all)
      return writeAnswer(query, { rcode: rcodes.servFail })
    const asking = open ?? askUpstream(this.#env, upstream, query).catch(() => undefined)
    if (open === undefined) {
      this.counts.others++
      this.#open.set(key, asking)
    }
    const answer = await asking
    if (open === undefined) {
      this.#open.delete(key)
      if (answer) this.#cache.put(key, answer.bytes, answer.response)
    }
    return answer === undefined
      ? writeAnswer(query, { rcode: rcodes.servFail })
      : relayed(answer.bytes, answer.response, query, 0)
  }
}

/** Why a question is not looked into. */
const problemOf = ({ opcode, edns, class: kind, type }: Query): Rcode | undefined => {
  if (opcode !== 0) return rcodes.notImp
  if (edns !== undefined && edns.version !== 0) return rcodes.badVersion
  // Transfers, and what is asked of all classes.
  if (kind !== classes.internet || (type >= 251 && type <= 254)) return rcodes.refused
  return undefined
}

const keyOf = ({ name, type, edns, checkingDisabled }: Query, { upstream }: Asker): string =>
  `${upstream.map(({ host, port }) => `${host}#${port}`).join()} ${type} ${edns?.wantsDnssec === true} ${checkingDisabled} ${name}`
