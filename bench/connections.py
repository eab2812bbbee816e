"""New TCP connections a second: `serve PORT` accepts and closes, `open HOST PORT SECONDS` opens and resets, 64 at once."""
import select
import socket
import struct
import sys
import time


def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(4096)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.close()


def dial(host, port, poll, waiting):
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.connect_ex((host, port))
    waiting[one.fileno()] = one
    poll.register(one.fileno(), select.EPOLLOUT)


def open_all(host, port, seconds):
    poll = select.epoll()
    waiting = {}
    count = failed = 0
    for _ in range(64):
        dial(host, port, poll, waiting)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for fd, _ in poll.poll(0.1):
            one = waiting.pop(fd)
            poll.unregister(fd)
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                count += 1
            else:
                failed += 1
            one.close()
            dial(host, port, poll, waiting)
    print(count, failed, flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    open_all(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
