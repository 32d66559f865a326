"""How a worker can fail, in AWS's words. Pure.

A `Reply` is what an invocation of one worker came to; a failed init is one too, since AWS answers the waiting
invocation with it.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace

_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGQUIT: "quit",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """`error_type` is empty when the function answered. `status` is what the REPORT line says of it ("", "error",
    "timeout"); `message` is without request id; `payload` is set where the runtime itself said what failed.
    `reported` is the kind of error that the REPORT line names, where it is another than the answer's."""

    payload: bytes | None = None
    error_type: str = ""
    message: str = ""
    status: str = ""
    reported: str = ""

    @property
    def report_type(self) -> str:
        """The REPORT line's Error Type, "" where it has none."""
        return (self.reported or self.error_type) if self.status == "error" else ""

    def document(self, request_id: str) -> bytes:
        """The answer's payload: the runtime's own words, or AWS's for it."""
        if self.payload is not None:
            return self.payload
        if self.error_type == RESPONSE_TOO_LARGE:
            return json.dumps({"errorMessage": self.message, "errorType": self.error_type}).encode()
        message = f"RequestId: {request_id} Error: {self.message}"
        return json.dumps({"errorType": self.error_type, "errorMessage": message}).encode()

    def log_lines(self, request_id: str, timestamp: str) -> tuple[str, ...]:
        """What AWS writes into the function's log about it."""
        if self.status == "timeout":
            return (f"{timestamp} {request_id} {self.message}", "")
        if self.payload is None and self.status == "error":
            return (f"RequestId: {request_id} Error: {self.message}", self.error_type)
        return ()


RESPONSE_TOO_LARGE = "Function.ResponseSizeTooLarge"


def exited(code: int) -> Reply:
    """The process ended by itself; `code` is minus the signal's number where a signal ended it."""
    if code == 0:
        text = "Runtime exited without providing a reason"
    elif code > 0:
        text = f"Runtime exited with error: exit status {code}"
    else:
        try:
            name = _SIGNALS.get(signal.Signals(-code), f"signal {-code}")
        except ValueError:
            name = f"signal {-code}"
        text = f"Runtime exited with error: signal: {name}"
    return Reply(error_type="Runtime.ExitError", message=text, status="error")


def out_of_memory() -> Reply:
    """As any other killed process, but for the REPORT line."""
    return replace(exited(-signal.SIGKILL), reported="Runtime.OutOfMemory")


def timed_out(timeout_s: float) -> Reply:
    return Reply(
        error_type="Sandbox.Timedout", message=f"Task timed out after {timeout_s:.2f} seconds", status="timeout"
    )


def no_bootstrap() -> Reply:
    message = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    return Reply(error_type="Runtime.InvalidEntrypoint", message=message, status="error")


def no_entry_point() -> Reply:
    message = "Couldn't find an entrypoint: neither the image nor the function's ImageConfig has one"
    return Reply(error_type="Runtime.InvalidEntrypoint", message=message, status="error")


def not_executable(reason: str, program: str = "/var/task/bootstrap") -> Reply:
    """`reason` is the kernel's, as "permission denied" or "exec format error"."""
    message = f"fork/exec {program}: {reason}"
    return Reply(error_type="Runtime.InvalidEntrypoint", message=message, status="error")


def response_too_large(limit: int) -> Reply:
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return Reply(error_type=RESPONSE_TOO_LARGE, message=message)
