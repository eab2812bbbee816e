"""One end of TCP connections that can vanish as in a power cut; it reads commands, and answers each with one line.

reopen.py server ADDRESS PORT           echoes; `forget`: all its connections vanish; `count`: how many it ever accepted
reopen.py client ADDRESS PORT OWN PORT  `open [SECONDS]`: `open` or `silent` or `refused`; `say`: `heard` or why not;
                                        `forget`; `close`
reopen.py syn ADDRESS PORT OWN PORT MAC sends one SYN by hand, in the name of OWN, to the MAC
"""

import select, socket, struct, sys

TCP_REPAIR = 19


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def vanish(one):
    """Neither FIN nor RST."""
    one.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    one.close()


def server(address, port):
    listener = socket.socket(family(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(50)
    ones, count = [], 0
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, listener, *ones], [], [])
        for one in ready:
            if one is listener:
                ones.append(listener.accept()[0])
                count += 1
            elif one is not sys.stdin:
                try:
                    octets = one.recv(65536)
                    one.send(octets)
                except OSError:
                    octets = b""
                if not octets:
                    ones.remove(one)
                    one.close()
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            if line.strip() == "forget":
                for one in ones:
                    vanish(one)
                ones = []
            print(count, flush=True)


def client(address, port, own, own_port):
    one = None
    print("ready", flush=True)
    for line in sys.stdin:
        word, *more = line.split()
        said = "done"
        try:
            if word == "open":
                one = socket.socket(family(address))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((own, own_port))
                one.settimeout(float(more[0]) if more else 10)
                one.connect((address, port))
                said = "open"
            elif word == "say":
                one.settimeout(float(more[0]) if more else 3)
                one.send(b"hello")
                said = "heard" if one.recv(10) else "ended"
            elif word == "forget":
                vanish(one)
            elif word == "close":
                one.close()
        except socket.timeout:
            said = "silent"
        except ConnectionError as error:
            said = "refused" if isinstance(error, ConnectionRefusedError) else "reset"
        except OSError as error:
            said = str(error)
        if said == "silent" and word == "open":
            one.close()
        print(said, flush=True)


def summed(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(address, port, own, own_port, mac):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    addresses = socket.inet_aton(own) + socket.inet_aton(address)
    segment = struct.pack("!HHIIBBHHH", own_port, port, 0x12345678, 0, 5 << 4, 2, 1000, 0, 0)
    check = summed(addresses + struct.pack("!HH", 6, len(segment)) + segment)
    segment = segment[:16] + struct.pack("!H", check) + segment[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + addresses
    head = head[:10] + struct.pack("!H", summed(head)) + head[12:]
    hardware = bytes.fromhex(mac.replace(":", "")) + wire.getsockname()[4]
    wire.send(hardware + b"\x08\x00" + head + segment)


role, address, port, *more = sys.argv[1:]
if role == "server":
    server(address, int(port))
elif role == "client":
    client(address, int(port), more[0], int(more[1]))
else:
    syn(address, int(port), more[0], int(more[1]), more[2])
