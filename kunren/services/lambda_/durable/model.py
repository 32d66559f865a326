"""Durable executions as rows: the execution, its operations, its history. Times are AWS time, in seconds.

Operations and events are rows of their own, numbered from 1, so that a checkpoint writes what it changes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.services.lambda_.names import function_arn

ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"})
"""The terminal statuses of executions, and with CANCELLED those of operations."""
CLOSED = ENDED | {"CANCELLED"}

Error = dict[str, Any]
"""An ErrorObject, as on the wire."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A pause that was asked for. `begun` None: the invocation in progress has not reached its next checkpoint yet."""

    asked: float
    reason: str | None = None
    stops_timeout: bool = True
    begun: float | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request with a client token, remembered so that its repetition is none."""

    client_token: str
    request: str
    at: float


class LastCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The last checkpoint: the same one again gets the same answer."""

    client_token: str
    token: str
    answer: str
    operations: tuple[int, ...]
    at: float


class DurableExecution(Resource, frozen=True, kw_only=True):
    """One execution of a durable function's version. Its id is the last part of its ARN.

    `operations` and `events` count its rows. `changes` counts changes of operations, and `seen` is how many of them the
    function knows of. `token` numbers checkpoints. `invocation` is the request id of the invocation in progress ("":
    none); `due` asks for one although nothing has changed, not before `not_before`. `parent` and `parent_operation`
    name the operation whose chained invoke it is.
    """

    kind: ClassVar[str] = "lambda.durable-execution"

    name: str
    function: str
    version: str
    input: str
    synchronous: bool = False
    timeout_s: int
    retention_days: int
    kms_key_arn: str = ""
    trace: str = ""
    status: str = "RUNNING"
    started: float
    ended: float | None = None
    result: str | None = None
    error: Error | None = None
    parent: str = ""
    parent_operation: str = ""
    operations: int = 0
    events: int = 0
    changes: int = 0
    seen: int = 0
    token: int = 0
    invocation: str = ""
    invoked: float = 0.0
    due: bool = True
    not_before: float = 0.0
    failures: int = 0
    pause: Pause | None = None
    paused_s: float = 0.0
    pause_asked: Asked | None = None
    resume_asked: Asked | None = None
    last_checkpoint: LastCheckpoint | None = None

    @property
    def function_arn(self) -> str:
        """The ARN of the version that it runs."""
        return f"{function_arn(self.account, self.region, self.function)}:{self.version}"

    @property
    def arn(self) -> str:
        return f"{self.function_arn}/durable-execution/{self.name}/{self.id}"

    @property
    def live(self) -> bool:
        """Whether it may still change: it runs, or is paused."""
        return self.status in ("RUNNING", "PAUSING", "PAUSED")


class DurableOperation(Resource, frozen=True, kw_only=True):
    """One operation. Its id is `execution:number`, `operation` the id that the function gave it.

    `change` is the execution's change that it was part of last. `at` is when a wait ends or a step is tried again;
    `deadline` and `heartbeat` are when a callback times out. `target`, `input`, `trace` and `child` (the id of the
    durable execution, where it is one) are of chained invokes.
    """

    kind: ClassVar[str] = "lambda.durable-operation"

    operation: str
    type: str
    status: str
    parent: str = ""
    name: str = ""
    sub_type: str = ""
    started: float
    ended: float | None = None
    change: int = 0
    result: str | None = None
    error: Error | None = None
    attempt: int = 0
    at: float | None = None
    replay_children: bool = False
    callback: str = ""
    deadline: float | None = None
    heartbeat_s: int = 0
    heartbeat: float | None = None
    target: str = ""
    input: str | None = None
    trace: str = ""
    child: str = ""

    @property
    def number(self) -> int:
        return int(self.id.partition(":")[2])

    @property
    def pending(self) -> bool:
        """Whether its end comes from outside the function's invocation."""
        if self.type == "STEP":
            return self.status == "PENDING"
        return self.type in ("WAIT", "CALLBACK", "CHAINED_INVOKE") and self.status == "STARTED"


class DurableEvent(Resource, frozen=True, kw_only=True):
    """One event of a history, `details` as GetDurableExecutionHistory shows them. Its id is `execution:number`."""

    kind: ClassVar[str] = "lambda.durable-event"

    type: str
    at: float
    operation: str = ""
    parent: str = ""
    name: str = ""
    sub_type: str = ""
    details: dict[str, Any] = {}

    @property
    def number(self) -> int:
        return int(self.id.partition(":")[2])


DURABLE_RESOURCES = (DurableExecution, DurableOperation, DurableEvent)


def row_id(execution: str, number: int) -> str:
    """The id of an operation or event."""
    return f"{execution}:{number:06d}"
