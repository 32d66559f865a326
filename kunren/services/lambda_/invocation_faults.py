"""What an invocation may meet on purpose, and by which credentials a function is known as its role's.

Who decides is set from outside (`Invoker.faults`, the fis service); here is only what it comes to.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

_TOKEN = "kunren-role-"


class InvocationFault(NamedTuple):
    """The function starts `delay_s` real seconds late, which count as its own. With an `answer`, that is what the
    caller gets, as an error where it `fails`, whether the function itself `runs` or not."""

    delay_s: float = 0.0
    answer: bytes | None = None
    fails: bool = False
    runs: bool = True


def session_token(role: str) -> str:
    """What a function with that role signs with besides its key."""
    return _TOKEN + base64.urlsafe_b64encode(role.encode()).decode()


def role_of_token(token: str) -> str | None:
    """The ARN of the role whose credentials these are; None for others'."""
    if not token.startswith(_TOKEN):
        return None
    try:
        return base64.urlsafe_b64decode(token.removeprefix(_TOKEN)).decode()
    except ValueError:
        return None
