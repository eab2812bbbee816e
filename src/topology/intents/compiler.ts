/** All intents to sections by switch; what has not changed is the same object again. */
import type { Dpid } from '../../base/addresses.js'
import type { Section } from '../../pipeline/program.js'
import type { Topology } from '../model.js'
import { intentSections } from './compile.js'
import { type IntentResult, type RoutedIntent, routeIntent } from './intent.js'

export class IntentCompiler {
  readonly #known = new Map<string, { key: string; sections: ReadonlyMap<Dpid, Section> }>()

  compile(topology: Topology): ReadonlyMap<Dpid, readonly Section[]> {
    const found = new Map<Dpid, Section[]>()
    for (const [index, intent] of topology.intents.entries()) {
      const result = routeIntent(topology, intent)
      if (result.state === 'failed') {
        this.#known.delete(intent.name)
        continue
      }
      for (const [dpid, section] of this.#sectionsOf(result.route, index)) {
        const list = found.get(dpid)
        if (list) list.push(section)
        else found.set(dpid, [section])
      }
    }
    return found
  }

  #sectionsOf(route: RoutedIntent, index: number): ReadonlyMap<Dpid, Section> {
    const { intent, from, to, path, backup } = route
    const key = JSON.stringify([index, from.mac, to.mac, from.network, path, backup])
    const known = this.#known.get(intent.name)
    if (known?.key === key) return known.sections
    const sections = intentSections(route, index)
    this.#known.set(intent.name, { key, sections })
    return sections
  }
}

/** Where each intent leads now. */
export const routeIntents = (topology: Topology): ReadonlyMap<string, IntentResult> =>
  new Map(topology.intents.map(intent => [intent.name, routeIntent(topology, intent)]))
