"""Durations as FIS has them: ISO 8601, days to seconds. Pure."""

from __future__ import annotations

import re

_FORM = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_UNITS = (86_400, 3_600, 60, 1)


def seconds(text: str) -> int | None:
    """`PT1M` is 60; None for what is no duration."""
    match = _FORM.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)
