/** What watches the connections that are accepted, and its meter. */

import { meterNumber, type Section, section } from '../../../pipeline/program.js'
import { learningRows } from '../flows/tables.js'
import { helpedPorts, type Resolved } from '../meaning/resolved.js'

export const learnMeter = meterNumber('learn')

/** While rules are learnt: what watches the connections that are accepted. */
export const learningSection = (generation: number, resolved: Resolved): Section =>
  section('firewall/learning', {
    flows: learningRows(generation, learnMeter, helpedPorts(resolved.tiers)),
    meters: [
      {
        id: learnMeter,
        unit: 'pktps',
        bands: [{ type: 'drop', rate: 1_000, burstSize: 1_000 }],
        because: 'connections that are looked at each second while rules are learnt',
        origin: { kind: 'base', name: 'firewall' },
      },
    ],
  })
