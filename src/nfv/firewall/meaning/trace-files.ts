/** What rule files say about one connection, away from any network: for the command line. */
import { type Ip, readIp } from '../../../base/addresses.js'
import type { Connection } from '../../../pipeline/connection.js'
import {
  type Asked,
  connectionAsked,
  connectionOfFields,
  connectionText,
} from '../../../pipeline/connection.js'
import { readFrame, readPacket } from '../../../pipeline/packet.js'
import { published } from '../nat/resolve-nat.js'
import { formatComplaint } from '../text/complaint.js'
import { formatCounted } from '../text/format.js'
import { formatMacPrefix } from '../text/mac-prefix.js'
import { connectionInWords } from '../text/packet-words.js'
import { tiers as tierNames } from '../text/rule.js'
import { builtInRules } from './built-in.js'
import { type FileToCheck, loadFiles } from './check-files.js'
import { type Decision, decide, type TierStep } from './decide.js'
import type { Facts } from './environment.js'
import { factsOf, type KnownAddresses, knownAddresses } from './known-addresses.js'
import { resolve } from './resolve.js'
import type { Resolved } from './resolved.js'

/** What was decided and by whom, tier by tier; the part of an answer that is about rules alone. */
export interface RulesAnswer {
  /** What a packet that the rules let in is, the network calls delivered where it arrives. */
  readonly verdict: (typeof verdicts)[Decision['verdict']]
  readonly rule: {
    readonly policy: string
    readonly name: string
    readonly file: string
    readonly line: number
  }
  /** What the rule counts: it allows this much, and no more. */
  readonly within?: string
  readonly tiers: readonly TierStep[]
  /** Audit rules on the way, and what they would have done. */
  readonly audits: readonly TierStep[]
}

const verdicts = { allow: 'allowed', drop: 'dropped', reject: 'rejected' } as const

export const rulesAnswer = (decision: Decision): RulesAnswer => {
  const { verdict, policy, rule, file, line, tierTrail, audits } = decision
  const within = formatCounted(decision)
  return {
    verdict: verdicts[verdict],
    rule: { policy, name: rule, file, line },
    ...(within !== undefined && { within }),
    tiers: tierTrail,
    audits: audits.map(({ rule, file, line }) => ({
      tier: tierNames[rule.tier]!,
      rule: rule.name,
      verb: rule.verb,
      policy: rule.policy,
      file,
      line,
    })),
  }
}

export interface FilesAnswer extends RulesAnswer {
  /** What was asked, as it was understood. */
  readonly question: string
  /** Names that the rules speak of and that have no address here: no rule matches by them. */
  readonly unknown: readonly string[]
}

/** A connection by its ends, each an address or a host's name, or the frame that opens it in hex digits. */
export type FilesQuestion =
  | (Partial<Asked> & {
      readonly from: string
      readonly to: string
      /** Instead of protocol and ports, in the words of rule files. */
      readonly service?: string
    })
  | { readonly frame: string }

/**
 * @param known addresses, as `knownAddresses` takes them
 * @throws {Error} with every complaint when the files have mistakes, or the question has
 */
export const traceFiles = async (
  files: readonly FileToCheck[],
  question: FilesQuestion,
  known: readonly string[],
  nowMillis: number,
): Promise<FilesAnswer> => {
  const addresses = knownAddresses(known)
  const connection = connectionOf(question, addresses.hosts)
  const policies = await loadFiles(files)
  const { facts, unknown } = listening(addresses, nowMillis)
  const resolved = resolve(policies, facts)
  if (resolved.complaints.length > 0) {
    const texts = new Map(policies.flatMap(({ loaded }) => [...loaded.texts]))
    const complaints = resolved.complaints.map(error =>
      formatComplaint(error, texts.get(error.file)),
    )
    throw new Error(`the rules have mistakes:\n\n${complaints.join('\n\n')}`)
  }
  return {
    question: connectionText(connection),
    ...answerOf(resolved, published(resolved.nat ?? [], connection).connection),
    unknown: [...unknown].sort(),
  }
}

const connectionOf = (
  question: FilesQuestion,
  addresses: ReadonlyMap<string, readonly Ip[]>,
): Connection => {
  if ('frame' in question) {
    const connection = connectionOfFields(readPacket(readFrame(question.frame)).fields)
    if (connection === undefined) throw new Error('the frame is not IP, and rules speak of IP only')
    return connection
  }
  const [source, destination] = [question.from, question.to].map(end => {
    const ip = readIp(end) ?? addresses.get(end)?.[0]
    if (ip === undefined)
      throw new Error(
        `${end} has no address here; write the address, or say it with --address ${end}=ADDRESS`,
      )
    return ip
  }) as [Ip, Ip]
  if (source.includes(':') !== destination.includes(':'))
    throw new Error(`${source} and ${destination} are not of the same version of IP`)
  const { service, protocol = 'icmp', sourcePort } = question
  if (service === undefined) return connectionAsked(source, destination, { ...question, protocol })
  const connection = connectionInWords(source, destination, service)
  return sourcePort === undefined ? connection : { ...connection, sourcePort }
}

const answerOf = (resolved: Resolved, connection: Connection): RulesAnswer => {
  const builtIn = builtInRules.find(rule => rule.speaks(connection))
  if (builtIn === undefined) return rulesAnswer(decide(resolved, connection))
  const rule = { policy: 'built-in', name: builtIn.name, file: 'built-in', line: 0 }
  return { verdict: 'allowed', rule, tiers: [], audits: [] }
}

/** Facts that remember what they were asked in vain. */
const listening = (addresses: KnownAddresses, nowMillis: number) => {
  const unknown = new Set<string>()
  const note = (kind: string, name: string) => {
    unknown.add(`${kind} ${name}`)
    return undefined
  }
  const known = factsOf(addresses, nowMillis)
  const facts: Facts = {
    ...known,
    hostAddresses: name => known.hostAddresses(name) ?? note('host', name),
    networkSubnets: name => known.networkSubnets(name) ?? note('network', name),
    vlanSubnets: number => known.vlanSubnets?.(number) ?? note('vlan', number),
    portAddresses: name => known.portAddresses(name) ?? note('port', name),
    macAddresses: prefix => known.macAddresses?.(prefix) ?? note('mac', formatMacPrefix(prefix)),
  }
  return { facts, unknown }
}
