/** Many random statements beside Linux. */
import t from 'tap'
import { root } from '../../topology/ovs/rig.js'
import { againstLinux } from './against-linux.js'

for (const seed of [2, 3, 4])
  t.test(
    `random statements are kept as by nftables, seed ${seed}`,
    { ...root, timeout: 900_000 },
    t => againstLinux(t, seed, 12, 15),
  )
