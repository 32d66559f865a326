"""TLS contexts for the gateway's own endpoints, one per name that a client asks for, made when first asked for.

Names are grouped, so that few certificates are made: `sqs.us-east-1.amazonaws.com` and
`bucket.s3.us-east-1.amazonaws.com` get a wildcard for their parent (RFC 6125: one label). A connection without a name
gets the loopback certificate. At most `NAMES_MAX` contexts are kept.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

NAMES_MAX = 256
LOOPBACK = ("localhost", "*.localhost", "127.0.0.1", "::1")


class Issued(Protocol):
    """What a certificate authority gives: PEM texts."""

    @property
    def certificate_pem(self) -> str: ...
    @property
    def chain_pem(self) -> str: ...
    @property
    def private_key_pem(self) -> str: ...


class CertificateContexts:
    """`context_for(name)` for a server: a context whose certificate names it, signed by the world's authority."""

    def __init__(self, issue: Callable[[Sequence[str]], Issued], own_names: Sequence[str] = LOOPBACK) -> None:
        self._issue = issue
        self._own_names = tuple(own_names)
        self._made: OrderedDict[tuple[str, ...], ssl.SSLContext] = OrderedDict()

    def context_for(self, server_name: str | None) -> ssl.SSLContext:
        names = self.names_for(server_name)
        context = self._made.get(names)
        if context is None:
            context = self._made[names] = _context(self._issue(names))
            while len(self._made) > NAMES_MAX:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(names)
        return context

    def names_for(self, server_name: str | None) -> tuple[str, ...]:
        """The certificate's names for a client that asks for `server_name`."""
        name = (server_name or "").lower().rstrip(".")
        if not name or name == "localhost" or name in self._own_names:
            return self._own_names
        try:
            ipaddress.ip_address(name)
        except ValueError:
            pass
        else:
            return self._own_names
        parent = name.partition(".")[2]
        if parent == "localhost":
            return self._own_names
        return (parent, f"*.{parent}") if parent.count(".") >= 1 else (name,)


def _context(issued: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    descriptor, path = tempfile.mkstemp(prefix="kunren-tls-")  # readable by this user only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(issued.private_key_pem + "\n" + issued.certificate_pem + "\n" + issued.chain_pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context
