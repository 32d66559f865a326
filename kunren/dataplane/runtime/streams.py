"""An answer that is passed on while the function still writes it.

The worker's connection feeds it, whoever asked for the answer reads it; a reader that lags behind holds the worker's
connection back. Reading it: `await started()`, then iterate over the pieces; at their end `error` says how it went.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

BUFFER_BYTES_MAX = 1 << 20
STREAM_BYTES_MAX = 200 * 1024 * 1024
HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
"""The content type of a stream that begins with status and headers: JSON, eight zero bytes, then the body."""
PRELUDE_END = b"\0" * 8


class ResponseStream:
    """One answer. `content_type` is set once it has started; `error` is "" or its type, `details` what it says."""

    def __init__(self) -> None:
        self.content_type = ""
        self.version = ""
        self.error = ""
        self.details = b""
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._total = 0
        self._begun = False
        self._ended = False
        self._abandoned = False
        self._changed = asyncio.Event()
        self._resume: Callable[[], None] | None = None

    # The worker's side

    def begin(self, content_type: str) -> None:
        if not self._begun:
            self._begun = True
            self.content_type = content_type
            self._changed.set()

    def feed(self, data: bytes, pause: Callable[[], None], resume: Callable[[], None]) -> bool:
        """Take a piece; have the worker paused while too much waits. False once it has become too large."""
        self._total += len(data)
        if self._total > STREAM_BYTES_MAX:
            return False
        if not self._abandoned:
            self._pieces.append(data)
            self._buffered += len(data)
            if self._buffered > BUFFER_BYTES_MAX and self._resume is None:
                self._resume = resume
                pause()
            self._changed.set()
        return True

    def finish(self, document: bytes = b"", error: str = "", content_type: str = "application/octet-stream") -> None:
        """The end. `document` is the whole answer where nothing had been streamed, or the error's document."""
        if self._ended:
            return
        self._ended = True
        self.error, self.details = error, document if error else b""
        if not self._begun and not error:
            self.begin(content_type)
            if document:
                self._pieces.append(document)
        self._changed.set()

    # The reader's side

    async def started(self) -> bool:
        """Wait for its beginning; False where it ended without one."""
        while not (self._begun or self._ended):
            self._changed.clear()
            await self._changed.wait()
        return self._begun

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    self._buffered -= len(piece)
                    self._let_go(BUFFER_BYTES_MAX // 2)
                    yield piece
                if self._ended:
                    return
                self._changed.clear()
                await self._changed.wait()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Nobody reads on: what still comes is dropped, and the function runs to its end, as on AWS."""
        self._abandoned = True
        self._pieces.clear()
        self._buffered = 0
        self._let_go(0)

    def _let_go(self, at_most: int) -> None:
        if self._resume is not None and self._buffered <= at_most:
            resume, self._resume = self._resume, None
            resume()
