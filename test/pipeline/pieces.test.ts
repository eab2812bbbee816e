/** What is read of pieces of datagrams is what Open vSwitch reads of them (lib/flow.c), so that rows match the same. */
import t from 'tap'
import { readPacket } from '../../src/pipeline/packet.js'

const ethernet = '02000000000b02000000000a86dd'
const addresses = `fd00${'0'.repeat(27)}1fd00${'0'.repeat(27)}2`
const udp = '0009000900100000'

/** An IPv6 datagram's piece that begins at this octet. */
const piece = (offset: number, isLast = false): Uint8Array => {
  const field = (offset | (isLast ? 0 : 1)).toString(16).padStart(4, '0')
  return Buffer.from(
    `${ethernet}6000000000182c40${addresses}1100${field}00000001${udp}${'00'.repeat(8)}`,
    'hex',
  )
}

t.test('of a later piece of IPv6 no protocol is known', async t => {
  t.match(readPacket(piece(0)).fields, { ip_proto: 17, ip_frag: 1, udp_dst: 9 })
  t.match(readPacket(piece(1_480, true)).fields, { ip_proto: 44, ip_frag: 3 })
  t.notOk('udp_dst' in readPacket(piece(1_480)).fields)
})
