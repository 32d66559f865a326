"""Hooks: whom one concerns, what an answer means, and that a crash asks again what has no answer, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontRequest
from kunren.services.cloudformation.asking import Asking
from kunren.services.cloudformation.hooks import Target, answer, concerns, reason
from kunren.services.cloudformation.model import RESOURCES, Hook, HookResult, Stack
from kunren.services.cloudformation.responses import ResponseUrls

PROPERTIES = {
    "ExecutionRole": "arn:aws:iam::123456789012:role/hook",
    "HookStatus": "ENABLED",
    "TargetOperations": ["RESOURCE", "STACK"],
    "FailureMode": "FAIL",
    "LambdaFunction": "f",
}
QUEUE = Target("RESOURCE", "AWS::SQS::Queue", "UPDATE", "Q", "token", "Q", model={})
STACK = QUEUE._replace(operation="STACK", name="STACK")
CONTROL = QUEUE._replace(operation="CLOUD_CONTROL", execution="token")
MADE = Stack(account="1", region="r", id="s", name="shop", status="UPDATE_IN_PROGRESS")
ROLE = "arn:aws:iam::123456789012:role/hook-role-1"


@pytest.mark.parametrize(
    ("properties", "target", "wanted"),
    [
        ({}, QUEUE, True),
        ({"HookStatus": "DISABLED"}, QUEUE, False),
        ({"TargetOperations": ["STACK"]}, QUEUE, False),
        ({"TargetFilters": {"Actions": ["CREATE", "DELETE"]}}, QUEUE, False),
        ({"TargetFilters": {"TargetNames": ["AWS::S?S::*"]}}, QUEUE, True),
        ({"TargetFilters": {"TargetNames": ["AWS::S3::*"]}}, QUEUE, False),
        ({"TargetFilters": {"TargetNames": ["AWS::S3::*"]}}, STACK, True),
        ({"TargetFilters": {"Targets": [{"TargetName": "AWS::SQS::Queue", "Action": "UPDATE"}]}}, QUEUE, True),
        ({"TargetFilters": {"Targets": [{"TargetName": "AWS::SQS::Queue", "Action": "CREATE"}]}}, QUEUE, False),
        ({"StackFilters": {"FilteringCriteria": "ALL", "StackNames": {"Include": ["stack-test-*"]}}}, QUEUE, True),
        ({"StackFilters": {"FilteringCriteria": "ALL", "StackNames": {"Exclude": ["stack-test-1"]}}}, QUEUE, False),
        ({"TargetOperations": ["CLOUD_CONTROL"], "StackFilters": {"StackNames": {"Include": ["x"]}}}, CONTROL, True),
        ({"TargetOperations": ["CLOUD_CONTROL"], "TargetFilters": {"TargetNames": ["AWS::S3::*"]}}, CONTROL, False),
        ({"TargetOperations": ["RESOURCE"]}, CONTROL, False),
    ],
)
def test_filters_say_whom_a_hook_concerns(properties: dict[str, Any], target: Target, wanted: bool) -> None:
    assert concerns({**PROPERTIES, **properties}, target, "stack-test-1") is wanted


@pytest.mark.parametrize(
    ("criteria", "role", "name", "wanted"),
    [
        ("ALL", ROLE, "stack-test-1", True),
        ("ALL", "", "stack-test-1", False),
        ("ANY", "", "stack-test-1", True),
        ("ANY", ROLE, "other", True),
        ("ANY", "", "other", False),
    ],
)
def test_names_and_roles_of_stacks_count_together_or_each(criteria: str, role: str, name: str, wanted: bool) -> None:
    filters = {
        "FilteringCriteria": criteria,
        "StackNames": {"Include": ["stack-test-*"]},
        "StackRoles": {"Include": ["arn:*:iam::*:role/hook-role*"]},
    }
    assert concerns({**PROPERTIES, "StackFilters": filters}, QUEUE._replace(role=role), name) is wanted


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        ({"hookStatus": "SUCCESS", "message": "compliant"}, "HOOK_COMPLETE_SUCCEEDED", "compliant"),
        ({"hookStatus": "FAILED", "errorCode": "NonCompliant", "message": "no"}, "HOOK_COMPLETE_FAILED", "no"),
        ({"hookStatus": "FAILED", "errorCode": "InternalFailure", "message": "oh"}, "HOOK_FAILED", "oh"),
        ({"hookStatus": "SUCCESS", "message": "x" * 5000}, "HOOK_COMPLETE_SUCCEEDED", "x" * 4096),
    ],
)
def test_an_answer_is_success_failure_or_a_broken_hook(said: Any, status: str, message: str) -> None:
    assert answer({"Payload": json.dumps(said).encode()})[:2] == (status, message)


@settings(max_examples=25)
@given(st.binary() | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_what_is_no_answer_breaks_the_hook(payload: bytes) -> None:
    assert answer({"Payload": payload}).status == "HOOK_FAILED"


def test_a_warning_says_that_it_was_one() -> None:
    assert (
        reason("HOOK_COMPLETE_FAILED", "no", "WARN")
        == "Hook failed with message: no. Failure was ignored under WARN mode."
    )


class Function:
    """Answers what it is told to, and notes which invocations it saw; None never answers."""

    def __init__(self, *answers: Mapping[str, Any] | None) -> None:
        self.answers, self.asked = list(answers), list[tuple[int, Any]]()

    async def __call__(self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        context = json.loads(params["Payload"])["requestContext"]
        self.asked.append((context["invocation"], context["callbackContext"]))
        said = self.answers.pop(0)
        if said is None:
            await asyncio.Event().wait()
        return {"Payload": json.dumps(said).encode()}


def _world() -> Store:
    store = Store(None)
    store.register(*RESOURCES)
    with store.write() as tx:
        tx.put(Hook(account="1", region="r", id="My::Own::Hook", token="t", properties=PROPERTIES))
    return store


async def _refusal(
    store: Store, function: Function, told: list[str], target: Target = QUEUE, given_up: bool = False
) -> str:
    asking = Asking(store, SimClock(), Entropy(1), function, None)
    return (await asking.refusal(MADE, target, lambda tx, result: told.append(result.status), lambda: given_up))[1]


PENDING = {"hookStatus": "IN_PROGRESS", "callbackContext": 5}


def test_what_was_under_way_in_a_crash_is_asked_again_and_an_answer_stays() -> None:
    store, told = _world(), list[str]()
    function = Function(PENDING, None, {"hookStatus": "FAILED", "errorCode": "NonCompliant", "message": "no"})

    async def dying() -> None:
        task = asyncio.create_task(_refusal(store, function, told))
        while len(function.asked) < 2:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(dying())
    for _ in range(2):
        assert asyncio.run(_refusal(store, function, told)) == "The following hook(s) failed: [My::Own::Hook]"
    assert function.asked == [(1, None), (2, 5), (2, 5)]
    assert told == ["HOOK_IN_PROGRESS", "HOOK_COMPLETE_FAILED"]


def test_three_invocations_without_a_result_break_the_hook() -> None:
    store, function = _world(), Function(PENDING, PENDING, PENDING)
    assert asyncio.run(_refusal(store, function, [])) == "The following hook(s) failed: [My::Own::Hook]"
    assert [each.status for each in store.snapshot().every(HookResult)] == ["HOOK_FAILED"]


@pytest.mark.parametrize(
    ("stated", "delay"), [("1e999", 7200), ("-1e999", 0), ("90000", 7200), ("-3", 0), ("60", 60), ('"soon"', 0)]
)
def test_a_delay_is_bounded(stated: str, delay: float) -> None:
    payload = f'{{"hookStatus": "IN_PROGRESS", "callbackDelaySeconds": {stated}}}'.encode()
    assert answer({"Payload": payload}).delay == delay


def test_a_delay_ends_with_what_the_hook_is_asked_about() -> None:
    store, function = _world(), Function({**PENDING, "callbackDelaySeconds": 7200})
    asyncio.run(_refusal(store, function, [], given_up=True))
    assert [each.reason for each in store.snapshot().every(HookResult)] == [
        "Hook failed with message: The operation was cancelled"
    ]


def test_only_whoever_was_given_the_url_gets_what_a_hook_is_asked_about() -> None:
    store, urls = _world(), list[SplitResult]()
    front = ResponseUrls(store, SimClock())

    async def fetched(path: str) -> int:
        return (await front.answer(FrontRequest("GET", urls[0].netloc, path, "", {}, b"", "", None))).status

    async def function(account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        urls.append(urlsplit(json.loads(params["Payload"])["requestData"]["payload"]))
        arn, id, secret = unquote(urls[0].path[1:]).split("|")
        wrong = quote(f"{arn}|{id}|{secret[:-1]}", safe="")
        assert (await fetched(urls[0].path), await fetched("/" + wrong), secret in id) == (200, 403, False)
        return {"Payload": b'{"hookStatus": "SUCCESS"}'}

    asked = STACK._replace(model=None, payload="{}")
    assert asyncio.run(_refusal(store, function, [], asked)) == ""  # type: ignore[arg-type]
    assert asyncio.run(fetched(urls[0].path)) == 403
