"""What is kept of sessions and commands. What runs of a session, `kunren.dataplane.sessions` has."""

from __future__ import annotations

from typing import Any, ClassVar

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


class Command(Resource, frozen=True, kw_only=True):
    """A command as it was sent, in AWS time; how far it is, its invocations say. Its document's only `step` runs
    `lines` in `folder`. `nodes` are the instances that it went to, `concurrency` and `errors_max` are numbers of them.
    Output goes to `bucket` and `log_group`, too, where they are named. `cancelled` where all of it was. `told` is the
    status that EventBridge was told last."""

    kind: ClassVar[str] = "ssm.command"

    document: str
    version: str
    step: str
    lines: list[str]
    folder: str
    comment: str
    parameters: dict[str, list[str]]
    instance_ids: list[str]
    targets: list[dict[str, Any]]
    nodes: list[str]
    requested: float
    timeout_s: int
    execution_s: int
    max_concurrency: str
    max_errors: str
    concurrency: int
    errors_max: int
    bucket: str = ""
    prefix: str = ""
    log_group: str = ""
    cancelled: bool = False
    told: str = ""

    @property
    def delivered_until(self) -> float:
        return self.requested + self.timeout_s

    @property
    def expires(self) -> float:
        """When it is over, whatever became of it ("Understanding command timeout values")."""
        return self.delivered_until + self.execution_s


class Invocation(Resource, frozen=True, kw_only=True):
    """A command on one instance. `id` is the command's, "/" and the instance's; `details` is AWS's StatusDetails."""

    kind: ClassVar[str] = "ssm.invocation"

    command: str
    instance_id: str
    name: str
    requested: float
    details: str = "Pending"
    code: int = -1
    output: str = ""
    errors: str = ""
    started: float | None = None
    ended: float | None = None
    told: str = ""


KINDS: tuple[type[Resource], ...] = (Session, Command, Invocation)
