/**
 * Random filter tables as iptables prints them and as nft does, and what their chains do with a packet, written down from the
 * manuals and not from the importers: one packet, one rule after the other.
 */
import { type Ip, parseCidr } from '../../../../src/base/addresses.js'
import { decide } from '../../../../src/nfv/firewall/meaning/decide.js'
import type { Connection } from '../../../../src/pipeline/connection.js'
import { type Dice, pick, rulesOf } from '../random-policy.js'

interface Rule {
  readonly source?: { readonly net: string; readonly isNot: boolean }
  readonly destination?: { readonly net: string; readonly isNot: boolean }
  readonly protocol?: { readonly name: string; readonly isNot: boolean }
  readonly ports?: { readonly from: number; readonly to: number; readonly isNot: boolean }
  /** A condition that no rule here can say; it holds or does not. */
  readonly isMarked?: boolean
  readonly verdict: string
}

export interface Ruleset {
  readonly policy: 'ACCEPT' | 'DROP'
  readonly chains: ReadonlyMap<string, readonly Rule[]>
}

const nets = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3', '192.168.0.0/16', '0.0.0.0/0']
const protocolNumbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, gre: 47 }

/** @param withMarks some conditions cannot be said */
export const randomRuleset = (dice: Dice, withMarks: boolean): Ruleset => {
  const names = ['FORWARD', 'a', 'b', 'c']
  const chains = new Map<string, Rule[]>()
  for (const [at, name] of names.entries()) {
    // Only forward, so that they end.
    const targets = names.slice(at + 1).flatMap(each => [each, `goto ${each}`])
    const verdicts = ['ACCEPT', 'ACCEPT', 'DROP', 'REJECT', 'RETURN', ...targets]
    const count = 1 + dice(5)
    chains.set(
      name,
      Array.from({ length: count }, () => randomRule(dice, verdicts, withMarks)),
    )
  }
  return { policy: dice(2) === 0 ? 'ACCEPT' : 'DROP', chains }
}

const randomNet = (dice: Dice) => {
  const net = pick(dice, nets)
  // The tools refuse what matches nothing.
  return { net, isNot: net !== '0.0.0.0/0' && dice(4) === 0 }
}

const randomRule = (dice: Dice, verdicts: readonly string[], withMarks: boolean): Rule => {
  const often = (n: number) => dice(n) === 0
  const protocol = often(2) ? pick(dice, Object.keys(protocolNumbers)) : undefined
  const isNot = often(5)
  const first = 20 + dice(6)
  return {
    ...(often(2) && { source: randomNet(dice) }),
    ...(often(3) && { destination: randomNet(dice) }),
    ...(protocol && { protocol: { name: protocol, isNot } }),
    ...((protocol === 'tcp' || protocol === 'udp') &&
      !isNot &&
      often(2) && { ports: { from: first, to: first + dice(3), isNot: often(3) } }),
    ...(withMarks && often(5) && { isMarked: true }),
    verdict: pick(dice, verdicts),
  }
}

export const iptablesText = ({ policy, chains }: Ruleset): string => {
  const lines = ['*filter', `:FORWARD ${policy} [0:0]`]
  for (const name of chains.keys()) if (name !== 'FORWARD') lines.push(`:${name} - [0:0]`)
  for (const [name, rules] of chains)
    for (const rule of rules) lines.push(`-A ${name} ${iptablesRule(rule)}`)
  return `${[...lines, 'COMMIT'].join('\n')}\n`
}

const iptablesRule = ({
  source,
  destination,
  protocol,
  ports,
  isMarked,
  verdict,
}: Rule): string => {
  const not = (isNot: boolean) => (isNot ? '! ' : '')
  const words: string[] = []
  if (source) words.push(`${not(source.isNot)}-s ${source.net}`)
  if (destination) words.push(`${not(destination.isNot)}-d ${destination.net}`)
  if (protocol) words.push(`${not(protocol.isNot)}-p ${protocol.name}`)
  if (protocol && ports)
    words.push(`-m ${protocol.name} ${not(ports.isNot)}--dport ${ports.from}:${ports.to}`)
  if (isMarked) words.push('-m mark --mark 0x1')
  words.push(verdict.startsWith('goto ') ? `-g ${verdict.slice(5)}` : `-j ${verdict}`)
  return words.join(' ')
}

/** The same in the words of nft: a table for IPv4. */
export const nftText = ({ policy, chains }: Ruleset): string => {
  const lines = ['table ip filter {']
  const names = [...chains.keys()].reverse()
  for (const name of names) {
    lines.push(`\tchain ${name} {`)
    if (name === 'FORWARD')
      lines.push(`\t\ttype filter hook forward priority filter; policy ${policy.toLowerCase()};`)
    for (const rule of chains.get(name)!) lines.push(`\t\t${nftRule(rule)}`)
    lines.push('\t}')
  }
  return `${[...lines, '}'].join('\n')}\n`
}

const nftRule = ({ source, destination, protocol, ports, isMarked, verdict }: Rule): string => {
  const not = (isNot: boolean) => (isNot ? '!= ' : '')
  const words: string[] = []
  if (source) words.push(`ip saddr ${not(source.isNot)}${source.net}`)
  if (destination) words.push(`ip daddr ${not(destination.isNot)}${destination.net}`)
  if (protocol) words.push(`ip protocol ${not(protocol.isNot)}${protocol.name}`)
  if (protocol && ports)
    words.push(`${protocol.name} dport ${not(ports.isNot)}${ports.from}-${ports.to}`)
  if (isMarked) words.push('meta mark 0x00000001')
  const goto = verdict.startsWith('goto ')
  const plain = ['ACCEPT', 'DROP', 'REJECT', 'RETURN'].includes(verdict)
  words.push(goto ? verdict : plain ? verdict.toLowerCase() : `jump ${verdict}`)
  return words.join(' ')
}

const addresses = ['10.0.0.1', '10.1.0.1', '10.1.2.3', '10.1.2.4', '192.168.1.1', '8.8.8.8']

export const randomConnection = (dice: Dice): Connection => {
  const protocol = pick(dice, Object.values(protocolNumbers))
  const hasPorts = protocol === 6 || protocol === 17
  return {
    source: pick(dice, addresses) as Ip,
    destination: pick(dice, addresses) as Ip,
    protocol,
    // An echo request, for ICMP.
    sourcePort: hasPorts ? 40_000 : protocol === 1 ? 8 : 0,
    destinationPort: hasPorts ? 19 + dice(10) : 0,
  }
}

const isIn = (ip: string, net: string): boolean => {
  const { address, length } = parseCidr(net)!
  const value = Number(parseCidr(ip)!.address)
  return (
    length === 0 ||
    Math.floor(value / 2 ** (32 - length)) === Math.floor(Number(address) / 2 ** (32 - length))
  )
}

const isMet = (rule: Rule, packet: Connection, isMarked: boolean): boolean => {
  const { source, destination, protocol, ports } = rule
  const name = Object.keys(protocolNumbers).find(key => protocolNumbers[key] === packet.protocol)
  return (
    (source === undefined || isIn(packet.source, source.net) !== source.isNot) &&
    (destination === undefined ||
      isIn(packet.destination, destination.net) !== destination.isNot) &&
    (protocol === undefined || (name === protocol.name) !== protocol.isNot) &&
    (ports === undefined ||
      (packet.destinationPort >= ports.from && packet.destinationPort <= ports.to) !==
        ports.isNot) &&
    (rule.isMarked !== true || isMarked)
  )
}

/** As iptables(8) tells: a verdict, or undefined when the chain before goes on. */
const runChain = (
  ruleset: Ruleset,
  name: string,
  packet: Connection,
  isMarked: boolean,
): string | undefined => {
  for (const rule of ruleset.chains.get(name)!) {
    if (!isMet(rule, packet, isMarked)) continue
    const { verdict } = rule
    if (verdict === 'RETURN') return undefined
    if (verdict === 'ACCEPT' || verdict === 'DROP' || verdict === 'REJECT') return verdict
    if (verdict.startsWith('goto ')) return runChain(ruleset, verdict.slice(5), packet, isMarked)
    const found = runChain(ruleset, verdict, packet, isMarked)
    if (found !== undefined) return found
  }
  return undefined
}

export const verdictOf = (ruleset: Ruleset, packet: Connection, isMarked: boolean): string =>
  runChain(ruleset, 'FORWARD', packet, isMarked) ?? ruleset.policy

/** What an imported rule file says, in the words of iptables. */
export const deciderOf = (text: string) => {
  const resolved = rulesOf(text)
  return (packet: Connection): string =>
    ({ allow: 'ACCEPT', drop: 'DROP', reject: 'REJECT' })[
      decide(resolved, packet).verdict as 'allow' | 'drop' | 'reject'
    ]
}
