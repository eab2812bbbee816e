/** Rule files of other firewalls as ours, for people who come from there: `sluice import FORMAT FILE`. */

import { importConfigXml } from './config-xml.js'
import { importFaucet } from './faucet.js'
import { importIptables } from './iptables.js'
import { importKubernetes } from './kubernetes.js'
import { importNft } from './nft.js'
import { importOpenstack } from './openstack.js'
import { importPf } from './pf.js'
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

export { withIncludes } from './nft-include.js'
export { ImportError, type Imported, type ImportOptions, type Note } from './rule-writer.js'
