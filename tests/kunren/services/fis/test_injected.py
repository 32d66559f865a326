"""Whose calls meet injected errors: a role is asked of STS until it answers."""

import asyncio
from types import SimpleNamespace

import pytest

from kunren.control.store import Store
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, WireError
from kunren.services.fis.injected import ApiErrors
from kunren.services.fis.model import RESOURCES, ActionRun, Experiment, Found

ROLE = Found(arn="arn:aws:iam::1:role/app", account="1", region="", id="app")


class Busy(AwsError):
    code = "ServiceUnavailable"


def test_a_call_whose_role_sts_did_not_tell_meets_the_error_when_it_does():
    store, answers = Store(None), [Busy("try later"), {"Arn": "arn:aws:sts::1:assumed-role/app/session"}]
    store.register(*RESOURCES)
    parameters = {"service": "ec2", "operations": "DescribeVpcs", "percentage": "100"}
    action = {
        "actionId": "aws:fis:inject-api-throttle-error", "parameters": parameters, "targets": {"Roles": "them"},
    }  # fmt: skip
    with store.write() as tx:
        tx.put(Experiment(account="1", region="us-east-1", id="EXP1", description="", role_arn="", template_id="EXT1",
                          actions={"it": action}, runs={"it": ActionRun(status="running")}, found={"them": (ROLE,)},
                          targets={"them": {"resourceType": "aws:iam:role"}}, status="running"))  # fmt: skip

    async def call(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    errors = ApiErrors(store, Entropy(seed=1), call)
    route = SimpleNamespace(service="ec2", operation="DescribeVpcs", access_key="ASIAEXAMPLE", region="us-east-1")
    asked = SimpleNamespace(route=route, request=SimpleNamespace(headers={}))

    async def story():
        await errors.hook(asked)
        for _ in range(2):  # by STS's answer, and by what was kept of it
            with pytest.raises(WireError, match="Request limit exceeded"):
                await errors.hook(asked)

    asyncio.run(story())
    assert answers == []
