"""Bodies as SDKs upload them: `aws-chunked` (signed or not, with trailers) and gzip, undone.

`decode_chunked` gives the bytes and the trailing headers. Chunk signatures are kept where asked for, and looked at by
those who know the secret (`kunren.access.chunks`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from kunren.core.errors import WireError

CHUNK_HEADER_MAX = 1024


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Whether the body is in aws-chunked form: the encoding says so, or the payload hash does (S3's streaming)."""
    encoding = headers.get("content-encoding", "")
    return "aws-chunked" in encoding or headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def _malformed(text: str) -> WireError:
    return WireError("IncompleteBody", text, 400)


def decode_chunked(body: bytes, expected: int | None = None) -> tuple[bytes, dict[str, str]]:
    """The body without its chunk framing, and the trailers (names in lower case). Raises IncompleteBody."""
    unframing = Unframing()
    data = b"".join(unframing.feed(body))
    trailers = unframing.finish()
    if expected is not None and len(data) != expected:
        raise _malformed("You did not provide the number of bytes specified by the x-amz-decoded-content-length header")
    return data, trailers


class Piece(NamedTuple):
    """One chunk: the signature that it came with, and the digest of its content."""

    signature: str
    sha256: str


class Unframing:
    """Takes the chunk framing off a body that arrives in pieces of any size. With `keep_signatures`, `pieces` are the
    chunks so far, the empty last one too."""

    def __init__(self, keep_signatures: bool = False) -> None:
        self.pieces: list[Piece] = []
        self._signature = ""
        self._digest = hashlib.sha256() if keep_signatures else None
        self._rest = b""
        self._left = 0
        self._closing = False
        self._last = False

    def feed(self, piece: bytes) -> list[bytes]:
        """What of the content is in the next piece. Raises IncompleteBody."""
        out: list[bytes] = []
        data = self._rest + piece if self._rest else piece
        position = 0
        while position < len(data) and not self._last:
            if self._left:
                taken = data[position : position + self._left]
                out.append(taken)
                self._left -= len(taken)
                position += len(taken)
                self._closing = not self._left
                if self._digest is not None:
                    self._digest.update(taken)
                    if self._closing:
                        self._keep()
                continue
            if self._closing:
                if len(data) - position < 2:
                    break
                if data[position : position + 2] != b"\r\n":
                    raise _malformed("The request body terminated unexpectedly")
                position += 2
                self._closing = False
                continue
            end = data.find(b"\r\n", position, position + CHUNK_HEADER_MAX)
            if end < 0:
                if len(data) - position >= CHUNK_HEADER_MAX:
                    raise _malformed("A chunk of the request body has no valid size")
                break
            self._left = _size(data[position:end])
            self._last = not self._left
            if self._digest is not None:
                self._signature = _signature(data[position:end])
                if self._last:
                    self._keep()
            position = end + 2
        self._rest = data[position:]
        return out

    def _keep(self) -> None:
        assert self._digest is not None
        self.pieces.append(Piece(self._signature, self._digest.hexdigest()))
        self._digest = hashlib.sha256()

    def finish(self) -> dict[str, str]:
        """The trailers, when everything was fed. Raises IncompleteBody where the last chunk did not come."""
        if not self._last:
            raise _malformed("The request body terminated unexpectedly")
        return _trailers(self._rest)


def _size(line: bytes) -> int:
    """The size that a chunk's first line states. Raises IncompleteBody."""
    text = line.partition(b";")[0].strip()
    try:
        size = int(text, 16) if text and b"_" not in text and text[:1] not in b"+-" else -1
    except ValueError:
        size = -1
    if size < 0:
        raise _malformed("A chunk of the request body has no valid size")
    return size


def _signature(line: bytes) -> str:
    """The signature in a chunk's first line, "" without one."""
    _, found, value = line.partition(b"chunk-signature=")
    return value.partition(b";")[0].strip().decode("latin-1") if found else ""


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
