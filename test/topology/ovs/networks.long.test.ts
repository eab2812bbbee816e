/** Networks with trunk ports, and multicast, on Open vSwitch, with packets. */
import t from 'tap'
import { sh, sleep } from '../../../src/lab/shell.js'
import { root, withOvs } from './rig.js'

/*
 *   a (untagged), t (tag 100) at s1 ── s2 at b, c, d
 */
const network = `title: Two switches, access and trunk ports
switches: [s1, s2]
links:
  - [s1:3, s2:3]
hosts:
  a: { at: s1:1, ips: [10.0.0.1/24] }
  t: { at: s1:2, ips: [10.0.0.9/24] }
  b: { at: s2:1, ips: [10.0.0.2/24] }
  c: { at: s2:2, ips: [10.0.0.3/24] }
  d: { at: s2:4, ips: [10.0.0.4/24] }
`

/** Joins a group and says what it hears, for some seconds. */
const listen = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5000))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.1.2.3') + socket.inet_aton(sys.argv[1]))
s.settimeout(float(sys.argv[2]))
count = 0
try:
    while True:
        s.recv(2048)
        count += 1
except socket.timeout:
    print(count)
`
/** Counts frames of the group that come to a host, whoever they are for. */
const overhear = `
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(('eth0', 0))
s.settimeout(0.2)
end = time.time() + float(sys.argv[1])
count = 0
while time.time() < end:
    try: count += s.recv(2048)[0:6] == bytes.fromhex('01005e010203')
    except socket.timeout: pass
print(count)
`
const speak = `
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.0.0.1'))
for index in range(int(sys.argv[1])):
    s.sendto(b'x' * 100, ('239.1.2.3', 5000))
    time.sleep(0.02)
`

/** A host behind a trunk port: says who it is with tag 100, pings, and says how many tagged answers came. */
const tagged = `
import socket, struct, sys, time
solicit = len(sys.argv) > 3
me, peer = [bytes.fromhex(word.replace(':', '')) for word in sys.argv[1:3]]
own, far = socket.inet_aton('10.0.0.9'), socket.inet_aton('10.0.0.2')
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(('eth0', 0))
s.setsockopt(263, 8, 1)
s.settimeout(0.2)
tag = b'\\x81\\x00\\x00\\x64'
s.send(b'\\xff' * 6 + me + tag + bytes.fromhex('08060001080006040001') + me + own + b'\\0' * 6 + own + b'\\0' * 18)
time.sleep(0.5)
if solicit:
    # Twenty questions for b's address; how many answers have the tag and b's MAC.
    ask = b'\\xff' * 6 + me + tag + bytes.fromhex('08060001080006040001') + me + own + b'\\0' * 6 + far + b'\\0' * 18
    count = 0
    for number in range(20):
        s.send(ask)
        end = time.time() + 0.1
        while time.time() < end:
            try: data, extra, flags, address = s.recvmsg(2048, 64)
            except socket.timeout: break
            vlan = [struct.unpack('IIIHHHH', body[:20])[5] & 0xfff for level, kind, body in extra if level == 263]
            if data[12:14] == b'\\x81\\x00':
                vlan, data = [struct.unpack('!H', data[14:16])[0] & 0xfff], data[:12] + data[16:]
            if vlan == [100] and data[12:14] == b'\\x08\\x06' and data[20:22] == b'\\0\\x02' and data[22:28] == peer:
                count += 1
                break
    print(count)
    sys.exit()
def total(data):
    t = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return struct.pack('!H', ~t & 0xffff)
def echo(number):
    icmp = b'\\x08\\0' + b'\\0\\0' + struct.pack('!HH', 7, number) + b'x' * 32
    icmp = icmp[:2] + total(icmp) + icmp[4:]
    ip = bytes.fromhex('4500') + struct.pack('!H', 20 + len(icmp)) + bytes.fromhex('0000000040010000') + own + far
    ip = ip[:10] + total(ip) + ip[12:]
    return peer + me + tag + b'\\x08\\0' + ip + icmp
count = 0
for number in range(20):
    s.send(echo(number))
    end = time.time() + 0.1
    while time.time() < end:
        try: data, extra, flags, address = s.recvmsg(2048, 64)
        except socket.timeout: break
        vlan = [struct.unpack('IIIHHHH', body[:20])[5] & 0xfff for level, kind, body in extra if level == 263]
        bare = data
        if data[12:14] == b'\\x81\\x00':
            vlan, bare = [struct.unpack('!H', data[14:16])[0] & 0xfff], data[:12] + data[16:]
        if vlan == [100] and bare[0:6] == me and bare[12:14] == b'\\x08\\0' and bare[34] == 0:
            count += 1
            break
print(count)
`

t.test('a trunk port and access ports of one network hear each other, and nobody else', root, t =>
  withOvs(network, async ({ stage, apply, reaches }) => {
    const inside = (host: string, ...words: string[]) => {
      const [command = '', ...rest] = [...stage.enter(host), ...words]
      return sh(command, ...rest)
    }
    const macOf = async (host: string) =>
      (await inside(host, 'cat', '/sys/class/net/eth0/address')).trim()
    await apply('Network', 'blue', {
      number: 2,
      access: ['s2:1'],
      trunk: [{ port: 's1:2', vlan: 100 }],
    })
    await reaches('Network', 'blue', 'installed')
    // Both are heard anew, in their network.
    await stage.ping('b', 't', 2, 100)
    const words = [await macOf('t'), await macOf('b')]
    t.equal((await inside('t', 'python3', '-c', tagged, ...words)).trim(), '20', 'over the trunk')
    const answered = async () => {
      const flows = await stage.rig.ofctl('s1', 'dump-flows', 'table=24,in_port=2')
      return Number(/n_packets=(\d+)/.exec(flows)?.[1])
    }
    // Counters come from the datapath up to half a second late: what was answered before counts before.
    await stage.rig.appctl('s1', 'revalidator/purge')
    const before = await answered()
    t.equal((await inside('t', 'python3', '-c', tagged, ...words, 'arp')).trim(), '20', 'answers')
    await stage.rig.appctl('s1', 'revalidator/purge')
    t.equal((await answered()) - before, 20, 'all of them by the switch')
    const across = await stage.ping('b', 'c', 5, 100)
    t.equal(across.received, 0, 'b and c are in different networks')
    const others = await stage.ping('a', 'c', 20, 20)
    t.equal(others.received, others.sent, 'a and c are not concerned')
  }),
)

t.test(
  'multicast goes to who listens, and through a restart of the controller nothing is lost or flooded',
  root,
  t =>
    withOvs(network, async ({ stage, controller, received }) => {
      const python = (host: string, program: string, ...words: string[]) => {
        const [command = '', ...rest] = [...stage.enter(host), 'python3', '-c', program, ...words]
        return sh(command, ...rest)
      }
      const sent = async (port: number) => {
        const text = await stage.rig.ofctl('s2', 'dump-ports')
        const found = new RegExp(
          `port\\s+"?(?:s2-eth)?${port}"?: rx[^\\n]*\\n\\s+tx pkts=(\\d+)`,
        ).exec(text)
        if (found === null) throw new Error(`no port ${port} in ${text}`)
        return Number(found[1])
      }
      const hearing = python('b', listen, '10.0.0.2', '10')
      await sleep(1_500)
      const before = [await sent(1), await sent(2)]
      await python('a', speak, '20')
      const heard = [(await sent(1)) - before[0]!, (await sent(2)) - before[1]!]
      t.ok(heard[0]! >= 20, `${heard[0]} frames to who listens`)
      t.ok(heard[1]! < 10, `${heard[1]} frames to who does not`)
      // From before the end of one controller to some seconds after the start of the next.
      const again = await sent(1)
      const overhearing = ['b', 'c'].map(host => python(host, overhear, '14'))
      const speaking = python('a', speak, '500')
      await sleep(1_000)
      await controller.kill()
      await sleep(1_000)
      await controller.start()
      stage.retarget(controller.openflowPort)
      await speaking
      t.ok((await sent(1)) - again >= 500)
      const [listener, other] = await Promise.all(overhearing)
      // It begins to look some time after they began to speak; that all were heard is seen below.
      t.ok(Number(listener) >= 100, `${listener?.trim()} frames seen where the group is heard`)
      t.equal(other?.trim(), '0', 'and none by who does not listen')
      t.equal((await hearing).trim(), '520', 'and all of them were heard')
      t.ok((await received('s2', 3)) > 0)
    }),
)
