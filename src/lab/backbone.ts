/** A lab's network from a file of a topology collection: switches, links, and how long light takes over each. */

import { parseGml } from './gml.js'
import type { LinkSpec, ObjectSpec, SwitchSpec } from './lab-spec.js'

/** In fibre, kilometres a millisecond: two thirds of the speed of light. */
const kilometresPerMilli = 200
/** Port 1 is for a host. */
const firstLinkPort = 2

export interface Backbone {
  readonly switches: readonly SwitchSpec[]
  readonly links: readonly LinkSpec[]
  /** A Port for each end, with its latency. */
  readonly objects: readonly ObjectSpec[]
}

/**
 * A switch for each node, named as its label in small letters; a link for each edge, on the next free ports in the
 * order of the file; the latency of a link from its `dist` in kilometres.
 *
 * @throws {GmlError} when the text is no graph
 */
export const backboneOf = (text: string): Backbone => {
  const { nodes, edges } = parseGml(text)
  const names = new Map(nodes.map(node => [node.id, node.label.toLowerCase()]))
  const used = new Map<string, number>()
  const nextEnd = (id: number) => {
    const name = names.get(id)!
    const port = used.get(name) ?? firstLinkPort
    used.set(name, port + 1)
    return { name, port }
  }
  const links = edges.map(({ source, target, attributes }) => ({
    a: nextEnd(source),
    b: nextEnd(target),
    kilometres: Number(attributes.dist ?? 0),
  }))
  return {
    switches: nodes.map(({ id }, index) => ({
      name: names.get(id)!,
      dpid: (index + 1).toString(16).padStart(16, '0'),
    })),
    links: links.map(({ a, b }) => ({ a, b })),
    objects: links.flatMap(({ a, b, kilometres }) =>
      [a, b].map(end => ({
        kind: 'Port',
        name: `${end.name}-${end.port}`,
        spec: {
          at: `${end.name}:${end.port}`,
          latencyMillis: Math.round((kilometres / kilometresPerMilli) * 1_000) / 1_000,
        },
      })),
    ),
  }
}
