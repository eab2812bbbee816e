/** Random statements beside Linux. More: NAT_SEEDS=3 NAT_SCENES=12, a file's time permitting (TAP_TIMEOUT). */
import t from 'tap'
import { root } from '../../topology/ovs/rig.js'
import { againstLinux } from './against-linux.js'

const seeds = Number(process.env.NAT_SEEDS ?? 1)
const scenes = Number(process.env.NAT_SCENES ?? 3)

for (let seed = 1; seed <= seeds; seed++)
  t.test(
    `random statements are kept as by nftables, seed ${seed}`,
    { ...root, timeout: 100_000 * scenes },
    t => againstLinux(t, seed, scenes, 10),
  )
