/** What the comparison with the Linux firewall needs to be installed. */
import { ovsNeeds } from '../../../src/lab/install.js'

export const needs = [
  ...ovsNeeds,
  { command: 'nft', package: 'nftables' },
  { command: 'conntrack', package: 'conntrack' },
]
