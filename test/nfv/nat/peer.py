"""What the other end sees: servers that say whom they hear, and clients that say what they were told.

    peer.py serve PORT...             TCP and UDP, IPv4 and IPv6: each answer is "ADDRESS PORT SIZE"
    peer.py ask tcp|udp FROM-PORT TO PORT [SIZE]   prints the answer, or "refused", "unreachable", "silent"
"""
import selectors
import socket
import sys

TIMEOUT = 3.0


def serve(ports):
    chosen = selectors.DefaultSelector()
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            one = socket.socket(socket.AF_INET6, kind)
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(('::', port))
            if kind == socket.SOCK_STREAM:
                one.listen(64)
            chosen.register(one, selectors.EVENT_READ, kind)
    print('ready', flush=True)
    while True:
        for key, _ in chosen.select():
            one = key.fileobj
            if key.data == socket.SOCK_STREAM:
                session, peer = one.accept()
                session.sendall(said(peer, 0))
                session.close()
            else:
                data, peer = one.recvfrom(65535)
                answer = said(peer, len(data))
                one.sendto(answer + b' ' * max(0, len(data) - len(answer)), peer)


def said(peer, size):
    return f"{peer[0].removeprefix('::ffff:')} {peer[1]} {size}".encode()


def ask(kind, source, to, port, size):
    family = socket.AF_INET6 if ':' in to else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.settimeout(TIMEOUT)
    try:
        if source:
            one.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', source))
        one.connect((to, port))
        if kind == 'udp':
            one.send(b'x' * size)
        return one.recv(65535).decode().strip() or 'closed'
    except socket.timeout:
        return 'silent'
    except ConnectionRefusedError:
        return 'refused'
    except OSError:
        return 'unreachable'


if sys.argv[1] == 'serve':
    serve([int(port) for port in sys.argv[2:]])
else:
    _, _, kind, source, to, port, *rest = sys.argv
    print(ask(kind, int(source), to, int(port), int(rest[0]) if rest else 8))
