"""Errors that a caller sees, by the names AWS's service models give them."""

from __future__ import annotations

from typing import Any, ClassVar


class AwsError(Exception):
    """The caller's mistake, or a refusal. Only `kunren.wire` turns one into bytes.

    A service declares one subclass per modelled exception in its `errors.py`, with `code` and `status` as the
    model (its `error` trait) has them. `members` are further members of the modelled error shape.
    """

    code: ClassVar[str] = "InternalFailure"
    status: ClassVar[int] = 400

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members
        self.headers: list[tuple[str, str]] = []
        """Headers that the answer has beside the protocol's own."""

    @property
    def sender_fault(self) -> bool:
        """True where the caller is at fault (4xx): `<Type>Sender</Type>` in the query protocol."""
        return self.status < 500


class WireError(AwsError):
    """An error whose code is only known at run time (generic parsing and validation errors)."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message, **members)
        self.code = code  # type: ignore[misc]
        self.status = status  # type: ignore[misc]


class NotImplementedByKunren(WireError):
    """An operation that nobody answers yet: 501, naming service and operation."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            "NotImplemented",
            f"Kunren does not implement {service}:{operation} yet. `kunren status` counts such calls; "
            "docs/coverage.md lists what is real.",
            status=501,
        )


class Unusable(Exception):
    """Something about this machine or command that the user can mend; the text says what, why and what to do."""


class Unanswerable(Exception):
    """A question about the world that has no answer as it was asked; the text says why."""


class TerminalError(Exception):
    """A reconcile that can never succeed: the workqueue does not retry it."""
