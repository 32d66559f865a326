"""For whom a request is carried out: whoever signed it, or, where a stack makes it (of a nested one), whoever asked for
that stack. "Service roles", "Forward access sessions"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kunren.core.calling import Actor, actor_of
from kunren.core.context import RequestContext

SESSION = "AWSCloudFormation"
"""How sessions of the roles are called that are handed over."""
_ACTOR: ContextVar[Actor | None] = ContextVar("cloudformation-actor", default=None)


@contextmanager
def acting_for(actor: Actor | None) -> Iterator[None]:
    """What is called within, and signed by nobody, is called for the actor."""
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)


def actor_behind(ctx: RequestContext) -> Actor | None:
    """None where nobody has to be asked."""
    return _ACTOR.get() if ctx.caller is None else actor_of(ctx.caller)
