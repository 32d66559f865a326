"""Violated constraints as the error that the service's family sends: code, status and text.

What holds for which family and service is data in `model_patches.json` (`families`, and a service's `validation`): a
`code` for the common form ("1 validation error detected: ..."), or per member or kind of check a code and a text of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.errors import WireError
from kunren.wire.catalog import Operation, Service
from kunren.wire.validate import Violation


def refusal(
    service: Service, operation: Operation, protocol: str, violations: Sequence[Violation], rules: Mapping[str, Any]
) -> WireError:
    """The error for violated constraints. `rules` are `model_patches.json`'s, of all services."""
    style = service.patches.get("validation") or rules.get("families", {}).get(protocol) or {}
    first = violations[0]
    own = style.get("members", {}).get(first.path[-1] if first.path else "")
    told = own or style.get(first.kind) or style.get("any")
    if told is not None:
        names = {"name": _wire_name(service, operation, first, style.get("names", "wire")), "value": _plain(first)}
        text = str(told["text"]).format(**names, expecting=_expecting(first), operation=operation.name)
        return WireError(str(told["code"]), text, int(told.get("status", 400)))
    code = str(style.get("code", "ValidationException"))
    count = len(violations)
    details = "; ".join(_detail(each, style.get("names", "lower")) for each in violations[:20])
    plural = "" if count == 1 else "s"
    return WireError(code, f"{count} validation error{plural} detected: {details}", int(style.get("status", 400)))


def _detail(violation: Violation, names: str) -> str:
    path = ".".join(_lower_first(step) if names == "lower" else step for step in violation.path)
    if violation.sensitive:
        return f"Value at '{path}' failed to satisfy constraint: {violation.constraint}"
    value = "null" if violation.value is None else f"'{java_text(violation.value)}'"
    return f"Value {value} at '{path}' failed to satisfy constraint: {violation.constraint}"


def java_text(value: Any) -> str:
    """A value as Java prints it, which is how it stands in AWS's texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(java_text(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    text = str(value)
    return text if len(text) <= 1024 else text[:1024]


def _plain(violation: Violation) -> str:
    return "" if violation.value is None else java_text(violation.value)


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _expecting(violation: Violation) -> str:
    """EC2's way to say a bound: `Expecting a value greater than 5.`"""
    bound = violation.constraint.rsplit(" ", 1)[-1]
    if "greater than or equal" in violation.constraint:
        return f"Expecting a value greater than {bound}."
    if "less than or equal" in violation.constraint:
        return f"Expecting a value less than {bound}."
    return violation.constraint


def _wire_name(service: Service, operation: Operation, violation: Violation, names: str) -> str:
    """The parameter by the model's own spelling of it on the wire."""
    if names == "member":
        return violation.path[-1] if violation.path else ""
    shape = service.input_shape(operation)
    out = []
    for step in violation.path:
        member = shape.members.get(step) if shape is not None else None
        if member is None:
            if shape is not None and shape.type == "list" and shape.member is not None and step == "member":
                shape = service.target(shape.member)
                continue
            out.append(step)
            continue
        out.append(member.location_name or step)
        shape = service.target(member)
    return ".".join(out)
