"""What a history tells: the details of events, and events as the API shows them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.services.lambda_.durable.model import DurableEvent, Error

_DATA = ("Input", "Result", "Error", "Reason")


def payload(told: Any) -> dict[str, Any]:
    """An EventInput, EventResult, EventError or EventPauseReason."""
    return {"Truncated": False} if told is None else {"Payload": told, "Truncated": False}


def error_of(message: str, type: str | None = None) -> Error:
    """An ErrorObject."""
    return {"ErrorMessage": message} if type is None else {"ErrorMessage": message, "ErrorType": type}


def event_shown(event: DurableEvent, *, data: bool) -> dict[str, Any]:
    """`data`: with inputs, results and errors; without, they are marked as truncated."""
    details = dict(event.details)
    if not data:
        details.update({member: {"Truncated": True} for member in _DATA if member in details})
    shown: dict[str, Any] = {
        "EventId": event.number,
        "EventType": event.type,
        "EventTimestamp": event.at,
        f"{event.type}Details": details,
    }
    optional = {"Id": event.operation, "ParentId": event.parent, "Name": event.name, "SubType": event.sub_type}
    return {**shown, **{member: value for member, value in optional.items() if value}}
