"""The lambda service's resources. A function's id is its name; durations are seconds, sizes bytes or MB as on AWS."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.dataplane.runtime.version import FunctionVersion

LATEST = "$LATEST"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment package: `sha256` (hexadecimal) is also where it lies on disk."""

    sha256: str
    size: int


class Function(Resource, frozen=True, kw_only=True):
    """Desired: one function and its $LATEST configuration.

    `update_id` changes with each change of code or configuration and is what the controller deploys; `revision_id`
    changes with each change that callers may guard by RevisionId. `deployed_update_id` is the last update that the
    runtime has had (empty: none yet), kept so that a restart does not turn an active function into a pending one.
    """

    kind: ClassVar[str] = "lambda.function"

    arn: str
    role: str
    runtime: str
    handler: str
    code: Code
    description: str = ""
    timeout: int = 3
    memory_size: int = 128
    environment: dict[str, str] | None = None
    architecture: str = "x86_64"
    ephemeral_storage: int = 512
    log_group: str = ""
    last_modified: float
    revision_id: str
    update_id: str
    deployed_update_id: str = ""
    reserved_concurrency: int | None = None
    policy: tuple[dict[str, Any], ...] = ()
    tags: dict[str, str] = {}


class FunctionStatus(Resource, frozen=True, kw_only=True):
    """Observed, kept in memory: what the runtime has deployed. Id is the function's name.

    `update_id` is the last update that was tried; `reason` and `reason_code` are set when it failed. `deployed` is what
    invocations run, and stays the version before while an update is in progress or has failed.
    """

    kind: ClassVar[str] = "lambda.function-status"
    durable: ClassVar[bool] = False

    update_id: str
    deployed: FunctionVersion | None = None
    reason: str = ""
    reason_code: str = ""


class AsyncEvent(Resource, frozen=True, kw_only=True):
    """An accepted `Event` invocation that has not ended yet. Id is its request id; times are AWS time."""

    kind: ClassVar[str] = "lambda.async-event"

    function: str
    payload: bytes
    client_context: str = ""
    accepted_at: float
    not_before: float
    errors: int = 0
    """How often the function itself failed."""
    refusals: int = 0
    """How often it could not be tried (throttled, or nothing to run it on)."""
