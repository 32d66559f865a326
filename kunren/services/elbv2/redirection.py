"""Where a redirect action sends a request: its Location, as a pure function (`dataplane/redirects.py` says the same to
Envoy)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.services.elbv2.matcher import Asked

_TOKEN = re.compile(r"#\{(protocol|host|port|path|query)\}")


def location(config: Mapping[str, Any], *, protocol: str, port: int, asked: Asked) -> str:
    """The URL of a RedirectConfig (with all components) on a listener of that protocol and port. The port is always
    written out; a query that comes out empty leaves no question mark."""
    known = {
        "protocol": protocol.lower(),
        "host": asked.domain,
        "port": str(port),
        "path": asked.path.removeprefix("/"),
        "query": asked.query or "",
    }

    def filled(text: str) -> str:
        return _TOKEN.sub(lambda token: known[token[1]], text)

    scheme = filled(config["Protocol"]).lower()
    query = filled(config["Query"])
    return f"{scheme}://{filled(config['Host'])}:{filled(config['Port'])}{filled(config['Path'])}" + (
        f"?{query}" if query else ""
    )
