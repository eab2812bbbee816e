/**
 * Under a default that shuts, frames that carry IP where no rule can read it are dropped where they come in, but at ports
 * that are declared to carry them: `docs/adr/0020`. Once a switch has let them in, the next one believes it.
 */
import { carriers } from '../../../pipeline/carriers.js'
import { type Flow, flow, type Origin, type Section, section } from '../../../pipeline/program.js'
import { judgedThere } from './tables.js'

const origin: Origin = { kind: 'base', name: 'firewall' }

/** Higher than `track`'s own rows for what is not IP, lower than that of a port that carries them (`forwarding/port-rows.ts`). */
const [shut, passed] = [50, 51]

const rows = (): Flow[] =>
  carriers.flatMap(({ ethertypes, what }) =>
    ethertypes.flatMap(eth_type => [
      flow('track', shut, { eth_type }, {}, `${what}: rules cannot read what it carries`, origin),
      flow(
        'track',
        passed,
        { eth_type, ...judgedThere() },
        { goto: 'forward' },
        `${what}: let in by the switch where it came in`,
        origin,
      ),
    ]),
  )

export const carrierSection: Section = section('firewall/carriers', { flows: rows() })
