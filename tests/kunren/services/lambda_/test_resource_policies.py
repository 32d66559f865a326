"""Whole resource policies: the same that AddPermission and GetPolicy speak of, and what decides who may invoke."""

import json

import pytest

from kunren.core.errors import AwsError
from kunren.services.lambda_.policy import may_invoke

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0123456789abcdef"
ELB = "elasticloadbalancing.amazonaws.com"
NOT_FOUND = ("ResourceNotFoundException", "The resource you requested does not exist.")


def policy(*statements, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def allow(resource=ARN, effect="Allow", sid="a"):
    return {
        "Sid": sid,
        "Effect": effect,
        "Principal": {"Service": [ELB]},
        "Action": ["lambda:InvokeFunction"],
        "Resource": resource,
    }


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value.code, caught.value.message


def test_a_policy_is_put_read_replaced_and_deleted(with_lambda):
    async def story(call):
        def may(arn=ARN):
            return may_invoke(call.store.snapshot(), arn, GROUP)

        await call.active()
        assert await refused(call("get_resource_policy", ResourceArn=ARN)) == NOT_FOUND
        put = await call("put_resource_policy", ResourceArn=ARN, Policy=policy(allow(), Id="mine"))
        assert json.loads(put["Policy"]) == {"Version": "2012-10-17", "Id": "mine", "Statement": [allow()]}
        assert await call("get_resource_policy", ResourceArn=ARN) == put
        assert await call("get_policy", FunctionName="f") == put
        assert may()

        await call("add_permission", FunctionName="f", StatementId="b", Action="lambda:*", Principal="s3.amazonaws.com")
        both = await call("get_resource_policy", ResourceArn=ARN)
        assert [each["Sid"] for each in json.loads(both["Policy"])["Statement"]] == ["a", "b"]
        assert json.loads(both["Policy"])["Id"] == "mine"
        stale = call("put_resource_policy", ResourceArn=ARN, Policy=policy(allow()), RevisionId=put["RevisionId"])
        assert (await refused(stale))[0] == "PreconditionFailedException"
        await call("remove_permission", FunctionName="f", StatementId="a")
        assert not may()

        denied = policy(allow(), allow(effect="Deny", sid="d"))
        revision = (await call("get_policy", FunctionName="f"))["RevisionId"]
        await call("put_resource_policy", ResourceArn=ARN, Policy=denied, RevisionId=revision)
        assert not may()
        assert (await refused(call("delete_resource_policy", ResourceArn=ARN, RevisionId=revision)))[
            0
        ] == "PreconditionFailedException"
        await call("delete_resource_policy", ResourceArn=ARN)
        assert await refused(call("get_policy", FunctionName="f")) == NOT_FOUND
        assert await refused(call("delete_resource_policy", ResourceArn=ARN)) == NOT_FOUND
        # a policy of AddPermission's begins anew with AWS's own head
        await call("add_permission", FunctionName="f", StatementId="b", Action="lambda:*", Principal="s3.amazonaws.com")
        assert json.loads((await call("get_policy", FunctionName="f"))["Policy"])["Id"] == "default"

    with_lambda(story)


def test_versions_and_aliases_have_policies_of_their_own(with_lambda):
    async def story(call):
        await call.active(Publish=True)
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
        await call("put_resource_policy", ResourceArn=f"{ARN}:live", Policy=policy(allow(f"{ARN}:live")))
        assert may_invoke(call.store.snapshot(), f"{ARN}:live", GROUP)
        assert not may_invoke(call.store.snapshot(), ARN, GROUP)
        assert await refused(call("get_resource_policy", ResourceArn=ARN)) == NOT_FOUND
        await call("delete_alias", FunctionName="f", Name="live")
        await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
        assert await refused(call("get_resource_policy", ResourceArn=f"{ARN}:live")) == NOT_FOUND

    with_lambda(story)


def test_documents_that_are_refused(with_lambda):
    async def story(call):
        await call.active()
        for text in (
            "no json",
            "[]",
            policy(),
            policy(allow(), Version="2020-01-01"),
            policy(allow(), More=1),
            policy(allow(f"{ARN}:live")),
        ):
            code, _ = await refused(call("put_resource_policy", ResourceArn=ARN, Policy=text))
            assert code == "InvalidParameterValueException"
        long = [allow(sid=f"{index:0100d}") for index in range(100)]
        code, _ = await refused(call("put_resource_policy", ResourceArn=ARN, Policy=policy(*long)))
        assert code == "PolicyLengthExceededException"
        latest = await refused(call("put_resource_policy", ResourceArn=f"{ARN}:$LATEST", Policy=policy(allow())))
        assert latest == (
            "InvalidParameterValueException",
            "We currently do not support adding policies for $LATEST.",
        )
        other = call("get_resource_policy", ResourceArn="arn:aws:lambda:us-east-1:000000000000:runtime/x")
        assert await refused(other) == NOT_FOUND
        assert await refused(call("get_policy", FunctionName="f")) == NOT_FOUND

    with_lambda(story)
