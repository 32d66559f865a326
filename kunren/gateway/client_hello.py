"""The server name in a TLS ClientHello that has not been answered yet (RFC 8446, section 4.1.2; RFC 6066). Pure.

Contexts that ask for client certificates must be chosen before OpenSSL begins: the server name callback, which comes
later, changes the certificate and not whether one is asked for.
"""

from __future__ import annotations

HELLO_BYTES_MAX = 16_384 + 5
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


class Incomplete(Exception):
    """More must come before the name can be read."""


def server_name(data: bytes) -> str | None:
    """The host name asked for; None where the hello has none, or where this is no hello (OpenSSL will say so). Raises
    Incomplete."""
    body = _hello(data)
    try:
        return None if body is None else _named(body)
    except (IndexError, UnicodeDecodeError):
        return None


def _hello(data: bytes) -> bytes | None:
    """The hello's body out of the handshake records that it comes in."""
    message = b""
    while True:
        if len(data) < 5:
            raise Incomplete
        length = int.from_bytes(data[3:5], "big")
        if data[0] != _HANDSHAKE or length > HELLO_BYTES_MAX:
            return None
        message += data[5 : 5 + length]
        if len(message) >= 4:
            if message[0] != _CLIENT_HELLO:
                return None
            wanted = int.from_bytes(message[1:4], "big")
            if wanted > HELLO_BYTES_MAX:
                return None
            if len(message) >= 4 + wanted:
                return message[4 : 4 + wanted]
        data = data[5 + length :]


def _named(body: bytes) -> str | None:
    at = 34  # version and random
    at += 1 + body[at]  # session id
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # cipher suites
    at += 1 + body[at]  # compression methods
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    while at + 4 <= min(end, len(body)):
        kind, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        if kind == _SERVER_NAME:
            entry = body[at + 4 : at + 4 + length]
            if entry[2] != _HOST_NAME:
                return None
            return entry[5 : 5 + int.from_bytes(entry[3:5], "big")].decode("ascii")
        at += 4 + length
    return None
