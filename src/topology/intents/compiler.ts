/** What intents have in force, as sections by switch; what has not changed is the same object again. */

import type { Dpid } from '../../base/addresses.js'
import { type Section, section } from '../../pipeline/program.js'
import type { Entries, Entry, LaidIntent } from './entries.js'

interface Known {
  readonly entries: Entries
  readonly sections: ReadonlyMap<Dpid, { readonly of: readonly Entry[]; readonly section: Section }>
}

export class IntentCompiler {
  #known: ReadonlyMap<string, Known> = new Map()

  compile(laid: readonly LaidIntent[]): ReadonlyMap<Dpid, readonly Section[]> {
    const known = new Map<string, Known>()
    const found = new Map<Dpid, Section[]>()
    for (const { name, entries } of laid) {
      const one = this.#compiled(name, entries)
      known.set(name, one)
      for (const [dpid, { section }] of one.sections) {
        const list = found.get(dpid)
        if (list) list.push(section)
        else found.set(dpid, [section])
      }
    }
    this.#known = known
    return found
  }

  #compiled(name: string, entries: Entries): Known {
    const known = this.#known.get(name)
    if (known?.entries === entries) return known
    const byDpid = new Map<Dpid, Entry[]>()
    for (const entry of entries.values()) {
      const list = byDpid.get(entry.dpid)
      if (list) list.push(entry)
      else byDpid.set(entry.dpid, [entry])
    }
    const sections = new Map<Dpid, { of: readonly Entry[]; section: Section }>()
    for (const [dpid, of] of byDpid) {
      const before = known?.sections.get(dpid)
      const isSame =
        before?.of.length === of.length &&
        of.every((each, at) => before.of[at]?.text === each.text && before.of[at]?.key === each.key)
      const parts = {
        flows: of.flatMap(entry => entry.flows),
        groups: of.flatMap(entry => entry.groups),
      }
      sections.set(dpid, isSame ? before : { of, section: section(`intent/${name}`, parts) })
    }
    return { entries, sections }
  }
}
