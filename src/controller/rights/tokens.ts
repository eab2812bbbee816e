/** Named tokens: each with a role, an end, and for authors the policies it is for. Only their hashes are kept. */
import { createHash } from 'node:crypto'
import type { Env } from '../../base/env/env.js'
import { Failure } from '../../base/failures.js'
import { listAll, type Store } from '../../base/store.js'
import type { Role } from '../../nfv/requests.js'

/** As it is kept. */
export interface Token {
  readonly name: string
  readonly role: Role
  /** Names and patterns of policies that it may change; absent: all that the role may. */
  readonly policies?: readonly string[]
  /** ISO 8601. */
  readonly created: string
  /** Who made it. */
  readonly by: string
  /** ISO 8601; absent: it has no end. */
  readonly expires?: string
  /** SHA-256 of the token, in hex digits. */
  readonly hash: string
}

export interface TokenWish {
  readonly name: string
  readonly role: Role
  readonly policies?: readonly string[]
  /** Absent: it has no end. */
  readonly lifeMillis?: number
}

const prefix = '/tokens/'
/** By this, programs that look for secrets in files find them. */
const mark = 'sluice_'
const maxTokens = 1_000

/** The name of the token in the data folder. */
export const firstName = 'admin'

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

export class Tokens {
  readonly #env: Pick<Env, 'clock' | 'random'>
  readonly #store: Store
  readonly #byHash = new Map<string, Token>()
  readonly #used = new Map<string, number>()

  private constructor(env: Pick<Env, 'clock' | 'random'>, store: Store, tokens: readonly Token[]) {
    this.#env = env
    this.#store = store
    for (const token of tokens) this.#byHash.set(token.hash, token)
  }

  static async load(env: Pick<Env, 'clock' | 'random'>, store: Store): Promise<Tokens> {
    const kept = await listAll(store, prefix)
    return new Tokens(
      env,
      store,
      kept.map(([, value]) => value as Token),
    )
  }

  /** In the order of their names, with when each was last used since the start, in ISO 8601. */
  list(): readonly (Token & { readonly used?: string })[] {
    return [...this.#byHash.values()]
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(token => {
        const used = this.#used.get(token.hash)
        return used === undefined ? token : { ...token, used: new Date(used).toISOString() }
      })
  }

  /** The token that this text is; one that has ended is found too. */
  find(text: string): Token | undefined {
    // Whoever guesses would have to guess a hash: how long the look-up takes tells nothing of use.
    const token = this.#byHash.get(hashOf(text))
    if (token) this.#used.set(token.hash, this.#env.clock.wallMillis())
    return token
  }

  /** Whether it is still there, and has not ended. */
  isGood({ hash, expires }: Token): boolean {
    return (
      this.#byHash.has(hash) &&
      (expires === undefined || Date.parse(expires) > this.#env.clock.wallMillis())
    )
  }

  /**
   * @returns the text, which is nowhere kept
   * @throws {Failure} `taken`, `bad-request`, `store-failed`
   */
  async create(wish: TokenWish, by: string): Promise<{ token: Token; text: string }> {
    const { name, role, policies, lifeMillis } = wish
    if (name === firstName || this.list().some(each => each.name === name))
      throw new Failure('taken', { name })
    if (policies !== undefined && role !== 'author')
      throw new Failure('bad-request', {
        detail: `A token for some policies has the role author; ${role} cannot be narrowed to policies.`,
      })
    if (this.#byHash.size >= maxTokens)
      throw new Failure('bad-request', {
        detail: `There are ${maxTokens} tokens already; "sluice token revoke" takes one away.`,
      })
    const text = mark + Buffer.from(this.#env.random.bytes(32)).toString('base64url')
    const now = this.#env.clock.wallMillis()
    const token: Token = {
      name,
      role,
      ...(policies && { policies }),
      created: new Date(now).toISOString(),
      by,
      ...(lifeMillis !== undefined && { expires: new Date(now + lifeMillis).toISOString() }),
      hash: hashOf(text),
    }
    const result = await this.#store.txn({
      if: [{ key: prefix + name, modRev: 0 }],
      then: [{ op: 'put', key: prefix + name, value: token }],
    })
    if (!result.ok) throw new Failure('taken', { name })
    this.#byHash.set(token.hash, token)
    return { token, text }
  }

  /** From now on it opens nothing. @throws {Failure} `not-found`, `store-failed` */
  async revoke(name: string): Promise<Token> {
    const token = this.list().find(each => each.name === name)
    if (token === undefined) throw new Failure('not-found', { what: 'tokens', name })
    await this.#store.txn({ if: [], then: [{ op: 'delete', key: prefix + name }] })
    this.#byHash.delete(token.hash)
    this.#used.delete(token.hash)
    return token
  }
}
