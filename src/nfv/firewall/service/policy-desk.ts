/**
 * Questions about rules, answered one after the other where no switch waits for them; those of people who may write
 * come first. Each has an end to its time and memory.
 */
import type { Workers } from '../../../base/env/env.js'
import { Failure } from '../../../base/failures.js'
import type { Remark } from '../lint/index.js'
import type {
  CheckJob,
  Complaints,
  PlanAnswer,
  PlanJob,
  PolicyJob,
  RemarksJob,
} from './policy-work.js'

const module = new URL('./policy-work.js', import.meta.url).href
/** An answer to anybody must come before the API gives up waiting for it; a change may take longer to be checked. */
const bounds = {
  first: { seconds: 30, memoryMib: 1_024 },
  later: { seconds: 12, memoryMib: 1_024 },
} as const
/** Questions that may wait: of people who may write, and of anybody. */
const mostWaiting = { first: 16, later: 4 } as const

interface Waiting {
  readonly job: PolicyJob
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

export class PolicyDesk {
  readonly #workers: Workers
  readonly #waiting: Record<keyof typeof mostWaiting, Waiting[]> = { first: [], later: [] }
  #isBusy = false

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** @throws {Failure} `bad-rules`, `too-much-work`, `busy` */
  async check(job: CheckJob): Promise<void> {
    mustBeGood((await this.#ask('first', job)) as Partial<Complaints>)
  }

  /** @throws {Failure} `bad-rules`, `too-much-work`, `busy` */
  async plan(job: PlanJob): Promise<PlanAnswer> {
    const answer = (await this.#ask('later', job)) as PlanAnswer | Complaints
    mustBeGood(answer as Partial<Complaints>)
    return answer as PlanAnswer
  }

  /** @throws {Failure} `too-much-work`, `busy` */
  async remarks(job: RemarksJob): Promise<readonly Remark[]> {
    return (await this.#ask('later', job)) as readonly Remark[]
  }

  #ask(line: keyof typeof mostWaiting, job: PolicyJob): Promise<unknown> {
    const waiting = this.#waiting[line]
    if (waiting.length >= mostWaiting[line]) throw new Failure('busy', { waiting: waiting.length })
    return new Promise((resolve, reject) => {
      waiting.push({ job, resolve, reject })
      void this.#work()
    })
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { job, resolve, reject } = next
      const most = job.kind === 'check' ? bounds.first : bounds.later
      await this.#workers.run(module, job, most).then(resolve, reject)
    }
    this.#isBusy = false
  }

  #next(): Waiting | undefined {
    return this.#waiting.first.shift() ?? this.#waiting.later.shift()
  }
}

const mustBeGood = ({ complaints }: Partial<Complaints>): void => {
  if (complaints) throw new Failure('bad-rules', { complaints })
}
