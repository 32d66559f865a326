"""Bodies as SDKs upload them: `aws-chunked` (signed or not, with trailers) and gzip, undone.

`decode_chunked` gives the bytes and the trailing headers. Chunk signatures are not looked at here.
"""

from __future__ import annotations

import zlib

from kunren.core.errors import WireError

CHUNK_HEADER_MAX = 1024


def is_chunked(headers: dict[str, str]) -> bool:
    """Whether the body is in aws-chunked form: the encoding says so, or the payload hash does (S3's streaming)."""
    encoding = headers.get("content-encoding", "")
    return "aws-chunked" in encoding or headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def _malformed(text: str) -> WireError:
    return WireError("IncompleteBody", text, 400)


def decode_chunked(body: bytes, expected: int | None = None) -> tuple[bytes, dict[str, str]]:
    """The body without its chunk framing, and the trailers (names in lower case). Raises IncompleteBody."""
    pieces: list[bytes] = []
    total = position = 0
    while True:
        end = body.find(b"\r\n", position, position + CHUNK_HEADER_MAX)
        if end < 0:
            raise _malformed("The request body terminated unexpectedly")
        size_text = body[position:end].partition(b";")[0].strip()
        try:
            size = int(size_text, 16) if size_text and b"_" not in size_text and size_text[:1] not in b"+-" else -1
        except ValueError:
            size = -1
        if size < 0:
            raise _malformed("A chunk of the request body has no valid size")
        position = end + 2
        if size == 0:
            break
        if position + size + 2 > len(body) or body[position + size : position + size + 2] != b"\r\n":
            raise _malformed("The request body terminated unexpectedly")
        pieces.append(body[position : position + size])
        total += size
        position += size + 2
    if expected is not None and total != expected:
        raise _malformed("You did not provide the number of bytes specified by the x-amz-decoded-content-length header")
    return b"".join(pieces), _trailers(body[position:])


def _trailers(text: bytes) -> dict[str, str]:
    out: dict[str, str] = {}
    for line in text.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip():
            out[name.strip().decode("latin-1").lower()] = value.strip().decode("latin-1")
    return out


def decode_gzip(body: bytes, limit: int) -> bytes:
    """A gzip body, at most `limit` bytes of it. Raises SerializationException."""
    inflater = zlib.decompressobj(31)
    try:
        out = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise WireError("SerializationException", "The body is not valid gzip", 400) from None
    if len(out) > limit:
        raise WireError("RequestEntityTooLarge", f"The body inflates to more than {limit} bytes", 413)
    if not inflater.eof:
        raise WireError("SerializationException", "The body is not complete gzip", 400)
    return out
