"""Sends datagrams in pieces, in any order and time, and says what comes in.

fragments.py hear                           prints `ready`; at the end of its input, what came: one line of JSON
fragments.py send SEED PIECES RATE DELAY    PIECES pieces, RATE a second; of some datagrams pieces are late, up to DELAY seconds

A piece is full of records of eight octets: 'A' (allowed) or 'D', 'now' or 'late', the number of its datagram, and of the piece.
What was sent is told as one line of JSON: pieces by datagram.
"""

import heapq, json, random, socket, struct, sys, time

MACS = {"b": "020000000102", "c": "020000000103"}
V4 = {"a": "10.1.0.1", "b": "10.1.0.2", "c": "10.2.0.10"}
V6 = {"a": "fd00::1:1", "b": "fd00::1:2", "c": "fd00::2:10"}
SIZE = 1352


def summed(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pieces_of(number, kind, late, to, version, count, source):
    port = 53 if kind == b"A" else random.choice([54, 514, 9999])
    bodies = []
    for piece in range(count):
        record = kind + (b"L" if late else b"N") + struct.pack("!IH", number, piece)
        bodies.append(record * (SIZE // 8))
    size = SIZE * count
    bodies[0] = struct.pack("!HHHH", source, port, size, 0 if version == 4 else 0) + bodies[0][8:]
    ethernet = bytes.fromhex(MACS[to]) + bytes.fromhex("020000000101")
    frames = []
    for piece, body in enumerate(bodies):
        more = piece < count - 1
        if version == 4:
            addresses = socket.inet_aton(V4["a"]) + socket.inet_aton(V4[to])
            flags = (0x2000 if more else 0) | (piece * SIZE // 8)
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number & 0xFFFF, flags, 64, 17, 0) + addresses
            head = head[:10] + struct.pack("!H", summed(head)) + head[12:]
            frames.append(ethernet + b"\x08\x00" + head + body)
        else:
            addresses = socket.inet_pton(socket.AF_INET6, V6["a"]) + socket.inet_pton(socket.AF_INET6, V6[to])
            head = struct.pack("!IHBB", 6 << 28, 8 + len(body), 44, 64) + addresses
            fragment = struct.pack("!BBHI", 17, 0, piece * SIZE | (1 if more else 0), number)
            frames.append(ethernet + b"\x86\xdd" + head + fragment + body)
    if version == 6:
        # Without a checksum UDP over IPv6 is damaged.
        pseudo = addresses + struct.pack("!IHBB", size, 0, 0, 17)
        whole = b"".join(bodies)
        check = summed(pseudo + whole) or 0xFFFF
        at = 14 + 40 + 8 + 6
        frames[0] = frames[0][:at] + struct.pack("!H", check) + frames[0][at + 2 :]
    return frames


def send(seed, total, rate, delay):
    random.seed(seed)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    queue, sent, number, made, begin = [], {}, 0, 0, time.time()
    held = 0
    while made < total or queue:
        now = time.time() - begin
        while made < total and made <= now * rate:
            number += 1
            kind = random.choice([b"A", b"D"])
            count = random.randint(2, 5)
            late = random.random() < 0.05 and held < 150
            frames = pieces_of(number, kind, late, random.choice("bc"), random.choice([4, 6]), count, random.randint(1024, 65535))
            order = list(range(count))
            random.shuffle(order)
            for frame in order:
                after = random.uniform(0, delay) if late and random.random() < 0.6 else random.uniform(0, 0.01)
                heapq.heappush(queue, (now + after, random.random(), frames[frame]))
            held += count if late else 0
            made += count
            sent[number] = [kind.decode(), late, count]
        while queue and queue[0][0] <= now:
            wire.send(heapq.heappop(queue)[2])
        held = min(held, len(queue))
        time.sleep(0.0005)
    print(json.dumps(sent), flush=True)


def hear():
    import select

    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)
    wire.bind(("eth0", 0))
    came = {}
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([wire, sys.stdin], [], [])
        if wire in ready:
            frame, sender = wire.recvfrom(2000)
            record = frame[-8:]
            if sender[2] != socket.PACKET_OUTGOING and len(frame) > SIZE and record[:1] in (b"A", b"D"):
                number = struct.unpack("!I", record[2:6])[0]
                came[number] = came.get(number, 0) + 1
        elif sys.stdin in ready and not sys.stdin.read():
            break
    dropped = struct.unpack("II", wire.getsockopt(263, 6, 8))[1]
    print(json.dumps({"came": came, "dropped": dropped}), flush=True)


if sys.argv[1] == "hear":
    hear()
else:
    seed, total, rate = map(int, sys.argv[2:5])
    send(seed, total, rate, float(sys.argv[5]))
