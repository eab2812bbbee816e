/** The same packets, one by one, through the Linux firewall and through the switches: which arrive must be the same. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Env } from '../../../src/base/env/env.js'
import { end, sh, sleep, start } from '../../../src/lab/shell.js'
import { install, type Worlds, withWorlds } from './compare.js'
import {
  frameOf,
  type Place,
  packetOf,
  type Sent,
  type Story,
  storyOf,
  type Version,
} from './frames.js'
import { routerMac } from './linux-router.js'
import { dice, type RuleSet, randomRuleSet } from './rules.js'

const script = new URL('../../../../test/lab/against-linux/raw.py', import.meta.url).pathname

/** A host whose kernel keeps still, so that only we speak. */
export class RawHost {
  readonly #child: ChildProcess
  readonly #seen = new Set<string>()
  readonly ready: Promise<void>

  /**
   * @param device its interface
   * @param isUntagged it takes no VLANs
   */
  constructor(enter: readonly string[], { device = 'eth0', isUntagged = false } = {}) {
    const begin = [...enter, '/usr/bin/python3', script, device]
    const [command = '', ...words] = isUntagged ? [...begin, 'untagged'] : begin
    this.#child = start(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.ready = new Promise((resolve, reject) => {
      this.#child.once('exit', () => reject(new Error('a raw host has ended')))
      createInterface({ input: this.#child.stdout! }).on('line', line =>
        line === 'ready' ? resolve() : this.#seen.add(line),
      )
    })
  }

  send(frame: string): void {
    this.#child.stdin!.write(`${frame}\n`)
  }

  hasSeen(version: Version, id: number): boolean {
    return this.#seen.has(`${version} ${id}`)
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await end(this.#child)
  }
}

const quiet =
  'add table inet quiet; add chain inet quiet input { type filter hook input priority 0; policy drop; }'

/** The hosts of one world. */
class RawWorld {
  readonly #hosts = new Map<string, RawHost>()
  readonly #macOf: (to: Place) => string

  private constructor(macOf: (to: Place) => string) {
    this.#macOf = macOf
  }

  static async open(
    places: readonly Place[],
    enter: (host: string) => readonly string[],
    macOf: (to: Place) => string,
  ): Promise<RawWorld> {
    const world = new RawWorld(macOf)
    for (const { name } of places) {
      const [command = '', ...words] = enter(name)
      await sh(command, ...words, 'nft', quiet)
      const host = new RawHost(enter(name))
      world.#hosts.set(name, host)
      await host.ready
    }
    return world
  }

  send({ from, to, ...sent }: Sent, version: Version, id: number): void {
    const packet = packetOf({ from, to, ...sent }, version, id)
    this.#hosts.get(from.name)!.send(frameOf(packet, from.mac, this.#macOf(to)))
  }

  hasArrived(to: Place, version: Version, id: number): boolean {
    return this.#hosts.get(to.name)!.hasSeen(version, id)
  }

  async close(): Promise<void> {
    for (const host of this.#hosts.values()) await host.stop()
  }
}

export interface RawDeviation {
  readonly title: string
  readonly version: Version
  readonly from: string
  readonly to: string
  /** Which of its packets arrived, as `x` and `-`, in the order of sending. */
  readonly linux: string
  readonly sluice: string
  readonly rules: RuleSet
}

export interface RawComparison {
  readonly packets: number
  readonly arrived: number
  readonly stories: number
  /** Stories that were told again because they differed. */
  readonly repeated: number
  readonly deviations: readonly RawDeviation[]
}

const gapMillis = 25
const settleMillis = 250
const atOnce = 120

/** @param rounds rule sets, each with `storiesPerRound` stories */
export const compareRaw = (
  env: Env,
  seed: number,
  rounds: number,
  storiesPerRound: number,
  rulesOf: (roll: ReturnType<typeof dice>) => RuleSet = randomRuleSet,
): Promise<RawComparison> =>
  withWorlds(env, async worlds => {
    const roll = dice(seed)
    const places = placesOf(worlds)
    const linux = await RawWorld.open(
      places,
      host => worlds.linux.enter(host),
      () => routerMac,
    )
    const sluice = await RawWorld.open(
      places,
      host => worlds.stage.enter(host),
      to => to.mac,
    )
    let number = 0
    const deviations: RawDeviation[] = []
    const total = { packets: 0, arrived: 0, stories: 0, repeated: 0, deviations }
    try {
      for (let round = 0; round < rounds; round++) {
        const rules = rulesOf(roll)
        await install(worlds, rules)
        for (let at = 0; at < storiesPerRound; at += atOnce) {
          const count = Math.min(atOnce, storiesPerRound - at)
          const stories = Array.from({ length: count }, () => storyOf(roll, places, number++))
          total.stories += count
          let told = await tell(stories, [linux, sluice])
          // A machine that is busy loses packets: what differs is told again, between other ports.
          for (let again = 0; again < 3 && told.some(({ isSame }) => !isSame); again++) {
            total.repeated += told.filter(({ isSame }) => !isSame).length
            const others = told.map(({ story, isSame }) =>
              isSame ? undefined : story.again(number++),
            )
            const anew = await tell(
              others.filter(other => other !== undefined),
              [linux, sluice],
            )
            told = told.map(one => (one.isSame ? one : anew.shift()!))
          }
          for (const { story, ofLinux, ofSluice, isSame } of told) {
            const { title, version, packets } = story
            total.packets += packets.length
            total.arrived += [...ofLinux].filter(sign => sign === 'x').length
            if (isSame) continue
            const [from, to] = [packets[0]!.from.name, packets[0]!.to.name]
            const seen = { linux: ofLinux, sluice: ofSluice }
            total.deviations.push({ title, version, from, to, ...seen, rules })
          }
        }
      }
    } finally {
      await linux.close()
      await sluice.close()
    }
    return total
  })

/** Which packets of a story arrived, as `x` and `-`. */
interface Told {
  readonly story: Story
  readonly ofLinux: string
  readonly ofSluice: string
  readonly isSame: boolean
}

let lastId = 0

/** All at once, packet after packet; how each went in either world. */
const tell = async (
  stories: readonly Story[],
  worlds: readonly [RawWorld, RawWorld],
): Promise<Told[]> => {
  const ids = stories.map(({ packets }) => packets.map(sent => sent.id ?? (++lastId % 9_999) + 1))
  const longest = Math.max(...stories.map(({ packets }) => packets.length))
  for (let step = 0; step < longest; step++) {
    for (const [index, { packets, version }] of stories.entries()) {
      const sent = packets[step]
      if (sent) for (const world of worlds) world.send(sent, version, ids[index]![step]!)
    }
    await sleep(gapMillis)
  }
  await sleep(settleMillis)
  return stories.map((story, index) => {
    const { packets, version } = story
    const [ofLinux = '', ofSluice = ''] = worlds.map(world =>
      packets
        .map((sent, step) => (world.hasArrived(sent.to, version, ids[index]![step]!) ? 'x' : '-'))
        .join(''),
    )
    const isSame = ofLinux === ofSluice || isPickedUp(ofLinux, ofSluice)
    return { story, ofLinux, ofSluice, isSame }
  })
}

/**
 * Of a connection that is known from its middle only, since its beginning was dropped, Open vSwitch calls some of the last segments
 * invalid that Linux lets through: less passes, never more.
 */
const isPickedUp = (ofLinux: string, ofSluice: string): boolean =>
  ofLinux.startsWith('----x') &&
  [...ofSluice].every((sign, step) => sign === '-' || ofLinux[step] === 'x') &&
  ofSluice.startsWith('----x')

const placesOf = ({ addresses, macs, switches }: Worlds): Place[] =>
  Object.entries(addresses).map(([name, ips]) => ({
    name,
    mac: macs[name]!,
    switch: switches[name]!,
    ip4: ips.find(ip => !ip.includes(':'))!,
    ip6: ips.find(ip => ip.includes(':'))!,
  }))
