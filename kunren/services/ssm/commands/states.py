"""What becomes of a command, by what became of its invocations. Pure.

"Understanding command statuses" and "Run commands at scale" in the Systems Manager user guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kunren.services.ssm.model import Command, Invocation

PENDING, DELAYED, IN_PROGRESS, CANCELLING = "Pending", "Delayed", "In Progress", "Cancelling"
SUCCESS, FAILED, CANCELLED, TERMINATED = "Success", "Failed", "Cancelled", "Terminated"
DELIVERY_TIMED_OUT, EXECUTION_TIMED_OUT = "Delivery Timed Out", "Execution Timed Out"
UNDELIVERABLE, INCOMPLETE, NO_INSTANCES = "Undeliverable", "Incomplete", "NoInstancesInTag"

WAITING = (PENDING, DELAYED)
UNDER_WAY = (IN_PROGRESS, CANCELLING)
_ERRORS = (FAILED, EXECUTION_TIMED_OUT)
_STATUSES = {
    IN_PROGRESS: "InProgress",
    TERMINATED: "Cancelled",
    DELIVERY_TIMED_OUT: "TimedOut",
    EXECUTION_TIMED_OUT: "TimedOut",
    UNDELIVERABLE: "Failed",
    INCOMPLETE: "Failed",
    NO_INSTANCES: "Success",
}


def status(details: str) -> str:
    """The status that has such details."""
    return _STATUSES.get(details, details)


def ended(details: str) -> bool:
    return details not in WAITING and details not in UNDER_WAY


def number_of(given: str, targets: int) -> int:
    """How many of so many targets "10" or "10%" are; part of one does not count."""
    return targets * int(given[:-1]) // 100 if given.endswith("%") else int(given)


class Counted(NamedTuple):
    completed: int
    errors: int
    undelivered: int


def counted(invocations: Sequence[Invocation]) -> Counted:
    """CompletedCount, ErrorCount, DeliveryTimedOutCount."""
    found = [each.details for each in invocations]
    return Counted(
        sum(map(ended, found)),
        sum(each in _ERRORS for each in found),
        sum(each == DELIVERY_TIMED_OUT for each in found),
    )


def details_of(command: Command, invocations: Sequence[Invocation]) -> str:
    """The StatusDetails of the whole command."""
    found = [each.details for each in invocations]
    if not all(map(ended, found)):
        if command.cancelled:
            return CANCELLING
        return PENDING if all(each in WAITING for each in found) else IN_PROGRESS
    if command.cancelled or (found and all(each == CANCELLED for each in found)):
        return CANCELLED
    if not found:
        return NO_INSTANCES
    for each in (FAILED, EXECUTION_TIMED_OUT, DELIVERY_TIMED_OUT):
        if found.count(each) > command.errors_max:
            return each
    if counted(invocations).errors > command.errors_max:
        return FAILED
    counting = [each for each in found if each != UNDELIVERABLE]
    return SUCCESS if counting and all(each == SUCCESS for each in counting) else INCOMPLETE


def overdue(command: Command, each: Invocation, now: float, gone: bool) -> str | None:
    """What a wait has come to: the details that an invocation has from now on; None where it may go on as it is."""
    if each.details in WAITING and gone:
        return UNDELIVERABLE
    waits_until = command.delivered_until if each.details in WAITING else command.expires
    return DELIVERY_TIMED_OUT if not ended(each.details) and now >= waits_until else None


def next_ones(command: Command, invocations: Sequence[Invocation]) -> list[Invocation]:
    """Those that may start now; what was not reached before comes last."""
    room = command.concurrency - sum(each.details in UNDER_WAY for each in invocations)
    return sorted((each for each in invocations if each.details in WAITING), key=_was_not_reached)[: max(0, room)]


def too_many_errors(command: Command, invocations: Sequence[Invocation]) -> bool:
    """Whether the command goes to no more instances."""
    return counted(invocations).errors > command.errors_max


def _was_not_reached(each: Invocation) -> bool:
    return each.details == DELAYED
