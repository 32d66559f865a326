"""Media types, binary bodies and compression. Pure.

"Content type conversions in API Gateway" and "Payload compression for REST APIs".
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterable

_BOMB_MAX = 10 * 1024 * 1024


def media_type(header: str | None) -> str:
    """The first media type that a header names, without parameters."""
    return (header or "").split(",")[0].partition(";")[0].strip().lower()


def is_binary(types: Iterable[str], header: str | None) -> bool:
    """Whether the first media type of a header is one of an API's binary ones."""
    told = media_type(header)
    for each in types:
        each = each.lower()
        if each == "*/*" or each == told or (each.endswith("/*") and told.startswith(each[:-1])):
            return True
    return False


def to_text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def converted(body: bytes, binary: bool, handling: str | None) -> bytes:
    """A body after its content handling; `binary` says whether its type is one of the binary ones. Raises ValueError
    where a text to be made binary is not base64."""
    if handling == "CONVERT_TO_TEXT" and binary:
        return base64.b64encode(body)
    if handling == "CONVERT_TO_BINARY" and not binary:
        return decoded(body)
    return body


def decoded(text: bytes) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the body is not base64") from None


def compressed(body: bytes, accepted: str) -> tuple[bytes, str] | None:
    """The body and the name of the encoding that the client accepts, if any."""
    names = {each.partition(";")[0].strip().lower() for each in accepted.split(",") if ";q=0" not in each.lower() or
             "q=0." in each.lower()}  # fmt: skip
    if "gzip" in names or "*" in names:
        return gzip.compress(body, 6, mtime=0), "gzip"
    return (zlib.compress(body), "deflate") if "deflate" in names else None


def uncompressed(body: bytes, encoding: str) -> bytes:
    """Raises ValueError for a body that is not so encoded, or too large."""
    name = encoding.strip().lower()
    if name not in ("gzip", "deflate"):
        return body
    unpacking = zlib.decompressobj(31 if name == "gzip" else 15)
    try:
        found = unpacking.decompress(body, _BOMB_MAX + 1)
    except zlib.error:
        raise ValueError(f"the body is not {name}") from None
    if len(found) > _BOMB_MAX:
        raise ValueError("the body is too large")
    if not unpacking.eof:
        raise ValueError("the body ends before its end")
    return found
