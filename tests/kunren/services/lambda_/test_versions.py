"""Versions and aliases: what is published stays as it was, and aliases lead to it."""

import asyncio
import json
from collections import Counter

import pytest

from kunren.core.errors import AwsError
from kunren.services.lambda_.policy import may_invoke

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0123456789abcdef"
SOURCE = "import os\ndef handler(e, c):\n    return [{}, os.environ.get('WHO'), c.function_version, c.invoked_function_arn]\n"


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value


async def answer(call, **params):
    told = await call("invoke", FunctionName="f", **params)
    return told["ExecutedVersion"], json.loads(told["Payload"])


async def second_version(call, package):
    """A function whose version 1 is what it was, and version 2 has other code and environment."""
    await call.active(source=SOURCE.format(1), Environment={"Variables": {"WHO": "one"}}, Publish=True)
    await call("update_function_configuration", FunctionName="f", Environment={"Variables": {"WHO": "two"}})
    await call.service.settled()
    new = package({"app.py": SOURCE.format(2)})
    made = await call("update_function_code", FunctionName="f", ZipFile=new, Publish=True)
    await call.service.settled()
    return made


def test_versions_keep_their_own_code_and_environment(with_lambda, package):
    async def story(call):
        made = await second_version(call, package)
        assert (made["Version"], made["FunctionArn"]) == ("2", f"{ARN}:2")
        assert await answer(call) == ("$LATEST", [2, "two", "$LATEST", ARN])
        assert await answer(call, Qualifier="1") == ("1", [1, "one", "1", f"{ARN}:1"])
        assert (await call("invoke", FunctionName=f"{ARN}:2"))["ExecutedVersion"] == "2"
        missing = await refused(call("invoke", FunctionName="f", Qualifier="3"))
        assert (missing.code, missing.message) == ("ResourceNotFoundException", f"Function not found: {ARN}:3")
        listed = (await call("list_versions_by_function", FunctionName="f"))["Versions"]
        assert [each["FunctionArn"] for each in listed] == [f"{ARN}:$LATEST", f"{ARN}:1", f"{ARN}:2"]
        every = (await call("list_functions", FunctionVersion="ALL"))["Functions"]
        assert [each["Version"] for each in every] == ["$LATEST", "1", "2"]
        shown = await call("get_function", FunctionName="f", Qualifier="1")
        assert shown["Configuration"]["Environment"] == {"Variables": {"WHO": "one"}}
        assert shown["Configuration"]["State"] == "Active"

    async def after_a_restart(call):
        await call.service.settled()
        assert await answer(call, Qualifier="1") == ("1", [1, "one", "1", f"{ARN}:1"])

    with_lambda(story)
    with_lambda(after_a_restart)


def test_publishing_what_has_not_changed_makes_no_version(with_lambda, package):
    async def story(call):
        made = await call.active()
        first = await call("publish_version", FunctionName="f", Description="first", CodeSha256=made["CodeSha256"])
        assert (first["Version"], first["Description"]) == ("1", "first")
        assert (await call("publish_version", FunctionName="f", Description="again"))["Description"] == "first"
        wrong = await refused(call("publish_version", FunctionName="f", CodeSha256="eA=="))
        assert wrong.message == (
            f"CodeSHA256 (eA==) is different from current CodeSHA256 in $LATEST ({made['CodeSha256']}). Please try "
            "again with the CodeSHA256 in $LATEST."
        )
        stale = await refused(call("publish_version", FunctionName="f", RevisionId="stale"))
        assert stale.code == "PreconditionFailedException"
        await call("delete_function", FunctionName="f", Qualifier="1")
        assert (await call("publish_version", FunctionName="f"))["Version"] == "2"  # a number is never used again
        await call("delete_function", FunctionName="f")
        await call.active()
        assert len((await call("list_versions_by_function", FunctionName="f"))["Versions"]) == 1

    with_lambda(story)


def test_an_alias_leads_to_a_version_and_can_be_moved(with_lambda, package):
    async def story(call):
        await second_version(call, package)
        made = await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
        assert {**made, "RevisionId": ""} == {
            "AliasArn": f"{ARN}:live",
            "Name": "live",
            "FunctionVersion": "1",
            "Description": "d",
            "RevisionId": "",
        }
        assert await answer(call, Qualifier="live") == ("1", [1, "one", "1", f"{ARN}:live"])
        shown = await call("get_function_configuration", FunctionName="f", Qualifier="live")
        assert (shown["FunctionArn"], shown["Version"]) == (f"{ARN}:live", "1")
        moved = await call("update_alias", FunctionName="f", Name="live", FunctionVersion="2")
        assert moved["Description"] == "d"
        assert (await answer(call, Qualifier="live"))[0] == "2"
        stale = await refused(call("update_alias", FunctionName="f", Name="live", RevisionId=made["RevisionId"]))
        assert stale.code == "PreconditionFailedException"
        again = await refused(call("create_alias", FunctionName="f", Name="live", FunctionVersion="1"))
        assert (again.code, again.message) == ("ResourceConflictException", f"Alias already exists: {ARN}:live")
        used = await refused(call("delete_function", FunctionName="f", Qualifier="2"))
        assert used.message == "Unable to delete version because the following aliases reference it: [live]"
        assert len((await call("list_aliases", FunctionName="f", FunctionVersion="2"))["Aliases"]) == 1
        assert (await call("list_aliases", FunctionName="f", FunctionVersion="1"))["Aliases"] == []
        await call("delete_alias", FunctionName="f", Name="live")
        gone = await refused(call("get_alias", FunctionName="f", Name="live"))
        assert gone.message == f"Cannot find alias arn: {ARN}:live"
        assert (await refused(call("invoke", FunctionName="f:live"))).code == "ResourceNotFoundException"

    with_lambda(story)


def test_an_alias_splits_its_invocations_by_weight(with_lambda, package):
    async def story(call):
        await second_version(call, package)
        routing = {"AdditionalVersionWeights": {"2": 0.25}}
        made = await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
        assert made["RoutingConfig"] == routing
        runs = [call("invoke", FunctionName="f", Qualifier="live") for _ in range(8)]
        seen = Counter(each["ExecutedVersion"] for each in await asyncio.gather(*runs))
        for _ in range(152):
            seen[(await call("invoke", FunctionName="f", Qualifier="live"))["ExecutedVersion"]] += 1
        assert 15 < seen["2"] < 65  # 40 expected; outside is less likely than one in 100,000
        assert seen["1"] + seen["2"] == 160
        bad = {
            "$LATEST": "$LATEST is not supported for an alias pointing to more than 1 version",
            "2": "Invalid function version 2. Function version 2 is already included in routing configuration.",
        }
        for version, text in bad.items():
            error = await refused(call("update_alias", FunctionName="f", Name="live", FunctionVersion=version))
            assert error.message == text
        cleared = await call("update_alias", FunctionName="f", Name="live", RoutingConfig={})
        assert "RoutingConfig" not in cleared

    with_lambda(story)


def test_permissions_belong_to_the_qualifier_they_were_given_for(with_lambda, package):
    async def story(call):
        await second_version(call, package)
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
        params = {
            "FunctionName": "f",
            "StatementId": "elb",
            "Action": "lambda:InvokeFunction",
            "Principal": "elasticloadbalancing.amazonaws.com",
            "SourceArn": GROUP,
        }
        statement = json.loads((await call("add_permission", Qualifier="live", **params))["Statement"])
        assert statement["Resource"] == f"{ARN}:live"
        snapshot = call.store.snapshot()
        assert may_invoke(snapshot, f"{ARN}:live", GROUP) is True
        assert may_invoke(snapshot, ARN, GROUP) is False
        assert may_invoke(snapshot, f"{ARN}:1", GROUP) is False
        assert may_invoke(snapshot, f"{ARN}:9", GROUP) is None
        assert (await refused(call("get_policy", FunctionName="f"))).code == "ResourceNotFoundException"
        policy = await call("get_policy", FunctionName="f", Qualifier="live")
        assert json.loads(policy["Policy"])["Statement"] == [statement]
        assert policy["RevisionId"] == (await call("get_alias", FunctionName="f", Name="live"))["RevisionId"]
        assert await call.service.invoker.invoke_for_elb(f"{ARN}:live", b"{}", "") == (
            json.dumps([1, "one", "1", f"{ARN}:live"]).encode(),
            None,
        )
        await call("remove_permission", FunctionName="f", Qualifier="live", StatementId="elb")
        assert may_invoke(call.store.snapshot(), f"{ARN}:live", GROUP) is False

    with_lambda(story)
