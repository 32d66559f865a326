"""From what the user typed to a Request. Raises BadRequest with words for the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

from kunren.core.errors import Unanswerable
from kunren.trace.model import Request
from kunren.world.addresses import client_address
from kunren.world.interface import UnknownPlace
from kunren.world.spec import WorldSpec

_METHOD = re.compile(r"[A-Za-z!#$%&'*+\-.^_`|~0-9]{1,32}")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FLOWS = ("tcp", "udp")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


class BadRequest(Unanswerable):
    """What the user asked for cannot be traced; the text says what is wrong and what is wanted."""


def parsed(wanted: Mapping[str, Any], spec: WorldSpec) -> Request:
    """`wanted` has "url", and may have "place", "method", "headers" (a list of "Name: value"), "source". Raises
    BadRequest, UnknownPlace."""
    url = str(wanted.get("url") or "")
    scheme, host, port, path, query = _split(url)
    if scheme in FLOWS and (wanted.get("method") not in (None, "GET") or wanted.get("headers")):
        raise BadRequest(f"{scheme}:// has no method and no headers: a flow is all that is begun.")
    place = str(wanted.get("place") or spec.default_place)
    method = str(wanted.get("method") or "GET")
    if not _METHOD.fullmatch(method):
        raise BadRequest(f"{method!r} is no HTTP method.")
    own = _address_of(place, spec)
    return Request(
        url=url, scheme=scheme, host=host, port=port, path=path, query=query, method=method,
        headers=tuple(_header(each) for each in wanted.get("headers") or ()),
        place=place, source=_source(wanted.get("source")) or own,
    )  # fmt: skip


def _split(url: str) -> tuple[str, str, int, str, str | None]:
    if "://" not in url:
        raise BadRequest(f"{url!r} has no scheme: write http://{url or 'NAME'} or https://{url or 'NAME'}.")
    if _UNSAFE.search(url) or not url.isascii():
        raise BadRequest(f"{url!r} has characters that a URL has not: write them percent-encoded (%20 for a space).")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRequest(f"{url!r} is no URL: {error}.") from error
    if parts.scheme not in ("http", "https", *FLOWS):
        raise BadRequest(f"{parts.scheme}:// is not traced: the scheme is http, https, tcp or udp.")
    if not parts.hostname:
        raise BadRequest(f"{url!r} names no host.")
    if port == 0:
        raise BadRequest("0 is no port that anything answers on.")
    if parts.scheme in FLOWS and (port is None or parts.path or parts.query):
        raise BadRequest(f"{url!r}: write {parts.scheme}://{parts.hostname}:PORT.")
    query = parts.query if "?" in url.partition("#")[0] else None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.path or "/", query


def _address_of(place: str, spec: WorldSpec) -> str:
    index = next((index for index, each in enumerate(spec.places) if each.name == place), None)
    if index is None:
        known = ", ".join(each.name for each in spec.places)
        raise UnknownPlace(f"there is no place {place!r} in this world. Places: {known}")
    return client_address(index)


def _source(given: Any) -> str | None:
    if not given:
        return None
    try:
        return str(IPv4Address(str(given)))
    except ValueError as error:
        raise BadRequest(f"{given!r} is no IPv4 address.") from error


def _header(text: Any) -> tuple[str, str]:
    name, colon, value = str(text).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _HEADER_NAME.fullmatch(name):
        raise BadRequest(f"{text!r} is no header: write 'Name: value'.")
    if name.lower() in ("content-length", "transfer-encoding"):
        raise BadRequest(f"the trace sends no body, so a header {name} would say what is not so.")
    if not value.isascii() or any(each < " " and each != "\t" for each in value):
        raise BadRequest(f"the value of header {name} has characters that no header may have.")
    return name, value
