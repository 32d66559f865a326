"""Runs inside the world and looks at one thing after the other as fast as it can, to tell when it changed.

Told by lines of JSON on standard input, answers with one each. `{"http": [address, port], "host": ..., "path": ...,
"sees": TEXT, "tls": NAME or null, "for_s": SECONDS}` asks again and again on one connection (a new one for each request
where "tls" or "fresh") and reports when an answer (or the certificate, with "tls") first contained the text. "gone"
instead of "sees" reports when one contained it for the last time, after looking on for "quiet_s". `{"dns": [address,
port], "query": HEX, "sees": HEX}` does so with a DNS question. Times are seconds of CLOCK_MONOTONIC, which the world and
the host share.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.0005
Look = Callable[[], bytes]


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        look = _dns(wanted) if "dns" in wanted else _http(wanted)
        print("looking", flush=True)
        print(json.dumps(_watch(look, wanted)), flush=True)


def _watch(look: Look, wanted: dict[str, Any]) -> dict[str, Any]:
    until = time.monotonic() + float(wanted.get("for_s", 10.0))
    leaving = "gone" in wanted
    text = bytes.fromhex(wanted["sees"]) if "dns" in wanted else str(wanted["gone" if leaving else "sees"]).encode()
    looks, last, gaps, before = 0, 0.0, 0.0, time.monotonic()
    while (now := time.monotonic()) < until:
        found = text in look()
        after = time.monotonic()
        looks, gaps, before = looks + 1, max(gaps, after - before), after
        if found and not leaving:
            return {"at": after, "looks": looks, "longest_look_s": gaps}
        if found:
            last = after
            until = min(until, after + float(wanted["quiet_s"]))
        time.sleep(max(0.0, POLL_S - (time.monotonic() - now)))
    return {"at": last if leaving else None, "looks": looks, "longest_look_s": gaps}


def _http(wanted: dict[str, Any]) -> Look:
    address, port = wanted["http"]
    request = f"GET {wanted.get('path', '/')} HTTP/1.1\r\nHost: {wanted['host']}\r\n\r\n".encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    kept: list[socket.socket] = []

    def connected() -> socket.socket:
        if kept:
            return kept[0]
        opened = socket.create_connection((address, port), timeout=2)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kept.append(opened)
        return opened

    def certificate() -> bytes:
        with (
            socket.create_connection((address, port), timeout=2) as plain,
            context.wrap_socket(plain, server_hostname=wanted["tls"]) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""

    def answer() -> bytes:
        connection = connected()
        connection.sendall(request)
        return _answer(connection)

    def look() -> bytes:
        try:
            found = certificate() if wanted.get("tls") else answer()
        except OSError:  # refused, reset, timed out, or no TLS yet
            found = b""
        if kept and (wanted.get("fresh") or not found):
            kept.pop().close()
        return found

    return look


def _answer(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return b""
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                data = connection.recv(65536)
                if not data:
                    return b""
                body += data
    return head + b"\r\n\r\n" + body


def _dns(wanted: dict[str, Any]) -> Look:
    question = bytes.fromhex(wanted["query"])
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(1.0)
    asking.connect(tuple(wanted["dns"]))

    def look() -> bytes:
        try:
            asking.send(question)
            return asking.recv(4096)
        except OSError:
            return b""

    return look


if __name__ == "__main__":
    main()
