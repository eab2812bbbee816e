/**
 * What all imports have in common: rules of other firewalls as drafts, which become lines of a rule file; and
 * notes about what has no equivalent here, line by line. What cannot be said is left out, never widened.
 */
import { icmpRequests } from '../unseen.js'
import { icmp6Types, icmpTypes, reserved } from '../words.js'
import type { Loss, Place } from './chains.js'

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
  /** In the imported file, 1-based; 0: the whole file. */
  readonly line: number
  /** In a source without lines: the place in its structure. */
  readonly path?: string | undefined
  readonly message: string
  /** `left out`, `closed`: the meaning is narrower than the source's; `info`: it is the same. */
  readonly kind: Loss['kind'] | 'info'
}

/** How many rules of the source came out in which way. */
export interface Summary {
  readonly taken: number
  /** Rules that keep out more than they did. */
  readonly closed: number
  readonly leftOut: number
}

export interface Imported {
  /** A rule file. */
  readonly text: string
  readonly notes: readonly Note[]
  readonly summary: Summary
}

export interface ImportOptions {
  /** `fail`: the first thing that cannot be said ends the import. */
  readonly onLoss?: 'close' | 'fail' | undefined
  /** What the zone, or the addresses, behind each interface are called. */
  readonly interfaces?: ReadonlyMap<string, string> | undefined
  /** Addresses of the host whose own rules are wanted: chains input and output instead of forward. */
  readonly host?: readonly string[] | undefined
}

/** The source says what cannot be said here, and the user wants it all or nothing. */
export class ImportError extends Error {
  readonly line: number

  constructor(message: string, line = 0) {
    super(message)
    this.line = line
  }
}

/** What cannot be said here, found while a rule is read. */
export class NoEquivalent extends Error {}

/** Names for rules and zones: words of the language, doubles and strange characters are changed. */
export class UniqueNames {
  readonly #used = new Set<string>()

  of(wanted: string, what = 'rule'): string {
    const plain = wanted.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '') || what
    const begun = /^[A-Za-z_]/.test(plain) && !reserved.has(plain) ? plain : `${what[0]}-${plain}`
    let name = begun
    for (let count = 2; this.#used.has(name); count++) name = `${begun}-${count}`
    this.#used.add(name)
    return name
  }
}

/** Collects the lines of a rule file. */
export class RuleWriter {
  readonly notes: Note[] = []
  readonly #lines: string[] = []
  readonly #names = new UniqueNames()
  readonly #taken = new Set<string>()
  readonly #onLoss: 'close' | 'fail'

  constructor({ onLoss = 'close' }: ImportOptions = {}) {
    this.#onLoss = onLoss
  }

  /** Something that is not in force as in the source. @throws {ImportError} when nothing may be lost */
  loss({ line, path }: Place, kind: Loss['kind'], message: string): void {
    const where = path === undefined ? '' : `${path}: `
    if (this.#onLoss === 'fail') throw new ImportError(`${where}${message}`, line)
    this.notes.push({ line, path, message, kind })
  }

  /** Something that a reader should know, and that changes nothing. */
  info({ line, path }: Place, message: string): void {
    this.notes.push({ line, path, message, kind: 'info' })
  }

  note(line: number, message: string): void {
    this.loss({ line }, 'left out', message)
  }

  /** A rule of the source whose meaning came out. @param key its place */
  take(key: string): void {
    this.#taken.add(key)
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
    const name = draft.name === undefined ? '' : `${this.#names.of(draft.name)}: `
    const words = [
      `${name}${draft.isAudit ? 'audit ' : ''}${draft.verb}`,
      servicesOf(draft),
      `from ${sideText(draft.from)}`,
      `to ${sideText(draft.to)}`,
    ]
    if (draft.log !== undefined) words.push(draft.log === '' ? 'log' : `log "${quoted(draft.log)}"`)
    const comment = draft.comment === undefined ? '' : `  # ${oneLine(draft.comment)}`
    this.#taken.add(`rule ${this.#lines.length}`)
    this.#lines.push(`${words.join(' ')}${comment}`)
  }

  done(): Imported {
    const keys = (kind: Note['kind']) =>
      new Set(
        this.notes
          .filter(note => note.kind === kind)
          .map(({ line, path, message }) => (line > 0 || path ? `${line} ${path ?? ''}` : message)),
      )
    const [closed, leftOut] = [keys('closed'), keys('left out')]
    const taken = [...this.#taken].filter(key => !closed.has(key) && !leftOut.has(key)).length
    return {
      text: `${this.#lines.join('\n')}\n`,
      notes: this.notes,
      summary: { taken, closed: closed.size, leftOut: leftOut.size },
    }
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
