"""Access log entries: `$context` variables put into a stage's format. Pure.

Developer guides, "Customize HTTP API access logs" and "Variables for access logging for API Gateway".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$context\.([a-zA-Z0-9_]+(?:\.[a-zA-Z0-9_-]+)*)")
ENTRY_BYTES_MAX = 1_048_576


def entry(form: str, known: Mapping[str, object]) -> str:
    """The line for one request. `known` are the variables' values by name, without `$context.`; what is unknown or
    empty is "-"."""

    def put(found: re.Match[str]) -> str:
        value = known.get(found[1])
        return "-" if value is None or value == "" else _text(value)

    return _VARIABLE.sub(put, form).rstrip("\n")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
