/** Rule files of other firewalls as ours, for people who come from there: `sluice import FORMAT FILE`. */

import { importFaucet } from './faucet.js'
import { importKubernetes } from './kubernetes/kubernetes.js'
import { importIptables } from './netfilter/iptables.js'
import { importNft } from './netfilter/nft.js'
import { importOpenstack } from './openstack.js'
import { importConfigXml } from './pf/config-xml.js'
import { importPf } from './pf/pf.js'
import type { Imported, ImportOptions } from './rule-writer.js'

/** By the name of the format; each throws an Error that says why a text is none of its kind. */
export const importers: Readonly<
  Record<string, (text: string, options?: ImportOptions) => Imported>
> = {
  faucet: importFaucet,
  iptables: importIptables,
  nft: importNft,
  kubernetes: importKubernetes,
  openstack: importOpenstack,
  pf: importPf,
  'config.xml': importConfigXml,
}

export { withIncludes } from './netfilter/nft-include.js'
export { ImportError, type Imported, type ImportOptions, type Note } from './rule-writer.js'
