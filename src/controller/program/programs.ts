/** The program of each switch: forwarding, and rules where hosts are; the same list as long as it is the same. */
import type { Dpid } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import type { Switch, Topology } from '../../topology/model.js'

/** The array of before for every switch whose sections are all the same, so that nothing is compared again. */
export const sameWhereUnchanged = (
  before: Map<Dpid, readonly Section[]>,
  after: ReadonlyMap<Dpid, readonly Section[]>,
): ReadonlyMap<Dpid, readonly Section[]> => {
  for (const dpid of before.keys()) if (!after.has(dpid)) before.delete(dpid)
  for (const [dpid, sections] of after) {
    const old = before.get(dpid)
    const isSame =
      old === sections ||
      (old?.length === sections.length && sections.every((each, index) => each === old[index]))
    if (!isSame) before.set(dpid, sections)
  }
  return before
}

/** Rules are asked where hosts are; a switch without edge ports only passes frames on. */
const hasHosts = (self: Switch): boolean =>
  [...self.ports.values()].some(port => port.kind === 'edge' && port.isUp)

const combined = new WeakMap<
  readonly Section[],
  { with: readonly Section[]; program: readonly Section[] }
>()

export const programsOf = (
  topology: Topology,
  forwarding: ReadonlyMap<Dpid, readonly Section[]>,
  firewall: readonly Section[],
): ReadonlyMap<Dpid, readonly Section[]> => {
  const programs = new Map<Dpid, readonly Section[]>()
  for (const [dpid, sections] of forwarding) {
    const known = combined.get(sections)
    const self = topology.switches.get(dpid)
    const rules = self && hasHosts(self) ? firewall : []
    const program = known?.with === rules ? known.program : [...sections, ...rules]
    combined.set(sections, { with: rules, program })
    programs.set(dpid, program)
  }
  return programs
}
