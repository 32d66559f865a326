"""What is kept of container instances besides their own row."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource


class InstanceNotice(Resource, frozen=True, kw_only=True):
    """A "Container Instance State Change" that EventBridge is still to be told. Its id sorts by time."""

    kind: ClassVar[str] = "ecs.instance-notice"

    instance: str
    detail: dict[str, Any]
    at: float


KINDS: tuple[type[Resource], ...] = (InstanceNotice,)
