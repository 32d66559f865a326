"""What is kept of sessions. What runs of one, `kunren.dataplane.sessions` has."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource


class Session(Resource, frozen=True, kw_only=True):
    """A session with an instance, in AWS time; without `ended` it goes on."""

    kind: ClassVar[str] = "ssm.session"

    target: str
    owner: str
    document: str
    started: float
    reason: str | None = None
    ended: float | None = None


KINDS: tuple[type[Resource], ...] = (Session,)
