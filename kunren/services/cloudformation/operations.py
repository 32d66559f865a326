"""Which operation of a stack an event belongs to, by the stack's state. Pure. "DescribeEvents", "OperationEntry"."""

from __future__ import annotations

import uuid

from kunren.services.cloudformation.model import Event

_TYPES = (
    ("ROLLBACK", "ROLLBACK"),
    ("UPDATE_ROLLBACK", "ROLLBACK"),
    ("IMPORT_ROLLBACK", "ROLLBACK"),
    ("DELETE", "DELETE_STACK"),
    ("UPDATE", "UPDATE_STACK"),
    ("IMPORT", "UPDATE_STACK"),
    ("CREATE", "CREATE_STACK"),
)
"""By what the stack's status begins with."""
OVER = ("COMPLETE", "FAILED")


def operation_type(status: str) -> str:
    """ "" for a stack that only is reviewed."""
    return next((type for beginning, type in _TYPES if status.startswith(beginning)), "")


def operation(number: int, status: str) -> str:
    """What is kept with an event: the stack's operation, and what it is doing; "" for none."""
    type = operation_type(status)
    return f"{number}/{type}" if type else ""


def operation_id(stack: str, kept: str) -> str:
    """An OperationId; `stack` is the stack's unique part."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{stack}/{kept}"))


def event_type(event: Event, whole: bool) -> str:
    """`whole` says that the event is the stack's own."""
    if event.hook:
        failed = event.hook["HookStatus"] in ("HOOK_COMPLETE_FAILED", "HOOK_FAILED")
        return "HOOK_INVOCATION_ERROR" if failed else "PROGRESS_EVENT"
    if whole:
        return "STACK_EVENT"
    return "PROVISIONING_ERROR" if event.status.endswith("_FAILED") else "PROGRESS_EVENT"


def failed(event: Event) -> bool:
    """Whether the filter `FailedEvents` keeps it."""
    return event.status.endswith("_FAILED") if not event.hook else event_type(event, whole=False).endswith("_ERROR")


def operation_status(status: str) -> str:
    """Of a stack's event."""
    if not status.endswith(OVER):
        return "IN_PROGRESS"
    return "FAILED" if status.endswith("FAILED") else "SUCCEEDED"
