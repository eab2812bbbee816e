/** The program of each switch: forwarding, and what functions add; the same list as long as it is the same. */
import type { Dpid } from '../../base/addresses.js'
import { areSame } from '../../base/same.js'
import type { SectionsOf } from '../../nfv/function.js'
import { flow, type Section, section } from '../../pipeline/program.js'
import type { Topology } from '../../topology/model.js'

/** The array of before for every switch whose sections are all the same, so that nothing is compared again. */
export const sameWhereUnchanged = (
  before: Map<Dpid, readonly Section[]>,
  after: ReadonlyMap<Dpid, readonly Section[]>,
): ReadonlyMap<Dpid, readonly Section[]> => {
  for (const dpid of before.keys()) if (!after.has(dpid)) before.delete(dpid)
  for (const [dpid, sections] of after) {
    const old = before.get(dpid)
    if (old === undefined || !areSame(old, sections)) before.set(dpid, sections)
  }
  return before
}

/** Where no function tracks connections. */
export const untracked: Section = section('untracked', {
  flows: [
    flow('track', 0, {}, { goto: 'forward' }, 'nothing here judges connections', {
      kind: 'base',
      name: 'untracked',
    }),
  ],
})

interface Combined {
  readonly added: readonly (readonly Section[])[]
  readonly program: readonly Section[]
}

export class Programs {
  /** Before everything else on every switch. */
  readonly #fixed: readonly Section[]
  /** By the sections of forwarding. */
  readonly #combined = new WeakMap<readonly Section[], Combined>()

  constructor(fixed: readonly Section[]) {
    this.#fixed = fixed
  }

  of(
    { switches }: Pick<Topology, 'switches'>,
    forwarding: ReadonlyMap<Dpid, readonly Section[]>,
    functions: readonly SectionsOf[],
  ): ReadonlyMap<Dpid, readonly Section[]> {
    const programs = new Map<Dpid, readonly Section[]>()
    for (const [dpid, sections] of forwarding) {
      const self = switches.get(dpid)
      const added = self === undefined ? [] : functions.map(sectionsOf => sectionsOf(self))
      const known = this.#combined.get(sections)
      const isSame = known !== undefined && areSame(known.added, added)
      const program = isSame ? known.program : [...this.#fixed, ...sections, ...added.flat()]
      if (!isSame) this.#combined.set(sections, { added, program })
      programs.set(dpid, program)
    }
    return programs
  }
}
