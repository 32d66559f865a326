"""Which operation of a stack an event belongs to, and what kind of event it is."""

from __future__ import annotations

import pytest

from kunren.services.cloudformation.model import Event
from kunren.services.cloudformation.operations import event_type, failed, operation, operation_status


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("CREATE_IN_PROGRESS", "3/CREATE_STACK"), ("ROLLBACK_IN_PROGRESS", "3/ROLLBACK"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "3/UPDATE_STACK"), ("UPDATE_ROLLBACK_COMPLETE", "3/ROLLBACK"),
        ("DELETE_FAILED", "3/DELETE_STACK"), ("REVIEW_IN_PROGRESS", ""),
    ],
)  # fmt: skip
def test_an_operation_is_what_the_stack_is_doing(status: str, kept: str) -> None:
    assert operation(3, status) == kept


@pytest.mark.parametrize(
    ("status", "hook", "whole", "type", "kept"),
    [
        ("CREATE_FAILED", "", False, "PROVISIONING_ERROR", True),
        ("CREATE_COMPLETE", "", False, "PROGRESS_EVENT", False),
        ("ROLLBACK_FAILED", "", True, "STACK_EVENT", True),
        ("CREATE_IN_PROGRESS", "HOOK_COMPLETE_FAILED", False, "HOOK_INVOCATION_ERROR", True),
        ("CREATE_IN_PROGRESS", "HOOK_IN_PROGRESS", True, "PROGRESS_EVENT", False),
    ],
)
def test_failures_are_kept_by_the_filter(status: str, hook: str, whole: bool, type: str, kept: bool) -> None:
    event = Event(
        account="1", region="r", id="s/1", event_id="e", stack="s", logical="Q", physical="", type="T", status=status,
        hook={"HookStatus": hook} if hook else {},
    )  # fmt: skip
    assert (event_type(event, whole), failed(event)) == (type, kept)


def test_an_operation_is_over_when_its_stack_rests() -> None:
    assert [operation_status(each) for each in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE", "DELETE_FAILED")] == [
        "IN_PROGRESS", "SUCCEEDED", "FAILED",
    ]  # fmt: skip
