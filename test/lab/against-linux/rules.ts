/**
 * Random rule sets, each written twice: as a rule file, and as nftables. The two texts are made from the same
 * choices and share nothing else: what a list or a range means is left to each reader.
 */

/** A number below `bound`, the same row for the same seed (xorshift, Marsaglia 2003). */
export const dice = (start: number) => {
  let state = start >>> 0 || 1
  return (bound: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}
export type Dice = ReturnType<typeof dice>
export const pick = <T>(roll: Dice, items: readonly T[]): T => items[roll(items.length)]!

/** Members and exceptions, in the words that both languages share: address, CIDR, range. */
interface Place {
  readonly members: readonly string[]
  readonly except: readonly string[]
}

/** One kind of packet in both languages. */
interface Service {
  readonly sluice: string
  readonly nft: string
  /** Absent: it may be. */
  readonly isTcp?: boolean
  /** Absent: of both versions of IP. */
  readonly version?: 4 | 6
}

interface Rule {
  readonly verb: string
  readonly services: readonly Service[]
  readonly from: Place
  readonly to: Place
}

export interface RuleSet {
  readonly sluice: string
  readonly nft: string
}

const members = [
  '10.1.0.0/16',
  '10.1.0.1',
  '10.1.0.2-10.1.0.9',
  '10.2.0.0/24',
  '10.2.0.10',
  '10.0.0.0/8',
  '10.1.0.2-10.2.0.10',
  'fd00::1:0/112',
  'fd00::1:1',
  'fd00::2:10-fd00::2:20',
  'fd00::/64',
]

// biome-ignore format: a table
const services: readonly Service[] = [
  { sluice: 'any', nft: '' },
  { sluice: 'tcp', nft: 'meta l4proto tcp', isTcp: true },
  { sluice: 'tcp 80', nft: 'tcp dport 80', isTcp: true },
  { sluice: 'tcp 22, 80, 443', nft: 'tcp dport { 22, 80, 443 }', isTcp: true },
  { sluice: 'tcp 1-1023', nft: 'tcp dport 1-1023', isTcp: true },
  { sluice: 'tcp 1024-65535', nft: 'tcp dport 1024-65535', isTcp: true },
  { sluice: 'tcp 8000-8099 source 1024-65535', nft: 'tcp dport 8000-8099 tcp sport 1024-65535', isTcp: true },
  { sluice: 'tcp source 1-1023', nft: 'tcp sport 1-1023', isTcp: true },
  { sluice: 'udp', nft: 'meta l4proto udp', isTcp: false },
  { sluice: 'udp 53', nft: 'udp dport 53', isTcp: false },
  { sluice: 'udp 50-60, 8000-9000', nft: 'udp dport { 50-60, 8000-9000 }', isTcp: false },
  { sluice: 'icmp', nft: 'meta l4proto icmp', isTcp: false, version: 4 },
  { sluice: 'icmp echo-request', nft: 'icmp type echo-request', isTcp: false, version: 4 },
  { sluice: 'icmp6 echo-request', nft: 'icmpv6 type echo-request', isTcp: false, version: 6 },
]

/** What hosts listen on, and so where something can be open. */
export const listening = [22, 53, 80, 443, 1023, 1024, 8050, 9000]

const place = (roll: Dice): Place => {
  if (roll(4) === 0) return { members: ['any'], except: roll(3) === 0 ? [pick(roll, members)] : [] }
  const count = 1 + roll(3)
  return {
    members: Array.from({ length: count }, () => pick(roll, members)),
    except: roll(5) === 0 ? [pick(roll, members)] : [],
  }
}

const rule = (roll: Dice, verbs: readonly string[]): Rule => ({
  verb: pick(roll, verbs),
  services: Array.from({ length: 1 + roll(2) }, () => pick(roll, services)),
  from: place(roll),
  to: place(roll),
})

const tierNames = ['admin', 'main', 'baseline'] as const

/** They change no verdict, only where switches look connections up. */
const timeouts = [
  '',
  'service slow = tcp 1-1023, udp 53 timeout 1h\n',
  'service slow = udp timeout 1h\nservice quick = tcp 80, tcp 1024-65535 timeout 20m\n',
]

/** Three tiers of rules, and a default. */
export const randomRuleSet = (roll: Dice): RuleSet => {
  const last = pick(roll, ['drop', 'allow', 'reject'])
  const tiers = tierNames.map(name => {
    const verbs = ['allow', 'allow', 'drop', 'reject', ...(name === 'baseline' ? [] : ['pass'])]
    return Array.from({ length: roll(9) }, () => rule(roll, verbs))
  })
  const lines = tierNames.flatMap((name, at) => [`tier ${name}`, ...tiers[at]!.map(toSluice)])
  const chains = tierNames.map((name, at) => chain(name, tiers[at]!.flatMap(toNft)))
  return {
    sluice: `default ${last}\n${timeouts[lines.length % timeouts.length]}${lines.join('\n')}\n`,
    nft: `table inet fw {\n${[...chains, forward(last)].join('\n')}\n}\n`,
  }
}

/** All of a protocol stands last: before ports of another one it reads in two ways. */
const inOrder = (services: readonly Service[]): string[] => {
  const texts = services.map(each => each.sluice)
  return [...texts.filter(text => text.includes(' ')), ...texts.filter(text => !text.includes(' '))]
}

const toSluice = ({ verb, services, from, to }: Rule): string =>
  `${verb} ${inOrder(services).join(', ')} from ${toText(from)} to ${toText(to)}`

const toText = ({ members, except }: Place): string =>
  members.join(', ') + (except.length === 0 ? '' : ` except ${except.join(', ')}`)

/**
 * Every pair of members is a rule of its own, since sets that overlap are refused by nft; and one for each
 * version of IP, since a rule may not speak of both.
 */
const toNft = ({ verb, services, from, to }: Rule): string[] =>
  ([4, 6] as const).flatMap(version =>
    ends('saddr', from, version).flatMap(source =>
      ends('daddr', to, version).flatMap(destination =>
        services
          .filter(each => each.version === undefined || each.version === version)
          .flatMap(service =>
            verdicts(verb, service.isTcp).map(verdict =>
              [`meta nfproto ipv${version}`, source, destination, service.nft, verdict]
                .filter(Boolean)
                .join(' '),
            ),
          ),
      ),
    ),
  )

const versionOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)

const ends = (side: string, { members, except }: Place, version: 4 | 6): string[] => {
  const family = version === 4 ? 'ip' : 'ip6'
  const not = except
    .filter(each => versionOf(each) === version)
    .map(each => `${family} ${side} != ${each}`)
  return members
    .filter(each => each === 'any' || versionOf(each) === version)
    .map(each => [...(each === 'any' ? [] : [`${family} ${side} ${each}`]), ...not].join(' '))
}

/** Only TCP can be reset; nothing is said about it when packets of a service may be of either kind. */
const verdicts = (verb: string, isTcp?: boolean): string[] => {
  if (verb !== 'reject') return [verb === 'allow' ? 'accept' : verb === 'pass' ? 'return' : 'drop']
  const reset = isTcp === true ? 'reject with tcp reset' : 'meta l4proto tcp reject with tcp reset'
  return [
    ...(isTcp === false ? [] : [reset]),
    ...(isTcp === true ? [] : ['reject with icmpx admin-prohibited']),
  ]
}

const chain = (name: string, rules: readonly string[]): string =>
  `  chain ${name} {\n${rules.map(each => `    ${each}\n`).join('')}  }`

const forward = (last: string): string =>
  [
    '  chain forward {',
    '    type filter hook forward priority 0; policy drop;',
    '    ct state established,related accept',
    '    ct state invalid drop',
    ...tierNames.map(name => `    jump ${name}`),
    ...verdicts(last).map(each => `    ${each}`),
    '  }',
  ].join('\n')
