"""What an ACME server refuses, as problem documents (RFC 7807 with the types of RFC 8555 6.7). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kunren.core.fronts import FrontAnswer

PREFIX = "urn:ietf:params:acme:error:"
_STATUSES = {
    "accountDoesNotExist": 400,
    "externalAccountRequired": 403,
    "rejectedIdentifier": 403,
    "orderNotReady": 403,
    "unauthorized": 403,
}


class Problem(Exception):
    """`type` is the last part of the ACME error type. `members` are further members of the document ("algorithms")."""

    def __init__(
        self,
        type: str,
        detail: str,
        status: int | None = None,
        *,
        members: dict[str, object] | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.type = type
        self.detail = detail
        self.status = status if status is not None else _STATUSES.get(type, 400)
        self.members = members or {}
        self.headers = list(headers)

    def document(self) -> dict[str, object]:
        return {"type": PREFIX + self.type, "detail": self.detail, "status": self.status, **self.members}

    def answer(self) -> FrontAnswer:
        headers = [("Content-Type", "application/problem+json"), *self.headers]
        return FrontAnswer(self.status, headers, json.dumps(self.document()).encode())


def malformed(detail: str, status: int = 400) -> Problem:
    return Problem("malformed", detail, status)


def unauthorized(detail: str, status: int = 403) -> Problem:
    return Problem("unauthorized", detail, status)
