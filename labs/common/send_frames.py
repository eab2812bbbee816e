"""Puts frames on an interface as they are: `send_frames.py INTERFACE HEX...`, for labs where somebody lies."""

import socket
import sys

interface, *frames = sys.argv[1:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind((interface, 0))
    for frame in frames:
        wire.send(bytes.fromhex(frame))
