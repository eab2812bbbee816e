"""Tags what a host sends and takes the tag off what it hears, where the kernel has no VLAN interfaces:
`tag_frames.py OUTER VLAN INNER`. Frames go between INNER, which is whole, and OUTER, where they carry the tag. Ends when
either interface goes."""

import select
import socket
import struct
import sys

outer_name, vlan, inner_name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# linux/if_packet.h
SOL_PACKET, PACKET_AUXDATA, OUTGOING, VLAN_VALID = 263, 8, 4, 1 << 4


def opened(name):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    one.bind((name, 0))
    one.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return one


def tag_of(control):
    """The kernel takes the tag out of the frame and tells of it beside."""
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack('IIIHHHH', data[:20])
            return tci & 0xFFF if status & VLAN_VALID else None
    return None


outer, inner = opened(outer_name), opened(inner_name)
print('ready', flush=True)
try:
    while True:
        ready, _, _ = select.select([outer, inner], [], [])
        for one in ready:
            frame, control, _, origin = one.recvmsg(65535, 256)
            if origin[2] == OUTGOING:
                continue
            if one is inner:
                outer.send(frame[:12] + struct.pack('!HH', 0x8100, vlan) + frame[12:])
            elif tag_of(control) == vlan:
                inner.send(frame)
            elif frame[12:14] == b'\x81\x00' and struct.unpack_from('!H', frame, 14)[0] & 0xFFF == vlan:
                inner.send(frame[:12] + frame[16:])
except OSError:
    sys.exit(0)
