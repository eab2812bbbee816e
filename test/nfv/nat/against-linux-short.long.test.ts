/** A few random statements beside Linux. */
import t from 'tap'
import { root } from '../../topology/ovs/rig.js'
import { againstLinux } from './against-linux.js'

t.test('a few random statements are kept as by nftables', root, t => againstLinux(t, 1, 3, 8))
