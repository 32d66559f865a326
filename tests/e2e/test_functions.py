"""Functions as their users have them: boto3 against the running daemon, other services around them."""

import io
import json
import shutil
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
