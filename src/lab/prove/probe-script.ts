/**
 * Python that sends the first packet of each connection into the router and prints the numbers of those that come out. A packet
 * carries its number in the IP identification, or the flow label, and in its payload. It has passed where it comes out, with
 * another source as well: `masquerade` says nothing of what is let through.
 */
export const probeScript = String.raw`
import ipaddress, json, select, socket, struct, sys, time

with open(sys.argv[1]) as file:
    work = json.load(file)
macs, probes = work['macs'], work['probes']
MAGIC = b'sluiceprove'

def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def transport(probe, source, destination):
    protocol, index = probe['protocol'], probe['index']
    payload = MAGIC + struct.pack('!I', index)
    pseudo = source.packed + destination.packed
    def sealed(head, at, body):
        length = len(head) + len(body)
        tail = struct.pack('!IHBB', length, 0, 0, protocol) if source.version == 6 else struct.pack('!BBH', 0, protocol, length)
        total = checksum(pseudo + tail + head + body)
        if protocol == 17 and total == 0:
            total = 0xffff
        return head[:at] + struct.pack('!H', total) + head[at + 2:] + body
    if protocol == 6:
        head = struct.pack('!HHIIBBHHH', probe['sourcePort'], probe['destinationPort'], index + 1, 0, 0x50, 2, 65535, 0, 0)
        return sealed(head, 16, b'')
    if protocol == 17:
        head = struct.pack('!HHHH', probe['sourcePort'], probe['destinationPort'], 8 + len(payload), 0)
        return sealed(head, 6, payload)
    if protocol in (1, 58):
        head = struct.pack('!BBHHH', probe['sourcePort'], probe['destinationPort'], 0, index & 0xffff, index >> 16)
        body = payload if probe['sourcePort'] != 13 else b'\0' * 12
        if protocol == 1:
            total = checksum(head + body)
            return head[:2] + struct.pack('!H', total) + head[4:] + body
        return sealed(head, 2, body)
    return payload

def packet(probe):
    source, destination = (ipaddress.ip_address(probe[end]) for end in ('source', 'destination'))
    body = transport(probe, source, destination)
    index = probe['index']
    if source.version == 6:
        head = struct.pack('!IHBB', (6 << 28) | (index & 0xfffff), len(body), probe['protocol'], 64)
        return 0x86dd, head + source.packed + destination.packed + body
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(body), index & 0xffff, 0, 64, probe['protocol'], 0) + source.packed + destination.packed
    return 0x0800, head[:10] + struct.pack('!H', checksum(head)) + head[12:] + body

octets = lambda mac: bytes.fromhex(mac.replace(':', ''))
sockets = {}
for name in macs:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    one.bind((name, 0))
    one.setblocking(False)
    sockets[name] = one
names = {one: name for name, one in sockets.items()}
keys = {}
for probe in probes:
    key = (probe['destination'], probe['protocol'], probe['index'] & (0xfffff if ':' in probe['source'] else 0xffff))
    keys[key] = probe['index']
passed = set()

def hear(wait):
    until = time.monotonic() + wait
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return
        ready, _, _ = select.select(list(names), [], [], left)
        if not ready:
            return
        for one in ready:
            while True:
                try:
                    frame, address = one.recvfrom(65535)
                except BlockingIOError:
                    break
                # What we sent ourselves is no answer.
                if address[2] == 4:
                    continue
                kind = struct.unpack('!H', frame[12:14])[0]
                if kind == 0x0800:
                    key = (str(ipaddress.ip_address(frame[30:34])), frame[23], struct.unpack('!H', frame[18:20])[0])
                elif kind == 0x86dd:
                    key = (str(ipaddress.ip_address(frame[38:54])), frame[20], struct.unpack('!I', frame[14:18])[0] & 0xfffff)
                else:
                    continue
                if key in keys:
                    passed.add(keys[key])

for at, probe in enumerate(probes):
    kind, data = packet(probe)
    world, router = macs[probe['port']]
    sockets[probe['port']].send(octets(router) + octets(world) + struct.pack('!H', kind) + data)
    if at % 64 == 63:
        hear(0.02)
hear(0.7)
print(json.dumps(sorted(passed)))
`
