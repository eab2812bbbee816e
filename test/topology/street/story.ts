/** Random stories of a small network, and what arrived in them: the same seed tells the same story. */
import type { Ipv4 } from '../../../src/base/addresses.js'
import { textOf } from './machine.js'
import { hubSockets, ipOf, type Street, switchSockets } from './street.js'

/** What happens, in words and in a network. */
interface Step {
  readonly text: string
  run(street: Street): void | Promise<void>
}

interface Probe {
  readonly from: string
  readonly to: number
  readonly text: string
}

export interface Round {
  readonly steps: readonly Step[]
  readonly probes: readonly Probe[]
}

export const settleMillis = 1_500
export const datagrams = 8

/** Numbers below a limit, the same for the same seed (mulberry32). */
const numbersOf = (seed: number) => {
  let state = seed >>> 0
  return (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) % limit
  }
}

const virtual = ['10.0.0.100', '10.0.0.101'].map(ipOf)
const near = ['m1', 'm2', 'm3', 'm4', 'm5']
const far = ['f1', 'f2']
/** Behind a router with two legs, q1 and q2; and two that speak with a tag. */
const others = ['g', 'q1', 'q2', 'v1', 'v2']
const all = [...near, ...far, 'r', ...others]
const startPlaces = [
  ...switchSockets.slice(0, 6),
  ...hubSockets.slice(0, 2),
  ...switchSockets.slice(6, 11),
]

/** Machines of two subnets, and a router with one leg in both. */
export const settle = (street: Street): void => {
  near.forEach((name, index) => {
    street.add(name, 0x0200000a0100 + index, `10.0.0.${index + 1}` as Ipv4).gateway =
      ipOf('10.0.0.254')
  })
  far.forEach((name, index) => {
    street.add(name, 0x0200000a0200 + index, `10.0.1.${index + 1}` as Ipv4).gateway =
      ipOf('10.0.1.254')
  })
  street.add('r', 0x0200000a02fe, '10.0.0.254' as Ipv4, '10.0.1.254' as Ipv4).isRouter = true
  street.add('g', 0x0200000a0301, '10.0.3.1' as Ipv4).gateway = ipOf('10.0.3.254')
  const q1 = street.add('q1', 0x0200000a0302, '10.0.0.253' as Ipv4)
  const q2 = street.add('q2', 0x0200000a0303, '10.0.3.254' as Ipv4)
  for (const leg of [q1, q2]) leg.isRouter = true
  q1.otherLeg = q2
  q2.otherLeg = q1
  for (const number of [1, 2])
    street.add(`v${number}`, 0x0200000a0400 + number, `10.0.4.${number}` as Ipv4).vlan = 100
  street.setUplink(0, true)
  all.forEach((name, index) => {
    street.plug(name, startPlaces[index]!)
  })
}

/** @param count of rounds */
export const storyOf = (seed: number, count: number): readonly Round[] => {
  const draw = numbersOf(seed)
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!
  const placed = new Map(all.map((name, index) => [name, startPlaces[index]!]))
  const holders = new Map<number, string>()
  let nextMac = 0x0200000a1000
  let hasSecondCable = false
  let speaker = 0

  const freePlace = (): string => {
    const taken = new Set(placed.values())
    return pick([...switchSockets, ...hubSockets].filter(place => !taken.has(place)))
  }
  const say = (name: string): Step => ({
    text: `${name} announces itself`,
    run: street => {
      const machine = street.machines.get(name)!
      for (const ip of machine.ips) machine.announce(ip)
    },
  })
  const move = (): readonly Step[] => {
    const name = pick(all)
    const place = freePlace()
    placed.set(name, place)
    const steps: Step[] = [
      { text: `${name} moves to ${place}`, run: street => street.plug(name, place) },
    ]
    return draw(2) === 0 ? steps : [...steps, later, say(name)]
  }
  const later: Step = { text: 'a second later', run: street => street.env.advance(1_000) }
  const newCard = (): readonly Step[] => {
    const name = pick(all)
    const mac = nextMac++
    const steps: Step[] = [
      {
        text: `${name} has another MAC`,
        run: street => {
          street.flap(name)
          street.machines.get(name)!.replace(mac)
        },
      },
    ]
    return draw(2) === 0 ? steps : [...steps, later, say(name)]
  }
  const handOver = (): readonly Step[] => {
    const ip = pick(virtual)
    const from = holders.get(ip)
    const to = pick(near.filter(name => name !== from))
    holders.set(ip, to)
    return [
      {
        text: `${textOf(ip)} goes from ${from} to ${to}`,
        run: street => {
          const old = from === undefined ? undefined : street.machines.get(from)
          if (old) old.ips.splice(old.ips.indexOf(ip), 1)
          const next = street.machines.get(to)!
          next.ips.push(ip)
          next.announce(ip)
        },
      },
    ]
  }
  const swap = (): readonly Step[] => {
    const [a, b] = [pick(near), pick(far)]
    const places = [placed.get(a)!, placed.get(b)!] as const
    placed.set(a, places[1])
    placed.set(b, places[0])
    return [
      {
        text: `${a} and ${b} are plugged in each at the place of the other`,
        run: street => {
          street.unplug(a)
          street.unplug(b)
          street.plug(a, places[1])
          street.plug(b, places[0])
        },
      },
    ]
  }
  const cable = (): readonly Step[] => {
    hasSecondCable = !hasSecondCable
    const isUp = hasSecondCable
    return [
      {
        text: `the hub ${isUp ? 'gets' : 'loses'} a second cable`,
        run: street => street.setUplink(1, isUp),
      },
    ]
  }
  const flapUplink = (): readonly Step[] => [
    { text: "the hub's first cable is pulled", run: street => street.setUplink(0, false) },
    later,
    { text: 'and plugged in', run: street => street.setUplink(0, true) },
    later,
  ]
  const restart = (): readonly Step[] => [
    { text: 'the controller restarts', run: street => street.restartController() },
  ]
  const restartSwitch = (): readonly Step[] => {
    const name = pick(['s1', 's2', 's3'])
    return [{ text: `${name} begins anew`, run: street => street.restartSwitch(name) }, later]
  }
  // biome-ignore format: a list
  const kinds = [move, move, newCard, newCard, handOver, handOver, swap, cable, flapUplink, restart, restartSwitch]

  const probe = (): Probe => {
    const from = pick([...near, ...far, 'g', 'v1', 'v2'])
    const twin = { v1: 'v2', v2: 'v1' }[from]
    if (twin !== undefined)
      return { from, to: ipOf(`10.0.4.${twin[1]}`), text: `${from} to ${twin} (${speaker++})` }
    const target = pick([
      ...near.filter(name => name !== from),
      ...(from === 'g' ? [] : [...far.filter(name => name !== from), 'v']),
    ])
    const ip =
      target === 'v' ? pick(virtual) : ipOf(`10.0.${target[0] === 'm' ? 0 : 1}.${target.slice(1)}`)
    return { from, to: ip, text: `${from} to ${textOf(ip)} (${speaker++})` }
  }
  return Array.from({ length: count }, () => ({
    steps: [...pick(kinds)(), ...(draw(3) === 0 ? pick(kinds)() : [])],
    probes: Array.from({ length: 4 }, probe),
  }))
}

/** Of a probe: how many of the first half of its datagrams arrived, and how many of the second half. */
export type Arrived = readonly [number, number]

/** How fast it is told, and what is to be done when a round is over. */
export interface Telling {
  readonly gapMillis?: number
  readonly roundOver?: (
    round: number,
    arrived: readonly Arrived[],
    again: (probe: number) => Promise<boolean>,
  ) => void | Promise<void>
}

/** How often each probe of each round arrived. */
export const tell = async (
  street: Street,
  rounds: readonly Round[],
  { gapMillis = 500, roundOver }: Telling = {},
): Promise<readonly (readonly Arrived[])[]> => {
  settle(street)
  await street.env.advance(2_000)
  const told: (readonly Arrived[])[] = []
  for (const [number, { steps, probes }] of rounds.entries()) {
    for (const step of steps) await step.run(street)
    await street.env.advance(settleMillis)
    for (let count = 0; count < datagrams; count++) {
      probes.forEach(({ from, to }, index) => {
        street.machines.get(from)!.say(to, `${number} ${index} ${count}`)
      })
      await street.env.advance(gapMillis)
    }
    const heard = [...street.machines.values()].flatMap(machine => machine.heard.splice(0))
    const arrived = probes.map((_, index): Arrived => {
      const counts = new Set(
        heard
          .map(marker => marker.split(' ').map(Number))
          .filter(([round, which]) => round === number && which === index)
          .map(([, , count]) => count!),
      )
      const late = [...counts].filter(count => count >= datagrams / 2).length
      return [counts.size - late, late]
    })
    told.push(arrived)
    /** One more datagram of a probe. */
    const again = async (index: number): Promise<boolean> => {
      const { from, to } = probes[index]!
      street.machines.get(from)!.say(to, `${number} ${index} again`)
      await street.env.advance(gapMillis)
      const heardAgain = [...street.machines.values()].flatMap(({ heard }) => heard.splice(0))
      return heardAgain.includes(`${number} ${index} again`)
    }
    await roundOver?.(number, arrived, again)
  }
  return told
}
