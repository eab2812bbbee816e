/** Ports as switches have them, with what people declare of them. */
import { Failure } from '../../base/failures.js'
import { nearest } from '../../base/nearest.js'
import type { Client } from '../client.js'
import type { Item } from './get.js'

/**
 * @param names `s1:3`, `s1:eth1`, or of a declared Port; none: all ports
 * @throws {Failure} `not-found`
 */
export const portItems = async (
  client: Client,
  names: readonly string[],
): Promise<readonly { readonly found?: Item; readonly declared?: Item }[]> => {
  const [switches, objects] = await Promise.all([
    client.get<{ items: Item[] }>('/api/v1/switches'),
    client.get<{ items: Item[] }>('/api/v1/objects/port'),
  ])
  const ports = switches.items.flatMap(({ name, dpid, ports: own }) =>
    (own as Item[]).map((port): Item => ({ switch: name, dpid, ...port })),
  )
  const placesOf = ({ switch: own, dpid, number, name }: Item): readonly string[] =>
    [own, dpid].flatMap(each => [`${each}:${number}`, `${each}:${name}`])
  const declaredOf = (port: Item) =>
    objects.items.find(({ spec }) => placesOf(port).includes(String((spec as Item).at)))
  const withDeclared = (found: Item) => {
    const declared = declaredOf(found)
    return { found, ...(declared && { declared }) }
  }
  if (names.length === 0) return ports.map(withDeclared)
  return names.map(name => {
    const object = objects.items.find(each => each.name === name)
    const at = object === undefined ? name : String((object.spec as Item).at)
    const port = ports.find(each => placesOf(each).includes(at))
    if (port) return withDeclared(port)
    if (object) return { declared: object }
    const meant = nearest(name, [
      ...ports.flatMap(placesOf),
      ...objects.items.map(each => String(each.name)),
    ])
    throw new Failure('not-found', {
      what: 'port',
      name: meant === undefined ? name : `${name} (did you mean ${meant}?)`,
      list: '"sluice describe switch NAME"',
    })
  })
}
