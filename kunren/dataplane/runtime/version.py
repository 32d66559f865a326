"""What the function runtime is asked to run, and what comes back. Plain values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from kunren.dataplane.runtime.streams import ResponseStream


class ImageRun(msgspec.Struct, frozen=True, kw_only=True):
    """What runs a function that is a container image: its file system, and its program as the image and the function's
    ImageConfig have it. `digest` is the image's."""

    digest: str
    root: str
    argv: tuple[str, ...]
    working_directory: str
    environment: dict[str, str]


class FunctionVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed function version: all that decides what a worker is. Any difference means other workers.

    `arn` is the function's ARN without qualifier; `revision` changes with each update, so that an update to equal
    values still replaces the workers, as on AWS. `code_dir` is the folder with the unpacked code, `opt_dir` the one
    with its layers ("" without). `interfaces` are those of a function in a VPC. `concurrency` is how many invocations
    one environment has at once on managed instances (0: one, and environments come on demand).
    """

    account: str
    region: str
    name: str
    arn: str
    version: str
    runtime: str
    handler: str
    memory_mb: int
    timeout_s: int
    storage_mb: int = 512
    code_dir: str
    opt_dir: str = ""
    revision: str
    environment: dict[str, str] = {}
    log_group: str = ""
    interfaces: tuple[str, ...] = ()
    concurrency: int = 0
    session_token: str = "test"
    image: ImageRun | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        """Where its workers may live: behind a network interface of a VPC, or with the region's other functions."""
        return self.interfaces or (self.region,)

    @property
    def key(self) -> str:
        """What the worker pool is found by."""
        return f"{self.arn}:{self.version}"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for a function. `client_context` is JSON text, as the caller's header had it after decoding."""

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_id: str = ""
    client_context: str = ""
    stream: ResponseStream | None = None
    """Where the answer goes while it comes, for a caller who reads it that way."""
    delay_s: float = 0.0
    """Real seconds that pass until the function gets the event, which count as its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one invocation came to. `function_error` is None or "Unhandled"; `log_tail` is at most 4 KB.

    `system_error` is set where the function never ran because something of ours failed (no worker could be started).
    """

    payload: bytes
    function_error: str | None = None
    log_tail: bytes = b""
    system_error: str | None = None


class Throttled(Exception):
    """No worker may be given to this invocation now. `reason` is AWS's ThrottleReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
