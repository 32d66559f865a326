"""Provisioned concurrency: workers are there before anybody asks, and the status says how many."""

import asyncio
import json

import pytest

from kunren.core.errors import AwsError

SOURCE = """
import os
def handler(e, c):
    if e.get("crash"):
        os._exit(1)
    return [os.getpid(), os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value


async def status(call, qualifier):
    told = await call("get_provisioned_concurrency_config", FunctionName="f", Qualifier=qualifier)
    return told["Status"], told["AllocatedProvisionedConcurrentExecutions"]


async def until(call, qualifier, wanted):
    while await status(call, qualifier) != wanted:
        await asyncio.sleep(0.01)


def test_workers_are_initialised_before_the_first_invocation_and_after_a_crash(with_lambda):
    async def story(call):
        await call.active(source=SOURCE, Publish=True)
        missing = await refused(status(call, "1"))
        assert (missing.code, missing.message) == (
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )
        latest = {"FunctionName": "f", "Qualifier": "$LATEST", "ProvisionedConcurrentExecutions": 1}
        assert "unpublished" in (await refused(call("put_provisioned_concurrency_config", **latest))).message
        params = {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 2}
        made = await call("put_provisioned_concurrency_config", **params)
        assert (made["Status"], made["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
        await until(call, "1", ("READY", 2))
        started = call.service.runtime.status()["started"]
        assert started == 2
        answer = json.loads((await call("invoke", FunctionName="f", Qualifier="1"))["Payload"])
        assert answer[1] == "provisioned-concurrency"
        assert json.loads((await call("invoke", FunctionName="f"))["Payload"])[1] == "on-demand"
        await call("invoke", FunctionName="f", Qualifier="1", Payload=b'{"crash": true}')
        await until(call, "1", ("READY", 2))
        listed = await call("list_provisioned_concurrency_configs", FunctionName="f")
        (shown,) = listed["ProvisionedConcurrencyConfigs"]
        assert shown["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:f:1"
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
        both = await refused(call("put_provisioned_concurrency_config", **{**params, "Qualifier": "live"}))
        assert both.code == "ResourceConflictException"
        await call("delete_provisioned_concurrency_config", FunctionName="f", Qualifier="1")
        await call("put_provisioned_concurrency_config", **{**params, "Qualifier": "live"})
        await until(call, "live", ("READY", 2))

    with_lambda(story)


def test_a_function_whose_init_fails_cannot_be_provisioned(with_lambda):
    async def story(call):
        await call.active(source="raise ValueError('no')\n", Publish=True)
        await call(
            "put_provisioned_concurrency_config", FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=1
        )
        await until(call, "1", ("FAILED", 0))
        told = await call("get_provisioned_concurrency_config", FunctionName="f", Qualifier="1")
        assert told["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
        assert call.service.runtime.status()["started"] == 1

    with_lambda(story)


def test_more_than_is_reserved_is_refused(with_lambda):
    async def story(call):
        await call.active(Publish=True)
        await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=1)
        params = {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 2}
        text = (await refused(call("put_provisioned_concurrency_config", **params))).message
        assert text.startswith("Requested Provisioned Concurrency should not be greater than the reserved")

    with_lambda(story)


def test_settings_that_terraform_reads(with_lambda):
    async def story(call):
        await call.active()
        assert await call("get_function_code_signing_config", FunctionName="f") == {}
        assert await call("get_function_recursion_config", FunctionName="f") == {"RecursiveLoop": "Terminate"}
        await call("put_function_recursion_config", FunctionName="f", RecursiveLoop="Allow")
        assert await call("get_function_recursion_config", FunctionName="f") == {"RecursiveLoop": "Allow"}
        assert (await call("get_runtime_management_config", FunctionName="f"))["UpdateRuntimeOn"] == "Auto"

    with_lambda(story)
