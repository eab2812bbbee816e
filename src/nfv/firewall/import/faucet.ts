/**
 * Faucet's ACLs (`acls:` of faucet.yaml). Faucet puts an ACL on ports, VLANs or datapaths; here rules hold everywhere, so
 * all ACLs of the file, or one that is named, become one list, and a note says so.
 */
import { isMap, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import {
  type Draft,
  type Imported,
  mustBeSeen,
  NoEquivalent,
  RuleWriter,
  type Side,
  type Verb,
} from './draft.js'

type Fields = Readonly<Record<string, unknown>>

/** @throws {Error} with line and column when it is no YAML, or has no ACLs */
export const importFaucet = (text: string): Imported => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const problem = document.errors[0]
  if (problem) throw new Error(problem.message)
  const acls = document.get('acls')
  if (!isMap(acls)) throw new Error('the member "acls" is missing')
  const writer = new RuleWriter()
  writer.comment('from the ACLs of faucet.yaml')
  const drafts: { readonly title: string; readonly rules: Draft[]; readonly rest: Verb }[] = []
  for (const { key, value } of acls.items) {
    const list = isMap(value) ? value.get('rules') : value
    if (!isSeq(list)) continue
    const items = list.items.filter(isMap) as YAMLMap[]
    drafts.push(readAcl(String(key), items, node => lineOf(lines, node), writer))
  }
  const rests = new Set(drafts.map(({ rest }) => rest))
  const isOpen = rests.size === 1 && rests.has('allow')
  if (drafts.length > 1)
    writer.note(0, 'several ACLs, each for the ports that name it, hold for all ports here')
  if (rests.size > 1)
    writer.note(0, 'some ACLs end in allow, others in drop: what no rule speaks of is dropped')
  writer.line(`default ${isOpen ? 'allow' : 'drop'}`)
  for (const { title, rules } of drafts) {
    writer.line('')
    writer.comment(`acl ${title}`)
    for (const rule of rules) writer.rule(rule)
  }
  return writer.done()
}

const lineOf = (lines: LineCounter, node: YAMLMap): number =>
  node.range ? lines.linePos(node.range[0]).line : 0

const readAcl = (
  title: string,
  items: readonly YAMLMap[],
  line: (node: YAMLMap) => number,
  writer: RuleWriter,
): { title: string; rules: Draft[]; rest: Verb } => {
  const rules: Draft[] = []
  for (const item of items) {
    const node = item.get('rule')
    const fields = isMap(node) ? (node.toJSON() as Fields) : {}
    const { actions, ...match } = fields
    try {
      const verb = verbOf((actions ?? {}) as Fields)
      // What matches everything ends the list.
      if (Object.keys(match).length === 0) return { title, rules, rest: verb }
      const draft = draftOf(`${title}-${rules.length + 1}`, match, verb)
      mustBeSeen(draft)
      rules.push(draft)
    } catch (error) {
      if (!(error instanceof NoEquivalent)) throw error
      writer.note(line(item), `left out of ${title}, no equivalent for ${error.message}`)
    }
  }
  return { title, rules, rest: 'drop' }
}

const verbOf = ({ allow, ...others }: Fields): Verb => {
  const [other] = Object.keys(others).filter(name => name !== 'cookie')
  if (other !== undefined) throw new NoEquivalent(`the action ${other}`)
  return allow === 1 || allow === true ? 'allow' : 'drop'
}

const draftOf = (name: string, match: Fields, verb: Verb): Draft => {
  const rest = new Map(Object.entries(match))
  const take = (...names: string[]): unknown => {
    for (const each of names) {
      const value = rest.get(each)
      if (rest.delete(each)) return value
    }
    return undefined
  }
  take('cookie')
  const type = take('dl_type', 'eth_type')
  const number = take('nw_proto', 'ip_proto')
  const from = take('ipv4_src', 'nw_src', 'ipv6_src')
  const to = take('ipv4_dst', 'nw_dst', 'ipv6_dst')
  const ports = (value: unknown) => (value === undefined ? undefined : [String(value)])
  const sourcePorts = ports(take('tcp_src', 'udp_src', 'sctp_src', 'tp_src'))
  const destinationPorts = ports(take('tcp_dst', 'udp_dst', 'sctp_dst', 'tp_dst'))
  const types = ports(take('icmpv4_type', 'icmp_type', 'icmpv6_type'))
  const [left] = rest.keys()
  if (left !== undefined) throw new NoEquivalent(`the match ${left}`)
  if (type !== undefined && type !== 0x800 && type !== 0x86dd)
    throw new NoEquivalent(`the Ethernet type 0x${Number(type).toString(16)}`)
  const family = type === 0x800 ? '0.0.0.0/0' : type === 0x86dd ? '::/0' : undefined
  const side = (value: unknown): Side => (value === undefined ? {} : { only: [String(value)] })
  return {
    name,
    verb,
    from: from === undefined && family ? { only: [family] } : side(from),
    to: side(to),
    protocol: number === undefined ? undefined : protocolOf(Number(number)),
    sourcePorts,
    destinationPorts,
    types,
  }
}

const protocols: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp6',
  132: 'sctp',
}

const protocolOf = (number: number): string => protocols[number] ?? `proto ${number}`
