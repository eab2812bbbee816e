/** A switch by what people call it. */
import type { Switch, Topology } from './model.js'

/**
 * Switches that a dpid or a name means: the one with that dpid; else the only one of that name that is connected; else
 * every one of that name. More than one: the name is ambiguous.
 */
export const switchesNamed = ({ switches }: Topology, text: string): readonly Switch[] => {
  const all = [...switches.values()]
  const byDpid = all.find(({ dpid }) => dpid === text.toLowerCase())
  if (byDpid) return [byDpid]
  const named = all.filter(({ name }) => name === text)
  const connected = named.filter(({ isConnected }) => isConnected)
  return connected.length === 1 ? connected : named
}
