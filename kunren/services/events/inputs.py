"""What a target gets of an event: all of it, a part, a constant, or a template filled in. Pure.

"Amazon EventBridge input transformation" in the user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"<([A-Za-z0-9_.-]+)>")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']+)'\]")


def text_for(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str, now: str) -> str:
    """The input of a target, as text. `now` is the time of ingestion."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if (path := target.get("InputPath")) is not None:
        return as_text(found_by(path, event))
    if (transformer := target.get("InputTransformer")) is not None:
        return filled(transformer, event, rule_arn, now)
    return as_text(event)


def found_by(path: str, event: Any) -> Any:
    """What a path (`$.detail.state`, `$.resources[0]`) leads to; None where there is nothing."""
    if path == "$":
        return event
    at, found = 1, event
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        name, index, quoted = step.groups()
        if index is not None:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else None
        else:
            found = found.get(name or quoted) if isinstance(found, Mapping) else None
        at = step.end()
    return found


def filled(transformer: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str, now: str) -> str:
    """The template with its names filled in. Inside quotes a value is text; outside, it is JSON where the template is
    a JSON object, else text. What is not there is left out."""
    template = transformer["InputTemplate"]
    values = {name: found_by(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": now,
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    as_json = template.strip().startswith(("{", "["))
    parts, quoted, at = [], False, 0
    for match in _NAME.finditer(template):
        between = template[at : match.start()]
        quoted ^= len(re.findall(r'(?<!\\)"', between)) % 2 == 1
        parts.append(between)
        at = match.end()
        if match[1] not in values:
            parts.append(match[0])
            continue
        value = values[match[1]]
        if quoted:
            inner = value if isinstance(value, str) else "" if value is None else as_text(value)
            parts.append(json.dumps(inner)[1:-1])
        elif as_json:
            parts.append('""' if value is None else as_text(value))
        else:
            parts.append(value if isinstance(value, str) else "" if value is None else as_text(value))
    return "".join([*parts, template[at:]])


def as_text(value: Any) -> str:
    """JSON as EventBridge writes it, without spaces."""
    return json.dumps(value, separators=(",", ":"))
