"""Functions as their users have them: boto3 against the running daemon, other services around them."""

import io
import json
import shutil
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"


def package(source, name="app.py"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o100755 << 16
        archive.writestr(info, source)
    return out.getvalue()


class Account:
    """One account's clients and functions."""

    def __init__(self, kunren, account, until):
        self.kunren, self.id, self.until = kunren, account, until
        self.functions = self.client("lambda")

    def client(self, service):
        return self.kunren.client(service, self.id)

    def cli(self, *command):
        """What the AWS CLI answers in the world."""
        environment = ("env", f"AWS_ACCESS_KEY_ID={self.id}", "AWS_REGION=us-east-1")
        return json.loads(self.kunren.exec(*environment, "aws", "--output", "json", *command).stdout)

    def function(self, name, source, **params):
        settings = {
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": package(source)},
        }
        made = self.functions.create_function(FunctionName=name, **{**settings, **params})
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        return made["FunctionArn"]

    def queue(self, name, **attributes):
        """The URL and the ARN of a queue."""
        url = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{self.id}:{name}"

    def receive(self, url, timeout_s=20):
        """The next message, deleted."""
        sqs = self.client("sqs")

        def received():
            told = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=1)
            return told.get("Messages")

        (message,) = self.until(received, f"a message in {url}", timeout_s)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message


@pytest.fixture
def home(kunren, account, until):
    return Account(kunren, account, until)


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_results_of_asynchronous_invocations_reach_their_destinations(home):
    good_url, good = home.queue("good")
    bad_url, bad = home.queue("bad")
    dead_url, dead = home.queue("dead")
    topic = home.client("sns").create_topic(Name="dead")["TopicArn"]
    home.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=dead)
    source = "def handler(event, context):\n    return 1 / event['by']\n"
    arn = home.function("divide", source, DeadLetterConfig={"TargetArn": topic})
    assert home.functions.get_function_configuration(FunctionName="divide")["DeadLetterConfig"] == {"TargetArn": topic}
    missing = refusal(home.functions.get_function_event_invoke_config, FunctionName="divide")
    assert missing == ("ResourceNotFoundException", f"The function {arn}:$LATEST doesn't have an EventInvokeConfig")
    home.functions.put_function_event_invoke_config(
        FunctionName="divide", MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": good}}
    )
    config = home.functions.update_function_event_invoke_config(
        FunctionName="divide", DestinationConfig={"OnFailure": {"Destination": bad}}
    )
    assert config["FunctionArn"] == f"{arn}:$LATEST"
    assert config["MaximumRetryAttempts"] == 0
    assert config["DestinationConfig"] == {"OnSuccess": {"Destination": good}, "OnFailure": {"Destination": bad}}
    listed = home.functions.list_function_event_invoke_configs(FunctionName="divide")["FunctionEventInvokeConfigs"]
    assert [each["FunctionArn"] for each in listed] == [f"{arn}:$LATEST"]

    told = home.functions.invoke(FunctionName="divide", InvocationType="Event", Payload=b'{"by": 2}')
    assert told["StatusCode"] == 202
    made = json.loads(home.receive(good_url)["Body"])
    assert (made["requestPayload"], made["responsePayload"]) == ({"by": 2}, 0.5)
    assert made["requestContext"]["condition"] == "Success"
    assert made["requestContext"]["requestId"] == told["ResponseMetadata"]["RequestId"]

    home.functions.invoke(FunctionName="divide", InvocationType="Event", Payload=b'{"by": 0}')
    made = json.loads(home.receive(bad_url)["Body"])
    assert made["requestContext"]["condition"] == "RetriesExhausted"
    assert made["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert made["responsePayload"]["errorType"] == "ZeroDivisionError"
    letter = json.loads(home.receive(dead_url)["Body"])
    assert letter["Message"] == '{"by": 0}'
    assert letter["MessageAttributes"]["ErrorMessage"]["Value"] == "division by zero"

    home.functions.delete_function_event_invoke_config(FunctionName="divide")
    assert (
        refusal(home.functions.get_function_event_invoke_config, FunctionName="divide")[0]
        == "ResourceNotFoundException"
    )


ECHO = """
import json
import shutil
import urllib.error
import urllib.request
def handler(event, context):
    if event["rawPath"] == "/plain":
        return {"seen": True}
    if event["rawPath"] == "/broken":
        raise ValueError("no")
    return {
        "statusCode": 201,
        "headers": {"X-Own": "yes", "Content-Type": "application/json"},
        "cookies": ["a=1", "b=2"],
        "body": json.dumps(event),
    }
"""
STREAMING = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath) stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 202, headers: {"Content-Type": "text/plain", "X-Own": "yes"}, cookies: ["c=3"],
  });
  stream.write("first,");
  await new Promise((resolve) => setTimeout(resolve, 50));
  if (event.fails) throw new TypeError("broke off");
  stream.write("second");
  stream.end();
});
"""


def curl(home, *arguments):
    """Status, headers and body of a request from a client place."""
    told = home.kunren.exec("curl", "-s", "-i", "--http1.1", *arguments).stdout
    head, _, body = told.replace("\r", "").partition("\n\n")
    first, *lines = head.split("\n")
    return int(first.split()[1]), [tuple(line.split(": ", 1)) for line in lines], body


def test_a_function_url_answers_over_https_in_the_world(home):
    arn = home.function("echo", ECHO)
    lambda_ = home.functions
    cors = {"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET", "PUT"], "MaxAge": 60}
    made = lambda_.create_function_url_config(FunctionName="echo", AuthType="NONE", Cors=cors)
    url = made["FunctionUrl"]
    host = url.removeprefix("https://").rstrip("/")
    assert host.endswith(".lambda-url.us-east-1.on.aws")
    assert len(host.partition(".")[0]) == 32
    again = refusal(lambda_.create_function_url_config, FunctionName="echo", AuthType="NONE")
    assert again[0] == "ResourceConflictException"
    assert curl(home, url)[0] == 403
    lambda_.add_permission(
        FunctionName="echo",
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    status, headers, body = curl(home, f"{url}some/path?a=1&a=2&b=%20x", "-b", "k=v; l=w", "-d", "text")
    event = json.loads(body)
    assert status == 201
    assert ("X-Own", "yes") in headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/some/path")
    assert event["rawQueryString"] == "a=1&a=2&b=%20x"
    assert event["queryStringParameters"] == {"a": "1,2", "b": " x"}
    assert event["cookies"] == ["k=v", "l=w"]
    assert (event["body"], event["isBase64Encoded"]) == ("text", False)
    context = event["requestContext"]
    assert (context["accountId"], context["domainName"]) == ("anonymous", host)
    assert context["http"]["method"] == "POST"
    assert context["http"]["sourceIp"].startswith("198.1")
    assert curl(home, f"{url}plain")[2] == '{"seen": true}'
    assert curl(home, f"{url}broken")[::2] == (502, "Internal Server Error")

    status, headers, _ = curl(home, url, "-H", "Origin: https://shop.example")
    assert ("Access-Control-Allow-Origin", "https://shop.example") in headers
    asks = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: PUT")
    status, headers, _ = curl(home, url, *asks, "-H", "Origin: https://shop.example")
    assert status == 200
    assert ("Access-Control-Allow-Methods", "GET,PUT") in headers
    assert ("Access-Control-Max-Age", "60") in headers
    status, headers, _ = curl(home, url, *asks, "-H", "Origin: https://other.example")
    assert all(not name.startswith("Access-Control") for name, _ in headers)

    changed = lambda_.update_function_url_config(FunctionName="echo", AuthType="AWS_IAM")
    assert (changed["FunctionUrl"], changed["AuthType"]) == (url, "AWS_IAM")
    assert curl(home, url)[0] == 403
    signed = ("--user", f"{home.id}:test", "--aws-sigv4")
    assert curl(home, url, *signed, "aws:amz:us-east-1:s3")[0] == 403
    status, _, body = curl(home, url, *signed, "aws:amz:us-east-1:lambda")
    assert status == 201
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["accountId"] == home.id
    stranger = ("--user", "999999999999:test", "--aws-sigv4", "aws:amz:us-east-1:lambda")
    assert curl(home, url, *stranger)[0] == 403
    assert [
        each["FunctionArn"] for each in lambda_.list_function_url_configs(FunctionName="echo")["FunctionUrlConfigs"]
    ] == [arn]
    lambda_.delete_function_url_config(FunctionName="echo")
    assert curl(home, url)[0] == 404
    assert refusal(lambda_.get_function_url_config, FunctionName="echo")[0] == "ResourceNotFoundException"


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js on this machine")
def test_a_streamed_answer_comes_in_pieces(home):
    home.function("pieces", "", Runtime="nodejs20.x", Code={"ZipFile": package(STREAMING, "app.js")})
    told = home.functions.invoke_with_response_stream(FunctionName="pieces", Payload=b"{}", LogType="Tail")
    events = list(told["EventStream"])
    assert [each["PayloadChunk"]["Payload"] for each in events[:-1]] == [b"first,", b"second"]
    assert "LogResult" in events[-1]["InvokeComplete"]
    told = home.functions.invoke_with_response_stream(FunctionName="pieces", Payload=b'{"fails": true}')
    *pieces, last = told["EventStream"]
    assert [each["PayloadChunk"]["Payload"] for each in pieces] == [b"first,"]
    assert last["InvokeComplete"]["ErrorCode"] == "TypeError"
    assert json.loads(last["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "broke off"
    assert home.functions.invoke(FunctionName="pieces")["Payload"].read() == b"first,second"

    url = home.functions.create_function_url_config(
        FunctionName="pieces", AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    home.functions.add_permission(
        FunctionName="pieces",
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    status, headers, body = curl(home, url["FunctionUrl"])
    assert (status, body) == (202, "first,second")
    assert ("X-Own", "yes") in headers
    assert ("Set-Cookie", "c=3") in headers
    assert ("Transfer-Encoding", "chunked") in headers
    home.functions.update_function_url_config(FunctionName="pieces", InvokeMode="BUFFERED")
    status, headers, body = curl(home, url["FunctionUrl"])
    assert (status, body) == (202, "first,second")
    assert ("Content-Length", "12") in headers


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return out.getvalue()


def test_layers_lie_at_opt_the_last_on_top(home):
    lambda_ = home.functions
    first = archive({"python/shared.py": "NAME = 'first'\n", "python/lower.py": "NAME = 'lower'\n", "data/a.txt": "a"})
    second = archive({"python/lib/python3.11/site-packages/shared.py": "NAME = 'second'\n", "data/b.txt": "b"})
    made = lambda_.publish_layer_version(
        LayerName="lower", Content={"ZipFile": first}, CompatibleRuntimes=["python3.11"], Description="d"
    )
    arn = f"arn:aws:lambda:us-east-1:{home.id}:layer:lower"
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (arn, f"{arn}:1", 1)
    assert made["Content"]["CodeSize"] == len(first)
    upper = lambda_.publish_layer_version(LayerName="upper", Content={"ZipFile": second})["LayerVersionArn"]
    source = (
        "import os, shared, lower\n"
        "def handler(event, context):\n"
        "    return [shared.NAME, lower.NAME, sorted(os.listdir('/opt/data')), shared.__file__]\n"
    )
    home.function("layered", source, Layers=[f"{arn}:1", upper])
    told = json.loads(lambda_.invoke(FunctionName="layered")["Payload"].read())
    assert told == ["second", "lower", ["a.txt", "b.txt"], "/opt/python/lib/python3.11/site-packages/shared.py"]
    shown = lambda_.get_function_configuration(FunctionName="layered")["Layers"]
    assert [(each["Arn"], each["CodeSize"]) for each in shown] == [(f"{arn}:1", len(first)), (upper, len(second))]

    with urllib.request.urlopen(
        lambda_.get_layer_version(LayerName="lower", VersionNumber=1)["Content"]["Location"]
    ) as link:
        assert link.read() == first
    location = lambda_.get_function(FunctionName="layered")["Code"]["Location"]
    with urllib.request.urlopen(location) as link:
        assert link.read() == package(source)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(location.replace("Signature=", "Signature=0"))

    lambda_.publish_layer_version(LayerName="lower", Content={"ZipFile": second})
    assert [each["Version"] for each in lambda_.list_layer_versions(LayerName="lower")["LayerVersions"]] == [2, 1]
    listed = lambda_.list_layers(CompatibleRuntime="python3.11")["Layers"]
    assert [(each["LayerName"], each["LatestMatchingVersion"]["Version"]) for each in listed] == [("lower", 1)]
    both = refusal(lambda_.update_function_configuration, FunctionName="layered", Layers=[f"{arn}:1", f"{arn}:2"])
    assert both[1].startswith("Two different versions of the same layer are not allowed to be referenced")
    gone = refusal(lambda_.update_function_configuration, FunctionName="layered", Layers=[f"{arn}:3"])
    assert gone == ("InvalidParameterValueException", f"Layer version {arn}:3 does not exist.")

    stranger = home.kunren.client("lambda", "777777777777")
    assert refusal(stranger.get_layer_version_by_arn, Arn=f"{arn}:1")[0] == "AccessDeniedException"
    lambda_.add_layer_version_permission(
        LayerName="lower", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="777777777777"
    )
    assert stranger.get_layer_version_by_arn(Arn=f"{arn}:1")["Description"] == "d"
    assert "777777777777" in lambda_.get_layer_version_policy(LayerName="lower", VersionNumber=1)["Policy"]
    lambda_.remove_layer_version_permission(LayerName="lower", VersionNumber=1, StatementId="s")
    assert refusal(stranger.get_layer_version_by_arn, Arn=f"{arn}:1")[0] == "AccessDeniedException"

    lambda_.delete_layer_version(LayerName="lower", VersionNumber=1)
    assert refusal(lambda_.get_layer_version, LayerName="lower", VersionNumber=1)[0] == "ResourceNotFoundException"
    lambda_.update_function_configuration(FunctionName="layered", Timeout=5)  # whoever has it keeps it
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="layered", WaiterConfig={"Delay": 0.1})
    assert json.loads(lambda_.invoke(FunctionName="layered")["Payload"].read())[0] == "second"


def test_code_comes_from_s3(home):
    s3 = home.client("s3")
    bucket = f"code-{home.id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(
        Bucket=bucket, Key="a key/app.zip", Body=package("def handler(event, context):\n    return 'from S3'\n")
    )
    home.function("fetched", "", Code={"S3Bucket": bucket, "S3Key": "a key/app.zip"})
    assert home.functions.invoke(FunctionName="fetched")["Payload"].read() == b'"from S3"'
    missing = refusal(home.functions.update_function_code, FunctionName="fetched", S3Bucket=bucket, S3Key="no")
    assert missing == (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )


def test_messages_of_a_queue_invoke_a_function_and_failed_ones_come_again(home):
    work_url, work = home.queue("work", VisibilityTimeout="60")  # three real seconds at this daemon's speed
    source = """
def handler(event, context):
    for r in event["Records"]:
        print("given", r["body"], r["attributes"]["ApproximateReceiveCount"])
    again = [r for r in event["Records"] if r["body"] == '{"kind": "twice"}']
    first = [r for r in again if r["attributes"]["ApproximateReceiveCount"] == "1"]
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in first]}
"""
    arn = home.function("consume", source)
    create = home.functions.create_event_source_mapping
    missing = refusal(create, FunctionName="consume", EventSourceArn=f"{work}-missing")
    assert missing[0] == "InvalidParameterValueException"
    assert missing[1].startswith("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExist")
    home.function("slow", source, Timeout=61)
    assert refusal(create, FunctionName="slow", EventSourceArn=work) == (
        "InvalidParameterValueException",
        "Queue visibility timeout: 60 seconds is less than Function timeout: 61 seconds",
    )
    stream = f"arn:aws:kinesis:us-east-1:{home.id}:stream/s"
    refused = refusal(create, FunctionName="consume", EventSourceArn=stream)
    assert refused[0] == "NotImplemented"
    assert "kinesis" in refused[1]
    made = create(
        FunctionName="consume",
        EventSourceArn=work,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": [{"prefix": "t"}]}}'}]},
        ScalingConfig={"MaximumConcurrency": 2},
    )
    assert (made["State"], made["BatchSize"], made["FunctionArn"]) == ("Creating", 10, arn)
    again = refusal(create, FunctionName="consume", EventSourceArn=work)
    assert again[0] == "ResourceConflictException"
    assert again[1].endswith(f"Please update or delete the existing mapping with UUID {made['UUID']}")

    def state():
        return home.functions.get_event_source_mapping(UUID=made["UUID"])["State"]

    home.until(lambda: state() == "Enabled", "an enabled mapping", 20)
    sqs = home.client("sqs")
    for kind in ("twice", "once"):
        sqs.send_message(QueueUrl=work_url, MessageBody=json.dumps({"kind": f"t{kind}" if kind == "once" else kind}))
    sqs.send_message(QueueUrl=work_url, MessageBody='{"kind": "left out"}')

    def left():
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = sqs.get_queue_attributes(QueueUrl=work_url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    home.until(lambda: left() == 0, "nothing left", 30)
    events = home.client("logs").filter_log_events(logGroupName="/aws/lambda/consume")["events"]
    given = {each["message"].strip() for each in events if each["message"].startswith("given")}
    assert given >= {'given {"kind": "tonce"} 1', 'given {"kind": "twice"} 1', 'given {"kind": "twice"} 2'}
    assert not any("left out" in each for each in given)
    home.functions.update_event_source_mapping(UUID=made["UUID"], Enabled=False)
    home.until(lambda: state() == "Disabled", "a disabled mapping", 30)
    assert home.functions.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"

    def gone():
        return home.functions.list_event_source_mappings(FunctionName="consume")["EventSourceMappings"] == []

    home.until(gone, "no mapping", 20)
    assert refusal(home.functions.get_event_source_mapping, UUID=made["UUID"]) == (
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )


def test_what_functions_print_is_in_cloudwatch_logs_for_whoever_looks(home):
    arn = home.function("chatty", "def handler(event, context):\n    print(event['say'])\n")
    logs = home.client("logs")

    words = ("first", "second", "third")

    def said():
        events = logs.filter_log_events(logGroupName="/aws/lambda/chatty")["events"]
        return [each["message"] for each in events if each["message"].split()[0] in words]

    assert logs.describe_log_groups()["logGroups"] == []
    for word in ("first", "second"):
        home.functions.invoke(FunctionName=arn, Payload=json.dumps({"say": word}))
    assert said() == ["first\n", "second\n"]
    (stream,) = logs.describe_log_streams(logGroupName="/aws/lambda/chatty")["logStreams"]
    assert "/[$LATEST]" in stream["logStreamName"]
    told = logs.get_log_events(logGroupName="/aws/lambda/chatty", logStreamName=stream["logStreamName"])["events"]
    kinds = [each["message"].split()[0] for each in told]
    assert kinds == ["INIT_START", "START", "first", "END", "REPORT", "START", "second", "END", "REPORT"]
    logs.delete_log_group(logGroupName="/aws/lambda/chatty")
    home.functions.invoke(FunctionName=arn, Payload=b'{"say": "third"}')
    assert said() == ["third\n"]


def test_the_operation_before_invoke_had_its_event_kind(home):
    url, arn = home.queue("answers")
    home.function("echo", "def handler(event, context):\n    return event\n")
    home.functions.put_function_event_invoke_config(
        FunctionName="echo", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    assert home.functions.invoke_async(FunctionName="echo", InvokeArgs=b'{"a": 1}')["Status"] == 202
    assert json.loads(home.receive(url)["Body"])["responsePayload"] == {"a": 1}
    assert refusal(home.functions.invoke_async, FunctionName="echo", InvokeArgs=b"{")[0] == (
        "InvalidRequestContentException"
    )
    large = b'"' + b"x" * 262_144 + b'"'
    assert refusal(home.functions.invoke_async, FunctionName="echo", InvokeArgs=large)[0] == "RequestTooLargeException"


def test_a_policy_put_as_one_document_decides_who_may_ask_a_url(home):
    arn = home.function("open", "def handler(event, context):\n    return 'in'\n")
    url = home.functions.create_function_url_config(FunctionName="open", AuthType="NONE")["FunctionUrl"]

    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["lambda:InvokeFunctionUrl"],
        "Resource": arn,
        "Condition": {"StringLike": {"lambda:FunctionUrlAuthType": "N*"}},
    }
    assert curl(home, url)[0] == 403
    put = home.functions.put_resource_policy(
        ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    assert home.functions.get_policy(FunctionName="open")["Policy"] == put["Policy"]
    assert curl(home, url)[0] == 200
    home.functions.delete_resource_policy(ResourceArn=arn, RevisionId=put["RevisionId"])
    assert curl(home, url)[0] == 403


def test_code_signing_from_the_command_line(home):
    """boto3 and the AWS CLI see the same configuration, and the CLI the same refusal."""
    home.function("signed", "def handler(event, context):\n    return 1\n")
    profile = f"arn:aws:signer:us-east-1:{home.id}:/signing-profiles/mine/0123456789"
    arn = home.functions.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profile]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )["CodeSigningConfig"]["CodeSigningConfigArn"]
    home.cli(
        "lambda", "put-function-code-signing-config", "--function-name", "signed", "--code-signing-config-arn", arn
    )
    listed = home.cli("lambda", "list-functions-by-code-signing-config", "--code-signing-config-arn", arn)
    assert listed["FunctionArns"] == [f"arn:aws:lambda:us-east-1:{home.id}:function:signed"]
    code, _ = refusal(home.functions.update_function_code, FunctionName="signed", ZipFile=package("x = 1\n"))
    assert code == "CodeVerificationFailedException"
