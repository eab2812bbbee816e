/** Which switches do not have what they should have, and why: in the words of every state that is not `installed`. */
import type { Clock } from '../../base/env/env.js'
import type { Lack } from '../../nfv/lack.js'
import type { OwnerKind, Refusal } from '../../pipeline/program.js'
import { hasEdge, type Switch, type Topology } from '../../topology/model.js'
import type { Programmer } from './programmer.js'

/** What is known of a switch's connection. */
export interface Attachment {
  readonly role: 'master' | 'other' | 'none'
  /** Its rows are of another store. */
  readonly isStranger: boolean
}

export interface Lookup {
  readonly topology: Topology
  readonly clock: Clock
  attachment(self: Switch): Attachment
  programmer(self: Switch): Programmer | undefined
}

/** How long a confirmation takes at most before it is worth a word. */
export const slowMillis = 5_000

/**
 * Every known switch that should have a revision and does not: those that are connected, and those that are not but
 * have ports where hosts are. A switch that should have nothing any more is to be forgotten.
 *
 * @param owners whose refused flows count
 */
export const lacking = (
  look: Lookup,
  revision: number,
  owners: ReadonlySet<OwnerKind>,
): readonly Lack[] =>
  [...look.topology.switches.values()]
    .flatMap(self => {
      const found = lackOf(look, self, revision, owners)
      return found ? [{ switch: self.name, ...found }] : []
    })
    .sort((a, b) => (a.switch < b.switch ? -1 : 1))

const lackOf = (
  { clock, attachment, programmer }: Lookup,
  self: Switch,
  revision: number,
  owners: ReadonlySet<OwnerKind>,
): Omit<Lack, 'switch'> | undefined => {
  const { role, isStranger } = attachment(self)
  if (isStranger) return { kind: 'away', why: 'is left alone: its flows are of another store' }
  if (role === 'none') return hasEdge(self) ? { kind: 'away', why: 'is not connected' } : undefined
  if (role === 'other') return { kind: 'away', why: 'has another controller as its master' }
  const known = programmer(self)
  if (known === undefined || known.confirmedRevision < revision) return behind(clock, known)
  if (known.state.isWithheld)
    return { kind: 'refused', why: 'refused flows of the rules, and keeps the rules of before' }
  const refused = [...known.refusals.values()].filter(({ origin }) => owners.has(origin.kind))
  return refused[0] && { kind: 'refused', why: refusalText(refused[0], refused.length) }
}

const behind = (clock: Clock, known: Programmer | undefined): Omit<Lack, 'switch'> => {
  if (known?.failure !== undefined)
    return { kind: 'away', why: `cannot be read or programmed: ${known.failure}` }
  const millis = clock.nowMillis() - (known?.behindSinceMillis ?? clock.nowMillis())
  if (millis < slowMillis) return { kind: 'waiting', why: 'has not confirmed yet' }
  return { kind: 'away', why: `has not confirmed for ${Math.floor(millis / 1_000)} s` }
}

const refusalText = ({ error, request }: Refusal, count: number): string =>
  `refused ${count === 1 ? 'a flow' : `${count} flows, the first`}: ${error} (${request})`
