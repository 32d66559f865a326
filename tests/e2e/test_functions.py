"""Functions as their users have them: boto3 against the running daemon, other services around them."""

import io
import json
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
