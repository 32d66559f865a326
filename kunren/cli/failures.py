"""Which failures are explained to the user in a paragraph, and in what words."""

from __future__ import annotations

import errno

from kunren.core.errors import Unusable
from kunren.management.client import NotRunning, Refused
from kunren.world.interface import WorldUnavailable

__all__ = ["Unusable", "explained"]


def explained(error: Exception) -> str | None:
    """The paragraph for this failure, or None where it is a bug of ours and the traceback is wanted."""
    if isinstance(error, NotRunning | Refused | Unusable | WorldUnavailable):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{error.filename or 'a file'} is not open to this user ({error.strerror}). Check its owner and mode."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space is left for {error.filename or 'the state folder'}. Free some, or use another --state."
    return None
