"""What must come back for each domain: pure functions of the redirect document and an answer.

The document's reader is the example's own (`examples/redirect/document.py`), so that what is deployed and what is
expected come from one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

PATH = "/some/page"
QUERY = "item=7&colour=blue"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Redirect(Protocol):
    """One entry of the document, as the example's reader gives it."""

    domain: str
    url: str
    status: int
    carry_path: bool
    carry_query: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One request and what came of it. `address` and `location` are empty where there was none."""

    domain: str
    scheme: str
    place: str
    address: str
    status: int
    location: str
    tls_verified: bool | None
    ok: bool
    problem: str = ""


def expected_location(redirect: Redirect) -> str:
    """Where a request for PATH?QUERY must be sent."""
    target = urlsplit(redirect.url)
    path = target.path or "/"
    if redirect.carry_path:
        path = path.rstrip("/") + PATH
    query = QUERY if redirect.carry_query else target.query
    return canonical(f"{target.scheme}://{target.netloc}{path}" + (f"?{query}" if query else ""))


def canonical(url: str) -> str:
    """A URL with its port written out and at least `/` as path, so that equal targets compare equal."""
    parts = urlsplit(url)
    try:
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}{parts.path or '/'}{query}"


def problem(redirect: Redirect, scheme: str, addresses: list[str], answer: dict[str, object]) -> str:
    """What is wrong with an answer, in words; empty when nothing is."""
    if not addresses:
        return "DNS gave no address"
    if answer["error"]:
        return str(answer["error"])
    if answer["address"] not in addresses:
        return f"answered by {answer['address']}, which DNS did not give"
    if answer["status"] != redirect.status:
        return f"status {answer['status']}, not {redirect.status}"
    wanted = expected_location(redirect)
    if canonical(str(answer["location"])) != wanted:
        return f"Location {answer['location'] or 'absent'}, not {wanted}"
    if scheme != "http" and not answer["tls_verified"]:
        return "the certificate did not verify"
    return ""
