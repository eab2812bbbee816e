/** Tells the story of a lab on a stage, and judges what comes out of it. */

import type { ControllerProcess } from './controller-process.js'
import type { LabSpec, LinkSpec } from './lab-spec.js'
import {
  declare,
  declareAll,
  move,
  networkOf,
  objectIs,
  pings,
  spoof,
  spread,
  type Telling,
} from './network-steps.js'
import { sleep, trySh } from './shell.js'
import { addressOf, endOf } from './spec.js'
import type { Protocol, Stage } from './stage.js'
import type { Step } from './steps.js'
import { until } from './until.js'

export interface Assertion {
  readonly name: string
  readonly expected: string
  readonly seen: string
  readonly ok: boolean
  readonly millis: number
}

/** Where the story is told: a terminal, or nowhere. */
export interface Teller {
  say(text: string): void
  assertion(assertion: Assertion): void
}

type NetworkStep = Extract<
  Step,
  | { move: unknown }
  | { spoof: unknown }
  | { spread: unknown }
  | { pings: unknown }
  | { declare: unknown }
  | { object: unknown }
>

interface Items<T> {
  readonly items: readonly T[]
}

interface TraceAnswer {
  readonly verdict: string
  readonly rule?: {
    readonly name: string
    readonly file?: string
    readonly line?: number
    readonly isDefault?: boolean
  }
}

export class LabRun {
  readonly #spec: LabSpec
  /** Links that were taken down and not up again. */
  readonly #downLinks = new Set<string>()
  readonly #deadSwitches = new Set<string>()
  readonly #stage: Stage
  readonly #controller: ControllerProcess
  readonly #teller: Teller
  readonly #assertions: Assertion[] = []
  #rules: string

  constructor(
    spec: LabSpec,
    rules: string,
    stage: Stage,
    controller: ControllerProcess,
    teller: Teller,
  ) {
    this.#spec = spec
    this.#rules = rules
    this.#stage = stage
    this.#controller = controller
    this.#teller = teller
  }

  get assertions(): readonly Assertion[] {
    return this.#assertions
  }

  /** Builds the network, puts the rules in force, and waits until all is found. */
  async up(): Promise<void> {
    await this.#stage.up(this.#controller.openflowPort)
    await this.#judge('every switch connects and every link is found', this.#wholeNetwork, () =>
      this.#found(),
    )
    await declareAll(this.#telling)
    await this.#judge(
      'every host is found when it first speaks',
      `${this.#spec.hosts.length} hosts`,
      () => this.#greet(),
    )
    await this.#nameHosts()
    await this.#applyRules()
  }

  /** Declares what each host is called, and nothing else: not where it is. */
  async #nameHosts(): Promise<void> {
    const objects = this.#spec.hosts.map(host => ({
      kind: 'Host',
      name: host.name,
      spec: { mac: host.mac, ...networkOf(this.#spec, host) },
    }))
    await this.#controller.send('POST', '/api/v1/objects', { objects })
  }

  async tell(): Promise<void> {
    for (const step of this.#spec.steps) await this.#step(step)
  }

  async #step(step: Step): Promise<void> {
    if ('say' in step) return this.#teller.say(step.say)
    if ('try' in step) return this.#try(step.try)
    if ('session' in step) return this.#openSession(step.session)
    if ('stopped' in step) return this.#stopped(step.stopped)
    if ('flowing' in step) return this.#flowing(step.flowing)
    if ('link' in step) return this.#link(step.link)
    if ('edit' in step) return this.#edit(step.edit)
    if ('restart' in step) return this.#restart(step.restart)
    if ('dies' in step) return this.#power(step.dies, false)
    if ('returns' in step) return this.#power(step.returns, true)
    return this.#networkStep(step)
  }

  get #telling(): Telling {
    return {
      spec: this.#spec,
      stage: this.#stage,
      controller: this.#controller,
      judge: (name, expected, look) => this.#judge(name, expected, look),
    }
  }

  async #networkStep(step: NetworkStep): Promise<void> {
    if ('move' in step) return move(this.#telling, step.move)
    if ('spoof' in step) return spoof(this.#telling, step.spoof)
    if ('spread' in step) return spread(this.#telling, step.spread)
    if ('declare' in step) return declare(this.#telling, [step.declare])
    if ('object' in step) return objectIs(this.#telling, step.object)
    const { during } = step.pings
    if (during) this.#note(linkKey(linkOf(during)), during.is)
    return pings(this.#telling, step.pings)
  }

  async #judge(name: string, expected: string, look: () => Promise<string>): Promise<void> {
    const began = performance.now()
    let seen: string
    try {
      seen = await look()
    } catch (error) {
      seen = error instanceof Error ? error.message : String(error)
    }
    const millis = Math.round(performance.now() - began)
    const assertion = { name, expected, seen, ok: seen === expected, millis }
    this.#assertions.push(assertion)
    this.#teller.assertion(assertion)
  }

  /** All that has power and is plugged in. */
  get #wholeNetwork(): string {
    const dead = this.#deadSwitches
    const links = this.#spec.links.filter(
      link =>
        !this.#downLinks.has(linkKey(link)) && !dead.has(link.a.name) && !dead.has(link.b.name),
    )
    return `${this.#spec.switches.length - dead.size} switches, ${links.length * 2} links`
  }

  async #networkNow(): Promise<string> {
    const switches = await this.#controller.get<Items<{ connected: boolean }>>('/api/v1/switches')
    const links = await this.#controller.get<Items<object>>('/api/v1/links')
    return `${switches.items.filter(each => each.connected).length} switches, ${links.items.length} links`
  }

  async #found(): Promise<string> {
    return until(
      () => this.#networkNow(),
      seen => seen === this.#wholeNetwork,
      20_000,
    )
  }

  /** Linux says its link-local addresses some time or other: said now, none is news in the middle of a story. */
  async #tellLinkLocal(host: string): Promise<void> {
    const [command, ...words] = this.#stage.enter(host) ?? []
    if (command !== undefined) await trySh(command, ...words, 'sh', '-c', speakFromLinkLocal)
  }

  async #greet(): Promise<string> {
    const { hosts } = this.#spec
    // Rules may already stand in the way of the answer; what counts is that the host was heard.
    const greet = () =>
      Promise.all(
        hosts.map((host, at) =>
          this.#stage.attempt(host.name, hosts[(at + 1) % hosts.length]!.name, 'icmp', 0),
        ),
      )
    const look = async () => {
      await greet()
      const found = await this.#controller.get<Items<{ ips: string[] }>>('/api/v1/hosts')
      const known = hosts.filter(host =>
        found.items.some(each => each.ips.includes(addressOf(this.#spec, host.name))),
      )
      return `${known.length} hosts`
    }
    const seen = await until(look, count => count === `${hosts.length} hosts`, 20_000)
    await Promise.all(hosts.map(({ name }) => this.#tellLinkLocal(name)))
    return seen
  }

  async #applyRules(): Promise<void> {
    const name = this.#spec.rules.replace(/\.rules$/, '')
    await this.#judge(`${this.#spec.rules} is installed`, 'installed', async () => {
      const reply = await this.#controller.send<{ state: string }>(
        'PUT',
        `/api/v1/policies/${name}?wait=installed`,
        {
          source: this.#rules,
          file: this.#spec.rules,
        },
      )
      return reply.state
    })
  }

  async #try(step: Extract<Step, { try: unknown }>['try']): Promise<void> {
    const { from, to, protocol, port } = step
    const service = port === undefined ? protocol : `${protocol} ${port}`
    const by = step.by === undefined ? '' : ` by ${step.by}`
    await this.#judge(`${from} -> ${to} ${service}`, `${step.expect}${by}`, async () => {
      const seen = await this.#stage.attempt(from, to, protocol, port ?? 0)
      return `${seen}${step.by === undefined ? '' : ` by ${await this.#decider(from, to, protocol, port)}`}`
    })
  }

  /** The rule that decides, as the controller explains it. */
  async #decider(
    from: string,
    to: string,
    protocol: Protocol,
    port: number | undefined,
  ): Promise<string> {
    const answer = await this.#controller.send<TraceAnswer>('POST', '/api/v1/trace', {
      from,
      to,
      protocol,
      ...(port !== undefined && { destinationPort: port }),
    })
    return answer.rule?.name ?? 'no rule'
  }

  async #openSession(step: Extract<Step, { session: unknown }>['session']): Promise<void> {
    const { name, from, to, protocol, port } = step
    await this.#judge(
      `session "${name}" opens: ${from} -> ${to} ${protocol} ${port}`,
      'flowing',
      async () => {
        await this.#stage.openSession(name, from, to, protocol, port)
        return until(
          async () => ((await this.#stage.sessionState(name)).received > 5 ? 'flowing' : 'silent'),
          seen => seen === 'flowing',
          3_000,
        )
      },
    )
  }

  async #stopped(name: string): Promise<void> {
    await this.#judge(`session "${name}" carries nothing any more`, '0 messages', async () => {
      const before = await this.#stage.sessionState(name)
      await sleep(1_000)
      const after = await this.#stage.sessionState(name)
      return `${after.received - before.received} messages`
    })
    await this.#stage.closeSession(name)
  }

  async #flowing(name: string): Promise<void> {
    await this.#judge(
      `session "${name}" goes on and loses nothing`,
      'flowing, 0 lost',
      async () => {
        const state = async () => {
          const { sent, received, quietMillis } = await this.#stage.sessionState(name)
          // What was sent in the last moments may still be on its way.
          const lost = Math.max(0, sent - received - 5)
          return `${quietMillis < 500 ? 'flowing' : `silent for ${Math.round(quietMillis)} ms`}, ${lost} lost`
        }
        return until(state, seen => seen === 'flowing, 0 lost', 5_000)
      },
    )
  }

  async #link(step: Extract<Step, { link: unknown }>['link']): Promise<void> {
    await this.#setLinks(
      `the link ${step.between.join(' - ')} goes ${step.is}`,
      [linkOf(step)],
      step.is,
    )
  }

  /** A switch that loses its power takes the light off all its cables, and is gone itself. */
  async #power(name: string, isOn: boolean): Promise<void> {
    if (isOn) this.#deadSwitches.delete(name)
    else this.#deadSwitches.add(name)
    await this.#judge(`${name} ${isOn ? 'returns' : 'dies'}`, this.#wholeNetwork, async () => {
      await this.#stage.setPower(name, isOn)
      return this.#settled(this.#wholeNetwork)
    })
  }

  async #setLinks(what: string, links: readonly LinkSpec[], is: 'up' | 'down'): Promise<void> {
    for (const link of links) this.#note(linkKey(link), is)
    await this.#judge(what, this.#wholeNetwork, async () => {
      await Promise.all(links.map(link => this.#stage.setLink(link, is === 'up')))
      return this.#settled(this.#wholeNetwork)
    })
  }

  /** The network once it is as wanted and every switch has been told, or what it has come to in time. */
  #settled(wanted: string): Promise<string> {
    const look = async () => {
      const network = await this.#networkNow()
      const switches = await this.#controller.get<Items<{ state: string }>>('/api/v1/switches')
      const pending = switches.items.filter(each => each.state === 'pending').length
      return `${network}${pending > 0 ? `, ${pending} switches not yet told` : ''}`
    }
    return until(look, seen => seen === wanted, 15_000)
  }

  #note(link: string, is: 'up' | 'down'): void {
    if (is === 'down') this.#downLinks.add(link)
    else this.#downLinks.delete(link)
  }

  async #edit(step: Extract<Step, { edit: unknown }>['edit']): Promise<void> {
    if (!this.#rules.includes(step.replace))
      throw new Error(`${this.#spec.rules} does not contain "${step.replace}"`)
    this.#rules = this.#rules.replace(step.replace, step.with)
    this.#teller.say(`  edit: ${step.with}`)
    await this.#applyRules()
    // What the switches had cached is revalidated within moments.
    await sleep(100)
  }

  async #restart(step: Extract<Step, { restart: unknown }>['restart']): Promise<void> {
    const { from, to, pings, intervalMillis } = step
    let sent = -1
    await this.#judge(
      `${pings} pings every ${intervalMillis} ms while the controller is killed and comes back`,
      `${pings} of ${pings}`,
      async () => {
        const pinging = this.#stage.ping(from, to, pings, intervalMillis)
        await sleep((pings * intervalMillis) / 4)
        await this.#controller.kill()
        await sleep(1_000)
        await this.#controller.start()
        this.#stage.retarget(this.#controller.openflowPort)
        const { received } = await pinging
        sent = received
        return `${received} of ${pings}`
      },
    )
    await this.#judge('flow-mods sent to switches that were right already', '0', async () => {
      const found = await this.#found()
      if (found !== this.#wholeNetwork) return `not known, there are ${found}`
      const { items } =
        await this.#controller.get<Items<{ flowModsSent: number; groupModsSent: number }>>(
          '/api/v1/switches',
        )
      const count = items.reduce(
        (sum, each) => sum + each.flowModsSent + each.groupModsSent,
        sent < 0 ? 1 : 0,
      )
      return count === 0 ? '0' : `${count}, after ${await this.#sinceStart()}`
    })
  }

  /** The last of what the controller has told since it started: why it sent something. */
  async #sinceStart(): Promise<string> {
    const { items } = await this.#controller.get<Items<Record<string, unknown>>>('/api/v1/events')
    return items
      .map(({ kind, mac, name, ips, reason }) =>
        [kind, mac ?? name, ips, reason].filter(Boolean).join(' '),
      )
      .slice(-40)
      .join('; ')
  }
}

/** A question for a neighbour that is nobody, from each link-local address. */
const speakFromLinkLocal =
  "for device in $(ip -o -6 addr show scope link | awk '{print $2}'); do ping -6 -c 1 -W 1 fe80::1%$device; done; true"

const linkOf = ({ between: [a, b] }: Extract<Step, { link: unknown }>['link']): LinkSpec => ({
  a: endOf(a),
  b: endOf(b),
})

/** The same whichever end is named first. */
const linkKey = ({ a, b }: LinkSpec): string =>
  [a, b]
    .map(({ name, port }) => `${name}:${port}`)
    .sort()
    .join(' ')
