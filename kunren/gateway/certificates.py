"""TLS contexts for the gateway's own endpoints, one per name that a client asks for, made when first asked for.

Names are grouped, so that few certificates are made: `sqs.us-east-1.amazonaws.com` and
`bucket.s3.us-east-1.amazonaws.com` get a wildcard for their parent (RFC 6125: one label). A connection without a name
gets the loopback certificate. At most `NAMES_MAX` contexts are kept.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence

NAMES_MAX = 256
LOOPBACK = ("localhost", "*.localhost", "127.0.0.1", "::1")


class CertificateContexts:
    """`context_for(name)` for a server: a context whose certificate names it, signed by the world's authority."""

    def __init__(self, make: Callable[..., ssl.SSLContext], own_names: Sequence[str] = LOOPBACK) -> None:
        """`make(*names)` gives a context whose certificate has these names."""
        self._make = make
        self._own_names = tuple(own_names)
        self._made: OrderedDict[tuple[str, ...], ssl.SSLContext] = OrderedDict()

    def context_for(self, server_name: str | None) -> ssl.SSLContext:
        names = self.names_for(server_name)
        context = self._made.get(names)
        if context is None:
            context = self._made[names] = self._make(*names)
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
