"""How one service calls an operation of another, whoever answers for it. The gateway gives it (`gateway/inside.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kunren.core.errors import NotImplementedByKunren


class CallService(Protocol):
    """Call an operation as botocore names service, operation and parameters: `call(account, region, "sqs",
    "SendMessage", {...})`. Returns what a client would get, when it is durable. Raises AwsError."""

    async def __call__(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]: ...


async def nobody_answers(
    account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
) -> Mapping[str, Any]:
    """For a service that runs without others."""
    raise NotImplementedByKunren(service, operation)


Noted = Callable[[Mapping[str, Any]], None]


class CallAndNote(Protocol):
    """As `CallService`, for whoever must never forget what it had made.

    `noted` is given the result, and writes to the store. Where an operation is ours and answers at once, that is one
    transaction with what the operation itself writes; `together` says whether it is. Otherwise it comes right behind.
    """

    def together(self, service: str, operation: str) -> bool: ...
    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any], noted: Noted
    ) -> Mapping[str, Any]: ...
