/** Random statements of address translation, in our words and in those of nftables, and connections that meet them. */
import { others } from './site.js'

export type Dice = (n: number) => number

/** Numbers below n, the same for the same seed. */
export const diceOf = (seed: number): Dice => {
  let state = seed >>> 0 || 1
  return n => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % n
  }
}

const pick = <T>(dice: Dice, list: readonly T[]): T => list[dice(list.length)]!

const addresses = { a: '10.1.0.1', b: '10.1.0.2', w: '10.2.0.1', d: '10.2.0.2' } as const
const inside = ['10.1.0.0/24', '10.2.0.0/24', ...Object.values(addresses), '10.0.0.0/8']
const outside = ['198.51.100.9', '198.51.100.0/24', '203.0.113.1', '0.0.0.0/0']
const servers = ['10.2.0.1', '10.2.0.2', '10.1.0.1']
const own = '203.0.113.10'

interface Published {
  readonly at: string
  readonly port: number
  readonly target: string
}

export interface Scene {
  readonly ours: string
  readonly linux: string
  /** Published addresses with their ports. */
  readonly published: readonly Published[]
}

export const randomScene = (dice: Dice): Scene => {
  const ours: string[] = []
  const before: string[] = []
  const after: string[] = [
    'ip saddr 10.1.0.0/24 ip daddr 10.1.0.0/24 ct status dnat masquerade',
    'ip saddr 10.2.0.0/24 ip daddr 10.2.0.0/24 ct status dnat masquerade',
  ]
  const published: Published[] = []
  const taken = new Set<string>()
  const used = new Set<string>()
  for (let count = 2 + dice(5); count > 0; count--) {
    const from = pick(dice, inside)
    const to = pick(dice, outside)
    const ends = `ip saddr ${from} ip daddr ${to}`
    const words = `from ${from} to ${to}`
    const at = pick(dice, [own, ...others.map(last => `203.0.113.${last}`)])
    const target = pick(dice, servers)
    switch (dice(6)) {
      case 0:
        ours.push(`nat none ${words} out wan`)
        after.push(`oifname "wan" ${ends} accept`)
        break
      case 1:
        ours.push(`nat masquerade ${words} out wan`)
        after.push(`oifname "wan" ${ends} snat to ${own}`)
        break
      case 2: {
        const pool = `203.0.113.${pick(dice, others)}`
        ours.push(`nat source ${pool} ${words} out wan`)
        after.push(`oifname "wan" ${ends} snat to ${pool}`)
        break
      }
      case 3:
        if (at === own || taken.has(at) || used.has(target)) break
        taken.add(at)
        used.add(target)
        ours.push(`nat one-to-one ${at} ${target}`)
        before.push(`ip daddr ${at} dnat to ${target}`)
        after.push(`oifname "wan" ip saddr ${target} snat to ${at}`)
        published.push({ at, port: 80, target }, { at, port: 4000, target })
        break
      default: {
        const port = pick(dice, [80, 4000, 81])
        const to = pick(dice, [80, 4000, 8080])
        if (taken.has(at) || taken.has(`${at} ${port}`)) break
        taken.add(`${at} ${port}`)
        ours.push(`nat forward tcp+udp ${port} at ${at} to ${target}:${to}`)
        for (const kind of ['tcp', 'udp'])
          before.push(`ip daddr ${at} ${kind} dport ${port} dnat to ${target}:${to}`)
        published.push({ at, port, target })
      }
    }
  }
  const drops: string[] = []
  const rules: string[] = []
  for (let count = dice(3); count > 0; count--) {
    const [kind, port] = [pick(dice, ['tcp', 'udp']), pick(dice, [80, 4000, 8080])]
    const [from, to] = [pick(dice, [...inside, '0.0.0.0/0']), pick(dice, [...servers, ...outside])]
    rules.push(`drop ${kind} ${port} from ${from} to ${to}`)
    drops.push(`ct state new ip saddr ${from} ip daddr ${to} ${kind} dport ${port} drop`)
  }
  return {
    ours: ['default allow', ...ours, ...rules, ''].join('\n'),
    linux: `table ip nat {
  chain before { type nat hook prerouting priority dstnat; ${before.join('; ')}${before.length > 0 ? ';' : ''} }
  chain after { type nat hook postrouting priority srcnat; ${after.join('; ')}; }
}
table ip filter {
  chain passes { type filter hook forward priority filter; ${drops.join('; ')}${drops.length > 0 ? ';' : ''} }
}`,
    published,
  }
}

export interface Try {
  readonly from: string
  readonly kind: 'tcp' | 'udp'
  readonly to: string
  readonly port: number
  readonly size: number
}

const hosts = ['a', 'b', 'w', 'd'] as const

export const randomTry = (dice: Dice, { published }: Scene): Try => {
  const kind = pick(dice, ['tcp', 'udp', 'udp'] as const)
  const size = kind === 'udp' && dice(3) === 0 ? 4_000 : 8
  if (published.length > 0 && dice(2) === 0) {
    const { at, port, target } = pick(dice, published)
    // A server that asks itself by its published address hears itself here, and on Linux it does not always.
    const from = [...hosts, 'out', 'out'].filter(
      name => (addresses as Record<string, string>)[name] !== target,
    )
    return { from: pick(dice, from), kind, to: at, port, size: 8 }
  }
  const to = pick(dice, ['198.51.100.9', '198.51.100.9', ...Object.values(addresses)])
  const others = hosts.filter(name => addresses[name] !== to)
  return { from: pick(dice, others), kind, to, port: pick(dice, [80, 4000, 82]), size }
}
