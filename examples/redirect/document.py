"""The redirect document: which domain goes to which URL. Reading it finds every mistake and names the entry.

The document is one JSON object. A domain maps to a target URL, or to an object:

    {"old.test": "https://new.test/page",
     "other.test": {"url": "https://new.test", "status": 302, "carry_path": true, "carry_query": true}}

`carry_path` appends the request's path to the target's, `carry_query` hands the request's query string on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DEFAULT_PORTS = {"http": 80, "https": 443}


class BadDocument(Exception):
    """The document can't be used; the message names the entry."""


@dataclass(frozen=True)
class Redirect:
    """One domain's redirect. `domain` is lower case, an internationalised one in its ASCII form."""

    domain: str
    url: str
    status: int = 301
    carry_path: bool = False
    carry_query: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Its entry of the document, with nothing left out."""
        return {"url": self.url, "status": self.status, "carry_path": self.carry_path, "carry_query": self.carry_query}

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def port(self) -> int:
        return self.parts.port or DEFAULT_PORTS[self.parts.scheme]


def load_document(path: str | Path) -> list[Redirect]:
    """The redirects of a file, in its order. Raises BadDocument."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadDocument(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDocument(f"{path} is not UTF-8 (byte {error.start})") from error
    return parse_document(text)


def parse_document(text: str) -> list[Redirect]:
    """The redirects of a document, in its order. Raises BadDocument."""
    try:
        entries = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise BadDocument(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    if not isinstance(entries, _Pairs):
        raise BadDocument("the document must be one JSON object of domain: target")
    if not entries.items:
        raise BadDocument("the document names no domain")
    redirects: dict[str, Redirect] = {}
    for domain, target in entries.items:
        redirect = _entry(domain, target)
        if redirect.domain in redirects:
            raise BadDocument(f"entry {domain!r}: the domain {redirect.domain} is there twice")
        redirects[redirect.domain] = redirect
    return list(redirects.values())


@dataclass(frozen=True)
class _Pairs:
    """A JSON object as it was written: with its repeated keys."""

    items: list[tuple[str, Any]]


def _pairs(items: Iterable[tuple[str, Any]]) -> _Pairs:
    return _Pairs(list(items))


def _entry(domain: str, target: Any) -> Redirect:
    name = _domain(domain)
    options: dict[str, Any] = {"url": target}
    if isinstance(target, _Pairs):
        options = dict(target.items)
        if len(options) < len(target.items):
            raise BadDocument(f"entry {domain!r}: an option is there twice")
    unknown = sorted(set(options) - {"url", "status", "carry_path", "carry_query"})
    if unknown:
        raise BadDocument(f"entry {domain!r}: unknown option {unknown[0]!r} (url, status, carry_path, carry_query)")
    for option in ("carry_path", "carry_query"):
        if not isinstance(options.get(option, False), bool):
            raise BadDocument(f"entry {domain!r}: {option} must be true or false")
    status = options.get("status", 301)
    if status not in (301, 302) or isinstance(status, bool):
        raise BadDocument(f"entry {domain!r}: status must be 301 or 302, not {status!r}")
    url = _url(domain, name, options.get("url"))
    carry_query = options.get("carry_query", False)
    if carry_query and urlsplit(url).query:
        raise BadDocument(f"entry {domain!r}: the target has a query of its own, so carry_query can't be true")
    return Redirect(name, url, status, options.get("carry_path", False), carry_query)


def _domain(domain: str) -> str:
    try:
        name = domain.strip().rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadDocument(f"entry {domain!r}: not a domain name ({error})") from error
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise BadDocument(f"entry {domain!r}: not a domain name of at least two labels")
    if labels[-1].isdigit():
        raise BadDocument(f"entry {domain!r}: an address is not a domain name")
    return name


def _url(domain: str, name: str, url: Any) -> str:
    if not isinstance(url, str):
        raise BadDocument(f"entry {domain!r}: the target must be a URL, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadDocument(f"entry {domain!r}: {url!r} is not a URL ({error})") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise BadDocument(f"entry {domain!r}: {url!r} is not an http:// or https:// URL with a host")
    if not url.isascii() or any(character.isspace() or ord(character) < 32 for character in url):
        raise BadDocument(f"entry {domain!r}: {url!r} must be ASCII without spaces (percent-encode the rest)")
    if parts.username is not None or parts.fragment or "#" in url:
        raise BadDocument(f"entry {domain!r}: {url!r} may hold neither credentials nor a fragment")
    if len(url) > 500:
        raise BadDocument(f"entry {domain!r}: the target is longer than 500 characters")
    if parts.hostname == name and port in (None, 80, 443):
        raise BadDocument(f"entry {domain!r}: it redirects to itself")
    return url
