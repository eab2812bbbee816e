"""Opens UDP sessions that nobody answers: `sessions.py HOST COUNT`, one datagram each, paced so that none is lost."""
import socket
import sys
import time

host, count = sys.argv[1], int(sys.argv[2])
per_socket = 200
sent = 0
while sent < count:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(20000, 20000 + min(per_socket, count - sent)):
        try:
            one.sendto(b"sluice", (host, port))
        except ConnectionRefusedError:
            one.sendto(b"sluice", (host, port))
        sent += 1
    one.close()
    time.sleep(per_socket / 12000)
print(sent, "datagrams", flush=True)
