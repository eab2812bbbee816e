/** Sessions show what they are outside. */
import t from 'tap'
import { parseConntrack } from '../../../src/nfv/firewall/sessions/conntrack-dump.js'

t.test('a connection as its answers have it', t => {
  const [masked, published, ping, plain] = parseConntrack(
    [
      'tcp,orig=(src=10.1.0.1,dst=198.51.100.9,sport=53384,dport=80),reply=(src=198.51.100.9,dst=203.0.113.10,sport=80,dport=40001),zone=1026,labels=0x3,protoinfo=(state=ESTABLISHED)',
      'tcp,orig=(src=198.51.100.9,dst=203.0.113.10,sport=5000,dport=443),reply=(src=10.2.0.1,dst=198.51.100.9,sport=8443,dport=5000),zone=6,labels=0x1',
      'icmp,orig=(src=10.1.0.2,dst=198.51.100.9,id=7,type=8,code=0),reply=(src=198.51.100.9,dst=203.0.113.10,id=7,type=0,code=0),zone=1026,labels=0x1',
      'udp,orig=(src=10.1.0.2,dst=10.2.0.1,sport=1,dport=2),reply=(src=10.2.0.1,dst=10.1.0.2,sport=2,dport=1),zone=1026',
    ].join('\n'),
  )
  const end = (
    source: string,
    sourcePort: number,
    destination: string,
    destinationPort: number,
  ) => ({
    source,
    sourcePort,
    destination,
    destinationPort,
  })
  t.same(masked?.outside, end('203.0.113.10', 40_001, '198.51.100.9', 80))
  t.same(published?.outside, end('198.51.100.9', 5_000, '10.2.0.1', 8_443))
  t.same(ping?.outside, end('203.0.113.10', 8, '198.51.100.9', 0))
  t.same(plain?.outside, end('10.1.0.2', 1, '10.2.0.1', 2))
  t.end()
})
