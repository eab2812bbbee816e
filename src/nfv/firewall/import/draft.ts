/**
 * What all imports have in common: rules of other firewalls as drafts, which become lines of a rule file; and
 * notes about what has no equivalent here, line by line. What cannot be said is left out, never widened.
 */
import { icmpRequests } from '../unseen.js'
import { icmp6Types, icmpTypes } from '../words.js'

export type Verb = 'allow' | 'drop' | 'reject'

/** Addresses that count, less those that do not; `only` undefined: any. */
export interface Side {
  readonly only?: readonly string[] | undefined
  readonly except?: readonly string[] | undefined
}

export interface Draft {
  readonly verb: Verb
  readonly from: Side
  readonly to: Side
  /** `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, or `proto N`; undefined: any. */
  readonly protocol?: string | undefined
  /** `80`, `8000-8099`; of the protocol. */
  readonly sourcePorts?: readonly string[] | undefined
  readonly destinationPorts?: readonly string[] | undefined
  /** ICMP types, `echo-request` or `8/0`. */
  readonly types?: readonly string[] | undefined
  /** It logs and goes on with the next rule. */
  readonly isAudit?: boolean | undefined
  readonly log?: string | undefined
  readonly comment?: string | undefined
  readonly name?: string | undefined
}

export interface Note {
  /** In the imported file; 0: the whole file. */
  readonly line: number
  readonly message: string
}

export interface Imported {
  /** A rule file. */
  readonly text: string
  readonly notes: readonly Note[]
}

/** What cannot be said here, found while a rule is read. */
export class NoEquivalent extends Error {}

/** Collects the lines of a rule file. */
export class RuleWriter {
  readonly notes: Note[] = []
  readonly #lines: string[] = []
  readonly #names = new Map<string, number>()

  note(line: number, message: string): void {
    this.notes.push({ line, message })
  }

  line(text: string): void {
    this.#lines.push(text)
  }

  comment(text: string): void {
    this.#lines.push(`# ${oneLine(text)}`)
  }

  /** @throws {NoEquivalent} when it is to keep out what rules are not asked about */
  rule(draft: Draft): void {
    mustBeSeen(draft)
    const name = draft.name === undefined ? '' : `${this.#unique(draft.name)}: `
    const words = [
      `${name}${draft.isAudit ? 'audit ' : ''}${draft.verb}`,
      servicesOf(draft),
      `from ${sideText(draft.from)}`,
      `to ${sideText(draft.to)}`,
    ]
    if (draft.log !== undefined) words.push(draft.log === '' ? 'log' : `log "${quoted(draft.log)}"`)
    const comment = draft.comment === undefined ? '' : `  # ${oneLine(draft.comment)}`
    this.#lines.push(`${words.join(' ')}${comment}`)
  }

  done(): Imported {
    return { text: `${this.#lines.join('\n')}\n`, notes: this.notes }
  }

  #unique(name: string): string {
    const plain = name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'rule'
    const begun = /^[A-Za-z]/.test(plain) ? plain : `r-${plain}`
    const count = (this.#names.get(begun) ?? 0) + 1
    this.#names.set(begun, count)
    return count === 1 ? begun : `${begun}-${count}`
  }
}

/** @throws {NoEquivalent} as `check` would refuse the rule: see `unseen.ts` */
export const mustBeSeen = (draft: Draft): void => {
  const { verb, isAudit, protocol, types = [], sourcePorts = [], destinationPorts = [] } = draft
  if (verb === 'allow' || isAudit) return
  if (protocol === 'sctp' && sourcePorts.length + destinationPorts.length > 0)
    throw new NoEquivalent('ports of SCTP, which Open vSwitch before 3.2 does not see')
  const version = protocol === 'icmp' ? 4 : protocol === 'icmp6' ? 6 : undefined
  if (version !== undefined && types.some(type => !opensByIcmp(version, type)))
    throw new NoEquivalent('keeping out ICMP that opens no connection')
}

/** @param type a word or a number, with a code behind `/` or without */
const opensByIcmp = (version: 4 | 6, type: string): boolean => {
  const [word = ''] = type.split('/')
  const number = (version === 4 ? icmpTypes : icmp6Types)[word] ?? Number(word)
  return icmpRequests[version].has(number)
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
const quoted = (text: string): string => oneLine(text).replaceAll('"', "'")

const sideText = ({ only, except }: Side): string => {
  const members = only === undefined ? 'any' : only.join(', ')
  return except && except.length > 0 ? `${members} except ${except.join(', ')}` : members
}

const servicesOf = ({ protocol, sourcePorts, destinationPorts, types }: Draft): string => {
  if (protocol === undefined) return 'any'
  if (types && types.length > 0) return types.map(type => `${protocol} ${type}`).join(', ')
  const ports =
    destinationPorts && destinationPorts.length > 0 ? ` ${destinationPorts.join(', ')}` : ''
  const sources = sourcePorts && sourcePorts.length > 0 ? ` source ${sourcePorts.join(', ')}` : ''
  return `${protocol}${ports}${sources}`
}

/** Both conditions at once. @throws {NoEquivalent} when they cannot be joined; undefined when nothing fits both */
export const both = (a: Draft, b: Draft): Draft | undefined => {
  const protocol = a.protocol ?? b.protocol
  if (a.protocol !== undefined && b.protocol !== undefined && a.protocol !== b.protocol)
    return undefined
  return {
    ...b,
    protocol,
    from: bothSides(a.from, b.from),
    to: bothSides(a.to, b.to),
    sourcePorts: bothLists(a.sourcePorts, b.sourcePorts, 'source ports'),
    destinationPorts: bothLists(a.destinationPorts, b.destinationPorts, 'ports'),
    types: bothLists(a.types, b.types, 'types'),
  }
}

const bothSides = (a: Side, b: Side): Side => {
  const except = [...new Set([...(a.except ?? []), ...(b.except ?? [])])]
  return {
    only: bothLists(a.only, b.only, 'addresses'),
    ...(except.length > 0 && { except }),
  }
}

const bothLists = (
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
  what: string,
): readonly string[] | undefined => {
  if (a === undefined || b === undefined) return a ?? b
  if (a.join() === b.join()) return a
  throw new NoEquivalent(`a chain and a rule in it both speak of ${what}: write the rule out`)
}
