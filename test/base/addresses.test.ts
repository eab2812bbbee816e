import t from 'tap'
import {
  formatCidr,
  formatDpid,
  formatIpv4,
  formatIpv6,
  formatMac,
  isGroupMac,
  parseCidr,
  parseDpid,
  parseIpv4,
  parseIpv6,
  parseMac,
} from '../../src/base/addresses.js'

t.test('addresses are read and written as people write them', async t => {
  t.equal(parseMac('02:00:00:00:0a:ff'), 0x020000000aff)
  t.equal(formatMac(0x020000000aff), '02:00:00:00:0a:ff')
  t.equal(parseMac('02:00:00:00:0a'), undefined)
  t.equal(parseIpv4('10.0.0.1'), 0x0a000001)
  t.equal(parseIpv4('10.0.0.256'), undefined)
  t.equal(formatIpv4(0xc0a80101), '192.168.1.1')
  t.equal(parseIpv6('fd00::1'), 0xfd00_0000_0000_0000_0000_0000_0000_0001n)
  t.equal(formatIpv6(0xfd00_0000_0000_0000_0000_0000_0000_0001n), 'fd00::1')
  t.equal(parseDpid('0x1'), '0000000000000001')
  t.equal(parseDpid('00:00:00:00:00:00:00:0a'), '000000000000000a')
  t.equal(parseDpid('xyz'), undefined)
  t.equal(formatDpid(255n), '00000000000000ff')
})

t.test('bits behind a prefix length are cleared', async t => {
  t.equal(formatCidr(parseCidr('10.1.2.3/8')!), '10.0.0.0/8')
  t.equal(formatCidr(parseCidr('0.0.0.0/0')!), '0.0.0.0/0')
  t.equal(formatCidr(parseCidr('fd00:1::5/32')!), 'fd00:1::/32')
  t.equal(formatCidr(parseCidr('10.1.2.3')!), '10.1.2.3')
  t.equal(parseCidr('10.0.0.0/33'), undefined)
  t.equal(parseCidr('10.0.0.0/8/9'), undefined)
})

t.test('broadcast and multicast MACs are group addresses', async t => {
  t.ok(isGroupMac(0xffffffffffff))
  t.ok(isGroupMac(0x01005e000001))
  t.notOk(isGroupMac(0x020000000001))
})
