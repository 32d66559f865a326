"""Checkpoint tokens and callback ids: opaque to functions, and read back here. Pure.

Both are base64 of what they name, in the alphabet of the API's patterns.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple


class CheckpointToken(NamedTuple):
    """The place in one invocation's row of checkpoints."""

    execution: str
    invocation: str
    number: int


class CallbackId(NamedTuple):
    """The operation that a callback ends."""

    account: str
    region: str
    execution: str
    operation: str


def encode(token: CheckpointToken | CallbackId) -> str:
    return base64.b64encode("/".join(map(str, token)).encode()).decode()


def decode_token(told: str) -> CheckpointToken | None:
    """None for what is no token."""
    parts = _parts(told)
    if len(parts) != 3 or not parts[2].isdecimal():
        return None
    return CheckpointToken(parts[0], parts[1], int(parts[2]))


def decode_callback(told: str) -> CallbackId | None:
    """None for what is no callback id."""
    parts = _parts(told)
    return CallbackId(*parts) if len(parts) == 4 else None


def _parts(told: str) -> list[str]:
    try:
        return base64.b64decode(told, validate=True).decode().split("/")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return []
