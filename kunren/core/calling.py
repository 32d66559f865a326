"""How one service calls an operation of another, whoever answers for it. The gateway gives it (`gateway/inside.py`)."""

from __future__ import annotations

from collections.abc import Mapping
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
