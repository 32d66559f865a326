"""What an invocation may meet on purpose.

Who decides is set from outside (`Invoker.faults`, the fis service); here is only what it comes to.
"""

from __future__ import annotations

from typing import NamedTuple


class InvocationFault(NamedTuple):
    """The function starts `delay_s` real seconds late, which count as its own. With an `answer`, that is what the
    caller gets, as an error where it `fails`, whether the function itself `runs` or not."""

    delay_s: float = 0.0
    answer: bytes | None = None
    fails: bool = False
    runs: bool = True
