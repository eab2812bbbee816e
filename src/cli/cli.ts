/** What the verbs of the command line are given to work with. */

import type { Edited } from '../base/env/editor.js'
import type { Disk } from '../base/env/env.js'
import type { CommandResult } from '../base/env/run-command.js'
import type { RuleFile } from './writing/rule-files.js'

/** What a check found, as text and as data; made by the firewall, which the command line does not know. */
export interface CheckReport {
  readonly text: string
  readonly isGood: boolean
  readonly data: unknown
}

interface TierStep {
  readonly tier: string
  readonly rule?: string
  readonly verb?: string
  readonly file?: string
  readonly line?: number
}

/** The part of an answer that is about rules alone. */
export interface RulesTrace {
  /** What was asked, as it was understood. */
  readonly question: string
  readonly verdict: string
  readonly rule?: { readonly name: string; readonly file?: string; readonly line?: number }
  /** What the rule counts. */
  readonly within?: string
  readonly tiers?: readonly TierStep[]
  /** Audit rules on the way. */
  readonly audits?: readonly TierStep[]
  /** Names without an address. */
  readonly unknown?: readonly string[]
}

export interface Cli {
  readonly disk: Disk
  /** Of the program. */
  readonly version: string
  readonly variables: Readonly<Record<string, string | undefined>>
  print(text: string): void
  complain(text: string): void
  /** A text in the user's editor, until that ends. */
  edit(name: string, text: string): Promise<Edited>
  /** Asks a program of this machine; undefined when there is no such program. */
  run(words: readonly string[]): Promise<CommandResult | undefined>
  wallMillis(): number
  /** All that comes on standard input. */
  readInput(): Promise<string>
  readonly signal: AbortSignal
  /** Resolves after so many milliseconds, or when the command is interrupted. */
  pause(millis: number): Promise<void>
  /** Checks rule files without a controller. @param known addresses as `NAME=ADDRESS` */
  checkRules(
    files: readonly RuleFile[],
    notes: boolean,
    known: readonly string[],
  ): Promise<CheckReport>
  /** What rule files say about one connection, without a controller. @param known addresses as `NAME=ADDRESS` */
  traceRules(
    files: readonly RuleFile[],
    question: Readonly<Record<string, unknown>>,
    known: readonly string[],
  ): Promise<RulesTrace>
}
