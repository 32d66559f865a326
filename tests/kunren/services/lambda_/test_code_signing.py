"""Code signing configurations: kept, attached, enforced."""

import re

import pytest

from kunren.core.errors import AwsError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/0123456789"
PUBLISHERS = {"SigningProfileVersionArns": [PROFILE]}
UNSIGNED = (
    "CodeVerificationFailedException",
    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not "
    f"configured to accept. Check the provided signature for {ARN}.",
)


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value.code, caught.value.message


def test_a_configuration_is_created_read_changed_listed_and_deleted(with_lambda):
    async def story(call):
        made = (
            await call("create_code_signing_config", AllowedPublishers=PUBLISHERS, Description="d", Tags={"a": "b"})
        )["CodeSigningConfig"]
        assert re.fullmatch(r"csc-[a-z0-9]{17}", made["CodeSigningConfigId"])
        arn = made["CodeSigningConfigArn"]
        assert arn == f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{made['CodeSigningConfigId']}"
        assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
        assert (await call("list_tags", Resource=arn))["Tags"] == {"a": "b"}
        await call("tag_resource", Resource=arn, Tags={"c": "d"})
        await call("untag_resource", Resource=arn, TagKeys=["a"])
        assert (await call("list_tags", Resource=arn))["Tags"] == {"c": "d"}
        await call(
            "update_code_signing_config",
            CodeSigningConfigArn=arn,
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
        )
        shown = (await call("get_code_signing_config", CodeSigningConfigArn=arn))["CodeSigningConfig"]
        assert (shown["Description"], shown["AllowedPublishers"]) == ("d", PUBLISHERS)
        assert shown["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
        assert (await call("list_code_signing_configs"))["CodeSigningConfigs"] == [shown]
        await call("delete_code_signing_config", CodeSigningConfigArn=arn)
        assert await call("list_code_signing_configs") == {"CodeSigningConfigs": []}
        for operation in ("get_code_signing_config", "list_functions_by_code_signing_config"):
            assert await refused(call(operation, CodeSigningConfigArn=arn)) == (
                "ResourceNotFoundException",
                f"The Lambda code signing configuration {arn} can not be found.",
            )
        bad = {"SigningProfileVersionArns": ["arn:aws:iam::000000000000:role/x"]}
        code, _ = await refused(call("create_code_signing_config", AllowedPublishers=bad))
        assert code == "InvalidParameterValueException"

    with_lambda(story)


def test_unsigned_code_is_let_pass_with_a_warning_or_refused(with_lambda, package):
    async def story(call):
        made = await call("create_code_signing_config", AllowedPublishers=PUBLISHERS)
        arn = made["CodeSigningConfig"]["CodeSigningConfigArn"]
        await call.active(CodeSigningConfigArn=arn)
        assert await call("get_function_code_signing_config", FunctionName="f") == {
            "CodeSigningConfigArn": arn,
            "FunctionName": "f",
        }
        assert (await call("list_functions_by_code_signing_config", CodeSigningConfigArn=arn))["FunctionArns"] == [ARN]
        code, _ = await refused(call("delete_code_signing_config", CodeSigningConfigArn=arn))
        assert code == "ResourceConflictException"
        change = {"FunctionName": "f", "ZipFile": package({"app.py": "def handler(e, c):\n    return 2\n"})}
        await call("update_function_code", **change)
        await call.service.settled()

        enforce = {"UntrustedArtifactOnDeployment": "Enforce"}
        await call("update_code_signing_config", CodeSigningConfigArn=arn, CodeSigningPolicies=enforce)
        before = await call("get_function_configuration", FunctionName="f")
        assert await refused(call("update_function_code", **change)) == UNSIGNED
        layer = await call("publish_layer_version", LayerName="l", Content={"ZipFile": package({"a": "b"})})
        layers = {"FunctionName": "f", "Layers": [layer["LayerVersionArn"]]}
        assert await refused(call("update_function_configuration", **layers)) == UNSIGNED
        assert await refused(call.create("g", CodeSigningConfigArn=arn)) == (UNSIGNED[0], UNSIGNED[1][:-2] + "g.")
        assert await call("get_function_configuration", FunctionName="f") == before
        assert (await call("invoke", FunctionName="f"))["Payload"] == b"2"  # what runs keeps running

        await call("delete_function_code_signing_config", FunctionName="f")
        assert await call("get_function_code_signing_config", FunctionName="f") == {}
        await call("update_function_code", **change)
        await call.service.settled()
        await call("put_function_code_signing_config", FunctionName="f", CodeSigningConfigArn=arn)
        assert await refused(call("update_function_code", **change)) == UNSIGNED
        gone = arn[:-1] + "-"
        assert await refused(call("put_function_code_signing_config", FunctionName="f", CodeSigningConfigArn=gone)) == (
            "CodeSigningConfigNotFoundException",
            f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {gone}.",
        )

    with_lambda(story)
