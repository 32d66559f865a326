"""Whether and how the edge makes an object smaller. Pure.

Developer Guide, "Serve compressed files".
"""

from __future__ import annotations

import gzip

import brotli

from kunren.dataplane.edge import keys
from kunren.dataplane.edge.message import Answer, Request, joined, without
from kunren.dataplane.edge.site import Behaviour

_BYTES = range(1000, 10_000_001)
_STATUSES = frozenset({200, 403, 404})
_TYPES = frozenset(
    {
        "application/dash+xml", "application/eot", "application/font", "application/font-sfnt",
        "application/javascript", "application/json", "application/opentype", "application/otf", "application/pdf",
        "application/pkcs7-mime", "application/protobuf", "application/rss+xml", "application/truetype",
        "application/ttf", "application/vnd.apple.mpegurl", "application/vnd.mapbox-vector-tile",
        "application/vnd.ms-fontobject", "application/wasm", "application/xhtml+xml", "application/xml",
        "application/x-font-opentype", "application/x-font-truetype", "application/x-font-ttf",
        "application/x-httpd-cgi", "application/x-javascript", "application/x-mpegurl", "application/x-opentype",
        "application/x-otf", "application/x-perl", "application/x-ttf", "font/eot", "font/opentype", "font/otf",
        "font/ttf", "image/svg+xml", "text/css", "text/csv", "text/html", "text/javascript", "text/js", "text/plain",
        "text/richtext", "text/tab-separated-values", "text/xml", "text/x-component", "text/x-java-source",
        "text/x-script", "vnd.apple.mpegurl",
    }
)  # fmt: skip
_BROTLI_QUALITY, _GZIP_LEVEL = 5, 6


def coding(behaviour: Behaviour, request: Request, answer: Answer) -> str | None:
    """The content coding that an answer is to get: br where the viewer takes both. It has to be cached, and the origin
    must say how long it is."""
    length = answer.header("content-length") or ""
    kind = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    if (
        not behaviour.compress
        or answer.status not in _STATUSES
        or kind not in _TYPES
        or answer.header("content-encoding") is not None
        or not (length.isdecimal() and int(length) in _BYTES)
    ):
        return None
    accepted = keys.accepted_encoding(request.header("accept-encoding"), behaviour.cache.encodings)
    return accepted.partition(",")[0] or None


def compressed(body: bytes, coding: str) -> bytes:
    """Takes some 20 ms for a megabyte."""
    if coding == "br":
        made: bytes = brotli.compress(body, quality=_BROTLI_QUALITY)
        return made
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


def mark(answer: Answer, coding: str) -> None:
    """Change an answer's headers: the coding, and a validator that is weak, since it is not the origin's bytes."""
    vary = joined(answer.headers, "vary")
    etag = answer.header("etag")
    gone = {"content-length", "accept-ranges"}
    added = [("Content-Encoding", coding)]
    if etag is not None and not etag.startswith("W/"):
        gone.add("etag")
        added.append(("ETag", "W/" + etag))
    if "accept-encoding" not in (vary or "").lower() and vary != "*":
        gone.add("vary")
        added.append(("Vary", f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"))
    answer.headers = [*without(answer.headers, gone), *added]
