"""Sends frames as they are told on standard input, in hex digits a line, and tells which arrive: one line a frame
that came in, with the identification of its IPv4 header or the flow label of its IPv6 header."""
import select
import socket
import struct
import sys

interface = sys.argv[1]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
wire.bind((interface, 0))
OUTGOING = 4
print("ready", flush=True)
rest = b""
while True:
    ready, _, _ = select.select([sys.stdin.buffer.raw, wire], [], [])
    if wire in ready:
        frame, origin = wire.recvfrom(65535)
        if origin[2] != OUTGOING and len(frame) >= 38:
            (kind,) = struct.unpack_from("!H", frame, 12)
            if kind == 0x0800:
                print("4", struct.unpack_from("!H", frame, 18)[0], flush=True)
            elif kind == 0x86DD:
                print("6", struct.unpack_from("!I", frame, 14)[0] & 0xFFFFF, flush=True)
    if sys.stdin.buffer.raw in ready:
        piece = sys.stdin.buffer.raw.read(65536)
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            wire.send(bytes.fromhex(line.decode()))
