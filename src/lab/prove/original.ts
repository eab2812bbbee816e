/** What a source does by itself, without anything of the importer: by the kernel, or by an evaluator written from the specification. */
import type { Connection } from '../../pipeline/connection.js'
import type { Evaluator } from './evaluator.js'
import { faucetOriginal } from './faucet-original.js'
import { askKernel, type Interfaces } from './kernel.js'
import { kubernetesOriginal } from './kubernetes-original.js'
import { openstackOriginal } from './openstack-original.js'

export interface Original {
  /** Texts whose addresses and numbers are worth asking about. */
  readonly words: string
  /** Where addresses are, as `check --address` takes them: of hosts at ports and in networks. */
  readonly known: readonly string[]
  /** Protocols that may be asked about beside those of a kernel. */
  readonly protocols?: readonly number[]
  /** Which of the connections pass, in their order. */
  ask(connections: readonly Connection[]): Promise<readonly boolean[]>
}

const evaluators: Readonly<Record<string, (source: string) => Evaluator>> = {
  kubernetes: kubernetesOriginal,
  openstack: openstackOriginal,
  faucet: faucetOriginal,
}

/** Formats whose originals can be asked. */
export const provable = ['iptables', 'nft', ...Object.keys(evaluators)]

/**
 * @param name tells the namespaces of this run from others
 * @throws {Error} when nothing answers for the format, or the evaluator does not know a word of the source
 */
export const originalOf = (
  format: string,
  source: string,
  interfaces: Interfaces,
  name: string,
  print: (text: string) => void,
): Original => {
  if (format === 'iptables' || format === 'nft')
    return {
      words: `${source}\n${[...interfaces.values()].flat().join('\n')}`,
      known: [],
      ask: connections => askKernel(format, source, connections, interfaces, name, print),
    }
  const read = evaluators[format]
  if (read === undefined) throw new Error(`--prove is for ${provable.join(', ')}`)
  const { words = '', known = [], passes } = read(source)
  return {
    words: `${source}\n${words}`,
    known,
    protocols: [132],
    ask: async connections => connections.map(passes),
  }
}
