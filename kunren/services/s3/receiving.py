"""Bodies of objects as they arrive: framing undone, digested, and written down, before any operation sees them.

A body of up to `SMALL_BYTES` stays in memory (the index keeps it); a larger one is written and digested by a thread,
a piece at a time, while reading pauses whenever too much waits for it. `Arriving.received` gives what came of it.
"Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", "Checking object
integrity".
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kunren.core.aws_chunked import Unframing, is_chunked
from kunren.core.errors import WireError
from kunren.services.s3 import checksums
from kunren.services.s3.bodies import Bodies
from kunren.services.s3.errors import refusal
from kunren.services.s3.index import Content, not_written

SMALL_BYTES = 32 * 1024
PIECE_BYTES = 1024 * 1024
WAITING_BYTES = 4 * 1024 * 1024
OBJECT_BYTES_MAX = 5 * 1024**3
"""Of one PUT, or one part."""
IN_MEMORY_MAX = 256 * 1024 * 1024


class Received(NamedTuple):
    """A whole body: its content, the hexadecimal MD5, and checksums by algorithm."""

    content: Content
    md5: str
    checksums: dict[str, str]


class Arriving:
    """One body on its way in (`kunren.core.uploads.Upload`)."""

    def __init__(self, bodies: Bodies, name: str, headers: Mapping[str, str], keep_signatures: bool = False) -> None:
        self._bodies = bodies
        self._name = name
        self._headers = headers
        self._unframing = Unframing(keep_signatures) if is_chunked(headers) else None
        self._asked = asked_for(headers)
        self._digests = {each: checksums.new(each) for each in self._asked or (checksums.DEFAULT,)}
        self._md5 = hashlib.md5(usedforsecurity=False)
        told = headers.get("x-amz-content-sha256", "")
        self._sha256 = hashlib.sha256() if len(told) == 64 and self._unframing is None else None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.size = 0
        self._descriptor: int | None = None
        self._working = False
        self._ended = self._abandoned = self._given = False
        self._failure: Exception | None = None
        self._resume: Callable[[], None] | None = None
        self._complete = asyncio.Event()

    # --- kunren.core.uploads.Upload -------------------------------------------------------------------------------

    def feed(self, piece: bytes, resume: Callable[[], None]) -> bool:
        if self._failure is not None:
            return False
        try:
            pieces = [piece] if self._unframing is None else self._unframing.feed(piece)
        except WireError as error:
            self._failure = error
            return False
        for each in pieces:
            self.size += len(each)
            self._waiting_bytes += len(each)
            self._waiting.append(each)
        if self.size > OBJECT_BYTES_MAX:
            self._failure = refusal("EntityTooLarge", MaxSizeAllowed=OBJECT_BYTES_MAX, ProposedSize=self.size)
        if self._waiting_bytes >= PIECE_BYTES or (self.size > SMALL_BYTES and not self._working):
            self._work()
        if self._waiting_bytes < WAITING_BYTES:
            return False
        self._resume = resume
        return True

    def end(self) -> None:
        self._ended = True
        if self.size > SMALL_BYTES:
            self._work()
        if not self._working:
            self._complete.set()

    def abandon(self) -> None:
        if self._given:
            return
        self._abandoned = True
        if not self._working:
            self._discard()

    def framing(self) -> Unframing:
        if self._failure is not None or self._unframing is None:
            raise self._failure or refusal("IncompleteBody")
        return self._unframing

    async def read(self) -> bytes:
        received = await self.received()
        if received.content.data is not None:
            return received.content.data
        try:
            if received.content.size > IN_MEMORY_MAX:
                raise refusal("EntityTooLarge", MaxSizeAllowed=IN_MEMORY_MAX, ProposedSize=received.content.size)
            return await asyncio.to_thread(self._bodies.path(self._name).read_bytes)
        finally:
            self._bodies.remove([self._name])

    # --- for the operations ---------------------------------------------------------------------------------------

    async def received(self) -> Received:
        """What arrived, on disk, and as the client said it would be. Raises BadDigest and its like; then nothing is
        left of it. From here on the body is the caller's: it removes what no object comes to refer to."""
        self._given = True
        await self._complete.wait()
        try:
            if self._failure is not None:
                raise self._failure
            if self.size <= SMALL_BYTES:
                self._digest(b"".join(self._waiting))
            self._check()
            data = b"".join(self._waiting) if self.size <= SMALL_BYTES else None
            if data is None and self._descriptor is not None:
                descriptor, self._descriptor = self._descriptor, None
                await asyncio.to_thread(self._bodies.settle, self._name, descriptor)
        except OSError as error:
            self._discard()
            raise not_written(str(error)) from None
        except BaseException:
            self._discard()
            raise
        found = {name: checksums.encoded(each.digest()) for name, each in self._digests.items()}
        return Received(Content(self._name, self.size, data), self._md5.hexdigest(), found)

    # --- the work -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Have the thread take what waits, unless it is at work."""
        if self._working or not self._waiting:
            return
        self._working = True
        batch, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, self._take, batch).add_done_callback(self._taken)

    def _take(self, batch: list[bytes]) -> None:
        if self._descriptor is None:
            self._descriptor = self._bodies.create(self._name)
        for piece in batch:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._digest(batch[0] if len(batch) == 1 else b"".join(batch))

    def _digest(self, piece: bytes) -> None:
        self._md5.update(piece)
        if self._sha256 is not None:
            self._sha256.update(piece)
        for each in self._digests.values():
            each.update(piece)

    def _taken(self, done: asyncio.Future[None]) -> None:
        self._working = False
        if not done.cancelled() and (error := done.exception()) is not None:
            self._failure = (
                not_written(str(error))
                if isinstance(error, OSError)
                else WireError("InternalError", f"The body could not be taken in: {error!r}", 500)
            )
            self._waiting.clear()
            self._waiting_bytes = 0
        if self._abandoned:
            self._discard()
            return
        if self._resume is not None and self._waiting_bytes < WAITING_BYTES:
            resume, self._resume = self._resume, None
            resume()
        if self._waiting and (self._ended or self._waiting_bytes >= PIECE_BYTES):
            self._work()
        if self._ended and not self._working:
            self._complete.set()

    def _discard(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self.size > SMALL_BYTES:
            self._bodies.remove([self._name])

    # --- what the client said -------------------------------------------------------------------------------------

    def _check(self) -> None:
        headers = dict(self._headers)
        if self._unframing is not None:
            headers.update(self._unframing.finish())
            expected = headers.get("x-amz-decoded-content-length", "")
            if expected.isdigit() and int(expected) != self.size:
                raise refusal(
                    "IncompleteBody",
                    "You did not provide the number of bytes specified by the x-amz-decoded-content-length header",
                )
        if self._sha256 is not None and headers["x-amz-content-sha256"].lower() != self._sha256.hexdigest():
            raise refusal(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=headers["x-amz-content-sha256"],
                S3ComputedContentSHA256=self._sha256.hexdigest(),
            )
        if "content-md5" in headers:
            if not checksums.well_formed("MD5", headers["content-md5"]):
                raise refusal("InvalidDigest")
            if headers["content-md5"] != checksums.encoded(self._md5.digest()):
                raise refusal("BadDigest", ExpectedDigest=headers["content-md5"])
        for algorithm in self._asked:
            told = headers.get(f"x-amz-checksum-{algorithm.lower()}")
            if told is None:
                continue
            if not checksums.well_formed(algorithm, told):
                raise refusal("InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
            if told != checksums.encoded(self._digests[algorithm].digest()):
                raise refusal(
                    "BadDigest",
                    f"The {algorithm} you specified did not match the calculated checksum.",
                )


_BY_HEADER = {f"x-amz-checksum-{each.lower()}": each for each in checksums.ALGORITHMS}


def asked_for(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The checksum algorithms that a request names: by value, in its trailer, or as the SDK's choice."""
    found = [name for header, name in _BY_HEADER.items() if header in headers]
    for name in headers.get("x-amz-trailer", "").split(","):
        algorithm = _BY_HEADER.get(name.strip().lower())
        if algorithm is not None and algorithm not in found:
            found.append(algorithm)
    chosen = headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    if not found and chosen in checksums.ALGORITHMS:
        found.append(chosen)
    return tuple(found)


class Receiving:
    """Which requests' bodies are taken in on arrival (`kunren.core.uploads.Uploads`): objects and parts that are
    signed for S3, or sent to a host of its."""

    def __init__(self, bodies: Bodies, name: Callable[[], str]) -> None:
        self._bodies = bodies
        self._name = name
        self.strict = False
        """Whether the signatures of pieces are kept, for somebody who looks at them."""

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Arriving | None:
        if method != "PUT" or "x-amz-copy-source" in headers or ".s3-website" in headers.get("host", ""):
            return None
        path, _, query = target.partition("?")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) <= SMALL_BYTES and not is_chunked(headers):
            return None
        host = headers.get("host", "")
        signed = "/s3/aws4_request" in headers.get("authorization", "") or "%2Fs3%2Faws4_request" in query
        hosted = ".s3." in host or ".s3-" in host or host.startswith(("s3.", "s3-"))
        if not (signed or hosted) or not _for_object(path, query, hosted and not host.startswith(("s3.", "s3-"))):
            return None
        keep = self.strict and headers.get("x-amz-content-sha256", "").startswith("STREAMING-AWS4-")
        return Arriving(self._bodies, self._name(), headers, keep)


def _for_object(path: str, query: str, in_bucket: bool) -> bool:
    """Whether a path and query name an object's content, or a part of one, and not a subresource."""
    if not path.strip("/") or (not in_bucket and "/" not in path.strip("/")):
        return False
    names = {each.partition("=")[0] for each in query.split("&") if each}
    return all(each in ("partNumber", "uploadId", "x-id") or each.lower().startswith("x-amz-") or each in _SIGNED_V2
               for each in names)  # fmt: skip


_SIGNED_V2 = ("AWSAccessKeyId", "Signature", "Expires")
