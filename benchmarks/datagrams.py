"""`python datagrams.py serve PORT` repeats datagrams; `python datagrams.py ask ADDRESS PORT SECONDS` asks and counts.

Asking keeps one small datagram under way in each of 32 flows, and prints "ANSWERED count SECONDS LOST count" at the end.
"""

from __future__ import annotations

import socket
import sys
import time

FLOWS = 32
WAITS_S = 0.5


def serve(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("0.0.0.0", port))
        while True:
            data, peer = one.recvfrom(2048)
            one.sendto(data, peer)


def ask(address: str, port: int, seconds: float) -> str:
    flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
    for each in flows:
        each.settimeout(WAITS_S)
        each.connect((address, port))
    answered = lost = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for each in flows:
            each.send(b"x" * 64)
        for each in flows:
            try:
                each.recv(2048)
                answered += 1
            except OSError:
                lost += 1
    return f"ANSWERED {answered} {time.monotonic() - began} LOST {lost}"


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        print(ask(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
