"""Sends frames as they are told on standard input, in hex digits a line, and tells which arrive: one line a frame
that came in, with the identification of its IPv4 header or the flow label of its IPv6 header. With the word
"untagged" it takes no frames of VLANs: the kernel tells of tags beside the frame (packet(7), PACKET_AUXDATA)."""
import select
import socket
import struct
import sys

interface = sys.argv[1]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
wire.setsockopt(263, 8, 1)
wire.bind((interface, 0))
untagged = "untagged" in sys.argv[2:]


def has_tag(beside):
    for level, kind, data in beside:
        if level == 263 and kind == 8:
            status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", data[:20])
            return bool(status & 16) and tag & 0xFFF != 0
    return False


OUTGOING = 4
print("ready", flush=True)
rest = b""
while True:
    ready, _, _ = select.select([sys.stdin.buffer.raw, wire], [], [])
    if wire in ready:
        frame, beside, _, origin = wire.recvmsg(65535, 64)
        if untagged and has_tag(beside):
            continue
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
