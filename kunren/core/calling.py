"""How one service calls an operation of another, whoever answers for it. The gateway gives it (`gateway/inside.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from kunren.core.authorization import Caller
from kunren.core.errors import NotImplementedByKunren


class CallService(Protocol):
    """Call an operation as botocore names service, operation and parameters: `call(account, region, "sqs",
    "SendMessage", {...})`. Returns what a client would get, when it is durable. Raises AwsError."""

    async def __call__(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]: ...


class Actor(msgspec.Struct, frozen=True):
    """For whom a service calls others, in strict mode: the holder of a key, or a session of a role."""

    access_key: str = ""
    role: str = ""  # its ARN
    session: str = ""
    through: str = ""  # the ARN of the role in which the service assumes it, where it does not itself
    service: str = ""  # the principal that the role must trust, where it is not the service's own


def actor_of(caller: Caller | None) -> Actor | None:
    """Whoever signed; None where nobody has to be asked."""
    if caller is None:
        return None
    role = next((each for each in caller.names if ":role/" in each), "")
    return Actor(caller.access_key, role, caller.arn.rpartition("/")[2] if role else "")


class Permit(Protocol):
    """Whether policies let the actor have that operation called. Raises AwsError where they don't."""

    async def __call__(
        self, actor: Actor, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> None: ...


def limited(call: CallService, permit: Permit | None, actor: Actor | None) -> CallService:
    """The calls that the actor may have made; all, where nobody has to be asked."""
    if permit is None or actor is None:
        return call

    async def asked_first(
        account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        await permit(actor, region, service, operation, params)
        return await call(account, region, service, operation, params)

    return asked_first


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
