/**
 * Faucet's ACLs (faucet.yaml): lists that are put on ports, on VLANs and on whole datapaths. A packet meets the list of its port, then
 * that of its VLAN; each list ends in drop. Here the list of a port is for what opens connections there.
 */
import { isMap, LineCounter, type Node, parseDocument } from 'yaml'
import { everything, familyBox } from './box.js'
import { type BaseChain, type ChainRule, TooMuch } from './chains.js'
import { addressesOf, Condition, icmpOf, NotUnderstood } from './condition.js'
import { ImportError, type Imported, type ImportOptions, RuleWriter } from './rule-writer.js'
import { writeChains } from './write-chains.js'

type Fields = Readonly<Record<string, unknown>>

/** @throws {ImportError} with the line when it is no YAML, or names lists that are not there */
export const importFaucet = (text: string, options: ImportOptions = {}): Imported => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const problem = document.errors[0]
  if (problem) throw new ImportError(problem.message, problem.linePos?.[0].line)
  for (const name of ['include', 'include-optional']) {
    const node = document.get(name, true) as Node | undefined
    if (node)
      throw new ImportError(
        `"${name}": other files are not read: put all of them into one`,
        node.range ? lines.linePos(node.range[0]).line : 0,
      )
  }
  const acls = document.get('acls')
  if (!isMap(acls)) throw new ImportError('the member "acls" is missing')
  const writer = new RuleWriter(options)
  writer.comment('from the ACLs of faucet.yaml')
  const root = document.toJS({ maxAliasCount: 20 }) as Fields
  const chains = new Map<string, readonly ChainRule[]>()
  const lineOf = (name: string, index: number): number => {
    const list = document.getIn(['acls', name], true)
    const path = isMap(list) ? ['acls', name, 'rules', index] : ['acls', name, index]
    const node = document.getIn(path, true) as Node | undefined
    return node?.range ? lines.linePos(node.range[0]).line : 0
  }
  for (const [name, value] of Object.entries(root.acls as Fields)) {
    const list = (
      Array.isArray(value) ? value : ((value as Fields | null)?.rules ?? [])
    ) as Fields[]
    chains.set(
      name,
      list.map((item, index) => readRule(name, item, lineOf(name, index), index, writer)),
    )
  }
  const bases = basesOf(root, chains)
  const used = new Set(bases.flatMap(({ chain }) => chain.split(' + ')))
  for (const base of bases)
    if (!chains.has(base.chain))
      chains.set(
        base.chain,
        base.chain.split(' + ').flatMap(name => chains.get(name)!),
      )
  const found = root.dps === undefined ? [...chains.keys()].map(wholeBase) : bases
  if (root.dps === undefined)
    writer.info({ line: 0 }, 'no port names the lists: they hold for all ports here')
  else
    for (const name of chains.keys())
      if (!used.has(name) && !name.includes(' + '))
        writer.info({ line: 0, path: `acl ${name}` }, 'nothing names it')
  try {
    writeChains(writer, { bases: found, chains, unseen: 'accept', isOfHost: false })
  } catch (error) {
    if (error instanceof TooMuch) throw new ImportError(error.message)
    throw error
  }
  return writer.done()
}

const wholeBase = (chain: string): BaseChain => ({
  chain,
  region: everything,
  policy: 'drop',
  place: { line: 0 },
})

const namesOf = (fields: Fields, way: 'in' | 'out' = 'in'): string[] => {
  const { [`acl_${way}`]: one, [`acls_${way}`]: several } = fields
  const list = [
    ...(several === undefined ? [] : [several].flat()),
    ...(one === undefined ? [] : [one].flat()),
  ]
  return (list as unknown[]).map(String)
}

/** What is put on whom: ports first, VLANs behind them. */
const basesOf = (root: Fields, chains: ReadonlyMap<string, unknown>): BaseChain[] => {
  const base = (names: readonly string[], zone: string, end: 'from' | 'to' = 'from') => {
    if (names.length === 0) return []
    for (const name of names)
      if (!chains.has(name)) throw new ImportError(`${zone}: no list is named ${name}`)
    const there = { ...everything.from, zones: [{ zone, isNot: false }] }
    return [
      {
        chain: names.join(' + '),
        region: { ...everything, [end]: there },
        policy: 'drop' as const,
        place: { line: 0, path: zone },
      },
    ]
  }
  const found: BaseChain[] = []
  for (const [dp, value] of Object.entries((root.dps ?? {}) as Fields)) {
    const fields = (value ?? {}) as Fields
    const whole = fields.dp_acls === undefined ? [] : [fields.dp_acls].flat().map(String)
    found.push(...base(whole, `port ${dp}:*`))
    for (const [key, port] of portsOf(fields))
      found.push(...base(namesOf(port), `port ${dp}:${key}`))
  }
  const vlans = Object.entries((root.vlans ?? {}) as Fields)
  for (const [name, value] of vlans)
    found.push(...base(namesOf((value ?? {}) as Fields), `network ${name}`))
  for (const [name, value] of vlans)
    found.push(...base(namesOf((value ?? {}) as Fields, 'out'), `network ${name}`, 'to'))
  return found
}

/** Ports by number, by name with a number, or by ranges of numbers. */
const portsOf = (dp: Fields): [string, Fields][] => [
  ...Object.entries((dp.interfaces ?? {}) as Fields).map(([key, value]): [string, Fields] => {
    const fields = (value ?? {}) as Fields
    return [String(fields.number ?? key), fields]
  }),
  ...Object.entries((dp.interface_ranges ?? {}) as Fields).flatMap(([key, value]) =>
    key.split(',').flatMap(part => {
      const [first = '', last = first] = part.trim().split('-')
      const numbers: [string, Fields][] = []
      for (let at = Number(first); at <= Number(last); at++)
        numbers.push([String(at), (value ?? {}) as Fields])
      return numbers
    }),
  ),
]

const readRule = (
  acl: string,
  item: Fields,
  line: number,
  index: number,
  writer: RuleWriter,
): ChainRule => {
  const fields = (item?.rule ?? {}) as Fields
  const { actions, ...match } = fields
  const condition = new Condition()
  const place = { line }
  const verdict = verdictOf((actions ?? {}) as Fields, condition)
  try {
    const isIp = readMatch(condition, match)
    if (!isIp) {
      if (verdict.kind === 'accept') writer.info(place, 'what is not IP passes anyway')
      else
        writer.loss(
          place,
          'left out',
          'rules speak of IP only: frames of other kinds are not kept out',
        )
      condition.never()
    }
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error
    throw new ImportError(`acl ${acl}: ${error.message}`, line)
  }
  return {
    place,
    match: condition.match,
    verdict,
    text: JSON.stringify(fields),
    name: `${acl}-${index + 1}`,
  }
}

const verdictOf = ({ allow, ...others }: Fields, condition: Condition): ChainRule['verdict'] => {
  // A copy for somebody, a number to count by: neither decides.
  for (const name of Object.keys(others))
    if (!['mirror', 'cookie', 'description'].includes(name)) {
      if (allow === 1 || allow === true || name === 'output' || name === 'ct')
        condition.unsayable(`the action ${name}`)
    }
  // A copy alone lets pass, unless it is said otherwise.
  const isElse = allow === undefined && ('output' in others || 'mirror' in others)
  const isAllowed = allow === 1 || allow === true || isElse
  return { kind: isAllowed ? 'accept' : 'drop' }
}

const etherTypes = { 2048: 4, 34525: 6 } as const

/** @returns false when it is about something else than IP */
const readMatch = (condition: Condition, match: Fields): boolean => {
  const rest = new Map(Object.entries(match))
  const take = (...names: string[]): unknown => {
    for (const each of names) {
      const value = rest.get(each)
      if (rest.delete(each)) return value
    }
    return undefined
  }
  take('cookie')
  take('description')
  // Faucet itself looks at the port that has the list.
  take('in_port')
  const type = take('dl_type', 'eth_type')
  if (type !== undefined) {
    const version = etherTypes[Number(type) as keyof typeof etherTypes]
    if (version === undefined) return false
    condition.and([familyBox(version)])
  }
  const protocol = take('nw_proto', 'ip_proto')
  if (protocol !== undefined)
    condition.protocols([{ first: Number(protocol), last: Number(protocol) }])
  for (const [name, direction] of addressFields) {
    const value = take(name)
    if (value !== undefined) condition.addresses(direction, addressesOf(String(value)))
  }
  for (const [name, field, number] of portFields) {
    const value = take(name)
    if (value === undefined) continue
    const [first, mask] = String(value).split('/')
    const protocols =
      number === undefined ? condition.protocolsLeft : [{ first: number, last: number }]
    if (protocol === undefined && number !== undefined)
      throw new NotUnderstood(`${name} without nw_proto, which a switch refuses`)
    if (mask !== undefined && Number(mask) !== 0xffff) {
      condition.protocols(protocols)
      condition.unsayable(`the mask of ${name}`)
    } else condition.ports(field, [{ first: Number(first), last: Number(first) }], protocols)
  }
  for (const [version, types, codes] of icmpFields) {
    const kind = take(...types)
    const code = take(...codes)
    if (kind !== undefined)
      condition.icmp(
        version,
        icmpOf(version, code === undefined ? String(kind) : `${kind}/${code}`),
      )
    else if (code !== undefined) condition.unsayable('a code of ICMP without its type')
  }
  for (const name of rest.keys()) condition.unsayable(`the match ${name}`)
  return true
}

const addressFields = [
  ['ipv4_src', 'from'],
  ['nw_src', 'from'],
  ['ipv6_src', 'from'],
  ['ipv4_dst', 'to'],
  ['nw_dst', 'to'],
  ['ipv6_dst', 'to'],
] as const
const portFields = [
  ['tcp_src', 'sourcePorts', 6],
  ['udp_src', 'sourcePorts', 17],
  ['sctp_src', 'sourcePorts', 132],
  ['tp_src', 'sourcePorts', undefined],
  ['tcp_dst', 'destinationPorts', 6],
  ['udp_dst', 'destinationPorts', 17],
  ['sctp_dst', 'destinationPorts', 132],
  ['tp_dst', 'destinationPorts', undefined],
] as const
const icmpFields = [
  [4, ['icmpv4_type', 'icmp_type'], ['icmpv4_code', 'icmp_code']],
  [6, ['icmpv6_type'], ['icmpv6_code']],
] as const
