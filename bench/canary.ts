/** A switch that behaves and a client of the API, asking all the time how long an answer takes. */
import { WireSwitch } from '../test/openflow/wire-switch.js'
import { type Program, quantile, sleep } from './program.js'

const echoPeriodMillis = 20
const restPeriodMillis = 50
/** An answer that takes longer counts as so long, and the switch as dropped if it is the connection that ended. */
const patienceMillis = 5_000

export interface CanaryReport {
  readonly echoes: number
  readonly echoP50: number
  readonly echoP99: number
  readonly echoWorst: number
  readonly restP99: number
  readonly restFailures: number
  /** True when the switch's connection ended, or an echo was never answered. */
  readonly isDropped: boolean
}

/** Resolves when a switch that behaves has been given its program; false when that takes too long. */
export const setUp = async (
  wire: WireSwitch,
  dpid: bigint,
  ports: readonly number[] = [],
): Promise<boolean> => {
  const began = performance.now()
  wire.behave(dpid, [], 0, ports)
  while (
    !wire.heard.some(each => each.kind === 'bundle-control' && each.control === 'commit-request')
  ) {
    if (wire.isClosed || performance.now() - began > patienceMillis) return false
    await Promise.race([wire.news(), sleep(200)])
  }
  return true
}

export class Canary {
  readonly #wire: WireSwitch
  readonly #rest: string
  readonly #echoes: number[] = []
  readonly #replies: number[] = []
  readonly #runs: Promise<void>[]
  #restFailures = 0
  #isMissed = false
  #isStopped = false

  private constructor(wire: WireSwitch, rest: string) {
    this.#wire = wire
    this.#rest = rest
    this.#runs = [this.#askSwitch(), this.#askApi()]
  }

  static async start({ openflowPort, rest }: Program, dpid = 0xca_0001n): Promise<Canary> {
    const wire = await WireSwitch.dial(openflowPort)
    if (!(await setUp(wire, dpid))) throw new Error('the healthy switch was not let in')
    return new Canary(wire, rest)
  }

  async stop(): Promise<CanaryReport> {
    this.#isStopped = true
    await Promise.all(this.#runs)
    const isDropped = this.#wire.isClosed || this.#isMissed
    this.#wire.socket.destroy()
    return {
      echoes: this.#echoes.length,
      echoP50: quantile(this.#echoes, 0.5),
      echoP99: quantile(this.#echoes, 0.99),
      echoWorst: Math.max(...this.#echoes),
      restP99: quantile(this.#replies, 0.99),
      restFailures: this.#restFailures,
      isDropped,
    }
  }

  async #askSwitch(): Promise<void> {
    for (let xid = 0xe000_0000; !this.#isStopped && !this.#wire.isClosed; xid++) {
      const began = performance.now()
      this.#wire.heard.length = 0
      this.#wire.send({ kind: 'echo-request' }, xid)
      while (!this.#wire.heard.some(each => each.xid === xid)) {
        if (this.#wire.isClosed) return
        if (performance.now() - began > patienceMillis) {
          this.#isMissed = true
          return
        }
        await this.#wire.news()
      }
      this.#echoes.push(performance.now() - began)
      await sleep(echoPeriodMillis)
    }
  }

  async #askApi(): Promise<void> {
    while (!this.#isStopped) {
      const began = performance.now()
      try {
        const reply = await fetch(`http://${this.#rest}/api/v1/hosts`, {
          signal: AbortSignal.timeout(patienceMillis),
        })
        await reply.text()
        if (!reply.ok) this.#restFailures++
      } catch {
        // Counted: that it does not answer is what is measured here.
        this.#restFailures++
      }
      this.#replies.push(performance.now() - began)
      await sleep(restPeriodMillis)
    }
  }
}

export const canaryText = (report: CanaryReport): string =>
  `echo of a healthy switch p50 ${report.echoP50.toFixed(1)} p99 ${report.echoP99.toFixed(1)} worst ${report.echoWorst.toFixed(0)} ms (${report.echoes} of them${report.isDropped ? ', DROPPED' : ''}), REST p99 ${report.restP99.toFixed(0)} ms (${report.restFailures} failures)`
