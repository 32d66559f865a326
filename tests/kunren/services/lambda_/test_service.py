"""The service end to end: functions, updates, events, load balancers, restarts."""

import asyncio
import base64
import hashlib
import json

import pytest

from kunren.core.clock import SystemClock
from kunren.core.errors import AwsError, WireError
from kunren.services.elbv2.model import HealthCheck, Matcher, Target, TargetGroup
from kunren.services.lambda_.model import AsyncEvent
from kunren.services.lambda_.policy import may_invoke

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0123456789abcdef"


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value


def hold_deployments(call):
    """Deployments wait from now on, until what is returned is called."""
    prepare, gate = call.service.runtime.prepare, asyncio.Event()

    async def held(version):
        await gate.wait()
        await prepare(version)

    call.service.runtime.prepare = held
    return gate.set


def test_a_function_is_created_deployed_and_invoked(with_lambda, package):
    async def story(call):
        release = hold_deployments(call)
        made = await call.create(Environment={"Variables": {"WHO": "me"}}, Tags={"a": "b"})
        assert made["State"] == "Pending"
        assert made["FunctionArn"] == ARN
        zipped = package({"app.py": "def handler(e, c):\n    return e\n"})
        assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped).digest()).decode()
        assert made["CodeSize"] == len(zipped)
        early = await refused(call("invoke", FunctionName="f"))
        assert early.code == "ResourceConflictException"
        assert early.message.endswith("The function is currently in the following state: Pending")
        release()
        await call.service.settled()
        shown = await call("get_function", FunctionName=ARN)
        assert shown["Configuration"]["State"] == "Active"
        assert shown["Configuration"]["LastUpdateStatus"] == "Successful"
        assert shown["Tags"] == {"a": "b"}
        assert shown["Code"]["RepositoryType"] == "S3"
        answer = await call("invoke", FunctionName="f", Payload=b'{"a": 1}', LogType="Tail")
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert json.loads(answer["Payload"]) == {"a": 1}
        assert "FunctionError" not in answer
        assert b"START RequestId: request-4 Version: $LATEST" in base64.b64decode(answer["LogResult"])
        assert "LogResult" not in await call("invoke", FunctionName="f", Qualifier="$LATEST")

    with_lambda(story)


def test_function_errors_are_answers_with_200(with_lambda):
    async def story(call):
        await call.active(source="def handler(e, c):\n    raise KeyError('k')\n")
        answer = await call("invoke", FunctionName="f")
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        assert json.loads(answer["Payload"])["errorType"] == "KeyError"

    with_lambda(story)


def test_refusals_of_create_and_invoke(with_lambda):
    async def story(call):
        await call.active()
        assert (await refused(call.create())).message == "Function already exist: f"
        assert "java21 has no runtime client" in (await refused(call.create("g", Runtime="java21"))).message
        bad = await refused(call.create("g", Code={"ZipFile": b"no"}))
        assert bad.message.startswith("Could not unzip uploaded file.")
        gone = await refused(call("invoke", FunctionName="gone"))
        assert gone.message == "Function not found: arn:aws:lambda:us-east-1:000000000000:function:gone"
        text = await refused(call("invoke", FunctionName="f", Payload=b"{bad"))
        assert text.code == "InvalidRequestContentException"
        assert text.message.startswith("Could not parse request body into json: ")
        large = await refused(call("invoke", FunctionName="f", Payload=b'"' + b"x" * 6291456 + b'"'))
        assert large.message == (
            "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
        )
        assert (await call("invoke", FunctionName="f", InvocationType="DryRun")) == {"StatusCode": 204}
        assert (
            await refused(call("invoke", FunctionName="f", ClientContext="%"))
        ).code == "InvalidRequestContentException"

    with_lambda(story)


def test_code_comes_from_s3_where_there_is_one(with_lambda, package):
    async def call_s3(account, region, service, operation, params):
        assert (service, operation) == ("s3", "GetObject")
        if params["Key"] != "code.zip":
            raise WireError("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": package({"app.py": f"def handler(e, c):\n    return {params['Bucket']!r}\n"})}

    async def story(call):
        await call.active(Code={"S3Bucket": "bucket", "S3Key": "code.zip"})
        assert (await call("invoke", FunctionName="f"))["Payload"] == b'"bucket"'
        error = await refused(call.create("g", Code={"S3Bucket": "bucket", "S3Key": "other"}))
        assert error.message.startswith("Error occurred while GetObject. S3 Error Code: NoSuchKey.")

    with_lambda(story, call=call_s3)


def test_updates_of_code_and_configuration_take_effect_and_are_guarded(with_lambda, package):
    async def story(call):
        await call.active(source="import os\ndef handler(e, c):\n    return [1, os.environ.get('WHO')]\n")
        first = await call("get_function_configuration", FunctionName="f")
        assert json.loads((await call("invoke", FunctionName="f"))["Payload"]) == [1, None]
        new = package({"app.py": "import os\ndef handler(e, c):\n    return [2, os.environ.get('WHO')]\n"})
        release = hold_deployments(call)
        updated = await call("update_function_code", FunctionName="f", ZipFile=new, RevisionId=first["RevisionId"])
        assert updated["LastUpdateStatus"] == "InProgress"
        busy = await refused(call("update_function_code", FunctionName="f", ZipFile=new))
        assert busy.message == (
            f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}"
        )
        assert json.loads((await call("invoke", FunctionName="f"))["Payload"]) == [1, None]  # still the one before
        release()
        await call.service.settled()
        assert json.loads((await call("invoke", FunctionName="f"))["Payload"]) == [2, None]
        stale = await refused(
            call("update_function_code", FunctionName="f", ZipFile=new, RevisionId=first["RevisionId"])
        )
        assert stale.code == "PreconditionFailedException"
        await call(
            "update_function_configuration", FunctionName="f", Environment={"Variables": {"WHO": "me"}}, Timeout=9
        )
        await call.service.settled()
        shown = await call("get_function_configuration", FunctionName="f")
        assert (shown["Timeout"], shown["MemorySize"], shown["LastUpdateStatus"]) == (9, 128, "Successful")
        assert json.loads((await call("invoke", FunctionName="f"))["Payload"]) == [2, "me"]

    with_lambda(story)


def test_permissions_policies_tags_and_concurrency(with_lambda):
    async def story(call):
        await call.active()
        assert (
            await refused(call("get_policy", FunctionName="f"))
        ).message == "The resource you requested does not exist."
        params = {
            "FunctionName": "f",
            "StatementId": "elb",
            "Action": "lambda:InvokeFunction",
            "Principal": "elasticloadbalancing.amazonaws.com",
            "SourceArn": GROUP,
        }
        statement = json.loads((await call("add_permission", **params))["Statement"])
        assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": GROUP}}
        assert (await refused(call("add_permission", **params))).message == (
            "The statement id (elb) provided already exists. Please provide a new statement id, or remove the existing "
            "statement."
        )
        policy = json.loads((await call("get_policy", FunctionName="f"))["Policy"])
        assert policy == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
        assert may_invoke(call.store.snapshot(), ARN, GROUP) is True
        assert may_invoke(call.store.snapshot(), ARN, GROUP + "0") is False
        assert may_invoke(call.store.snapshot(), ARN + "0", GROUP) is None
        await call("remove_permission", FunctionName="f", StatementId="elb")
        assert may_invoke(call.store.snapshot(), ARN, GROUP) is False
        await call("tag_resource", Resource=ARN, Tags={"a": "1", "b": "2"})
        await call("untag_resource", Resource=ARN, TagKeys=["a"])
        assert (await call("list_tags", Resource=ARN))["Tags"] == {"b": "2"}
        low = await refused(call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=901))
        assert low.message.endswith("below its minimum value of [100].")
        await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=0)
        throttled = await refused(call("invoke", FunctionName="f"))
        assert (throttled.code, throttled.status, throttled.message) == (
            "TooManyRequestsException",
            429,
            "Rate Exceeded.",
        )
        assert throttled.members["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        settings = await call("get_account_settings")
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
        assert settings["AccountUsage"]["FunctionCount"] == 1

    with_lambda(story)


def test_lists_page_and_deleted_functions_are_gone(with_lambda):
    async def story(call):
        for name in ("a", "b", "c"):
            await call.create(name)
        first = await call("list_functions", MaxItems=2)
        assert [each["FunctionName"] for each in first["Functions"]] == ["a", "b"]
        assert "State" not in first["Functions"][0]
        second = await call("list_functions", MaxItems=2, Marker=first["NextMarker"])
        assert [each["FunctionName"] for each in second["Functions"]] == ["c"]
        assert "NextMarker" not in second
        everything = await call("list_functions", FunctionVersion="ALL")
        assert everything["Functions"][0]["FunctionArn"].endswith(":function:a:$LATEST")
        assert (await call("delete_function", FunctionName="b")) == {"StatusCode": 204}
        assert (await refused(call("get_function", FunctionName="b"))).code == "ResourceNotFoundException"
        assert (await refused(call("list_functions", Marker="nonsense"))).code == "InvalidParameterValueException"

    with_lambda(story)


def test_a_function_made_again_under_its_name_runs_its_new_code(with_lambda):
    async def story(call):
        await call.active(source="def handler(e, c):\n    return 1\n")
        assert (await call("invoke", FunctionName="f"))["Payload"] == b"1"
        await call("delete_function", FunctionName="f")
        await call.active(source="def handler(e, c):\n    return 2\n")
        assert (await call("invoke", FunctionName="f"))["Payload"] == b"2"

    with_lambda(story)


def test_events_are_accepted_durably_and_retried(with_lambda, tmp_path):
    mark = tmp_path / "mark"

    async def story(call):
        source = f"def handler(e, c):\n    open({str(mark)!r}, 'a').write(c.aws_request_id + '\\n')\n    raise ValueError('x')\n"
        await call.active(source=source)
        answer = await call("invoke", FunctionName="f", InvocationType="Event", Payload=b"{}")
        assert answer == {"StatusCode": 202, "Payload": b""}
        await call.until(lambda: not call.store.snapshot().counts().get(AsyncEvent.kind))
        assert mark.read_text().split() == ["request-2"] * 3

    with_lambda(story, clock=SystemClock(speed=500))


def test_functions_survive_a_restart(with_lambda):
    async def first(call):
        await call.active()

    async def second(call):  # no waiting for the deployment: an Active function is invocable at once
        assert (await call("get_function_configuration", FunctionName="f"))["State"] == "Active"
        assert (await call("invoke", FunctionName="f", Payload=b"7"))["Payload"] == b"7"

    with_lambda(first)
    with_lambda(second)


def test_a_load_balancer_reaches_a_function_that_lets_it(with_lambda):
    source = "def handler(e, c):\n    return {'statusCode': 200, 'body': e['path']}\n"
    check = HealthCheck(
        enabled=False, protocol="HTTP", port="traffic-port", path="/", interval=35, timeout=30, healthy_threshold=5,
        unhealthy_threshold=2, matcher=Matcher(http_code="200"),
    )  # fmt: skip

    async def story(call):
        await call.active(source=source)
        with call.store.write() as tx:
            tx.put(
                TargetGroup(
                    account="000000000000",
                    region="us-east-1",
                    id=GROUP,
                    name="g",
                    target_type="lambda",
                    health_check=check,
                    targets=(Target(id=ARN),),
                )
            )
        bridge = call.service.bridge
        denied = await bridge.answer(GROUP, "GET", "/x", [], b"")
        assert (denied.status, denied.error_reason) == (502, "LambdaAccessDenied")
        await call(
            "add_permission", FunctionName="f", StatementId="elb", Action="lambda:InvokeFunction",
            Principal="elasticloadbalancing.amazonaws.com", SourceArn=GROUP,
        )  # fmt: skip
        good = await bridge.answer(GROUP, "GET", "/x", [], b"")
        assert (good.status, good.body) == (200, b"/x")
        assert (await bridge.probe(GROUP, "/up")).body == b"/up"

    with_lambda(story)
