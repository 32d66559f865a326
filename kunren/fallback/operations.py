"""Which operations moto answers, read from its source without importing it.

Asked before a call reaches moto: some of its services choose a handler by the path alone, and would take an operation
that they do not know for another one (GetBucketRequestPayment for ListObjects). Such a call is answered 501 instead.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from kunren.wire.names import xform_name

# These handlers of moto are named for parts of paths, not for operations: its backends' methods are named for them.
_BY_BACKEND = frozenset({"s3control"})
_ADDED = {"iam": frozenset({"put_user_permissions_boundary", "delete_user_permissions_boundary"})}
"""What hooks (`identity_hooks.py`) add."""
_HOLLOW = {
    "ssm": frozenset(
        {
            "create_maintenance_window",
            "register_target_with_maintenance_window",
            "register_task_with_maintenance_window",
        }
    )
}
"""What moto takes well and never does: no task of a maintenance window would run. Nobody is told that it will."""
_XRAY = frozenset(
    {
        "BatchGetTraces", "GetServiceGraph", "GetTraceGraph", "GetTraceSummaries", "PutTelemetryRecords",
        "PutTraceSegments",
    }
)  # fmt: skip


def moto_handlers(service: str, package: str) -> frozenset[str]:
    """The names of the functions in moto's handlers (for S3 Control of its backend too) that are asked, read, not
    imported."""
    if service == "xray":
        return _XRAY
    spec = importlib.util.find_spec("moto")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / package
    files = [folder / "responses.py", *sorted((folder / "responses").glob("*.py"))]
    if service in _BY_BACKEND:
        files.append(folder / "models.py")
    names: set[str] = set()
    for file in files:
        if file.exists():
            names |= {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    return (frozenset(names) | _ADDED.get(service, frozenset())) - _HOLLOW.get(service, frozenset())


def handled(operation: str, handlers: frozenset[str]) -> bool:
    """moto spells an operation's handler as botocore does, or by a rule of its own for capitals in a row."""
    return operation in handlers or xform_name(operation) in handlers or _moto_name(operation) in handlers


def _moto_name(operation: str) -> str:
    """A capital begins a word where a small letter stands before it, or before and behind it."""
    letters = []
    for index, letter in enumerate(operation):
        before = operation[index - 1] if index else ""
        behind = operation[index + 1 : index + 2]
        if index and letter.isupper() and (not before.isupper() or (behind and not behind.isupper())):
            letters.append("_")
        letters.append(letter.lower())
    return "".join(letters)
