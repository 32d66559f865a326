"""The parts that the elbv2 API is made of, handed over by `kunren.app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.elbv2.limits import Limits
from kunren.world.spec import WorldSpec

MayInvoke: TypeAlias = Callable[[Snapshot, str, str], bool | None]
CertificateState: TypeAlias = Callable[[Snapshot, str, str], str | None]


def nothing_invocable(snapshot: Snapshot, function_arn: str, group_arn: str) -> bool | None:
    """`may_invoke` where there is no Lambda service: no function exists."""
    del snapshot, function_arn, group_arn
    return None


def no_certificates(snapshot: Snapshot, account: str, arn: str) -> str | None:
    """`certificate_state` where there is no certificate manager: no certificate exists."""
    del snapshot, account, arn
    return None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API is built from.

    `may_invoke(snapshot, function ARN, target group ARN)`: whether the function's policy lets the load balancing
    service in; None where there is no such function.
    `certificate_state(snapshot, account, certificate ARN)`: ACM's status of it ("ISSUED", …); None where there is none.
    `call`: other services, for CA bundles, revocation lists and logs in S3.
    """

    store: Store
    clock: Clock
    entropy: Entropy
    spec: WorldSpec
    may_invoke: MayInvoke = nothing_invocable
    certificate_state: CertificateState = no_certificates
    limits: Limits = field(default_factory=Limits)
    call: CallService = nobody_answers
