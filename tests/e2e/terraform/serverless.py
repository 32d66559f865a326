"""The cases of functions, by themselves and behind a REST API, and of a CloudFormation stack."""

from __future__ import annotations

import json

from terraforming import Case, nothing_left, packed

PETS = """
def handler(event, context):
    if "authorizationToken" not in event:
        return {"statusCode": 200, "body": event["path"].removeprefix("/zoo")}
    effect = "Allow" if event["authorizationToken"] == "ok" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": "x", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""
GREETER = """
import os, words
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": os.environ["GREETING"] + words.END}
"""


def functions(case: Case) -> None:
    """A function with version, alias, URL, layer, retries, and a queue that feeds it; another one in a VPC."""
    configuration = case.configuration("functions")
    packed(configuration, "app.zip", "app.py", GREETER)
    packed(configuration, "layer.zip", "python/words.py", 'END = "!"\n')
    made = configuration.apply()
    assert made["version"] == "1"
    assert case.curl(made["url"]) == "hello!"
    assert made["vpc"].startswith("vpc-")
    told = case.client("lambda").invoke(FunctionName="inside", Payload=b"{}")["Payload"].read()
    assert json.loads(told)["body"] == "hello!"
    queue = case.client("sqs")
    queue.send_message(QueueUrl=made["queue"], MessageBody="from a queue")

    def waiting() -> list[str]:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return list(queue.get_queue_attributes(QueueUrl=made["queue"], AttributeNames=wanted)["Attributes"].values())

    case.until(lambda: waiting() == ["0", "0"], "the message handled", 60)
    assert configuration.apply(greeting="good day")["version"] == "2"
    case.until(lambda: case.curl(made["url"]) == "good day!", "the new version", 20)
    configuration.destroy()
    assert case.client("lambda").list_functions()["Functions"] == []
    assert case.curl(configuration.apply(planned=False, greeting="hello")["url"]) == "hello!"
    configuration.destroy()
    assert case.client("lambda").list_functions()["Functions"] == []


def rest_api(case: Case) -> None:
    """A REST API with functions, mocks, an authorizer, keys and a custom domain; another one from a definition."""
    domain, configuration = case.domain, case.configuration("rest_api", domain=case.domain)
    packed(configuration, "app.zip", "app.py", PETS)
    json_body = ("-X", "POST", "-H", "Content-Type: application/json", "-d")

    def check(made: dict, greeting: str) -> None:
        key = ("-H", f"x-api-key: {made['key']}")
        case.until(lambda: case.curl(*key, *json_body, '{"name": "a"}', f"{made['url']}/pets") == f"{greeting} rex",
                   "the greeting", 20)  # fmt: skip
        assert case.curl(*json_body, '{"name": "a"}', f"{made['url']}/pets") == '{"why": "Forbidden"}'
        assert "Invalid request body" in case.curl(*key, *json_body, "{}", f"{made['url']}/pets")
        site = f"https://api.{domain}/zoo/pets/1"
        assert case.curl("-H", "Authorization: ok", site, place="london") == "/pets/1"
        assert "not authorized" in case.curl("-H", "Authorization: no", site, place="london")
        case.until(lambda: case.curl(f"{made['defined']}/hello") == f"defined {greeting}", "the definition", 20)

    check(configuration.apply(), "hello")
    check(configuration.apply(greeting="good day"), "good day")
    configuration.adopt(
        "aws_api_gateway_rest_api.main", "aws_api_gateway_usage_plan.few", "aws_api_gateway_domain_name.main",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)
    assert case.client("apigateway").get_rest_apis()["items"] == []
    check(configuration.apply(planned=False, greeting="hello"), "hello")
    configuration.destroy()
    assert case.client("apigateway").get_usage_plans()["items"] == []
    assert nothing_left(case)


def stacks(case: Case) -> None:
    """A CloudFormation stack: its outputs are used, its parameters change it in place."""
    configuration, sqs = case.configuration("stacks"), case.kunren.client("sqs", case.account)

    def delay(url: str) -> str:
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]

    first, again = configuration.apply()["urls"]
    assert (first, delay(first)) == (again, "3")
    assert configuration.apply(delay="7")["urls"] == [first, first]
    assert delay(first) == "7"
    configuration.destroy()
    assert "QueueUrls" not in sqs.list_queues()
