"""Request bodies that are taken in while they arrive, by the service they are for, instead of being held in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kunren.core.aws_chunked import Unframing


class Upload(Protocol):
    """One body on its way in. `feed` and `end` are called by the connection, in order; `abandon` where nobody is going
    to ask for it (the client went away, or the request was refused before its operation); it does nothing once
    somebody has. What comes of the body is between the upload and its service."""

    def feed(self, piece: bytes, resume: Callable[[], None]) -> bool:
        """Take the next piece. True where no more should be read until `resume` is called."""
        ...

    def end(self) -> None: ...
    def abandon(self) -> None: ...

    def framing(self) -> Unframing:
        """What the body's framing said, once all of it is there. Only asked in strict mode, for signed pieces."""
        ...

    async def read(self) -> bytes:
        """The whole body after all, for an operation that wants it in memory. Raises AwsError."""
        ...


class Uploads(Protocol):
    """Asked for every request with a body, when its head has arrived."""

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Upload | None:
        """An upload for this body, or None where it is to be held in memory like any other."""
        ...


class AnyOf:
    """Several of them: the first that wants a body has it."""

    def __init__(self, *each: Uploads) -> None:
        self._each = each

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Upload | None:
        for one in self._each:
            if (upload := one.begin(method, target, headers)) is not None:
                return upload
        return None
