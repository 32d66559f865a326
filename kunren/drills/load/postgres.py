"""PostgreSQL's protocol 3.0, the client's side, without I/O: a session takes bytes and says what to send and what came.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol" and "SASL Authentication". Queries are simple ones;
there is no TLS. Passwords go in the clear, as MD5 or by SCRAM-SHA-256, as the server asks for them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

PROTOCOL = 196608
PORT = 5432
MECHANISM = "SCRAM-SHA-256"
_OK, _CLEAR, _MD5, _SASL, _CONTINUE, _FINAL = 0, 3, 5, 10, 11, 12


class Server(NamedTuple):
    """Of a URL like postgresql://user:password@host:5432/database."""

    host: str
    port: int
    user: str
    password: str
    database: str


def server_of(url: str) -> Server:
    parts = urlsplit(url)
    user = unquote(parts.username or "postgres")
    return Server(
        parts.hostname or "", parts.port or PORT, user, unquote(parts.password or ""), parts.path[1:] or user
    )  # fmt: skip


class Say(NamedTuple):
    """To be sent."""

    data: bytes


class Row(NamedTuple):
    """Of an answer: its columns as text."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The server's error. One that ends the session leaves open what became of a statement under way."""

    code: str
    text: str
    ends: bool


class Ready(NamedTuple):
    """A statement may be sent; one that was is over."""


Event = Say | Row | Failed | Ready


class Session:
    """One session. `startup` is to be sent first."""

    def __init__(self, server: Server, nonce: Callable[[], str] = lambda: secrets.token_urlsafe(18)) -> None:
        self._server, self._nonce = server, nonce
        self._pending = b""
        self._first = ""
        self._signature = b""

    def startup(self) -> bytes:
        told = ("user", self._server.user, "database", self._server.database, "application_name", "kunren-drill")
        body = struct.pack(">I", PROTOCOL) + b"".join(each.encode() + b"\0" for each in told) + b"\0"
        return struct.pack(">I", len(body) + 4) + body

    def fed(self, data: bytes) -> Iterator[Event]:
        """What came of these bytes, in order."""
        self._pending += data
        while len(self._pending) >= 5:
            end = 1 + int(struct.unpack_from(">I", self._pending, 1)[0])
            if len(self._pending) < end:
                return
            kind, body = self._pending[:1], self._pending[5:end]
            self._pending = self._pending[end:]
            if kind == b"R":
                yield from self._asked_who(body)
            elif kind == b"D":
                yield Row(tuple(_columns(body)))
            elif kind == b"E":
                yield _failed(body)
            elif kind == b"Z":
                yield Ready()

    def _asked_who(self, body: bytes) -> Iterator[Event]:
        (code,), rest = struct.unpack_from(">I", body), body[4:]
        user, password = self._server.user.encode(), self._server.password.encode()
        if code == _CLEAR:
            yield Say(message(b"p", password + b"\0"))
        elif code == _MD5:
            inner = hashlib.md5(password + user, usedforsecurity=False).hexdigest().encode()
            yield Say(
                message(b"p", b"md5" + hashlib.md5(inner + rest, usedforsecurity=False).hexdigest().encode() + b"\0")
            )
        elif code == _SASL:
            if MECHANISM.encode() not in rest.split(b"\0"):
                yield Failed("", f"the server does not take {MECHANISM}", True)
                return
            self._first = f"n=,r={self._nonce()}"
            first = f"n,,{self._first}".encode()
            yield Say(message(b"p", MECHANISM.encode() + b"\0" + struct.pack(">I", len(first)) + first))
        elif code == _CONTINUE:
            final, self._signature = proof(self._server.password, self._first, rest.decode())
            yield Say(message(b"p", final.encode()))
        elif code == _FINAL:
            if rest != b"v=" + base64.b64encode(self._signature):
                yield Failed("", "the server does not know the password itself", True)
        elif code != _OK:
            yield Failed("", f"the server asks for an authentication ({code}) that is not known here", True)


def query(statement: str) -> bytes:
    """A simple query: its answers end with `Ready`."""
    return message(b"Q", statement.encode() + b"\0")


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def proof(password: str, first: str, challenge: str) -> tuple[str, bytes]:
    """The client's final message of SCRAM-SHA-256 (RFC 5802, section 3) and the signature that the server owes."""
    told = dict(each.split("=", 1) for each in challenge.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(told["s"]), int(told["i"]))
    without_proof = f"c=biws,r={told['r']}"
    signed = f"{first},{challenge},{without_proof}".encode()
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), signed)
    proven = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return f"{without_proof},p={base64.b64encode(proven).decode()}", _hmac(_hmac(salted, b"Server Key"), signed)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _columns(body: bytes) -> Iterator[str]:
    at = 2
    for _ in range(struct.unpack_from(">H", body)[0]):
        (length,) = struct.unpack_from(">i", body, at)
        at += 4
        yield body[at : at + length].decode(errors="replace") if length > 0 else ""
        at += max(length, 0)


def _failed(body: bytes) -> Failed:
    fields = {each[:1]: each[1:].decode(errors="replace") for each in body.split(b"\0") if each}
    return Failed(
        fields.get(b"C", ""), fields.get(b"M", ""), fields.get(b"V", fields.get(b"S", "")) in ("FATAL", "PANIC")
    )


def rows_of(url: str, statement: str, timeout_s: float) -> list[Row]:
    """What that query gives, asked at once on a connection of its own. Raises OSError."""
    server = server_of(url)
    session, rows, asked = Session(server), [], False
    with socket.create_connection((server.host, server.port), timeout_s) as connection:
        connection.sendall(session.startup())
        while data := connection.recv(262144):
            for event in session.fed(data):
                if isinstance(event, Say):
                    connection.sendall(event.data)
                elif isinstance(event, Row):
                    rows.append(event)
                elif isinstance(event, Failed):
                    raise OSError(f"PostgreSQL answered {event.code}: {event.text}")
                elif asked:
                    return rows
                else:
                    asked = True
                    connection.sendall(query(statement))
    raise OSError("PostgreSQL ended the connection")
